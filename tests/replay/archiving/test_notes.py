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
from replay.store.base import Store
from replay.store.opening import create_store, open_store
from replay.store.queries import plain_rows
from replay.store.reading.form import (
    BUCKET_BITS,
    CLAIM_BUCKET,
    CODES,
    ENTRY_BYTES,
    OTHER_CODE,
    POSITION_BYTES,
    REST_BYTES,
    TYPES,
    bucket_of,
    entries_up_to,
    hash_of_id,
    hash_of_ref,
    packed_places,
    places_in,
    positions_of,
    rest_of,
)
from replay.store.reading.picking import PICKS, alias_in, picked
from replay.store.reading.row import Row
from tests.support.archived import SECRET, sealed
from tests.support.making import Event, event, ingest_events, paid
from tests.support.running import run
from tests.support.sets import made_set
from tests.worlds.ledgers import World

# --- places -----------------------------------------------------------------------------------------------------------

STRETCH = 2**32
"""Positions of a stretch are apart less than this."""
RISING = st.builds(
    lambda first, more: sorted({first, *(first + one for one in more)}),
    st.integers(1, 2**40 - STRETCH),
    st.lists(st.integers(0, STRETCH - 1), max_size=60),
)


@given(positions=RISING, data=st.data())
def test_places_come_back(positions: list[int], data: st.DataObject) -> None:
    types = data.draw(st.binary(min_size=len(positions), max_size=len(positions)))
    packed = packed_places(positions, types)
    assert len(packed) == 5 * len(positions)
    assert places_in(positions[0], packed) == (positions, types)


def test_places_have_the_bytes_that_are_documented() -> None:
    assert packed_places([7, 8, 7 + 258], bytes([3, 9, 255])).hex() == "0000000001000000020100000309ff"


@given(packed=st.binary(max_size=64))
def test_bytes_of_no_whole_place_are_refused(packed: bytes) -> None:
    if packed and len(packed) % 5 == 0:
        assert len(places_in(9, packed).positions) == len(places_in(9, packed).types) == len(packed) // 5
        return
    with pytest.raises(DamagedError, match="the table of places, in a row of the records from position 9 on,"):
        places_in(9, packed)


def test_places_too_far_apart_for_a_stretch_are_not_cut_off() -> None:
    with pytest.raises(OverflowError):
        packed_places([1, 1 + STRETCH], b"\0\0")


# --- names and refs ---------------------------------------------------------------------------------------------------

HASHED = st.integers(0, 2 ** (BUCKET_BITS + 8 * REST_BYTES) - 1)
POSITION = st.integers(1, 2 ** (8 * POSITION_BYTES) - 1)


def entry(hashed: int, position: int) -> bytes:
    return rest_of(hashed) + position.to_bytes(POSITION_BYTES, "big")


@given(hashed=HASHED)
def test_bucket_and_rest_are_all_of_a_hash(hashed: int) -> None:
    assert bucket_of(hashed) << 8 * REST_BYTES | int.from_bytes(rest_of(hashed), "big") == hashed
    assert 0 <= bucket_of(hashed) < CLAIM_BUCKET and len(entry(hashed, 1)) == ENTRY_BYTES


# Of few bytes, so that the rest of one entry stands in others by chance, across their bounds, too.
FEW = st.lists(st.sampled_from(b"\x00\x01\xff"), min_size=ENTRY_BYTES, max_size=ENTRY_BYTES).map(bytes)


@given(entries=st.lists(FEW, max_size=30), other=FEW)
def test_each_position_of_a_rest_is_found_and_no_other(entries: list[bytes], other: bytes) -> None:
    for wanted in {*entries, other}:
        rest = wanted[:REST_BYTES]
        found = [int.from_bytes(one[REST_BYTES:], "big") for one in entries if one.startswith(rest)]
        assert list(positions_of(rest, b"".join(entries))) == found


@given(entries=st.lists(st.tuples(HASHED, POSITION), max_size=30), last=POSITION)
def test_entries_up_to_a_position_are_those(entries: list[tuple[int, int]], last: int) -> None:
    packed = b"".join(entry(*one) for one in entries)
    assert entries_up_to(last, packed) == b"".join(entry(*one) for one in entries if one[1] <= last)
    assert entries_up_to(2 ** (8 * POSITION_BYTES) - 1, packed) == packed


TEXTS = st.text("ab 12:/", max_size=8)


@given(first=st.tuples(TEXTS, TEXTS), second=st.tuples(TEXTS, TEXTS))
def test_what_differs_has_other_hashes(first: tuple[str, str], second: tuple[str, str]) -> None:
    """Wherever one text of a pair ends and the other one begins; and an id is no ref."""
    assert (hash_of_ref(*first) == hash_of_ref(*second)) == (first == second)
    assert (hash_of_id(first[0]) == hash_of_id(second[0])) == (first[0] == second[0])
    assert hash_of_id(first[0]) != hash_of_ref(first[0], "")
    assert hash_of_ref(*first) < 2 ** (BUCKET_BITS + 8 * REST_BYTES)


def test_hashes_are_what_they_were_when_the_first_rows_left() -> None:
    assert [hash_of_id("pay-1"), hash_of_ref("merchant/m-1", "o-1")] == [HASH_OF_ID, HASH_OF_REF]


HASH_OF_ID = 120_980_498_806_884_347
HASH_OF_REF = 201_354_826_254_791_158


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
