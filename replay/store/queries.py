"""The queries on the records of a store and on their tally: every statement once, each with the index that serves it.

Rows come as they are read, so that memory does not grow with their number. Rows of EVENT_COLUMNS are plain tuples, for
they are read by the million; those of whole records are a Row each. The table of aliases and the requests to erase
buyers have `alias_queries`.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final, NamedTuple

from replay.errors import damaged
from replay.store.base import ROW_COLUMNS, Head, Readable, Store
from replay.store.record import Row

EVENT_COLUMNS: Final = "stream, position, version, type, source, event_id, occurred_at, recorded_at, record"
EVERYTHING: Final = 2**62
"""A position after every other, and an instant after every other."""
BEFORE_ALL: Final = -(2**62)
"""A position before every other, those too that stand before the first."""
_NAMES_AT_ONCE: Final = 500
SEALED_COLUMNS: Final = "position, stream, type, occurred_at, record"
"""What segments are made of."""

Rows = Iterator[tuple[Any, ...]]
Name = tuple[str, str, str]
"""Subject, source and id of an event."""


# --- the ledger, in order of position


def plain_rows(store: Store, after: int, last: int) -> Rows:
    """The columns of `Row` of the records behind a position and up to another."""
    return store._records(ROW_COLUMNS, "WHERE position > ? AND position <= ? ORDER BY position", (after, last))


def sealed_rows(store: Store, after: int, last: int) -> Rows:
    """(position, stream, type, occurred_at, record): what segments are made of, and no more."""
    return store._records(SEALED_COLUMNS, "WHERE position > ? AND position <= ? ORDER BY position", (after, last))


def sealed_rows_of(store: Store, stream: str, after: int, last: int) -> Rows:
    """The same of the versions of a stream behind one up to another, in their order."""
    sql = "WHERE stream = ? AND version > ? AND version <= ? ORDER BY version"
    return store._records(SEALED_COLUMNS, sql, (stream, after, last))


def event_rows_of_types_between(store: Store, types: Collection[str], after: int, last: int) -> Rows:
    """Rows of EVENT_COLUMNS of the records of some types behind a position and up to another, in order of position."""
    sql = f"WHERE position > ? AND position <= ? AND type IN ({marks(types)}) ORDER BY position"
    return store._records(EVENT_COLUMNS, sql, (after, last, *sorted(types)))


def event_rows(store: Store, after: int, last: int) -> Rows:
    """Rows of EVENT_COLUMNS of the records behind a position and up to another."""
    return store._records(EVENT_COLUMNS, "WHERE position > ? AND position <= ? ORDER BY position", (after, last))


def row_at(store: Store, position: int) -> Row | None:
    """The record at a position of the ledger; None where there is none."""
    return next(map(Row._make, list(store._records(ROW_COLUMNS, "WHERE position = ?", (position,)))), None)


def event_row_at(store: Store, position: int) -> tuple[Any, ...]:
    """The row of EVENT_COLUMNS at a position of the ledger."""
    return next(store._records(EVENT_COLUMNS, "WHERE position = ?", (position,)))


def rows_at(store: Store, positions: Sequence[int]) -> Iterator[Row]:
    """The records at some positions, in no order."""
    for some in stretches(positions):
        yield from map(Row._make, store._records(ROW_COLUMNS, f"WHERE position IN ({marks(some)})", some))


def event_rows_at(store: Store, positions: Sequence[int]) -> Rows:
    """The rows of EVENT_COLUMNS at some positions, in no order."""
    for some in stretches(positions):
        yield from store._records(EVENT_COLUMNS, f"WHERE position IN ({marks(some)})", some)


def link_at(store: Store, position: int) -> Head | None:
    """When the record at a position was recorded, and the chain hash there; None where there is none."""
    found = link_up_to(store, position)
    return None if found is None or found.position != position else found


def link_up_to(store: Store, position: int) -> Head | None:
    """The same of the last record at or before a position: of a partial store, of the last one that it knows of.

    What a link says goes before the record itself, whose chain is not known there.
    """
    sql = "SELECT position, recorded_at, chain FROM records WHERE position <= ? ORDER BY position DESC LIMIT 1"
    found = next((Head(*row) for row in list(store._query(sql, (position,)))), None)
    link = None if store.held is None else store.held.link_up_to(position)
    return link if found is None or (link is not None and link.position >= found.position) else found


def recorded_at_each(store: Store, positions: Sequence[int]) -> dict[int, int]:
    """By position, when the record there was recorded; of a partial store, the last one before it that it knows of."""
    if store.held is not None:
        links = {position: link_up_to(store, position) for position in positions}
        return {position: link.recorded_at for position, link in links.items() if link is not None}
    found: dict[int, int] = {}
    for some in stretches(positions):
        sql = f"SELECT position, recorded_at FROM records WHERE position IN ({marks(some)})"
        found |= dict(store._query(sql, some))
    return found


def chain_at(store: Store, position: int) -> bytes | None:
    """The chain hash at a position; None where there is no record."""
    link = link_at(store, position)
    return None if link is None else link.chain


def chains_from(store: Store, position: int, last: int) -> dict[int, bytes]:
    """The chain hashes at a position and at the last one up to another, read together; none where no record is."""
    end = "(SELECT max(position) FROM records WHERE position <= ?)"
    sql = f"SELECT position, chain FROM records WHERE position = ? OR position = {end} ORDER BY position"
    return {at: bytes(chain) for at, chain in store._query(sql, (position, last))}


def records_at(store: Store, positions: Sequence[int]) -> Rows:
    """(position, record), in no order."""
    for some in stretches(positions):
        yield from store._records("position, record", f"WHERE position IN ({marks(some)})", some)


def place_at(store: Store, position: int) -> tuple[str, str]:
    """The stream and type that the columns of a record say."""
    ((stream, event_type),) = store._query("SELECT stream, type FROM records WHERE position = ?", (position,))
    return stream, event_type


def stream_at(store: Store, position: int) -> str | None:
    """The stream of the record at a position; None where there is none."""
    rows = list(store._query("SELECT stream FROM records WHERE position = ?", (position,)))
    return str(rows[0][0]) if rows else None


def notifications(store: Store, first: int, last: int, topics: Sequence[str], limit: int) -> Rows:
    """(stream, version, type, record, position) from a position up to another, of some types or of all."""
    chosen = f" AND type IN ({marks(topics)})" if topics else ""
    return store._records(
        "stream, version, type, record, position",
        f"WHERE position >= ? AND position <= ?{chosen} ORDER BY position LIMIT ?",
        (first, last, *topics, limit),
    )


# --- the tally


def tally(store: Store) -> dict[str, int]:
    """How many records the tally counts of each type, in the order of their names."""
    return dict(store._query("SELECT type, count FROM tally ORDER BY type"))


def counts_behind(store: Store, position: int) -> dict[str, int]:
    """How many records of each type stand behind a position."""
    return dict(store._query("SELECT type, count(*) FROM records WHERE position > ? GROUP BY type", (position,)))


def counts_of(store: Store, stream: str, position: int) -> dict[str, int]:
    """How many records of each type a stream holds up to a position."""
    sql = "SELECT type, count(*) FROM records WHERE stream = ? AND position <= ? GROUP BY type"
    return dict(store._query(sql, (stream, position)))


class Touched(NamedTuple):
    """A stream with records in some stretch of the ledger, how many these are, and its last version there."""

    stream: str
    records: int
    version: int


def streams_touched(store: Store, after: int, last: int) -> list[Touched]:
    """The streams of the records behind a position and up to another."""
    sql = (
        "SELECT stream, count(*), max(version) FROM records"
        " WHERE position > ? AND position <= ? GROUP BY stream ORDER BY stream"
    )
    return list(map(Touched._make, store._query(sql, (after, last))))


def lengths_of(store: Store, streams: Collection[str]) -> dict[str, int]:
    """By stream, its last version; none for a stream without a record."""
    length = "(SELECT max(version) FROM records AS r WHERE r.stream = wanted.stream)"
    found: dict[str, int] = {}
    for some in stretches(sorted(streams)):
        values = ", ".join(["(CAST(? AS TEXT))"] * len(some))
        sql = f"WITH wanted (stream) AS (VALUES {values}) SELECT stream, {length} FROM wanted"
        found |= {stream: version for stream, version in store._query(sql, some) if version is not None}
    return found


# --- one stream


def first_position(store: Store, stream: str) -> int | None:
    """Where the first record of a stream stands; None where it has none."""
    found = store._query("SELECT position FROM records WHERE stream = ? ORDER BY version LIMIT 1", (stream,))
    return next((int(position) for (position,) in found), None)


def length_of(store: Store, stream: str) -> int:
    """The last version of a stream; 0 where it has no record."""
    found = store._query("SELECT version FROM records WHERE stream = ? ORDER BY version DESC LIMIT 1", (stream,))
    return next((int(version) for (version,) in found), 0)


def length_at(store: Store, stream: str, position: int) -> int:
    """How many records of a stream there are up to a position: its versions have no gap and grow with the positions,
    so that the last one is found by halving.
    """
    low, high = 0, length_of(store, stream)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if position_of(store, stream, middle) <= position else (low, middle - 1)
    return low


def position_of(store: Store, stream: str, version: int) -> int:
    """Where a version of a stream stands. Raises DamagedError where it is missing."""
    for (position,) in store._query("SELECT position FROM records WHERE stream = ? AND version = ?", (stream, version)):
        return int(position)
    raise damaged(f"the ledger lacks version {version} of {stream}: it")


def count_between(store: Store, stream: str, first: int, end: int) -> int:
    """How many of a stream's events occurred from one instant on and before another."""
    sql = "SELECT count(*) FROM records WHERE stream = ? AND occurred_at >= ? AND occurred_at < ?"
    ((found,),) = store._query(sql, (stream, first, end))
    return int(found)


def rows_of(store: Store, stream: str, after: int = 0, last: int = EVERYTHING, ref: str | None = None) -> Iterator[Row]:
    """A stream's records behind a position and up to another, of one ref or of all, in order of version."""
    sql, about = "WHERE stream = ? AND position > ? AND position <= ?", () if ref is None else (ref,)
    sql += " AND ref = ?" if about else ""
    return map(Row._make, store._records(ROW_COLUMNS, f"{sql} ORDER BY version", (stream, after, last, *about)))


def places_in(store: Store, stream: str, last: int) -> list[tuple[int, int]]:
    """When each of a stream's records up to a position was recorded, and its position; in order of version."""
    sql = "SELECT recorded_at, position FROM records WHERE stream = ? AND position <= ? ORDER BY version"
    return [(recorded_at, position) for recorded_at, position in store._query(sql, (stream, last))]


def rows_of_types(
    store: Store, stream: str, types: Collection[str], position: int, *, latest_first: bool = False
) -> Iterator[Row]:
    """A stream's records of some types up to a position, in order of version."""
    sql = f"WHERE stream = ? AND position <= ? AND type IN ({marks(types)}) ORDER BY version"
    order = " DESC" if latest_first else ""
    return map(Row._make, store._records(ROW_COLUMNS, sql + order, (stream, position, *sorted(types))))


def rows_about(store: Store, stream: str, ref: str) -> Iterator[Row]:
    """A stream's records of one ref, in order of position."""
    return map(Row._make, store._records(ROW_COLUMNS, "WHERE stream = ? AND ref = ? ORDER BY position", (stream, ref)))


def refs_of_types(store: Store, stream: str, types: Collection[str], position: int) -> list[str]:
    """The different refs of a stream's records of some types up to a position."""
    sql = f"SELECT DISTINCT ref FROM records WHERE stream = ? AND type IN ({marks(types)}) AND position <= ?"
    return [ref for (ref,) in store._query(sql, (stream, *types, position))]


def event_rows_of(store: Store, stream: str, position: int) -> Rows:
    """A stream's rows of EVENT_COLUMNS up to a position, in order of version."""
    return store._records(EVENT_COLUMNS, "WHERE stream = ? AND position <= ? ORDER BY version", (stream, position))


def event_rows_behind(store: Store, stream: str, version: int, position: int) -> Rows:
    """A stream's rows of EVENT_COLUMNS behind a version and up to a position, in order of version."""
    sql = "WHERE stream = ? AND version > ? AND position <= ? ORDER BY version"
    return store._records(EVENT_COLUMNS, sql, (stream, version, position))


def event_rows_of_types(store: Store, stream: str, types: Collection[str], position: int) -> Rows:
    """A stream's rows of EVENT_COLUMNS of some types up to a position, in order of version."""
    sql = f"WHERE stream = ? AND position <= ? AND type IN ({marks(types)}) ORDER BY version"
    return store._records(EVENT_COLUMNS, sql, (stream, position, *sorted(types)))


def event_rows_between(store: Store, stream: str, first: int, end: int, position: int) -> Rows:
    """Those of a stream's up to a position that occurred from one instant on and before another."""
    sql = "WHERE stream = ? AND occurred_at >= ? AND occurred_at < ? AND position <= ?"
    return store._records(EVENT_COLUMNS, sql, (stream, first, end, position))


def event_rows_about(store: Store, stream: str, refs: Collection[str], position: int, end: int) -> Rows:
    """Those of a stream's up to a position that are of one of these refs and occurred before an instant."""
    # The plus keeps SQLite from reading the whole past by time, where each name is found by its own index.
    for some in stretches(sorted(refs)):
        sql = f"WHERE stream = ? AND ref IN ({marks(some)}) AND position <= ? AND +occurred_at < ?"
        yield from store._records(EVENT_COLUMNS, sql, (stream, *some, position, end))


def event_rows_of_decisions(store: Store, stream: str, scheme: str, position: int) -> Rows:
    """Those of the decisions on a subject in a scheme, up to a position, in order of version."""
    # A decision's ref is "<scheme> <period>"; '!' is the character after the blank.
    return store._records(
        EVENT_COLUMNS,
        "WHERE stream = ? AND ref > ? AND ref < ? AND type = 'level.decided' AND position <= ? ORDER BY version",
        (stream, f"{scheme} ", f"{scheme}!", position),
    )


def event_rows_of_last_decisions(store: Store, streams: Collection[str], scheme: str, period: str) -> Rows:
    """Of each of some streams, the rows of EVENT_COLUMNS of the decisions in a scheme on the last period up to one."""
    last = (
        "(SELECT max(d.ref) FROM records AS d WHERE d.stream = wanted.stream AND d.ref > ? AND d.ref <= ?"
        " AND d.type = 'level.decided')"
    )
    columns = ", ".join(f"r.{name}" for name in EVENT_COLUMNS.split(", "))
    condition = f"r.stream = wanted.stream AND r.ref = {last} AND r.type = 'level.decided'"
    names = [(stream,) for stream in streams]
    return rows_wanted(store, ("stream",), names, columns, condition, f"{scheme} ", f"{scheme} {period}")


def event_rows_of_decisions_on(store: Store, streams: Collection[str], scheme: str, period: str | None) -> Rows:
    """Of some streams, the rows of EVENT_COLUMNS of the decisions in a scheme, on a period or on all."""
    columns = ", ".join(f"r.{name}" for name in EVENT_COLUMNS.split(", "))
    refs = (f"{scheme} ", f"{scheme}!") if period is None else (f"{scheme} {period}",)
    named = "r.ref > ? AND r.ref < ?" if period is None else "r.ref = ?"
    condition = f"r.stream = wanted.stream AND {named} AND r.type = 'level.decided'"
    return rows_wanted(store, ("stream",), [(stream,) for stream in streams], columns, condition, *refs)


def streams_behind(store: Store, position: int, types_left_out: Collection[str]) -> set[str]:
    """The streams of the records behind a position but those of some types."""
    sql = f"SELECT DISTINCT stream FROM records WHERE position > ? AND type NOT IN ({marks(types_left_out)})"
    return {stream for (stream,) in store._query(sql, (position, *sorted(types_left_out)))}


def all_rows_of_type(store: Store, event_type: str, last: int) -> Iterator[Row]:
    """The records of one type in all streams, up to a position and in its order: by a walk through the ledger."""
    sql = "WHERE type = ? AND position <= ? ORDER BY position"
    return map(Row._make, store._records(ROW_COLUMNS, sql, (event_type, last)))


def places_of_type(store: Store, stream: str, event_type: str, position: int) -> Rows:
    """(position, occurred_at) of a stream's records of a type up to a position, in order of version."""
    sql = "SELECT position, occurred_at FROM records WHERE stream = ? AND position <= ? AND type = ? ORDER BY version"
    return store._query(sql, (stream, position, event_type))


def versions_of(store: Store, stream: str, after: int, last: int, limit: int, *, latest_first: bool) -> Rows:
    """(stream, version, type, record, position) of a stream's versions behind one and up to another."""
    return store._records(
        "stream, version, type, record, position",
        "WHERE stream = ? AND version > ? AND version <= ?"
        f" ORDER BY version {'DESC' if latest_first else 'ASC'} LIMIT ?",
        (stream, after, last, limit),
    )


def rows_wanted(
    readable: Readable,
    names: Sequence[str],
    wanted: Collection[tuple[str, ...]],
    columns: str,
    condition: str,
    *parameters: int | str,
) -> Rows:
    """Columns of the records `r` that fit one of the wanted rows of text, found by index."""
    first = f"({', '.join(['CAST(? AS TEXT)'] * len(names))})"
    other = f"({marks(names)})"
    for some in stretches(sorted(wanted)):
        values = ", ".join([first] + [other] * (len(some) - 1))
        # A cross join keeps SQLite from going through all records, for which it would make an index of the names.
        rows = readable._query(
            f"WITH wanted ({', '.join(names)}) AS (VALUES {values})"
            f" SELECT {columns} FROM wanted CROSS JOIN records AS r WHERE {condition}",
            (*(part for row in some for part in row), *parameters),
        )
        yield from readable._whole(columns, rows) if "r.record" in columns.split(", ") else rows


def of_r(columns: str) -> str:
    return ", ".join(f"r.{name}" for name in columns.split(", "))


def stretches(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Items in stretches of as many as one statement takes."""
    for start in range(0, len(items), _NAMES_AT_ONCE):
        yield items[start : start + _NAMES_AT_ONCE]


def marks(values: Collection[Any]) -> str:
    return ", ".join("?" * len(values))


# --- the database itself


def has_table(store: Store, schema: str, table: str) -> bool:
    """Whether a PostgreSQL database has a table; also to a role that may not read it."""
    found = store._query("SELECT 1 FROM pg_tables WHERE schemaname = ? AND tablename = ?", (schema, table))
    return bool(list(found))
