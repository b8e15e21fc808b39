"""An explicit known_at: what it resolves to is told, and an answer that stands for ever never becomes another one."""

import json
import re
from pathlib import Path
from threading import Thread

import pytest

from domain.calendar import instant_text, shanghai_text
from projections.contract.answers import SCHEMAS
from projections.contract.api import EventsPage
from projections.http.settings import Settings
from replay.history.timeline import Asked, Moment, resolve
from replay.parsing.parse import read_line
from replay.recording.append import Appender, ledger_clock
from replay.store.base.store import Store
from replay.store.buyers import key_of
from replay.store.opening import open_store
from tests.conftest import SOAK
from tests.support.making import event, ingest_events, line, paid
from tests.support.running import run
from tests.support.serving import serving

BATCHES = 12 * SOAK
BACK_MICROS = (0, 30, 300, 3_000, 100_000)
"""How long before now a prober asks, as a rule."""


def known_at(store: Store, instant: int) -> Moment:
    return resolve(store, Asked(known_at=instant_text(instant)))


def test_what_is_stamped_and_not_committed_leaves_a_known_at_open(store: Store, location: str, tmp_path: Path) -> None:
    ingest_events(store, [paid("o-1")], tmp_path)
    last = store.head()
    assert known_at(store, last.recorded_at - 1)[2:4] == (0, None), "a record is later, so that it stands for ever"
    with open_store(location) as writer, writer.append() as transaction:
        stamper = ledger_clock(transaction, clock_behind=False)
        appender = Appender(writer.identity.id, key_of(writer))
        done = appender.append(transaction, [read_line(line(paid("o-2")))], stamper)
        between = known_at(store, done.head.recorded_at)
        assert between[1:4] == (last.recorded_at, last.position, done.head.recorded_at)
    after = known_at(store, done.head.recorded_at)
    assert after.position == 2, "the same known_at means more now, as the answer before had said"
    assert resolve(store, Asked(position=1)).asked_known_at is None and resolve(store, Asked()).asked_known_at is None


def test_no_answer_that_stands_for_ever_changes_while_others_ingest(
    store: Store, location: str, tmp_path: Path
) -> None:
    ingest_events(store, [paid("o-first")], tmp_path)

    def write() -> None:
        with open_store(location) as writer:
            for batch in range(BATCHES):
                ingest_events(writer, [paid(f"o-{batch}-{number}") for number in range(40)], tmp_path)

    thread, answers = Thread(target=write), []
    thread.start()
    while thread.is_alive():
        head = store.head()
        for instant in (*(store.now() - back for back in BACK_MICROS), head.recorded_at, head.recorded_at - 1):
            answers.append((instant, known_at(store, instant)))
    thread.join()
    assert store.head().position == 1 + 40 * BATCHES
    settled = [(instant, found) for instant, found in answers if found.asked_known_at is None]
    assert [known_at(store, instant)[1:] for instant, _ in settled] == [found[1:] for _, found in settled]
    assert len({found.position for _, found in settled}) > 1 and len(settled) < len(answers)
    for _, found in answers:  # and what each names by its position is the same in any case
        assert resolve(store, Asked(position=found.position or 1)).known_at >= found.known_at


def test_a_backfill_of_the_same_instant_leaves_it_open(store: Store, tmp_path: Path) -> None:
    ingest_events(store, [paid("o-1", recordedtime="2022-11-02T00:00:00Z")], tmp_path, backfill=True)
    at = store.head().recorded_at
    assert known_at(store, at)[2:4] == (1, at)
    ingest_events(store, [paid("o-2", recordedtime="2022-11-02T00:00:00Z")], tmp_path, backfill=True)
    assert known_at(store, at).position == 2


@pytest.mark.slow
@pytest.mark.parametrize("asked", ["2999-01-01T00:00:00+08:00", "2022-11-02T00:00:00+08:00"])
def test_an_open_known_at_is_told_by_commands_service_and_desk(
    store: Store, location: str, tmp_path: Path, asked: str
) -> None:
    opened = event("merchant.onboarded", "open", category="fresh", recordedtime="2022-11-01T10:00:00+08:00")
    ingest_events(store, [opened, paid("o-1", recordedtime="2022-11-01T18:00:00+08:00")], tmp_path, backfill=True)
    settled = shanghai_text(store.head().recorded_at - 1)
    told = f"known at {asked} was asked for, which may still come to hold more; position 2 names this for ever"
    for command in ("replay", "explain", "history", "events"):
        assert told in run(command, "merchant/m-1", "--known-at", asked, "--store", location)
        assert "may still come to hold" not in run(command, "merchant/m-1", "--known-at", settled, "--store", location)
    shown = json.loads(run("replay", "merchant/m-1", "--known-at", asked, "--store", location, "--format", "json"))
    SCHEMAS["replay", "merchant-reputation"][1]().load(shown)
    assert (shown["asked_known_at"], shown["position"]) == (asked, 2)
    base, time = "/v1/subjects/merchant/m-1", f"known_at={asked.replace('+', '%2B')}"
    with serving(Settings(location)) as client:
        for path in ("levels/merchant-reputation", "explanation", "history", "events"):
            answer = client.get(f"{base}/{path}?{time}")
            assert answer.json()["asked_known_at"] == asked and answer.json()["known_at"] == "2022-11-01T18:00:00+08:00"
            assert "immutable" not in answer.headers["Cache-Control"]
            assert client.get(f"{base}/{path}?position=2").json()["asked_known_at"] is None
        EventsPage().load(client.get(f"{base}/events?{time}").json())
        assert client.get(f"{base}/diff?position=1&to_{time}").json()["to"]["asked_known_at"] == asked
        page = client.get(f"/subjects/merchant/m-1?{time}").text
        assert "may still come to hold more" in page
        (link,) = re.findall(r'<a href="([^"]+)" rel="bookmark">', page)
        assert "position=2" in link and "known_at=" not in link
        assert "may still come to hold more" not in client.get(link.replace("&amp;", "&")).text
