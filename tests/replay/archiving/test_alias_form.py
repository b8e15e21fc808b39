"""The form in which rows of the table of aliases stand that have left it."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.errors import DamagedError
from replay.store.reading import alias_form
from replay.store.reading.alias_form import (
    FIRST_BYTES,
    FIRST_END,
    AliasRow,
    Entries,
    bounds_of,
    cut,
    first_of,
    is_usual,
    least_key,
    merged,
    packed_rows,
    rows_in,
    rows_of,
    without,
)

ONE = AliasRow(bytes(range(32)), "merchant/m-1", "0f" * 16, b"s" * 16 + b"t" * 16)
OTHER = AliasRow(bytes(range(32)), "merchant/x", "a0" * 16, b"u" * 16)
THIRD = AliasRow(b"\x01" * 32, "merchant/y", "77" * 16, b"v" * 16)


def test_entries_have_the_bytes_that_are_documented() -> None:
    (entries,) = packed_rows([cut(ONE), OTHER, THIRD])
    assert entries.first == 0x000102030405
    of_one = [bytes(range(32)), b"\x02", b"\x03\x01", b"m-1", b"x", b"\x0f" * 16, b"\xa0" * 16, b"s" * 16, b"u" * 16]
    of_third = [b"\x01" * 32, b"\x01", b"\x01", b"y", b"\x77" * 16, b"v" * 16]
    assert entries.packed == b"".join([*of_one, *of_third])
    assert list(rows_in(entries)) == [cut(ONE), OTHER, THIRD]


def test_of_a_seal_the_first_half_is_kept() -> None:
    assert cut(ONE) == ONE._replace(seal=b"s" * 16) and cut(OTHER) == OTHER


def test_what_is_usual() -> None:
    for row in (ONE, OTHER, ONE._replace(merchant="merchant/" + "a" * 64)):
        assert is_usual(row)
    for odd in (
        ONE._replace(key=b"k" * 31),
        ONE._replace(key=b""),
        ONE._replace(seal=b"s" * 17),
        ONE._replace(seal=b""),
        ONE._replace(alias="0F" * 16),
        ONE._replace(alias="0f" * 16 + "\n"),
        ONE._replace(alias="0f" * 15),
        ONE._replace(merchant="merchant/"),
        ONE._replace(merchant="merchant/" + "a" * 65),
        ONE._replace(merchant="merchant/-a"),
        ONE._replace(merchant="merchant/ä"),
        ONE._replace(merchant="creator/c-1"),
    ):
        assert not is_usual(odd), odd


# Of few bytes, so that hashes begin alike and stand in other parts of entries by chance.
KEY = st.lists(st.sampled_from(b"\x00\x01a"), min_size=32, max_size=32).map(bytes) | st.sampled_from(
    [b"\x00" * 32, b"\x00" * 31 + b"\x01", b"\x01" * 32, b"a" * 32, b"\xff" * 32]
)
NAME = st.text("a0.", min_size=1, max_size=3).filter(lambda text: text[0] != ".") | st.just("a" * 40)
ROW = st.builds(
    AliasRow,
    KEY,
    NAME.map("merchant/{}".format),
    st.sampled_from(["00" * 16, "01" * 16, "61" * 16, "00" * 15 + "01"]),
    st.sampled_from([b"\x00" * 16, b"\x01" * 16, b"a" * 16]),
)
ROWS = st.lists(ROW, max_size=40, unique_by=lambda row: row[:2]).map(sorted)


@given(rows=ROWS, size=st.integers(1, 700), other=KEY)
def test_rows_come_back_wherever_entries_end(rows: list[AliasRow], size: int, other: bytes) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(alias_form, "ENTRIES_BYTES_MAX", size)
        made = list(packed_rows(rows))
    assert [row for entries in made for row in rows_in(entries)] == rows
    firsts = [*(entries.first for entries in made), FIRST_END]
    assert firsts == sorted({*firsts})
    for entries, end in zip(made, firsts[1:], strict=True):
        there = list(rows_in(entries))
        assert entries.first == first_of(there[0].key) and first_of(there[-1].key) < end
        assert bounds_of(entries) == (there[0].key, there[-1].key)
        assert len(entries.packed) <= size or len({first_of(row.key) for row in there}) == 1
        for key in {other, *(row.key for row in rows)}:
            assert rows_of([key], entries) == [row for row in there if row.key == key]
            rest = Entries(entries.first, without(key, entries))
            assert list(rows_in(rest)) == [row for row in there if row.key != key]


@given(rows=ROWS, more=ROWS, size=st.integers(1, 700))
def test_rows_that_come_are_added_unless_they_are_there(rows: list[AliasRow], more: list[AliasRow], size: int) -> None:
    had = {row[:2] for row in rows}
    new = [row for row in more if row[:2] not in had]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(alias_form, "ENTRIES_BYTES_MAX", size)
        found = merged(list(packed_rows(rows)), more)
        assert found.entries == list(packed_rows(sorted([*rows, *new])))
    assert found.added == new


def test_a_buyer_of_many_merchants_takes_more() -> None:
    rows = sorted(ONE._replace(merchant=f"merchant/m-{number}", seal=b"s" * 16) for number in range(600))
    entries = list(packed_rows([*rows[::2], THIRD]))
    assert merged(entries, rows) == (list(packed_rows([*rows, THIRD])), rows[1::2])


def test_buyers_that_do_not_rise_are_no_entries_to_add_to() -> None:
    (one,), (other,) = packed_rows([cut(ONE)]), packed_rows([THIRD])
    with pytest.raises(DamagedError):
        merged([one._replace(packed=other.packed + one.packed)], [])
    for wrong in ([other, one], [one, one], [one, other, other]):
        with pytest.raises(DamagedError):
            merged(wrong, [])
    assert merged([one, other], []).entries == list(packed_rows([cut(ONE), THIRD]))


def test_entries_are_as_full_as_they_may_be() -> None:
    """Of groups of 100 bytes each, four go into 400."""
    rows = [AliasRow(bytes([number]) * 32, "merchant/" + "a" * 34, "00" * 16, b"s" * 16) for number in range(9)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(alias_form, "ENTRIES_BYTES_MAX", 400)
        assert [len(entries.packed) for entries in packed_rows(rows)] == [400, 400, 100]


def test_a_buyer_of_many_merchants_is_kept_together() -> None:
    rows = sorted(ONE._replace(merchant=f"merchant/m-{number}", seal=b"s" * 16) for number in range(600))
    (entries,) = packed_rows(rows)
    assert list(rows_in(entries)) == rows == rows_of([ONE.key], entries) and without(ONE.key, entries) == b""
    assert len(entries.packed) == 3 * 33 + sum(len(row.merchant) - len("merchant/") + 33 for row in rows)


@given(first=st.integers(0, FIRST_END), key=KEY)
def test_the_least_key_is_where_a_first_begins(first: int, key: bytes) -> None:
    assert (key >= least_key(first)) == (first_of(key) >= first)
    assert first_of(least_key(first)[:FIRST_BYTES]) == min(first, FIRST_END - 1)


@given(rows=ROWS.filter(bool), at=st.integers(0, 10_000), byte=st.integers(0, 255))
def test_bytes_that_changed_are_other_rows_or_none(rows: list[AliasRow], at: int, byte: int) -> None:
    """Whatever stands there, nothing but rows or the error of damage comes of it."""
    entries = next(packed_rows(rows))
    at %= len(entries.packed)
    changed = entries._replace(packed=entries.packed[:at] + bytes([byte]) + entries.packed[at + 1 :])
    try:
        found = list(rows_in(changed))
    except DamagedError as error:
        assert "the table of aliases that left, in its row from " in str(error)
        return
    assert (found == list(rows_in(entries))) == (changed == entries)
    assert found == sorted(found)


@pytest.mark.parametrize(
    "broken",
    [
        lambda packed: packed[:-1],
        lambda packed: packed[:20],
        lambda packed: packed + b"\0",
        lambda packed: packed + packed,
        lambda packed: packed[:32] + b"\0" + packed[33:],
        lambda packed: packed[:32] + b"\x03" + packed[33:],
        lambda packed: packed[:33] + b"\x04\x00" + packed[35:],
        lambda packed: packed[:35] + b"\xff" + packed[36:],
        lambda packed: packed[:35] + b"zzz" + packed[38:],
    ],
)
def test_bytes_of_another_form_are_named(broken: Callable[[bytes], bytes]) -> None:
    (entries,) = packed_rows([cut(ONE), OTHER])
    changed = entries._replace(packed=broken(entries.packed))
    with pytest.raises(
        DamagedError, match=r"the table of aliases that left, in its row from 4328719365 on, is damaged"
    ):
        list(rows_in(changed))


@pytest.mark.parametrize(("at", "byte"), [(32, 0), (32, 1), (32, 3), (33, 2), (33, 9), (34, 0), (34, 255)])
def test_a_buyer_behind_damage_is_not_said_to_have_no_rows(at: int, byte: int) -> None:
    """Who was told so would give a second alias: here how many merchants the one before has, and how long their names
    are.
    """
    (entries,) = packed_rows([cut(ONE), OTHER, THIRD])
    assert rows_of([THIRD.key], entries) == [THIRD] and rows_of([b"k" * 32], entries) == []
    changed = entries._replace(packed=entries.packed[:at] + bytes([byte]) + entries.packed[at + 1 :])
    with pytest.raises(DamagedError):
        rows_of([THIRD.key], changed)


def test_a_hash_that_stands_amid_a_group_is_no_buyers() -> None:
    """As an alias and the next one, and as those and then as a buyer's."""
    (entries,) = packed_rows([cut(ONE), OTHER, THIRD])
    amid = b"\x0f" * 16 + b"\xa0" * 16
    assert amid in entries.packed and rows_of([amid], entries) == []
    behind = THIRD._replace(key=amid)
    (entries,) = packed_rows([cut(ONE), OTHER, behind])
    assert rows_of([amid], entries) == [behind]


def test_entries_without_any_row_are_damaged_where_they_are_to_have_one() -> None:
    with pytest.raises(DamagedError):
        bounds_of(Entries(7, b""))
