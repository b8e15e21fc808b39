"""The form in which it is noted where rows stand that left, and the columns of a row that come out of its record."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.events import CATALOGUE
from replay.errors import DamagedError
from replay.recording.erase import erase_now
from replay.sealing.keys import SIGNING_VARIABLE
from replay.sharding.opened import open_set
from replay.store.base.store import Store
from replay.store.leaving import rows as leaving
from replay.store.opening import create_store, open_store
from replay.store.queries import plain_rows
from replay.store.reading.form import (
    CLAIM_BUCKET,
    CODES,
    ENTRY_BITS,
    HASHED_BYTES,
    OTHER_CODE,
    POSITION_BITS,
    REST_BYTES,
    TYPES,
    bucket_of,
    entries_in,
    entry_of,
    hash_of_id,
    hash_of_ref,
    packed_entries,
    packed_places,
    places_in,
    position_of,
    positions_of,
)
from replay.store.reading.picking import PICKS, alias_in, picked
from replay.store.reading.row import Row
from replay.store.reading.short_numbers import BITS_MAX, numbers_in, shortened
from tests.support.archived import SECRET, sealed
from tests.support.making import Event, event, ingest_events, paid
from tests.support.running import run
from tests.support.sets import made_set
from tests.worlds.ledgers import World

# --- short numbers ----------------------------------------------------------------------------------------------------


@given(numbers=st.lists(st.integers(0, 2**BITS_MAX - 1)))
def test_short_numbers_come_back(numbers: list[int]) -> None:
    assert numbers_in(shortened(numbers)) == numbers


def test_short_numbers_have_the_bytes_that_are_documented() -> None:
    assert shortened([0, 127, 128, 300, 2**21]).hex(" ") == "00 7f 80 01 ac 02 80 80 80 01"
    assert shortened([2**14 - 1, 2**14]).hex(" ") == "ff 7f 80 80 01"
    assert shortened([2**28 - 1, 2**28, 2**42 - 1]).hex(" ") == "ff ff ff 7f 80 80 80 80 01 ff ff ff ff ff 7f"


@pytest.mark.parametrize("content", ["80", "01 80", "ff" * 9 + "01"])
def test_bytes_that_end_amid_a_number_or_have_none_that_is_written_are_refused(content: str) -> None:
    with pytest.raises(ValueError, match="number"):
        numbers_in(bytes.fromhex(content))


# --- places -----------------------------------------------------------------------------------------------------------

RISING = st.lists(st.integers(1, 2**POSITION_BITS - 1), min_size=1, max_size=60, unique=True).map(sorted)
NEAR = st.builds(
    lambda first, more: sorted({first, *(first + one for one in more)}),
    st.integers(1, 2**POSITION_BITS - 300),
    st.lists(st.integers(0, 299), max_size=60),
)


@given(positions=RISING | NEAR, data=st.data())
def test_places_come_back(positions: list[int], data: st.DataObject) -> None:
    types = data.draw(st.lists(st.sampled_from([0, 3, 4, OTHER_CODE]), min_size=len(positions)).map(bytes))
    types = types[: len(positions)]
    assert places_in(positions[0], packed_places(positions, types)) == (positions, types)


def test_places_have_the_bytes_that_are_documented() -> None:
    """Three types; then 0 * 3 + 0, 1 * 3 + 2, 257 * 3 + 1 = 772 = 6 * 128 + 4 and 1 * 3 + 0."""
    packed = packed_places([7, 8, 8 + 257, 266], bytes([3, 255, 9, 3]))
    assert packed.hex(" ") == "03 03 09 ff 00 05 84 06 03"


def test_records_of_one_type_that_follow_one_another_take_a_byte_each() -> None:
    assert packed_places(range(100, 200), bytes(100)) == bytes([1, 0, 0]) + bytes([1]) * 99


@pytest.mark.parametrize(
    "packed",
    [
        "",  # nothing
        "00",  # no type
        "00 00",
        "02 03",  # a type of two
        "01 03",  # no record
        "01 03 01",  # the first away from the first
        "01 03 00 00",  # two at one position
        "01 03 00 80",  # ends amid a number
        "01 03 00 ff ff ff ff ff 7f",  # behind any position
    ],
)
def test_bytes_of_no_places_are_refused(packed: str) -> None:
    with pytest.raises(DamagedError, match="the table of places, in a row of the records from position 9 on,"):
        places_in(9, bytes.fromhex(packed))


# --- names and refs ---------------------------------------------------------------------------------------------------

HASHED = st.integers(0, 2 ** (8 * HASHED_BYTES) - 1)
POSITION = st.integers(1, 2**POSITION_BITS - 1)
# Of few bytes, so that the rest of one entry stands in others by chance, across their bounds, too.
REST = st.lists(st.sampled_from(b"\x00\x01\xff"), min_size=REST_BYTES, max_size=REST_BYTES).map(
    lambda some: int.from_bytes(some, "big")
)
PAIRS = st.lists(st.tuples(REST, POSITION | st.integers(1, 9)), min_size=1, max_size=60)
BUCKET = 258


def entries_of(pairs: list[tuple[int, int]]) -> list[int]:
    """Entries of one bucket, as it holds them."""
    return sorted(position << 8 * REST_BYTES | rest for rest, position in pairs)


@given(pairs=PAIRS)
def test_entries_come_back(pairs: list[tuple[int, int]]) -> None:
    entries = entries_of(pairs)
    assert entries_in(BUCKET, packed_entries(entries)) == entries
    assert [position_of(one) for one in entries] == sorted(position for _, position in pairs)


@given(pairs=PAIRS, other=REST)
def test_each_position_of_a_hash_is_found_and_no_other(pairs: list[tuple[int, int]], other: int) -> None:
    packed = packed_entries(entries_of(pairs))
    for wanted in {other, *(rest for rest, _ in pairs)}:
        found = sorted(position for rest, position in pairs if rest == wanted)
        assert positions_of(BUCKET << 8 * REST_BYTES | wanted, packed) == found


@given(hashed=HASHED, position=POSITION)
def test_an_entry_has_all_of_its_hash_and_position(hashed: int, position: int) -> None:
    bucket, entry = divmod(entry_of(hashed, position), 2**ENTRY_BITS)
    assert bucket == bucket_of(hashed) < CLAIM_BUCKET
    assert divmod(entry, 2 ** (8 * REST_BYTES)) == (position, hashed % 2 ** (8 * REST_BYTES))
    assert positions_of(hashed, packed_entries([entry])) == [position]


def test_entries_have_the_bytes_that_are_documented() -> None:
    """Two of them, their rests, then positions 300 = 2 * 128 + 44 and, 5 behind, 305."""
    entries = [300 << 24 | 0x01_02_03, 305 << 24 | 0xFF_FE_FD]
    assert packed_entries(entries).hex(" ") == "02 01 02 03 ff fe fd ac 02 05"


@pytest.mark.parametrize(
    "packed",
    [
        "",  # nothing
        "80",  # ends amid how many they are
        "00",  # none
        "01 01 02",  # ends amid a rest
        "01 01 02 03",  # no position
        "01 01 02 03 05 05",  # a position more
        "02 01 02 03 01 02 03 05",  # a position less
        "01 01 02 03 85",  # ends amid a position
        "01 01 02 03 ff ff ff ff ff 7f",  # behind any position
    ],
)
def test_bytes_of_no_entries_are_refused(packed: str) -> None:
    content = bytes.fromhex(packed)
    said = "the table of names, in its bucket 258,"
    with pytest.raises(DamagedError, match=said):
        entries_in(BUCKET, content)
    with pytest.raises(DamagedError, match=said):
        positions_of(BUCKET << 24 | 0x01_02_03, content)


TEXTS = st.text("ab 12:/", max_size=8)


@given(first=st.tuples(TEXTS, TEXTS), second=st.tuples(TEXTS, TEXTS))
def test_what_differs_has_other_hashes(first: tuple[str, str], second: tuple[str, str]) -> None:
    """Wherever one text of a pair ends and the other one begins; and an id is no ref."""
    assert (hash_of_ref(*first) == hash_of_ref(*second)) == (first == second)
    assert (hash_of_id(first[0]) == hash_of_id(second[0])) == (first[0] == second[0])
    assert hash_of_id(first[0]) != hash_of_ref(first[0], "")
    assert hash_of_ref(*first) < 2 ** (8 * HASHED_BYTES)


@given(
    before=st.integers(0, 2**POSITION_BITS - 99),
    pairs=st.lists(st.tuples(TEXTS, st.none() | TEXTS), min_size=1, max_size=40),
    data=st.data(),
)
def test_each_id_and_ref_is_noted_in_its_bucket(
    before: int, pairs: list[tuple[str, str | None]], data: st.DataObject
) -> None:
    given_rows = [(before + at, "merchant/m", at, "order.paid", *pair, at, b"") for at, pair in enumerate(pairs, 1)]
    notes, cut = leaving._Notes(before), data.draw(st.integers(0, len(pairs) - 1))
    for some in (given_rows[:cut], given_rows[cut:]) if cut else (given_rows,):
        notes.add(some, [b"c"] * len(some))
    hashes = [(hash_of_id(name), at) for at, (name, _) in enumerate(pairs, before + 1)]
    hashes += [(hash_of_ref("merchant/m", ref), at) for at, (_, ref) in enumerate(pairs, before + 1) if ref is not None]
    found = list(notes.buckets())
    assert [bucket << ENTRY_BITS | one for bucket, some in found for one in some] == sorted(
        entry_of(hashed, at) for hashed, at in hashes
    )
    assert len({bucket for bucket, _ in found}) == len(found)


def test_hashes_are_what_they_were_when_the_first_rows_left() -> None:
    """The first bytes of `sha256sum` of npay-1 and of r12 merchant/m-1o-1."""
    assert [hash_of_id("pay-1"), hash_of_ref("merchant/m-1", "o-1")] == [HASH_OF_ID, HASH_OF_REF]


HASH_OF_ID = 0x4F5DC17494
HASH_OF_REF = 0xB2D6C9732E


# --- types ------------------------------------------------------------------------------------------------------------


def test_each_type_has_a_byte_for_ever() -> None:
    """A new type is added behind the others: bytes that are noted keep their meaning."""
    assert {*TYPES} == {*CATALOGUE}
    assert len(TYPES) == len({*TYPES}) < OTHER_CODE and [CODES[name] for name in TYPES] == [*range(len(TYPES))]
    assert (TYPES[0], TYPES[3], TYPES[10], TYPES[27], TYPES[34]) == (
        *("merchant.onboarded", "order.paid", "event.retracted", "buyer.erased", "shard.made"),
    )


# --- columns ----------------------------------------------------------------------------------------------------------

COLUMNS = [name for name in Row._fields if name != "chain"]


def of_every_kind(location: str, folder: Path) -> None:
    """A ledger of all types of events, of some in a backfill, late or with extensions, and of decisions."""
    create_store(location)
    times = [{"recordedtime": f"2022-11-{day:02}T12:00:00.5+08:00"} for day in range(10, 20)]
    backfilled = [paid(f"back-{at}", **time) for at, time in enumerate(times)]
    late = [paid(f"late-{at}", **time) for at, time in enumerate(times)]
    with open_store(location) as store:
        taken = [ingest_events(store, backfilled, folder, backfill=True)]
        taken += [ingest_events(store, World(11).events(3_000), folder)]
        taken += [ingest_events(store, late, folder, backfill=True, late=True)]
        taken += [ingest_events(store, with_more(), folder)]
    assert [watch.refusals for _, watch in taken] == [[]] * 4
    for scheme in ("merchant-reputation", "mcn-level"):
        run("decide", scheme, "--month", "2022-11", "--store", location)
    run("decide", "leaderboard", "--month", "2023-04", "--store", location)
    with open_store(location) as store:
        erase_now(store, "b-9", "request", in_month=True)
        sealed(store)


def with_more() -> list[Event]:
    """Events with attributes and texts of any kind."""
    made = [
        paid("texts", actor='one "buyer":"0"', correlationid="零\\ €", causationid="\U0001f600", buyer="b-9"),
        event("event.retracted", "re", source="urn:test:other", event="pay-texts", reason='"type":"order.paid"'),
        event("merchant.closed", "no-data", subject="merchant/m-2"),
        event("review.posted", "of-an-hour", "2022-11-03T00:00:00.123456+01:00", order="o-1", quality=3),
    ]
    made[1]["data"]["source"] = "urn:test"
    del made[2]["data"]
    return [*made, *({**one, "id": f"{one['id']}-x", "traceparent": "00-ab", "sequence": "7"} for one in made)]


def rows_and_records(store: Store) -> list[tuple[dict[str, Any], bytes]]:
    rows = plain_rows(store, 0, store.head().position)
    return [(dict(zip(Row._fields, row, strict=True)), bytes(row[-1])) for row in rows]


@pytest.mark.slow
def test_each_column_comes_out_of_the_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SIGNING_VARIABLE, SECRET)
    location = str(tmp_path / "ledger.db")
    of_every_kind(location, tmp_path)
    with open_store(location) as store:
        found = rows_and_records(store)
    records = [record for _, record in found]
    with open_set(made_set(tmp_path, 2)) as opened:
        found += rows_and_records(opened.stores[0])
    seen = set()
    for row, record in found:
        one = picked(record, row["position"])
        assert {name: PICKS[name](one, record) for name in COLUMNS} == {name: row[name] for name in COLUMNS}
        seen.add(row["type"])
    assert {*PICKS} == {*COLUMNS}
    assert {*CATALOGUE} == seen
    assert sum(b'"backfill":true' in record for record in records) == 10
    assert sum(b'"recordedtime":' in record for record in records) == 20
    assert sum(b'"extensions":' in record for record in records) == 4


def test_what_is_no_record_is_refused() -> None:
    for record in (b"", b"{}", b'{"event":{},"position":1}', b"[" * 10_000, b"\xff"):
        with pytest.raises(DamagedError, match="the record at position 7"):
            picked(record, 7)
        with pytest.raises(DamagedError, match="the record at position 7"):
            alias_in(record, 7)


def test_a_type_that_is_not_known_is_refused_where_its_ref_is_asked_for(tmp_path: Path) -> None:
    location = str(tmp_path / "ledger.db")
    create_store(location)
    with open_store(location) as store:
        ingest_events(store, [paid("1")], tmp_path)
        ((_, record),) = rows_and_records(store)
    one = picked(record.replace(b"order.paid", b"order.lost"), 1)
    assert PICKS["type"](one, record) == "order.lost"
    with pytest.raises(DamagedError, match=r"a record of the type 'order.lost', which this levelbook does not know,"):
        PICKS["ref"](one, record)
