"""Notes of where rows stand that left, each changed in turn: verify says so, and a backup brings back what is right."""

from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.integrity import verify as verifying
from replay.integrity.backup import back_up
from replay.integrity.left import multiplied
from replay.integrity.restore import restore
from replay.integrity.verify import verify
from replay.schema.versions import LATER_INDEXES, LEFT_NAMES, LEFT_STREAMS
from replay.store.base.store import Store
from replay.store.buyers import KEY_VARIABLE
from replay.store.opening import create_store, open_store
from replay.store.queries import plain_rows
from replay.store.reading.form import (
    CLAIM_BUCKET,
    REST_BITS,
    Places,
    entries_in,
    packed_entries,
    packed_places,
    places_in,
    position_of,
)
from tests.conftest import KEY
from tests.support.archived import alike_names, archived, sealed, small_segments
from tests.support.making import ingest_events
from tests.worlds.ledgers import World

PLACES = f"{LEFT_STREAMS} gives other places of records that left than their segments"
NAMES = f"{LEFT_NAMES} gives other places of names and refs than the records"
TIMES = f"{LEFT_STREAMS} does not say of "


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "Store":
    """A store from which the rows of a random world have left, but for the last ones, without its guards."""
    small_segments(monkeypatch)
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    location = str(tmp_path / "ledger.db")
    create_store(location)
    with open_store(location) as made:
        ingest_events(made, World(3).events(300), tmp_path)
        sealed(made)
        archived(made, tmp_path / "records", 251)
        with made.writing() as transaction:
            for guard in ("updated", "deleted"):
                transaction.execute(f"DROP TRIGGER {LEFT_STREAMS}_never_{guard}")
    return open_store(location)


def changed(store: Store, sql: str) -> list[str]:
    """What is found once a statement was carried out, guards that are missing left out."""
    with store.writing() as transaction:
        transaction.execute(sql)
    return [problem for problem in verify(store).problems if not problem.startswith("the guard left_streams_never_")]


def test_notes_that_are_right_are_found_right(store: Store) -> None:
    with store:
        assert changed(store, "SELECT 1") == []


LONGEST = f"(SELECT stream FROM {LEFT_STREAMS} ORDER BY length(places) DESC LIMIT 1)"
FULLEST = f"(SELECT bucket FROM {LEFT_NAMES} WHERE bucket < {CLAIM_BUCKET} ORDER BY length(entries) DESC LIMIT 1)"
BROKEN = "the table of names, in its bucket "


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (f"DELETE FROM {LEFT_STREAMS} WHERE stream = {LONGEST}", TIMES),
        (f"UPDATE {LEFT_STREAMS} SET first_time = first_time + 1", TIMES),
        (f"UPDATE {LEFT_STREAMS} SET last_time = last_time - 1", TIMES),
        (f"UPDATE {LEFT_STREAMS} SET first_version = first_version + 1 WHERE stream = {LONGEST}", PLACES),
        (f"UPDATE {LEFT_STREAMS} SET last_position = last_position - 1 WHERE stream = {LONGEST}", PLACES),
        (f"UPDATE {LEFT_STREAMS} SET first_position = first_position + 1 WHERE stream = {LONGEST}", PLACES),
        (f"UPDATE {LEFT_STREAMS} SET count = count + 1 WHERE stream = {LONGEST}", PLACES),
        (f"UPDATE {LEFT_STREAMS} SET places = x'00'", "the table of places, in a row of the records from position"),
        (f"DELETE FROM {LEFT_NAMES} WHERE bucket = {FULLEST}", NAMES),
        (f"UPDATE {LEFT_NAMES} SET bucket = 65535 WHERE bucket = {FULLEST}", NAMES),
        (f"UPDATE {LEFT_NAMES} SET bucket = 65537 WHERE bucket = {FULLEST}", BROKEN),
        (f"UPDATE {LEFT_NAMES} SET bucket = -9223372036854775808 WHERE bucket = {FULLEST}", BROKEN),
        (f"UPDATE {LEFT_NAMES} SET entries = substr(entries, 2) WHERE bucket = {FULLEST}", BROKEN),
    ],
)
def test_notes_that_are_wrong_are_named_and_a_backup_has_what_is_right(
    store: Store, tmp_path: Path, change: str, said: str
) -> None:
    with store:
        rows = list(plain_rows(store, 0, store.head().position))
        problems = changed(store, change)
        assert problems, change
        assert said in problems[0]
        back_up(store, tmp_path / "backup.db")
    restore(tmp_path / "backup.db", str(tmp_path / "again.db"))
    with open_store(str(tmp_path / "again.db")) as again:
        assert list(plain_rows(again, 0, again.head().position)) == rows and verify(again).problems == []


# --- notes that are changed, and written as notes are -----------------------------------------------------------------


@pytest.fixture
def crowded(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> "Store":
    """The same store, its entries in two buckets."""
    alike_names(monkeypatch, 1_000)
    return request.getfixturevalue("store")  # type: ignore[no-any-return]


def moved(entry: int, to: int) -> int:
    """An entry, at another position."""
    return to << REST_BITS | entry % 2**REST_BITS


def exchanged(entries: list[int]) -> list[int]:
    """The first entry at the position of the last, and this one at that of the first."""
    first, *between, last = entries
    return sorted((moved(first, position_of(last)), *between, moved(last, position_of(first))))


def wrong(store: Store, sql: str, given: Sequence[object]) -> list[str]:
    """What is found, in a word, while a statement was carried out with other values than before."""
    with store.writing() as transaction:
        transaction.execute(sql, given)
    return [problem.split(";")[0] for problem in verify(store).problems if "the guard left_streams_" not in problem]


@pytest.mark.parametrize(
    "change",
    [
        lambda entries: entries[1:],
        lambda entries: entries[:-1],
        lambda entries: [*entries, entries[-1]],
        lambda entries: [entries[0], *entries],
        lambda entries: [*entries, entries[-1] + 1],
        lambda entries: [*entries[:-1], entries[-1] + 1],
        lambda entries: [moved(entries[0], position_of(entries[0]) - 1), *entries[1:]],
        exchanged,
        lambda entries: [*entries[1:-1], entries[-1], entries[-1]],
    ],
)
def test_entries_that_are_others_are_found(change: Callable[[list[int]], list[int]], crowded: Store) -> None:
    sql = f"UPDATE {LEFT_NAMES} SET entries = ? WHERE bucket = 1 AND last = ?"
    with crowded as store:
        rows = store._query(f"SELECT last, entries FROM {LEFT_NAMES} WHERE bucket = 1 ORDER BY length(entries)")
        *_, (last, packed) = rows
        entries = entries_in(1, packed)
        assert len(entries) > 30
        other = change(entries)
        assert other != entries == sorted(entries)
        assert wrong(store, sql, (packed_entries(other), last)) == [NAMES]
        assert wrong(store, sql, (packed, last)) == []


def test_entries_of_two_buckets_that_swap_are_found(crowded: Store) -> None:
    with crowded as store:
        with store.writing() as transaction:
            for bucket, now in ((0, 7), (1, 0), (7, 1)):
                transaction.execute(f"UPDATE {LEFT_NAMES} SET bucket = ? WHERE bucket = ?", (now, bucket))
        assert wrong(store, "SELECT 1", ()) == [NAMES]


@pytest.mark.parametrize(
    "change",
    [
        lambda places: (places.positions, swapped(places.types)),
        lambda places: (places.positions, bytes([places.types[0] ^ 1]) + places.types[1:]),
        lambda places: (places.positions, places.types[:-1] + b"\xff"),
        lambda places: ([*places.positions[:-2], places.positions[-1] - 1, places.positions[-1]], places.types),
        lambda places: (
            [places.positions[0], *(one + 1 for one in places.positions[1:-1]), places.positions[-1]],
            places.types,
        ),
        lambda places: (
            [places.positions[0], *places.positions[2:]],
            places.types[:1] + places.types[2:],
        ),
    ],
)
def test_places_that_are_others_are_found(
    change: Callable[[Places], tuple[Sequence[int], bytes]], store: Store
) -> None:
    sql = f"UPDATE {LEFT_STREAMS} SET places = ?, count = ? WHERE stream = ? AND last = ?"
    with store:
        found = store._query(f"SELECT stream, last, first_position, places FROM {LEFT_STREAMS} ORDER BY count")
        *_, (stream, last, first, packed) = found
        places = places_in(first, packed)
        positions, types = change(places)
        assert (positions, types) != places and len(places.positions) > 9
        assert wrong(store, sql, (packed_places(positions, types), len(positions), stream, last)) == [PLACES]
        assert wrong(store, sql, (packed, len(places.positions), stream, last)) == []


def swapped(types: bytes) -> bytes:
    """The types of records, those of two that differ in the place of one another."""
    number = next(number for number in range(1, len(types)) if types[number] != types[0])
    return types[number : number + 1] + types[1:number] + types[:1] + types[number + 1 :]


def test_places_of_two_streams_that_swap_are_found(store: Store) -> None:
    """Of one stretch, all but the names."""
    with store:
        some = list(store._query(f"SELECT stream, last FROM {LEFT_STREAMS} ORDER BY last, count DESC LIMIT 2"))
        (first, last), (second, also) = some
        assert last == also
        sql = f"UPDATE {LEFT_STREAMS} SET stream = ? WHERE stream = ? AND last = ?"
        times = f"UPDATE {LEFT_STREAMS} SET first_time = ?, last_time = ?"
        with store.writing() as transaction:
            transaction.execute(times, (0, 2**62))
            for one, other in (("passing", first), (first, second), (second, "passing")):
                transaction.execute(sql, (one, other, last))
        assert PLACES in wrong(store, "SELECT 1", ())  # beside their chains


def test_a_place_that_is_noted_with_another_stretch_is_found(store: Store) -> None:
    """All places together are what they were."""
    sql = (
        f"UPDATE {LEFT_STREAMS} SET first_version = ?, first_position = ?, last_position = ?, count = ?, places = ?"
        " WHERE stream = ? AND last = ?"
    )
    columns = "a.stream, a.last, b.last, a.first_version, a.first_position, a.places, b.first_position, b.places"
    with store:
        pairs = store._query(
            f"SELECT {columns} FROM {LEFT_STREAMS} AS a JOIN {LEFT_STREAMS} AS b ON b.stream = a.stream"
            " AND b.first_version = a.first_version + a.count WHERE a.count > 1 ORDER BY a.stream, a.last"
        )
        stream, end, next_end, version, first, packed, next_first, next_packed = next(iter(list(pairs)))
        early, late = places_in(first, packed), places_in(next_first, next_packed)
        *stay, moves = early.positions
        later = [moves, *late.positions]
        with store.writing() as transaction:
            kept, types = packed_places(stay, early.types[:-1]), early.types[-1:] + late.types
            transaction.execute(sql, (version, first, stay[-1], len(stay), kept, stream, end))
            shifted = (version + len(stay), moves, later[-1], len(later), packed_places(later, types))
            transaction.execute(sql, (*shifted, stream, next_end))
        assert PLACES in wrong(store, "SELECT 1", ())


@pytest.mark.parametrize("workers", [1, 2])
def test_products_are_the_same_however_the_walk_is_parted(
    workers: int, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verifying, "RECORDS_BEFORE_HELP", 10)
    with store:
        assert len(verify(store, workers=workers).problems) == 2  # the guards that are missing
        with store.writing() as transaction:
            transaction.execute(f"UPDATE {LEFT_STREAMS} SET count = count + 1 WHERE stream = {LONGEST}")
        assert any(PLACES in problem for problem in verify(store, workers=workers).problems)


@given(numbers=st.lists(st.integers(0, 2**80), max_size=9), chance=st.randoms(), other=st.integers(0, 2**80))
def test_a_product_is_of_numbers_in_any_order_and_of_no_others(numbers: list[int], chance: Random, other: int) -> None:
    mixed = [*numbers]
    chance.shuffle(mixed)
    product = multiplied(1, SECRET_NUMBER, numbers)
    assert multiplied(1, SECRET_NUMBER, mixed) == product
    assert multiplied(multiplied(1, SECRET_NUMBER, mixed[:3]), SECRET_NUMBER, mixed[3:]) == product
    for others in ([*numbers, other], [*numbers, *numbers[:1], other]):
        assert multiplied(1, SECRET_NUMBER, others) != product


def test_a_product_by_hand() -> None:
    """Of 10 - 3, 10 - 4 and 10 - 12; and of one that is more than the prime."""
    assert multiplied(1, 10, [3, 4]) == 42
    assert multiplied(1, 10, [3, 4, 12]) == 2**127 - 1 - 84
    assert multiplied(2**126, 2, [0, 0]) == 2


SECRET_NUMBER = 0x5B5B5B5B5B5B5B5B5B5B5B5B5B5B5B5

RETRACTED = "type = 'event.retracted'"
BOUND = "type IN ('creator.bound', 'creator.unbound')"
ONE = f"(SELECT min(position) FROM records WHERE {BOUND})"
PUT_IN = (
    "INSERT INTO records SELECT {}, stream, 999, type, source, event_id || 1, ref, occurred_at, recorded_at,"
    f" content_hash, chain, record FROM records WHERE position = {ONE}"
)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            f"DELETE FROM records WHERE {RETRACTED} AND position < 251",
            "the row of event.retracted, which stays, is missing",
        ),
        (f"DELETE FROM records WHERE position = {ONE}", "which stays, is missing"),
        (f"UPDATE records SET ref = 'c-other' WHERE position = {ONE}", "is not what the record of creator."),
        (
            f"UPDATE records SET recorded_at = recorded_at + 1 WHERE position = {ONE}",
            "is not what the record of creator.",
        ),
        (
            f"UPDATE records SET record = CAST(record || x'20' AS BLOB) WHERE position = {ONE}",
            "is not what the record of",
        ),
        (PUT_IN.format(7), "a row at position 7 is not what the record of"),
        (PUT_IN.format(-7), "a row at position -7 is not what the record of"),
    ],
)
def test_rows_that_stay_are_held_against_their_records(store: Store, change: str, said: str) -> None:
    with store:
        with store.writing() as transaction:
            for guard in ("only_appended", "never_updated", "never_deleted"):
                transaction.execute(f"DROP TRIGGER records_{guard}")
            transaction.execute("PRAGMA ignore_check_constraints = ON")
        with store.writing() as transaction:
            positions = {at for (at,) in transaction.execute("SELECT position FROM records")}
            assert 7 not in positions and transaction.execute(f"SELECT {ONE}") != [(None,)]
        problems = changed(store, change)
        assert said in problems[0], problems


def test_a_store_that_lacked_later_indexes_is_sound_once_rows_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_segments(monkeypatch)
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    location = str(tmp_path / "ledger.db")
    create_store(location)
    with open_store(location) as made:
        ingest_events(made, World(3).events(100), tmp_path)
        sealed(made)
        with made.writing() as transaction:
            for name in LATER_INDEXES:
                transaction.execute(f"DROP INDEX {name}")
        archived(made, tmp_path / "records")
        made.index_later()
    with open_store(location) as made:
        assert all(made.has_index(name) for name in LATER_INDEXES)
        assert verify(made).problems == []
