"""The queries on the records of a store and on their tally: every statement once, each with the index that serves it.

Rows come as they are read, so that memory does not grow with their number. Rows of EVENT_COLUMNS are plain tuples, for
they are read by the million; those of whole records are a Row each. The table of aliases and the requests to erase
buyers have `alias_queries`.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from replay.errors import damaged
from replay.store.base.identity import Head
from replay.store.base.store import Store
from replay.store.reading.asked import BEFORE_ALL, EVERYTHING, Asked, marks
from replay.store.reading.left import LeftRows
from replay.store.reading.readable import ROW_COLUMNS, Readable
from replay.store.reading.row import Row

EVENT_COLUMNS: Final = "stream, position, version, type, source, event_id, occurred_at, recorded_at, record"
_NAMES_AT_ONCE: Final = 500
SEALED_COLUMNS: Final = "position, stream, type, occurred_at, record"
"""What segments are made of."""

Rows = Iterator[tuple[Any, ...]]
OfLeft = Callable[[LeftRows, int], Iterable[tuple[Any, ...]]]
"""Gives rows that have left, up to a position."""
Name = tuple[str, str, str]
"""Subject, source and id of an event."""


# --- the ledger, in order of position


def plain_rows(store: Store, after: int, last: int) -> Rows:
    """The columns of `Row` of the records behind a position and up to another."""
    return store._records(ROW_COLUMNS, Asked(after=after, last=last))


def sealed_rows(store: Store, after: int, last: int) -> Rows:
    """(position, stream, type, occurred_at, record): what segments are made of, and no more."""
    return store._records(SEALED_COLUMNS, Asked(after=after, last=last))


def sealed_rows_of(store: Store, stream: str, after: int, last: int) -> Rows:
    """The same of the versions of a stream behind one up to another, in their order."""
    return store._records(SEALED_COLUMNS, Asked(stream, versions=(after, last)))


def event_rows_of_types_between(store: Store, types: Collection[str], after: int, last: int) -> Rows:
    """Rows of EVENT_COLUMNS of the records of some types behind a position and up to another, in order of position."""
    return store._records(EVENT_COLUMNS, Asked(after=after, last=last, types=types))


def event_rows(store: Store, after: int, last: int) -> Rows:
    """Rows of EVENT_COLUMNS of the records behind a position and up to another."""
    return store._records(EVENT_COLUMNS, Asked(after=after, last=last))


def row_at(store: Store, position: int) -> Row | None:
    """The record at a position of the ledger; None where there is none."""
    return next(rows_at(store, [position]), None)


def event_row_at(store: Store, position: int) -> tuple[Any, ...]:
    """The row of EVENT_COLUMNS at a position of the ledger."""
    return next(event_rows_at(store, [position]))


def rows_at(store: Store, positions: Sequence[int]) -> Iterator[Row]:
    """The records at some positions, in no order."""
    return map(Row._make, store._records_at(ROW_COLUMNS, positions))


def event_rows_at(store: Store, positions: Sequence[int]) -> Rows:
    """The rows of EVENT_COLUMNS at some positions, in no order."""
    return store._records_at(EVENT_COLUMNS, positions)


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
    if store.left is not None and (found is None or found.position < position):
        up_to = store.left.up_to()
        if found is None or found.position < min(position, up_to):
            return Head(*store.left.link(min(position, up_to))) if position > 0 else None
    link = None if store.held is None else store.held.link_up_to(position)
    return link if found is None or (link is not None and link.position >= found.position) else found


class Recorded(NamedTuple):
    """When a record was recorded, and where it stands."""

    recorded_at: int
    position: int


def recorded_up_to(store: Store, position: int) -> Recorded | None:
    """Of the last record at or before a position; of a partial store, of the last one that it knows of."""
    if store.held is not None:
        link = link_up_to(store, position)
        return None if link is None else Recorded(link.recorded_at, link.position)
    sql = "SELECT recorded_at, position FROM records WHERE position <= ? ORDER BY position DESC LIMIT 1"
    found = next((Recorded(*row) for row in list(store._query(sql, (position,)))), None)
    if store.left is None or position < 1 or (found is not None and found.position == position):
        return found
    left = min(position, store.left.up_to())
    return found if found is not None and found.position >= left else Recorded(store.left.recorded_at(left), left)


def recorded_at_each(store: Store, positions: Sequence[int]) -> dict[int, int]:
    """By position, when the record there was recorded; of a partial store, the last one before it that it knows of."""
    if store.held is not None:
        links = {position: link_up_to(store, position) for position in positions}
        return {position: link.recorded_at for position, link in links.items() if link is not None}
    return dict(store._records_at("position, recorded_at", positions))


def chain_at(store: Store, position: int) -> bytes | None:
    """The chain hash at a position; None where there is no record."""
    link = link_at(store, position)
    return None if link is None else link.chain


def chains_from(store: Store, position: int, last: int) -> dict[int, bytes]:
    """The chain hashes at a position and at the last one up to another, read together; none where no record is."""
    if store.left is not None:
        links = (link_at(store, position), link_up_to(store, last))
        return {link.position: link.chain for link in links if link is not None}
    end = "(SELECT max(position) FROM records WHERE position <= ?)"
    sql = f"SELECT position, chain FROM records WHERE position = ? OR position = {end} ORDER BY position"
    return {at: bytes(chain) for at, chain in store._query(sql, (position, last))}


def records_at(store: Store, positions: Sequence[int]) -> Rows:
    """(position, record), in no order."""
    return store._records_at("position, record", positions)


def place_at(store: Store, position: int) -> tuple[str, str]:
    """The stream and type that the columns of a record say."""
    ((stream, event_type),) = store._records_at("stream, type", [position])
    return stream, event_type


def stream_at(store: Store, position: int) -> str | None:
    """The stream of the record at a position; None where there is none."""
    rows = list(store._records_at("stream", [position]))
    return str(rows[0][0]) if rows else None


def notifications(store: Store, first: int, last: int, topics: Sequence[str], limit: int) -> Rows:
    """(stream, version, type, record, position) from a position up to another, of some types or of all."""
    asked = Asked(after=first - 1, last=last, types=topics or None, limit=limit)
    return store._records("stream, version, type, record, position", asked)


# --- the tally


def tally(store: Store) -> dict[str, int]:
    """How many records the tally counts of each type, in the order of their names."""
    return dict(store._query("SELECT type, count FROM tally ORDER BY type"))


def counts_behind(store: Store, position: int) -> dict[str, int]:
    """How many records of each type stand behind a position."""
    return _counted_by_type(store, Asked(after=position))


def counts_of(store: Store, stream: str, position: int) -> dict[str, int]:
    """How many records of each type a stream holds up to a position."""
    return _counted_by_type(store, Asked(stream, last=position))


def _counted_by_type(store: Store, asked: Asked) -> dict[str, int]:
    def here(up_to: int) -> dict[str, int]:
        condition, values = asked._replace(after=max(asked.after, up_to or BEFORE_ALL)).conditions()
        return dict(store._query(f"SELECT type, count(*) FROM records WHERE {condition} GROUP BY type", values))

    found, up_to = store._behind_left(here)
    if store.left is None:
        return found
    counts = Counter(found)
    counts.update(event_type for (event_type,) in store.left.rows(["type"], asked, up_to))
    return dict(counts)


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
    found, up_to = store._behind_left(lambda up_to: list(store._query(sql, (max(after, up_to), last))))
    touched = {stream: Touched(stream, count, version) for stream, count, version in found}
    if store.left is not None and after < up_to:
        for stream, version in store.left.rows(["stream", "version"], Asked(after=after, last=last), up_to):
            before = touched.get(stream, Touched(stream, 0, 0))
            touched[stream] = Touched(stream, before.records + 1, max(before.version, version))
    return [touched[stream] for stream in sorted(touched)]


def lengths_of(store: Store, streams: Collection[str]) -> dict[str, int]:
    """By stream, its last version; none for a stream without a record."""
    length = "(SELECT max(version) FROM records AS r WHERE r.stream = wanted.stream)"
    found: dict[str, int] = {}
    for some in stretches(sorted(streams)):
        values = ", ".join(["(CAST(? AS TEXT))"] * len(some))
        sql = f"WITH wanted (stream) AS (VALUES {values}) SELECT stream, {length} FROM wanted"
        found |= {stream: version for stream, version in store._query(sql, some) if version is not None}
    if store.left is not None:
        for stream, version in store.left.last_versions(streams, store.left.up_to()).items():
            found[stream] = max(found.get(stream, 0), version)
    return found


# --- one stream


def first_position(store: Store, stream: str) -> int | None:
    """Where the first record of a stream stands; None where it has none."""
    return next((position for (position,) in store._records("position", Asked(stream, limit=1))), None)


def length_of(store: Store, stream: str) -> int:
    """The last version of a stream; 0 where it has no record."""
    return lengths_of(store, [stream]).get(stream, 0)


def length_at(store: Store, stream: str, position: int) -> int:
    """How many records of a stream there are up to a position: its versions have no gap and grow with the positions,
    so that the last one is found by halving.
    """
    low, high = 0, length_of(store, stream)
    if store.left is not None:
        up_to = store.left.up_to()
        low = store.left.last_version_at(stream, min(position, up_to), up_to)
        if position <= up_to:
            return low
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if position_of(store, stream, middle) <= position else (low, middle - 1)
    return low


def position_of(store: Store, stream: str, version: int) -> int:
    """Where a version of a stream stands. Raises DamagedError where it is missing."""
    for (position,) in store._query("SELECT position FROM records WHERE stream = ? AND version = ?", (stream, version)):
        return int(position)
    if store.left is not None:
        asked = Asked(stream, versions=(version - 1, version))
        for place in store.left.places(asked, store.left.up_to()):
            return place.position
    raise damaged(f"the ledger lacks version {version} of {stream}: it")


def count_between(store: Store, stream: str, first: int, end: int) -> int:
    """How many of a stream's events occurred from one instant on and before another."""
    asked = Asked(stream, times=(first, end))

    def here(up_to: int) -> int:
        condition, values = asked._replace(after=up_to or BEFORE_ALL).conditions()
        ((found,),) = store._query(f"SELECT count(*) FROM records WHERE {condition}", values)
        return int(found)

    count, up_to = store._behind_left(here)
    return count if store.left is None else count + sum(1 for _ in store.left.rows(["position"], asked, up_to))


def rows_of(store: Store, stream: str, after: int = 0, last: int = EVERYTHING, ref: str | None = None) -> Iterator[Row]:
    """A stream's records behind a position and up to another, of one ref or of all, in order of version."""
    asked = Asked(stream, after, last, refs=None if ref is None else (ref,))
    return map(Row._make, store._records(ROW_COLUMNS, asked))


def places_in(store: Store, stream: str, last: int) -> list[tuple[int, int]]:
    """When each of a stream's records up to a position was recorded, and its position; in order of version."""
    return list(store._records("recorded_at, position", Asked(stream, last=last)))


def rows_of_types(
    store: Store, stream: str, types: Collection[str], position: int, *, latest_first: bool = False
) -> Iterator[Row]:
    """A stream's records of some types up to a position, in order of version."""
    asked = Asked(stream, last=position, types=types, latest_first=latest_first)
    return map(Row._make, store._records(ROW_COLUMNS, asked))


def rows_about(store: Store, stream: str, ref: str) -> Iterator[Row]:
    """A stream's records of one ref, in order of position."""
    return map(Row._make, store._records(ROW_COLUMNS, Asked(stream, refs=(ref,))))


def refs_of_types(store: Store, stream: str, types: Collection[str], position: int) -> list[str]:
    """The different refs of a stream's records of some types up to a position."""
    return sorted({ref for (ref,) in store._records("ref", Asked(stream, last=position, types=types))})


def event_rows_of(store: Store, stream: str, position: int) -> Rows:
    """A stream's rows of EVENT_COLUMNS up to a position, in order of version."""
    return store._records(EVENT_COLUMNS, Asked(stream, last=position))


def event_rows_behind(store: Store, stream: str, version: int, position: int) -> Rows:
    """A stream's rows of EVENT_COLUMNS behind a version and up to a position, in order of version."""
    return store._records(EVENT_COLUMNS, Asked(stream, last=position, versions=(version, EVERYTHING)))


def event_rows_of_types(store: Store, stream: str, types: Collection[str], position: int) -> Rows:
    """A stream's rows of EVENT_COLUMNS of some types up to a position, in order of version."""
    return store._records(EVENT_COLUMNS, Asked(stream, last=position, types=types))


def event_rows_between(store: Store, stream: str, first: int, end: int, position: int) -> Rows:
    """Those of a stream's up to a position that occurred from one instant on and before another, in no order."""
    return store._records(EVENT_COLUMNS, Asked(stream, last=position, times=(first, end)))


def event_rows_about(store: Store, stream: str, refs: Collection[str], position: int, end: int) -> Rows:
    """Those of a stream's up to a position that are of one of these refs and occurred before an instant."""
    for some in stretches(sorted(refs)):
        yield from store._records(EVENT_COLUMNS, Asked(stream, last=position, times=(BEFORE_ALL, end), refs=some))


def event_rows_of_decisions(store: Store, stream: str, scheme: str, position: int) -> Rows:
    """Those of the decisions on a subject in a scheme, up to a position, in order of version."""
    # A decision's ref is "<scheme> <period>"; '!' is the character after the blank. Their rows stay in the database.
    sql = "WHERE stream = ? AND ref > ? AND ref < ? AND type = 'level.decided' AND position <= ? ORDER BY version"
    values = (stream, f"{scheme} ", f"{scheme}!", position)
    return store._whole(EVENT_COLUMNS, store._query(f"SELECT {EVENT_COLUMNS} FROM records {sql}", values))


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
    left_out = tuple(sorted(types_left_out))
    found, up_to = store._behind_left(lambda up_to: list(store._query(sql, (max(position, up_to), *left_out))))
    streams = {stream for (stream,) in found}
    if store.left is not None and position < up_to:
        rows = store.left.rows(["stream", "type"], Asked(after=position), up_to)
        streams |= {stream for stream, event_type in rows if event_type not in types_left_out}
    return streams


def all_rows_of_type(store: Store, event_type: str, last: int) -> Iterator[Row]:
    """The records of one type in all streams, up to a position and in its order: by a walk through the ledger."""
    return map(Row._make, store._records(ROW_COLUMNS, Asked(last=last, types=(event_type,))))


def places_of_type(store: Store, stream: str, event_type: str, position: int) -> Rows:
    """(position, occurred_at) of a stream's records of a type up to a position, in order of version."""
    return store._records("position, occurred_at", Asked(stream, last=position, types=(event_type,)))


def versions_of(store: Store, stream: str, after: int, last: int, limit: int, *, latest_first: bool) -> Rows:
    """(stream, version, type, record, position) of a stream's versions behind one and up to another."""
    asked = Asked(stream, versions=(after, last), latest_first=latest_first, limit=limit)
    return store._records("stream, version, type, record, position", asked)


def rows_wanted(
    readable: Readable,
    names: Sequence[str],
    wanted: Collection[tuple[str, ...]],
    columns: str,
    condition: str,
    *parameters: int | str,
    of_left: OfLeft | None = None,
) -> Rows:
    """Columns of the records `r` that fit one of the wanted rows of text, found by index.

    `of_left` gives the same of rows that have left, up to a position, where such may be wanted.
    """
    if readable.left is None or of_left is None:
        rows = _wanted_here(readable, names, wanted, columns, condition, parameters)
        yield from readable._whole(columns, rows)
        return
    here = list(_wanted_here(readable, names, wanted, f"r.position, {columns}", condition, parameters))
    up_to = readable.left.up_to()
    yield from of_left(readable.left, up_to)
    yield from readable._whole(columns, (row[1:] for row in here if row[0] > up_to))


def _wanted_here(
    readable: Readable,
    names: Sequence[str],
    wanted: Collection[tuple[str, ...]],
    columns: str,
    condition: str,
    parameters: Sequence[int | str],
) -> Rows:
    first = f"({', '.join(['CAST(? AS TEXT)'] * len(names))})"
    other = f"({marks(names)})"
    for some in stretches(sorted(wanted)):
        values = ", ".join([first] + [other] * (len(some) - 1))
        # A cross join keeps SQLite from going through all records, for which it would make an index of the names.
        yield from readable._query(
            f"WITH wanted ({', '.join(names)}) AS (VALUES {values})"
            f" SELECT {columns} FROM wanted CROSS JOIN records AS r WHERE {condition}",
            (*(part for row in some for part in row), *parameters),
        )


def records_with_refs(readable: Readable, wanted: Collection[tuple[str, str]], columns: str) -> Rows:
    """Columns of the records of some pairs of a stream and a ref, in no order."""

    def of_left(left: LeftRows, up_to: int) -> Rows:
        return left.at(columns.split(", "), [at for _, at in left.about(wanted, up_to)])

    same = "r.stream = wanted.stream AND r.ref = wanted.ref"
    return rows_wanted(readable, ("stream", "ref"), wanted, of_r(columns), same, of_left=of_left)


def of_r(columns: str) -> str:
    return ", ".join(f"r.{name}" for name in columns.split(", "))


def stretches(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Items in stretches of as many as one statement takes."""
    for start in range(0, len(items), _NAMES_AT_ONCE):
        yield items[start : start + _NAMES_AT_ONCE]


# --- the database itself


def has_table(store: Store, schema: str, table: str) -> bool:
    """Whether a PostgreSQL database has a table; also to a role that may not read it."""
    found = store._query("SELECT 1 FROM pg_tables WHERE schemaname = ? AND tablename = ?", (schema, table))
    return bool(list(found))
