"""The eventsourcing application over the store: contract, expected versions, aggregates, old records."""

from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest
from eventsourcing.persistence import IntegrityError

from domain.events import CATALOGUE, Data, LevelDecided
from replay.decisions.application import Ledger
from replay.errors import LevelbookError
from replay.integrity.verify import verify
from replay.store.base.store import Store
from replay.store.decode import lifted, read_record
from replay.store.opening import create_store, open_store
from replay.store.record import RECORD_V
from tests import ROOT
from tests.support.making import event, ingest_events, paid, records

POINTS = {"points.earned", "points.redeemed", "redemption.cancelled"}
"""Types that came later than the others, in a file of their own: a file of records is never edited."""
OLD_RECORDS = ROOT / "fixtures" / "records"


def decision(run: str, period: str = "2022-11") -> LevelDecided:
    return LevelDecided(
        as_of="2022-11-30T16:00:00.000000Z",
        chain="00" * 32,
        digest_v=1,
        facts="11" * 32,
        findings="22" * 32,
        known_at="2022-12-16T04:00:00.000000Z",
        level="bronze-1",
        period=period,
        policy="2022-10-26",
        policy_hash="33" * 32,
        position=1,
        run=run,
        scheme="merchant-reputation",
        score=123,
        state="rated",
    )


def test_a_decision_is_appended_behind_the_facts_of_its_subject(store: Store, tmp_path: Path) -> None:
    ingest_events(store, [paid("o-1"), paid("o-2")], tmp_path)
    ledger = Ledger(store)
    merchant = ledger.subject("merchant/m-1")
    assert merchant.schemes == ("merchant-reputation", "merchant-tier") and merchant.version == 2
    merchant.decide_level(decision("run-1"), source="urn:levelbook:test:run-1", decided_at=1_669_867_200_000_000)
    (recording,) = ledger.save(merchant)
    assert recording.notification.id == 3
    again = ledger.subject("merchant/m-1")
    assert again.version == 3
    assert again.decisions == {("merchant-reputation", "2022-11"): decision("run-1")}
    again.decide_level(decision("run-1"), source="urn:levelbook:test:run-1", decided_at=0)
    assert again.collect_events() == [], "a run decides once"
    assert verify(store).problems == []


def test_a_stream_that_moved_on_refuses_the_decision(store: Store, tmp_path: Path) -> None:
    ingest_events(store, [paid("o-1")], tmp_path)
    ledger = Ledger(store)
    slow = ledger.subject("merchant/m-1")
    ingest_events(store, [paid("o-2")], tmp_path)
    slow.decide_level(decision("run-1"), source="urn:levelbook:test:run-1", decided_at=0)
    with pytest.raises(IntegrityError, match="stands at version 2: read it again"):
        ledger.save(slow)
    with pytest.raises(ValueError, match="a save of merchant/m-1 failed; read it again"):
        ledger.save(slow)
    early = ledger.subject("merchant/m-1")
    early.decide_level(decision("run-1"), source="urn:levelbook:test:run-1", decided_at=store.now() + 10**10)
    with pytest.raises(LevelbookError, match="a decision was not recorded: time: found"):
        ledger.save(early)
    assert store.head().position == 2


def test_a_scheme_decides_its_own_kind_of_subject_alone(store: Store) -> None:
    for wrong in map(Ledger(store).subject, ("creator/c-1", "mcn/a-1", "board/growth")):
        with pytest.raises(ValueError, match="does not judge"):
            wrong.decide_level(decision("run-1"), source="s", decided_at=0)


def test_the_library_reads_the_log_by_position_and_by_stream(store: Store, tmp_path: Path) -> None:
    events = [paid(f"o-{n}", subject=f"merchant/m-{n % 2}") for n in range(6)]
    ingest_events(store, [*events, event("merchant.closed", "c", subject="merchant/m-0")], tmp_path)
    ledger = Ledger(store)
    recorder = ledger.recorder
    assert recorder.max_notification_id() == 7
    assert [n.id for n in recorder.select_notifications(3, 2)] == [3, 4]
    assert [n.id for n in recorder.select_notifications(3, 10, stop=5, inclusive_of_start=False)] == [4, 5]
    assert [n.topic for n in recorder.select_notifications(1, 10, topics=["merchant.closed"])] == ["merchant.closed"]
    assert [e.originator_version for e in recorder.select_events("merchant/m-0", gt=1, lte=3)] == [2, 3]
    assert [e.originator_version for e in recorder.select_events("merchant/m-0", desc=True, limit=1)] == [4]
    found: Any = ledger.mapper.to_domain_event(recorder.select_events("merchant/m-1", limit=1)[0])
    assert (found.originator_id, found.position, found.data.order) == ("merchant/m-1", 2, "o-1")
    assert len(ledger.notification_log["1,7"].items) == 7
    with recorder.subscribe(gt=6) as subscription:
        assert next(subscription).topic == "merchant.closed"


def test_an_empty_ledger_has_no_notifications(store: Store) -> None:
    assert Ledger(store).recorder.max_notification_id() is None


@pytest.mark.parametrize("file", sorted(OLD_RECORDS.glob("v*.jsonl")), ids=lambda path: path.stem)
def test_stored_old_bytes_are_read_for_ever(file: Path) -> None:
    """These bytes were written by the version that their file names; no later version may fail on them."""
    seen = set()
    for record in file.read_bytes().splitlines():
        raw = msgspec.json.decode(record)
        found = read_record(raw["event"]["type"], record)
        assert isinstance(found.data, CATALOGUE[found.type].data)
        assert (found.position, found.originator_id, found.id) == (raw["position"], raw["stream"], raw["event"]["id"])
        seen.add(found.type)
    external = {name for name, row in CATALOGUE.items() if not row.internal}
    assert seen >= (POINTS if file.stem == "v1-points" else external - POINTS)


def test_old_data_is_lifted_step_by_step() -> None:
    """A type whose stars were called `stars` in version 1 and out of ten in version 2."""

    class Review(Data, frozen=True, kw_only=True):
        order: str
        quality: Annotated[int, msgspec.Meta(ge=1, le=10)]

        @staticmethod
        def upcast_v1_v2(data: dict[str, Any]) -> None:
            data["quality"] = data.pop("stars")

        @staticmethod
        def upcast_v2_v3(data: dict[str, Any]) -> None:
            data["quality"] *= 2

    stored = b'{"order":"o-1","stars":4}'
    assert lifted(Review, msgspec.json.decode(stored), 1, now=4) == Review(order="o-1", quality=8)
    assert lifted(Review, {"order": "o-1", "quality": 4}, 2, now=4) == Review(order="o-1", quality=8)
    assert lifted(Review, {"order": "o-1", "quality": 8}, 3, now=4) == Review(order="o-1", quality=8)


def test_a_record_of_a_later_version_is_refused_by_name(store: Store, tmp_path: Path) -> None:
    ingest_events(store, [paid("o-1")], tmp_path)
    later = records(store)[0].replace(b'"v":1', b'"v":%d' % (RECORD_V + 1))
    with pytest.raises(LevelbookError, match=" is a record of version 3; this levelbook reads up to "):
        read_record("order.paid", later)
    of_another = ", which this levelbook does not know: use a newer one, or 'levelbook verify' tells"
    with pytest.raises(LevelbookError, match=f"^position 1 is a record of the type 'shop.opened'{of_another}"):
        read_record("shop.opened", records(store)[0])


def test_facts_are_found_without_a_scan(tmp_path: Path) -> None:
    create_store(str(tmp_path / "ledger.db"))
    with open_store(str(tmp_path / "ledger.db")) as store:
        ingest_events(store, [paid("o-1"), event("creator.bound", "b", subject="mcn/a", creator="c-1")], tmp_path)

        def plan(sql: str) -> str:
            return " ".join(row[3] for row in store._query(f"EXPLAIN QUERY PLAN {sql}"))

        assert "records_by_ref (stream=? AND ref=?)" in plan("SELECT * FROM records WHERE stream = 'a' AND ref = 'b'")
        bound = "SELECT * FROM records WHERE ref = 'c' AND type IN ('creator.bound', 'creator.unbound')"
        assert "records_by_creator (ref=?)" in plan(bound)
        assert "records_by_stream (stream=?)" in plan("SELECT max(version) FROM records WHERE stream = 'a'")
        retractions = (
            "SELECT * FROM records WHERE type = 'event.retracted' ORDER BY recorded_at DESC, position DESC LIMIT 9"
        )
        assert plan(retractions) == "SCAN records USING INDEX records_by_retraction"  # in order, and of these alone
        assert "records_by_key" in plan("SELECT 1 FROM records WHERE source = 'a' AND event_id = 'b'")
