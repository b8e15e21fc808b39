"""Rows of the table of aliases that have left it, found by the hashes of buyers; by alias alone all are gone through.

A row that leaves is in one of both places at any moment. Whoever asks looks first at the table, and so misses none.
"""

from bisect import bisect_right
from collections.abc import Collection, Iterator
from itertools import groupby, islice
from operator import itemgetter
from typing import Final

from replay.schema.versions import LEFT_ALIASES
from replay.store.reading.alias_form import (
    AliasRow,
    Entries,
    bounds_of,
    first_of,
    is_usual_alias,
    rows_in,
    rows_of,
)
from replay.store.reading.readable import Readable

_AT_ONCE: Final = 500
_SOUGHT_ONE_BY_ONE_MAX: Final = 50
"""Of so few aliases each is sought in the bytes; for more these are read."""
ALL_ENTRIES: Final = f"SELECT first, entries FROM {LEFT_ALIASES}"


def entries_of(readable: Readable, buyers: Collection[bytes]) -> Iterator[tuple[bytes, Entries]]:
    """Hashes of buyers, each with the entries in which its rows stand, if any have left: some hundred a statement."""
    if readable.left is None:
        return
    wanted = sorted(buyers)
    for start in range(0, len(wanted), _AT_ONCE):
        some = wanted[start : start + _AT_ONCE]
        sql = (
            f"WITH k (first) AS (VALUES {', '.join(['(CAST(? AS BIGINT))'] * len(some))})"
            f" {ALL_ENTRIES} WHERE first IN"
            f" (SELECT (SELECT max(l.first) FROM {LEFT_ALIASES} AS l WHERE l.first <= k.first) FROM k) ORDER BY first"
        )
        found = [Entries(first, bytes(packed)) for first, packed in readable._query(sql, [*map(first_of, some)])]
        firsts = [entries.first for entries in found]
        for buyer in some:
            if place := bisect_right(firsts, first_of(buyer)):
                yield buyer, found[place - 1]


def left_rows_of(readable: Readable, buyers: Collection[bytes]) -> Iterator[AliasRow]:
    """The rows of some buyers that have left. Raises DamagedError."""
    for entries, some in groupby(entries_of(readable, buyers), itemgetter(1)):
        yield from rows_of([buyer for buyer, _ in some], entries)


def merchants_of(readable: Readable, aliases: Collection[str]) -> dict[str, str]:
    """By alias, of those whose rows have left, the merchant: by a walk through all of them. Raises DamagedError."""
    wanted, found = {*filter(is_usual_alias, aliases)}, dict[str, str]()
    if readable.left is None or not wanted:
        return found
    sought = [bytes.fromhex(alias) for alias in wanted] if len(wanted) <= _SOUGHT_ONE_BY_ONE_MAX else [b""]
    for first, packed in readable._query(ALL_ENTRIES):
        entries = Entries(first, bytes(packed))
        if any(alias in entries.packed for alias in sought):
            found |= {row.alias: row.merchant for row in rows_in(entries) if row.alias in wanted}
    return found


def all_alias_rows(readable: Readable) -> Iterator[AliasRow]:
    """Every row, of those that left, too: as they all stand at one moment. Raises DamagedError."""
    columns = ", ".join(AliasRow._fields)
    sql = f"SELECT {columns} FROM buyers"
    if readable.left is None:
        yield from map(AliasRow._make, readable._query(sql))
        return
    # One statement, which shows one moment.
    both = f"{sql} UNION ALL SELECT entries, NULL, CAST(first AS TEXT), NULL FROM {LEFT_ALIASES}"
    for key, merchant, alias, seal in readable._query(both):
        if merchant is not None:
            yield AliasRow(key, merchant, alias, seal)
        else:
            yield from rows_in(Entries(int(alias), bytes(key)))


def second_rows(readable: Readable) -> Iterator[tuple[AliasRow, AliasRow]]:
    """Each row of the table of a buyer who has another one at that merchant that left, with that one. Raises
    DamagedError.
    """
    if readable.left is None:
        return
    rows = map(AliasRow._make, readable._query(f"SELECT {', '.join(AliasRow._fields)} FROM buyers"))
    while some := list(islice(rows, _AT_ONCE)):
        here = {(bytes(row.key), row.merchant): row for row in some}
        for left in left_rows_of(readable, {buyer for buyer, _ in here}):
            if (row := here.get((left.key, left.merchant))) is not None:
                yield row, left


def aliases_about(readable: Readable) -> int:
    """About how many rows have left: told by their bytes."""
    if readable.left is None:
        return 0
    ((size,),) = readable._query(f"SELECT CAST(coalesce(sum(length(entries)), 0) AS BIGINT) FROM {LEFT_ALIASES}")
    return int(size) // _ROW_BYTES


_ROW_BYTES: Final = 50


def misfits(readable: Readable) -> Iterator[int]:
    """By their first, the entries that hold a buyer who would not be looked for there. Raises DamagedError."""
    if readable.left is None:
        return
    before = b""
    for first, packed in readable._query(f"{ALL_ENTRIES} ORDER BY first"):
        least, last = bounds_of(Entries(first, bytes(packed)))
        if first_of(least) < first or first_of(before) >= first > 0:
            yield int(first)
        before = last
