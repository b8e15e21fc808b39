"""What may surprise, on the desk: retractions of nothing and order within one instant, on Why and on Operations."""

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from projections.desk.moment import looking, told_of
from projections.desk.why_page import why_of
from projections.http.settings import Settings
from projections.projector.rebuild import Asked, rebuild
from projections.reading.reader import Reading
from projections.views.database import open_views
from replay.history.readers import EVERYTHING_SHOWN
from replay.store.opening import create_store, open_store
from tests.support.making import event, ingest_events, paid
from tests.support.serving import serving

SUBJECT = "merchant/m-1"
OLD, NOW = "2022-07-01T10:00:00+08:00", "2022-11-05T10:00:00+08:00"


def retraction(event_id: str, of: str) -> dict[str, Any]:
    made = event("event.retracted", event_id, NOW)
    return made | {"data": {"source": "urn:test", "event": of, "reason": "mistake"}}


@pytest.fixture(scope="module")
def location(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A merchant whose November has a retraction of what is months old, two of nothing, and a review too early."""
    folder = tmp_path_factory.mktemp("oddities")
    path = str(folder / "ledger.db")
    create_store(path)
    with open_store(path) as store:
        made = [
            event("merchant.onboarded", "open", OLD, category="fresh"),
            paid("o-0", OLD),
            event("review.posted", "rev-0", OLD, order="o-0", quality=5),
            paid("o-3", OLD),
            event("review.posted", "rev-3", OLD, order="o-3", quality=5),
            retraction("back", "rev-0"),
            retraction("early", "pay-o-1"),
            retraction("never", "pay-o-9"),
            event("review.posted", "rev-1", NOW, order="o-1", quality=5),
            paid("o-1", NOW),
            paid("o-2", NOW),
            event("review.posted", "rev-2", NOW, order="o-2", quality=5),
        ]
        ingest_events(store, made, folder)
        with open_views(store, make=True) as views:
            rebuild(views, Asked(sample=0))
    return path


@pytest.fixture
def client(location: str) -> Iterator[TestClient]:
    with serving(Settings(location)) as found:
        yield found


def test_a_month_from_its_opening_knows_which_retractions_retract_nothing(location: str) -> None:
    """The retraction of what stands in an earlier month, of which nothing is read, is none of them."""
    reading = Reading(location)
    with looking(reading, EVERYTHING_SHOWN, {}) as sight:
        told = told_of(sight, SUBJECT, "merchant-reputation", "en")
        assert told is not None
        asked = {"month": "2022-11", "page": 1}
        found, whole = (why_of(each, SUBJECT, told, asked, "en") for each in (sight, sight._replace(views=None)))
    reading.close()
    assert found is not None and whole is not None
    for name in ("verdicts", "notes"):
        assert found.found[name] == whole.found[name]
    notes = [(item["event"], item["note"]) for item in found.found["notes"]]
    assert notes == [("early", "retracts_nothing"), ("never", "retracts_nothing"), ("pay-o-1", "named_in_vain")]


@pytest.mark.parametrize(
    ("language", "remark"), [("en", "of the same instant was recorded after it"), ("zh", "入账在其后")]
)
def test_the_why_page_says_what_may_surprise(client: TestClient, language: str, remark: str) -> None:
    path = f"/subjects/{SUBJECT}/why?scheme=merchant-reputation&month=2022-11&lang={language}"
    text = client.get(path, headers={"Accept": "text/html"}).text
    assert text.count(remark) == 1
    for note, times in (("retracts_nothing", 2), ("named_in_vain", 1)):  # by name in Chinese, with its code beside it
        told = f'title="{note}">{note.replace("_", " ")}</span></td>' if language == "en" else f">{note}</code></td>"
        assert text.count(told) == times


@pytest.mark.parametrize(("language", "title"), [("en", "Retractions that retract nothing"), ("zh", "无对象的撤回")])
def test_operations_list_retractions_of_nothing(client: TestClient, language: str, title: str) -> None:
    text = client.get(f"/operations?lang={language}", headers={"Accept": "text/html"}).text
    assert title in text and "urn:test never" in text and "urn:test back" not in text
