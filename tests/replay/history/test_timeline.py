"""Timelines: what `--as-of`, `--known-at` and `--position` resolve to, and which events take part."""

from pathlib import Path
from typing import Any

import pytest

from domain.calendar import instant_text, parse_instant
from replay.errors import UsageError
from replay.history.timeline import Asked, Moment, events_of, resolve, taking_part
from replay.store.base.store import Store
from tests.support.making import event, ingest_events, paid

DAYS = ["2022-11-01T00:00:00Z", "2022-11-02T00:00:00Z", "2022-11-02T00:00:00Z", "2022-11-03T00:00:00Z"]


@pytest.fixture
def four(store: Store, tmp_path: Path) -> Store:
    """A ledger of four records, learned on three days."""
    events = [paid(f"o-{n}", "2022-10-01T00:00:00Z", recordedtime=day) for n, day in enumerate(DAYS)]
    ingest_events(store, events, tmp_path, backfill=True)
    return store


def moment(store: Store, **asked: Any) -> tuple[str, str, int]:
    found = resolve(store, Asked(**asked))
    return instant_text(found.as_of)[:19], instant_text(found.known_at)[:19], found.position


@pytest.mark.slow
@pytest.mark.parametrize(
    ("known_at", "as_of", "known", "position"),
    [
        ("2022-10-31T00:00:00Z", "2022-10-31T00:00:00", "2022-10-31T00:00:00", 0),
        ("2022-11-01T00:00:00Z", "2022-11-01T00:00:00", "2022-11-01T00:00:00", 1),
        ("2022-11-01T23:59:59.999999Z", "2022-11-01T23:59:59", "2022-11-01T00:00:00", 1),
        ("2022-11-02T00:00:00Z", "2022-11-02T00:00:00", "2022-11-02T00:00:00", 3),
        ("2022-11-02", "2022-11-02T15:59:59", "2022-11-02T00:00:00", 3),
        ("2022-11-03T00:00:00Z", "2022-11-03T00:00:00", "2022-11-03T00:00:00", 4),
        ("2022-12-24", "2022-12-24T15:59:59", "2022-11-03T00:00:00", 4),
    ],
)
def test_known_at_is_a_prefix_of_the_ledger(four: Store, known_at: str, as_of: str, known: str, position: int) -> None:
    assert moment(four, known_at=known_at) == (as_of, known, position)


def test_a_position_takes_the_place_of_known_at(four: Store) -> None:
    assert moment(four, position=2) == ("2022-11-02T00:00:00", "2022-11-02T00:00:00", 2)
    assert moment(four, position=2, as_of="2022-10-05")[2] == 2
    assert moment(four, position=2, as_of="2022-12-31")[2] == 2, "a decision is replayed at its own as_of and position"
    with pytest.raises(UsageError, match="later than what was known"):
        resolve(four, Asked(as_of="2022-11-03", known_at="2022-11-02"))


def test_without_clocks_everything_is_known_now(four: Store) -> None:
    now = four.now()
    found = resolve(four, Asked())
    assert found.position == 4
    assert instant_text(found.known_at) == "2022-11-03T00:00:00.000000Z"
    assert 0 <= found.as_of - now < 60_000_000


def test_as_of_after_the_last_record_moves_on_with_the_calendar(four: Store) -> None:
    assert moment(four, as_of="2023-05-01")[0] == "2023-05-01T15:59:59"


def test_a_known_at_in_the_future_means_now(four: Store) -> None:
    assert resolve(four, Asked(known_at="2999-01-01")).as_of <= four.now()


def part(store: Store, as_of: str, position: int) -> list[str]:
    known = list(events_of(store, "merchant/m-1", position))
    return [item.id for item in taking_part(known, parse_instant(as_of))]


def test_ordinary_events_and_corrections_take_part_each_in_their_way(store: Store, tmp_path: Path) -> None:
    ingest_events(
        store,
        [
            paid("o-2", "2022-11-02T00:00:00Z"),
            paid("o-1", "2022-11-01T00:00:00Z"),
            event("order.flagged", "f-1", "2022-12-01T00:00:00Z", order="o-1", reason="fake_trade"),
        ],
        tmp_path,
    )
    assert part(store, "2022-11-01T00:00:00Z", 2) == ["pay-o-1"]
    assert part(store, "2022-11-02T00:00:00Z", 2) == ["pay-o-1", "pay-o-2"]
    assert part(store, "2022-11-01T00:00:00Z", 3) == ["pay-o-1", "f-1"], "a correction reaches back"
    assert part(store, "2022-11-02T00:00:00Z", 1) == ["pay-o-2"]


def test_retractions_reach_back_and_can_be_retracted(store: Store, tmp_path: Path) -> None:
    def retract(event_id: str, named: str, **rest: Any) -> dict[str, Any]:
        return event("event.retracted", event_id, "2022-12-01T00:00:00Z", **rest) | {
            "data": {"source": "urn:test", "event": named, "reason": "mistake"}
        }

    ingest_events(
        store,
        [
            retract("r-early", "pay-o-1"),
            paid("o-1"),
            retract("r-1", "pay-o-1"),
            retract("r-2", "r-1"),
            retract("r-3", "r-2"),
            retract("r-other", "pay-o-1", subject="merchant/m-2"),
        ],
        tmp_path,
    )
    at = "2022-12-02T00:00:00Z"
    assert part(store, at, 2) == ["pay-o-1", "r-early"], "a retraction of what comes later does nothing"
    assert part(store, at, 3) == ["r-early", "r-1"]
    assert part(store, at, 4) == ["pay-o-1", "r-early", "r-2"]
    assert part(store, at, 6) == ["r-early", "r-1", "r-3"]


def test_events_are_read_as_typed_data(four: Store) -> None:
    first, *_ = events_of(four, "merchant/m-1", 1)
    assert (first.position, first.originator_version, first.type) == (1, 1, "order.paid")
    assert (first.data.amount, first.data.kind, len(first.data.buyer)) == (12_900, "normal", 32)
    assert Moment(1, 2, 3).position == 3
