"""The queries on records of many streams at once, each by an index: by names, refs, streams and bindings."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from domain.events import BINDING_TYPES
from replay.store.base.store import Store
from replay.store.base.transaction import Transaction
from replay.store.queries import EVENT_COLUMNS, SEALED_COLUMNS, Name, OfLeft, Rows, of_r, rows_wanted
from replay.store.reading.asked import BEFORE_ALL, EVERYTHING, Asked
from replay.store.reading.left import LeftRows
from replay.store.reading.readable import ROW_COLUMNS, Readable
from replay.store.reading.row import Row

_NAMED_COLUMNS: Final = f"{SEALED_COLUMNS}, source, event_id"
_EVENT_ID: Final = EVENT_COLUMNS.split(", ").index("event_id")
_SAME_REF: Final = "r.stream = wanted.stream AND r.ref = wanted.ref"


def event_rows_named(store: Store, event_id: str, position: int) -> Rows:
    """The rows of EVENT_COLUMNS of an id up to a position: a step in the index for each source of the ledger."""
    step = "SELECT min(source) FROM records WHERE source > "
    rows = store._query(
        f"WITH RECURSIVE s (source) AS (SELECT min(source) FROM records UNION ALL"
        f" SELECT ({step} s.source) FROM s WHERE s.source IS NOT NULL)"
        f" SELECT {of_r(EVENT_COLUMNS)} FROM s CROSS JOIN records AS r"
        " WHERE r.source = s.source AND r.event_id = ? AND r.position <= ? ORDER BY r.position",
        (event_id, position),
    )
    if store.left is None:
        yield from store._whole(EVENT_COLUMNS, rows)
        return
    here = list(store._whole(EVENT_COLUMNS, rows))
    up_to = store.left.up_to()
    places = sorted(store.left.with_ids([event_id], min(up_to, position)))
    yield from (row for row in store.left.at(EVENT_COLUMNS.split(", "), places) if row[_EVENT_ID] == event_id)
    yield from (row for row in here if row[1] > up_to)


def row_named(store: Store, source: str, event_id: str) -> Row | None:
    """The record of an event; None where the ledger holds none."""
    found = store._records(ROW_COLUMNS, Asked(name=(source, event_id)))
    return next(map(Row._make, found), None)


def subjects_between(store: Store, first: str, end: str) -> Rows:
    """The streams whose names stand between two, each with its last version: one step in the index a stream."""
    step = "SELECT min(stream) FROM records WHERE stream > {} AND stream < ?"
    rows = store._query(
        f"WITH RECURSIVE s (stream) AS ({step.format('?')} UNION ALL"
        f" SELECT ({step.format('s.stream')}) FROM s WHERE s.stream IS NOT NULL)"
        " SELECT s.stream, (SELECT max(version) FROM records AS r WHERE r.stream = s.stream)"
        " FROM s WHERE s.stream IS NOT NULL",
        (first, end, end),
    )
    if store.left is None:
        yield from rows
        return
    found = {stream: int(version) for stream, version in rows}
    left = [stream for stream in store.left.streams_between(first, end) if stream > first]
    for stream, version in store.left.last_versions(left, store.left.up_to()).items():
        found[stream] = max(found.get(stream, 0), version)
    yield from sorted(found.items())


def first_subject(store: Store, first: str, end: str) -> str | None:
    """The first stream whose name is `first` or stands behind it, and stands before `end`."""
    sql = "SELECT min(stream) FROM records WHERE stream >= ? AND stream < ?"
    ((found,),) = store._query(sql, (first, end))
    streams = [] if found is None else [str(found)]
    if store.left is not None:
        streams += store.left.streams_between(first, end, limit=1)
    return min(streams, default=None)


def binding_rows(store: Store, creator: str, position: int) -> Rows:
    """(type, record, position) of the bindings of a creator, of whichever agency, up to a position and in its order."""
    # Types as text in the statement: the index holds the rows of these alone.
    types = ", ".join(f"'{name}'" for name in BINDING_TYPES)
    columns = "type, record, position"
    sql = f"WHERE ref = ? AND type IN ({types}) AND position <= ? ORDER BY position"
    return store._whole(columns, store._query(f"SELECT {columns} FROM records {sql}", (creator, position)))


def sealed_rows_of_bindings(store: Store, creators: Collection[str], position: int) -> Rows:
    """What segments are made of, source and id, of the bindings of some creators up to a position, in no order."""
    types = ", ".join(f"'{name}'" for name in BINDING_TYPES)
    condition = f"r.ref = wanted.ref AND r.type IN ({types}) AND r.position <= ?"
    return rows_wanted(store, ("ref",), [(creator,) for creator in creators], of_r(_NAMED_COLUMNS), condition, position)


def sealed_rows_of_retractions(store: Store, names: Collection[Name], position: int) -> Rows:
    """The same of the retractions up to a position that name some events of their streams."""
    wanted = [(stream, f"{source} {event_id}") for stream, source, event_id in names]
    condition = f"{_SAME_REF} AND r.type = 'event.retracted' AND r.position <= ?"
    return rows_wanted(store, ("stream", "ref"), wanted, of_r(_NAMED_COLUMNS), condition, position)


class Retraction(NamedTuple):
    """A record of that kind, by its columns."""

    position: int
    stream: str
    source: str
    event_id: str
    ref: str
    recorded_at: int

    @property
    def name(self) -> Name:
        return self.stream, self.source, self.event_id

    @property
    def named(self) -> Name:
        source, _, event_id = self.ref.partition(" ")
        return self.stream, source, event_id


def latest_retractions(store: Store, at_most: int) -> list[Retraction]:
    """The last retractions of a ledger, the latest first. Only where it has their index."""
    rows = store._query(
        "SELECT position, stream, source, event_id, ref, recorded_at FROM records WHERE type = 'event.retracted'"
        " ORDER BY recorded_at DESC, position DESC LIMIT ?",
        (at_most,),
    )
    return list(map(Retraction._make, rows))


def places_named(readable: Readable, names: Collection[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """By source and id, where those of some events stand that are recorded, of whichever stream and type."""
    same = "r.source = wanted.source AND r.event_id = wanted.event_id"
    rows = rows_wanted(readable, ("source", "event_id"), names, "r.source, r.event_id, r.position", same)
    found = {(source, event_id): position for source, event_id, position in rows}
    if readable.left is not None:
        found |= readable.left.named({*names} - found.keys(), readable.left.up_to())
    return found


def names_between(store: Store, after: int, last: int) -> Iterator[tuple[tuple[str, str], int, str, str]]:
    """Source and id of each record behind a position and up to another, with its own, its type and its ref."""
    rows = store._records("source, event_id, position, type, ref", Asked(after=after, last=last))
    return (((source, event_id), position, type_, ref or "") for source, event_id, position, type_, ref in rows)


def places_of(readable: Readable, names: Collection[Name]) -> dict[Name, int]:
    """Where those of some events stand that are recorded and that a retraction can name; found by index."""
    same = "r.source = wanted.source AND r.event_id = wanted.event_id AND r.stream = wanted.stream"
    rows = rows_wanted(
        readable,
        ("stream", "source", "event_id"),
        names,
        "r.stream, r.source, r.event_id, r.position",
        f"{same} AND r.type <> 'level.decided'",
    )
    found = {(stream, source, event_id): position for stream, source, event_id, position in rows}
    if readable.left is None or len(found) == len({*names}):
        return found
    left = readable.left
    wanted = {*names}
    missing = {(source, event_id) for _, source, event_id in wanted - found.keys()}
    places = left.named(missing, left.up_to())
    for stream, event_type, *name, position in left.at(_PLACED_COLUMNS, sorted(places.values())):
        if event_type != "level.decided" and (stream, *name) in wanted:
            found[stream, name[0], name[1]] = position
    return found


_PLACED_COLUMNS: Final = ("stream", "type", "source", "event_id", "position")


def event_rows_with_refs(store: Store, wanted: Collection[tuple[str, str]], position: int) -> Rows:
    """Rows of EVENT_COLUMNS and the ref, of records up to a position, by pairs of a stream and a ref."""
    columns, names = f"{of_r(EVENT_COLUMNS)}, r.ref", [*EVENT_COLUMNS.split(", "), "ref"]
    of_left = _of_refs(names, wanted, position)
    condition = f"{_SAME_REF} AND r.position <= ?"
    return rows_wanted(store, ("stream", "ref"), wanted, columns, condition, position, of_left=of_left)


def sealed_rows_of_streams(store: Store, streams: Collection[str], position: int) -> Rows:
    """What segments are made of, of the records of some streams up to a position, in no order."""
    columns = of_r(SEALED_COLUMNS)
    same = "r.stream = wanted.stream AND r.position <= ?"
    wanted = [(stream,) for stream in streams]
    of_left = _of_streams(dict.fromkeys(streams, BEFORE_ALL), position)
    return rows_wanted(store, ("stream",), wanted, columns, same, position, of_left=of_left)


def sealed_rows_since(store: Store, firsts: Mapping[str, int], position: int) -> Rows:
    """The same of each stream's records from an instant on, by stream."""
    columns = of_r(SEALED_COLUMNS)
    same = "r.stream = wanted.stream AND r.occurred_at >= CAST(wanted.first AS BIGINT) AND r.position <= ?"
    wanted = [(stream, str(first)) for stream, first in firsts.items()]
    of_left = _of_streams(firsts, position)
    return rows_wanted(store, ("stream", "first"), wanted, columns, same, position, of_left=of_left)


def sealed_rows_with_refs(store: Store, wanted: Collection[tuple[str, str]], position: int, end: int) -> Rows:
    """The same of the records of some pairs of a stream and a ref that occurred before an instant."""
    columns = of_r(SEALED_COLUMNS)
    # The plus keeps SQLite from reading the whole past by time, where each name is found by its own index.
    condition = f"{_SAME_REF} AND r.position <= ? AND +r.occurred_at < ?"
    of_left = _of_refs(SEALED_COLUMNS.split(", "), wanted, position, end)
    return rows_wanted(store, ("stream", "ref"), wanted, columns, condition, position, end, of_left=of_left)


def _of_refs(
    columns: Sequence[str], wanted: Collection[tuple[str, str]], position: int, end: int = EVERYTHING
) -> OfLeft:
    """Columns of the records up to a position that have left, of pairs of a stream and a ref, before an instant."""

    def of_left(left: LeftRows, up_to: int) -> Rows:
        places = [at for _, at in left.about(wanted, min(position, up_to))]
        rows = left.at(["occurred_at", *columns], places)
        return (row[1:] for row in rows if row[0] < end)

    return of_left


def _of_streams(firsts: Mapping[str, int], position: int) -> OfLeft:
    """What segments are made of, of those records of streams from an instant on, up to a position, that have left."""

    def of_left(left: LeftRows, up_to: int) -> Rows:
        for stream, first in firsts.items():
            asked = Asked(stream, last=position, times=None if first == BEFORE_ALL else (first, EVERYTHING))
            yield from left.rows(SEALED_COLUMNS.split(", "), asked, up_to)

    return of_left


class Place(NamedTuple):
    """Where a record stands, when its event occurred, and its type."""

    position: int
    occurred_at: int
    type: str


def places_with_refs(
    transaction: Transaction, wanted: Collection[tuple[str, str]]
) -> Iterator[tuple[tuple[str, str], Place]]:
    """The places of the records of some pairs of a stream and a ref, each with its pair."""
    columns = "r.stream, r.ref, r.position, r.occurred_at, r.type"
    of_left = _of_refs(["stream", "ref", *Place._fields], wanted, EVERYTHING)
    rows = rows_wanted(transaction, ("stream", "ref"), wanted, columns, _SAME_REF, of_left=of_left)
    for stream, ref, *place in rows:
        yield (stream, ref), Place(*place)


def places_at_instant(transaction: Transaction, stream: str, occurred_at: int) -> list[Place]:
    """The places of a stream's events of one instant."""
    asked = Asked(stream, times=(occurred_at, occurred_at + 1))
    return list(map(Place._make, transaction._records(", ".join(Place._fields), asked)))
