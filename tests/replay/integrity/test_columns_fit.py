"""Looking at many rows together is sure of nothing that looking at each would find wrong."""

import json
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from domain.calendar import instant_text
from replay.errors import StoreError
from replay.integrity import verify as verifying
from replay.integrity.borne import BorneAliases
from replay.integrity.columns_fit import check_columns, which_fit
from replay.integrity.key_chains import Misfit
from replay.integrity.verify import WalkedSpan, verify
from replay.store.base.identity import Head
from replay.store.base.store import Store
from replay.store.opening import create_store, open_store
from replay.store.queries import plain_rows
from replay.store.reading.row import Row, leaf_hash
from tests.conftest import SOAK
from tests.support.making import event, ingest_events, paid
from tests.worlds.ledgers import World

LAST_INSTANT = 253_402_271_999_999_999
"""Eight hours before the years of four digits end."""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, list[Row]]]:
    """Rows of every kind of subject, some of them backfilled and some with extensions."""
    folder = tmp_path_factory.mktemp("recorded")
    create_store(str(folder / "ledger.db"))
    late = "2022-11-09T10:00:00+08:00"
    with open_store(str(folder / "ledger.db")) as store:
        ingest_events(store, [paid(f"old-{n}", recordedtime=late) for n in range(9)], folder, backfill=True)
        ingest_events(store, World(5).events(300), folder)
        ingest_events(store, [paid(f"more-{n}") | {"traceparent": "00-ab-cd-01"} for n in range(5)], folder)
        ingest_events(store, [event("merchant.closed", "c", subject="merchant/m-1")], folder)
        yield store, list(map(Row._make, plain_rows(store, 0, store.head().position)))


def fits_alone(row: Row, ledger_id: str) -> bool:
    try:
        check_columns(row, ledger_id)
    except (Misfit, TypeError, AttributeError, ValueError):  # values of another kind than the columns hold
        return False
    return True


def changed(row: Row, other: Row, random: Random) -> Row:
    """A row of which something is otherwise: bytes of its record, a column, or both in step."""
    record = row.record
    match random.randrange(7):
        case 0:  # a byte becomes another
            at = random.randrange(len(record))
            return row._replace(record=record[:at] + bytes([random.randrange(256)]) + record[at + 1 :])
        case 1:  # a byte goes or comes
            at = random.randrange(len(record))
            come = random.choice((b"", b" ", b"\n", b'"', b"0", b","))
            return row._replace(record=record[:at] + come + record[at + random.randrange(2) :])
        case 2:  # another way to write the same
            said = json.loads(record)
            return row._replace(record=json.dumps(said, sort_keys=random.random() < 0.5).encode())
        case 3:  # a column of another row
            name = random.choice(Row._fields)
            return row._replace(**{name: getattr(other, name)})
        case 4:  # a value of another kind
            name = random.choice(Row._fields)
            odd: dict[str, Any] = {name: random.choice((None, -1, 2**62, "x", b"x", 1.5, "\x00\n", ""))}
            return row._replace(**odd)
        case 5:  # text that JSON writes otherwise, in the column and in the record
            text = random.choice(('a"b', "a\\b", "merchant/ü", "a\nb"))
            written = record.replace(row.stream.encode(), text.encode())
            return row._replace(stream=text, record=written)
        case _:  # a time of another form
            old = instant_text(row.occurred_at).encode()
            new = random.choice((old.replace(b"T", b"t"), old.replace(b".", b","), old[:-1] + b"z", old[:-3] + b"Z"))
            return row._replace(record=record.replace(b'"time":"%b"' % old, b'"time":"%b"' % new))


def test_what_is_as_it_should_be_is_seen_together(recorded: tuple[Store, list[Row]]) -> None:
    store, rows = recorded
    fits = which_fit(rows, store.identity.id, BorneAliases())
    assert all(fits_alone(row, store.identity.id) for row in rows)
    unusual = [row for row, is_sure in zip(rows, fits, strict=True) if not is_sure]
    assert len(unusual) == 5 and all(b'"extensions":' in row.record for row in unusual), "they are looked at alone"
    assert len({row.type for row in rows}) > 12
    assert not any(which_fit(rows, "0" * 32, BorneAliases())) and not any(which_fit(rows, 'a"b', BorneAliases()))
    assert which_fit([], store.identity.id, BorneAliases()) == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_together_nothing_is_sure_that_is_wrong_alone(recorded: tuple[Store, list[Row]], seed: int) -> None:
    store, rows = recorded
    random, found, wrong = Random(seed), 0, 0
    for _ in range(400 * SOAK):
        start = random.randrange(len(rows) - 20)
        some = rows[start : start + 20]
        at = random.randrange(20)
        some[at] = changed(some[at], random.choice(rows), random)
        fits = which_fit(some, store.identity.id, BorneAliases())
        for row, is_sure in zip(some, fits, strict=True):
            assert not is_sure or fits_alone(row, store.identity.id), row
            found += is_sure
        wrong += not fits_alone(some[at], store.identity.id)
    assert found > 2_000 * SOAK and wrong > 200 * SOAK


def test_rows_that_are_two_halves_of_lines_are_not_taken_for_each_other(recorded: tuple[Store, list[Row]]) -> None:
    """What is a line too many in one record and too few in the next is as many lines together."""
    store, rows = recorded
    one, two = [row for row in rows if row.type == "order.paid" and b'"extensions":' not in row.record][:2]

    def event_in(row: Row) -> bytes:
        return row.record.partition(b',"event":')[2].rpartition(b',"ledger":')[0]

    both = event_in(one) + b"\n" + event_in(two)
    some = [
        one._replace(record=one.record.replace(event_in(one), both)),
        two._replace(record=two.record.replace(event_in(two), b"")),
    ]
    assert which_fit(some, store.identity.id, BorneAliases()) == [False, False]


def test_an_instant_behind_the_calendar_is_not_sure(recorded: tuple[Store, list[Row]]) -> None:
    store, rows = recorded
    row = next(row for row in rows if row.type == "order.paid" and b'"extensions":' not in row.record)
    behind = instant_text(LAST_INSTANT + 1).encode()
    record = row.record.replace(instant_text(row.occurred_at).encode(), behind, 1)
    late = row._replace(record=record, occurred_at=LAST_INSTANT + 1)
    assert not fits_alone(late, store.identity.id) and which_fit([late], store.identity.id, BorneAliases()) == [False]


# --- the order of rows ------------------------------------------------------------------------------------------------


def spans(rows: list[Row], store: Store, start: int) -> tuple[WalkedSpan, WalkedSpan]:
    """Two spans that begin at a row: from the start, or later."""
    head = Head(0, 0, store.identity.chain_start)
    if start:
        head = Head(rows[start - 1].position, rows[start - 1].recorded_at, rows[start - 1].chain)
    one, two = (WalkedSpan(head, len(rows), from_start=start == 0) for _ in range(2))
    return one, two


def checked(span: WalkedSpan, rows: list[Row], leaves: list[bytes], ledger_id: str) -> bool:
    try:
        for row, leaf in zip(rows, leaves, strict=True):
            span.check(row, leaf, ledger_id, fits=True)
    except Misfit:
        return False
    return True


@pytest.mark.parametrize("seed", range(3))
def test_rows_are_taken_together_where_each_follows(recorded: tuple[Store, list[Row]], seed: int) -> None:
    store, rows = recorded
    random, refused = Random(seed), 0
    for _ in range(60 * SOAK):
        start = random.choice((0, random.randrange(len(rows) - 40)))
        some = rows[start : start + 40]
        at, span = random.randrange(40), random.randrange(4)
        other = random.choice(rows)
        moved: list[dict[str, Any]] = [
            {},
            {"version": other.version},
            {"recorded_at": some[at].recorded_at + random.choice((-(10**12), 10**12))},
            {"chain": other.chain},
        ]
        some[at] = some[at]._replace(**moved[span])
        leaves = [leaf_hash(row.record) for row in some]
        alone, together = spans(rows, store, start)
        follows = checked(alone, some, leaves, store.identity.id)
        before = together.head
        assert together.take(some, leaves) is follows
        if follows:
            assert together == alone
        else:
            refused += 1
            assert together.head == before and not together.versions and not together.types
    assert refused > 10


# --- what is looked at beside the walk --------------------------------------------------------------------------------


def test_what_fails_beside_the_walk_fails(recorded: tuple[Store, list[Row]], monkeypatch: pytest.MonkeyPatch) -> None:
    store, _ = recorded

    def fails() -> list[str]:
        raise StoreError("the disk is gone")

    assert verify(store).problems == []
    monkeypatch.setattr(store, "row_problems", lambda: ["an index is short"])
    assert verify(store).problems == ["an index is short"]
    monkeypatch.setattr(store, "row_problems", fails)
    with pytest.raises(StoreError, match="the disk is gone"):
        verify(store)


@pytest.mark.parametrize("together", [1, 7, 10_000])
def test_however_many_are_looked_at_together_the_walk_ends_alike(
    recorded: tuple[Store, list[Row]], monkeypatch: pytest.MonkeyPatch, together: int
) -> None:
    store, rows = recorded
    monkeypatch.setattr(verifying, "ROWS_TOGETHER", together)
    found = verify(store)
    assert (found.problems, found.records, found.head) == ([], len(rows), store.head())
