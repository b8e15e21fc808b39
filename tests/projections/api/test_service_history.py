"""A ledger that is restored from a backup under a running service: nothing of the other history is shown again."""

from pathlib import Path

import psycopg
import pytest
from starlette.testclient import TestClient

from projections.http.settings import Settings
from projections.views.belonging import OtherHistory, check_placed, placed
from replay.history.timeline import Asked, resolve
from replay.store.base.store import Store
from replay.store.opening import create_store, open_store
from tests.support.copies import kept
from tests.support.making import Event, event, ingest_events, paid
from tests.support.serving import serving

BASE = "/v1/subjects/merchant/m-1"
MOMENT = "as_of=2022-12-01&position=5"
PATHS = (
    f"{BASE}/levels/merchant-reputation?{MOMENT}",
    f"{BASE}/history?{MOMENT}",
    f"{BASE}/explanation?{MOMENT}&limit=1",
    f"{BASE}/events?{MOMENT}&limit=1",
    f"{BASE}/diff?as_of=2022-12-01&position=1&to_position=5",
    f"{BASE}/decisions",
)


def reviewed(name: str, quality: int) -> list[Event]:
    """Two orders and their reviews, learned at the same instants whatever their name."""
    at, learned = "2022-11-03T10:00:00+08:00", {"recordedtime": "2022-11-04T10:00:00+08:00"}
    return [
        made
        for order in (f"{name}-1", f"{name}-2")
        for made in (
            paid(order, **learned),
            event("review.posted", f"rev-{order}", at, order=order, quality=quality, **learned),
        )
    ]


def told(client: TestClient) -> list[tuple[str, str]]:
    """Of every path the answer's bytes and ETag."""
    answers = [client.get(path) for path in PATHS]
    assert [answer.status_code for answer in answers] == [200] * len(PATHS), answers[0].text
    return [(answer.text, answer.headers["ETag"]) for answer in answers]


@pytest.mark.slow
def test_nothing_of_another_history_is_shown_again(location: str, tmp_path: Path) -> None:
    create_store(location)
    time = "2022-09-01T09:00:00+08:00"
    opened = event("merchant.onboarded", "opened", time, category="fresh", recordedtime=time)
    with open_store(location) as store:
        ingest_events(store, [opened], tmp_path, backfill=True)
    restore = kept(location)
    with open_store(location) as store:
        ingest_events(store, reviewed("one", 5), tmp_path, backfill=True)
    with serving(Settings(location)) as client:
        before = told(client)
        cursors = [(path, client.get(path).json()["next"]) for path in PATHS[2:4]]
        restore()
        with open_store(location) as store:
            ingest_events(store, reviewed("two", 1), tmp_path, backfill=True)
        after = told(client)
        with serving(Settings(location)) as fresh:
            assert after == told(fresh)
        for path, (text, etag), (text_after, etag_after) in zip(PATHS, before, after, strict=True):
            assert etag != etag_after, f"{path}: what is kept of one history stands for no other"
            assert path == PATHS[-1] or text != text_after
            assert client.get(path, headers={"If-None-Match": etag}).status_code == 200
            assert client.get(path, headers={"If-None-Match": etag_after}).status_code == 304
        for path, cursor in cursors:
            answer = client.get(path.partition("?")[0], params={"cursor": cursor})
            assert answer.status_code == 400 and "is of another history of the ledger" in answer.json()["detail"]


def test_another_ledger_made_in_the_same_database_is_refused(postgres_location: str, tmp_path: Path) -> None:
    def make() -> None:
        create_store(postgres_location)
        with open_store(postgres_location) as store:
            ingest_events(store, reviewed("one", 5), tmp_path)

    path = f"{BASE}/events"
    make()
    with serving(Settings(postgres_location)) as client:
        assert client.get(path).status_code == 200
        with psycopg.connect(postgres_location, autocommit=True) as connection:
            connection.execute("DROP SCHEMA levelbook CASCADE")
        assert client.get(path).status_code == 503
        make()
        answer = client.get(path)
        assert answer.status_code == 503 and "another ledger stands at" in answer.json()["detail"]


def test_a_ledger_that_changes_while_it_is_read_is_noticed(store: Store, tmp_path: Path) -> None:
    ingest_events(store, [paid("o-1")], tmp_path)
    moment = placed(store, resolve(store, Asked(position=1)))
    check_placed(store, moment)
    for reading in (
        lambda: check_placed(store, moment._replace(chain="00")),
        lambda: placed(store, moment._replace(position=9)),
    ):
        with pytest.raises(OtherHistory, match="was restored from a backup or replaced while it was read; ask again"):
            reading()
