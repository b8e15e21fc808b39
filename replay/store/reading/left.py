"""Rows that have left a store: found by what it notes of them, read out of the segments in which their records lie.

They are those of a beginning of the ledger, *up to* a position which only rises. Whoever asks first looks at what is
still here and then how far rows have left, and leaves out what is behind neither: so none is missed and none is met
twice while rows leave.
"""

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import chain as joined
from typing import Any, Final, NamedTuple, Protocol

from replay.blocks.form import RecordSegment
from replay.blocks.reading import Blocks
from replay.errors import damaged
from replay.schema.versions import LEFT_LINKS, LEFT_NAMES, LEFT_STREAMS
from replay.store.reading.asked import EVERYTHING, Asked, marks
from replay.store.reading.form import (
    CODES,
    OTHER_CODE,
    bucket_of,
    hash_of_id,
    hash_of_ref,
    places_in,
    positions_of,
)
from replay.store.reading.picking import PICKS, Pick, Picked, picked, recorded_instant, ref_of
from replay.store.reading.row import leaf_hash, linked

_CHAINS_KEPT: Final = 4
"""Of so many stretches between links that are kept, the chains that were worked out are remembered."""
_AT_ONCE: Final = 500


class Database(Protocol):
    """What is asked of a store in which notes are kept."""

    blocks: Blocks

    def _query(self, sql: str, parameters: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]: ...

    def record_segments(self) -> list[RecordSegment]: ...

    def chain_start(self) -> bytes: ...


class Link(NamedTuple):
    """The chain at a position, and when the record there was recorded."""

    position: int
    recorded_at: int
    chain: bytes


class _Kept(NamedTuple):
    """A chain that is kept, and its position."""

    position: int
    chain: bytes


class StreamPlace(NamedTuple):
    """Where a record of a stream stands."""

    position: int
    version: int


class LeftRows:
    """The rows that have left a store, as one connection sees them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._chains: OrderedDict[int, list[bytes]] = OrderedDict()

    def up_to(self) -> int:
        """Up to which position rows have left; 0 for none."""
        ((last,),) = self._database._query(f"SELECT coalesce(max(position), 0) FROM {LEFT_LINKS}")
        return int(last)

    def rows(self, columns: Sequence[str], asked: Asked, up_to: int) -> Iterator[tuple[Any, ...]]:
        """Columns of the records that are asked for, up to a position: in its order, or the latest first.

        The chain is worked out for whoever walks through the ledger, and otherwise empty: `link` tells it of one.
        """
        found = self._records(asked, up_to)
        if "chain" in columns and asked.is_walk:
            return self._with_chains(columns, found)
        return _columns_of(columns, found)

    def at(self, columns: Sequence[str], positions: Iterable[int]) -> Iterator[tuple[Any, ...]]:
        """Columns of the records at some positions that have left, the chain empty."""
        return _columns_of(columns, map(self._at, positions))

    def places(self, asked: Asked, up_to: int) -> Iterator[StreamPlace]:
        """Where the records of a stream stand that may be asked for, in order; looks at no record, so that times may be
        others.
        """
        last = min(up_to, asked.last)
        after, until = (0, EVERYTHING) if asked.versions is None else asked.versions
        sql = (
            f"SELECT first_version, first_position, places FROM {LEFT_STREAMS}"
            " WHERE stream = ? AND last <= ? AND last_position > ? AND first_position <= ?"
            " AND first_version <= ? AND first_version + count > ?"
        )
        values: list[Any] = [asked.stream, up_to, asked.after, last, until, after + 1]
        if asked.times is not None:
            sql += " AND last_time >= ? AND first_time < ?"
            values += asked.times
        codes = None if asked.types is None else {OTHER_CODE, *(CODES.get(name, OTHER_CODE) for name in asked.types)}
        order = "DESC" if asked.latest_first else "ASC"
        for first_version, first, packed in list(self._database._query(f"{sql} ORDER BY last {order}", values)):
            found = places_in(first, bytes(packed))
            numbers = range(max(after + 1 - first_version, 0), min(until + 1 - first_version, len(found.positions)))
            for number in reversed(numbers) if asked.latest_first else numbers:
                position, code = found.positions[number], found.types[number]
                if asked.after < position <= last and (codes is None or code in codes):
                    yield StreamPlace(position, first_version + number)

    def last_version_at(self, stream: str, position: int, up_to: int) -> int:
        """The version of the last record of a stream at or before a position that has left; 0 where there is none."""
        sql = (
            f"SELECT first_version, first_position, places FROM {LEFT_STREAMS}"
            " WHERE stream = ? AND last <= ? AND first_position <= ? ORDER BY last DESC LIMIT 1"
        )
        for first_version, first, packed in list(self._database._query(sql, (stream, up_to, position))):
            return int(first_version) + bisect_right(places_in(first, bytes(packed)).positions, position) - 1
        return 0

    def named(self, names: Collection[tuple[str, str]], up_to: int) -> dict[tuple[str, str], int]:
        """By source and id, where those of some events stand that have left."""
        wanted = {*names}
        found = {}
        for position in self.with_ids({event_id for _, event_id in wanted}, up_to):
            one, _ = self._at(position)
            name = one.event.source, one.event.id
            if name in wanted:
                found[name] = position
        return found

    def with_ids(self, event_ids: Collection[str], up_to: int) -> Iterator[int]:
        """Where the records stand that have left and may bear one of some ids, of whichever source: whoever asks looks,
        since the hash of another id may begin as theirs does.
        """
        return iter(self._entries({hash_of_id(event_id) for event_id in event_ids}, up_to))

    def about(self, pairs: Collection[tuple[str, str]], up_to: int) -> list[tuple[tuple[str, str], int]]:
        """(stream and ref, position) of the records that have left and are of some pairs of them, by position."""
        wanted = {*pairs}
        streams = {stream for stream, _ in wanted}
        found = []
        for position in sorted(self._entries({hash_of_ref(*pair) for pair in wanted}, up_to)):
            one, _ = self._at(position)
            pair = one.stream, ref_of(one) if one.stream in streams else None
            if pair in wanted:
                found.append((pair, position))
        return found

    def last_versions(self, streams: Collection[str], up_to: int) -> dict[str, int]:
        """By stream, of those of which rows have left, the version of the last of these."""
        found: dict[str, int] = {}
        last = f"(SELECT max(last) FROM {LEFT_STREAMS} AS m WHERE m.stream = l.stream AND m.last <= ?)"
        listed = sorted(streams)
        for start in range(0, len(listed), _AT_ONCE):
            some = listed[start : start + _AT_ONCE]
            sql = (
                f"SELECT stream, first_version + count - 1 FROM {LEFT_STREAMS} AS l"
                f" WHERE stream IN ({marks(some)}) AND last = {last}"
            )
            found |= {stream: int(version) for stream, version in self._database._query(sql, (*some, up_to))}
        return found

    def streams_between(self, first: str, end: str, limit: int | None = None) -> list[str]:
        """The first streams, by name, of which rows have left, that stand between two names or are the first."""
        step = f"SELECT min(stream) FROM {LEFT_STREAMS} WHERE stream {{}} AND stream < ?"
        sql = (
            f"WITH RECURSIVE s (stream) AS ({step.format('>= ?')} UNION ALL"
            f" SELECT ({step.format('> s.stream')}) FROM s WHERE s.stream IS NOT NULL)"
            f" SELECT stream FROM s WHERE stream IS NOT NULL{'' if limit is None else f' LIMIT {int(limit)}'}"
        )
        return [str(stream) for (stream,) in self._database._query(sql, (first, end, end))]

    def recorded_at(self, position: int) -> int:
        """When the record at a position that has left was recorded."""
        return recorded_instant(self._at(position)[0].recorded_at)

    def link(self, position: int) -> Link:
        """The chain at a position up to which rows have left. Raises DamagedError where no records lead to it."""
        before = self._link_before(position + 1)
        if before.position == position:
            return Link(position, self.recorded_at(position), before.chain)
        chains = self._chains.get(before.position)
        if chains is None:
            chains = self._chains[before.position] = self._worked_out(before)
            if len(self._chains) > _CHAINS_KEPT:
                self._chains.popitem(last=False)
        return Link(position, self.recorded_at(position), chains[position - before.position - 1])

    def _link_before(self, position: int) -> _Kept:
        """The last link that is kept before a position; before the first, where the chain starts."""
        sql = f"SELECT position, chain FROM {LEFT_LINKS} WHERE position < ? ORDER BY position DESC LIMIT 1"
        for at, chain in list(self._database._query(sql, (position,))):
            return _Kept(int(at), bytes(chain))
        return _Kept(0, self._database.chain_start())

    def _worked_out(self, before: _Kept) -> list[bytes]:
        """The chains behind a link, up to the next one, which they have to come to."""
        sql = f"SELECT position, chain FROM {LEFT_LINKS} WHERE position > ? ORDER BY position LIMIT 1"
        ((last, expected),) = self._database._query(sql, (before.position,))
        chain, chains = before.chain, []
        for position in range(before.position + 1, last + 1):
            chain = linked(chain, leaf_hash(self._record(position)))
            chains.append(chain)
        if chain != bytes(expected):
            raise damaged(f"the ledger at position {last}, up to which the records do not fit their chain,")
        return chains

    def _records(self, asked: Asked, up_to: int) -> Iterator[tuple[Picked, bytes]]:
        fits = _checks(asked)
        found = self._in_stream(asked, up_to) if asked.is_of_stream else map(self._at, self._positions(asked, up_to))
        return (both for both in found if all(check(both[0]) for check in fits))

    def _in_stream(self, asked: Asked, up_to: int) -> Iterator[tuple[Picked, bytes]]:
        """The records of a stream that may be asked for. Raises DamagedError where another stands in such a place."""
        for place in self.places(asked, up_to):
            one, record = self._at(place.position)
            if (one.stream, one.version) != (asked.stream, place.version):
                raise damaged(
                    f"what is noted of {asked.stream}, whose version {place.version} does not stand at position"
                    f" {place.position},"
                )
            yield one, record

    def _positions(self, asked: Asked, up_to: int) -> Iterable[int]:
        """Where the records stand that may be asked for, in order."""
        last = min(asked.last, up_to)
        if asked.is_walk:
            walk = range(max(asked.after, 0) + 1, last + 1)
            return reversed(walk) if asked.latest_first else walk
        if asked.name is not None:
            found = sorted(self.named([asked.name], up_to).values())
        else:
            assert asked.stream is not None and asked.refs is not None
            found = [position for _, position in self.about([(asked.stream, ref) for ref in asked.refs], up_to)]
        found = [position for position in found if asked.after < position <= last]
        return reversed(found) if asked.latest_first else found

    def _with_chains(self, columns: Sequence[str], found: Iterator[tuple[Picked, bytes]]) -> Iterator[tuple[Any, ...]]:
        """Columns of records that follow one another or nearly do, the chain among them, from record to record."""
        picks: list[Pick | None] = [PICKS.get(name) for name in columns]
        at, chain, kept = -1, b"", self._links_kept()
        for one, record in found:
            if one.position == at + 1:
                chain = linked(chain, leaf_hash(record))
            elif one.position == 1 or one.position - 1 in kept:
                chain = linked(kept.get(one.position - 1) or self._database.chain_start(), leaf_hash(record))
            else:
                chain = self.link(one.position).chain
            at = one.position
            if kept.get(at, chain) != chain:
                raise damaged(f"the ledger at position {at}, up to which the records do not fit their chain,")
            yield tuple([chain if pick is None else pick(one, record) for pick in picks])

    def _links_kept(self) -> dict[int, bytes]:
        return {at: bytes(chain) for at, chain in self._database._query(f"SELECT position, chain FROM {LEFT_LINKS}")}

    def _entries(self, wanted: Collection[int], up_to: int) -> set[int]:
        """The positions up to one of the entries of some hashes."""
        found: set[int] = set()
        by_bucket: dict[int, list[int]] = {}
        for hashed in wanted:
            by_bucket.setdefault(bucket_of(hashed), []).append(hashed)
        buckets = sorted(by_bucket)
        for start in range(0, len(buckets), _AT_ONCE):
            some = buckets[start : start + _AT_ONCE]
            sql = f"SELECT bucket, entries FROM {LEFT_NAMES} WHERE bucket IN ({marks(some)})"
            for bucket, entries in list(self._database._query(sql, some)):
                for hashed in by_bucket[bucket]:
                    found.update(positions_of(hashed, bytes(entries)))
        return {position for position in found if position <= up_to}

    def _at(self, position: int) -> tuple[Picked, bytes]:
        record = self._record(position)
        return picked(record, position), record

    def _record(self, position: int) -> bytes:
        return self._database.blocks.record_at(position, self._database.record_segments)


def _columns_of(columns: Sequence[str], found: Iterable[tuple[Picked, bytes]]) -> Iterator[tuple[Any, ...]]:
    picks: list[Pick] = [PICKS.get(name, _no_chain) for name in columns]
    for one, record in found:
        yield tuple([pick(one, record) for pick in picks])


def _no_chain(*_: object) -> bytes:
    return b""


def in_order(left: Iterable[Any], here: Iterable[Any], *, latest_first: bool) -> Iterator[Any]:
    """What has left and what is still here, as it is wanted: what has left is the earlier part."""
    return joined(here, left) if latest_first else joined(left, here)


def _checks(asked: Asked) -> list[Callable[[Picked], bool]]:
    """What has to be looked at in a record that may be asked for: what finding it has not shown."""
    checks: list[Callable[[Picked], bool]] = []
    if asked.types is not None:
        types = frozenset(asked.types)
        checks.append(lambda found: found.event.type in types)
    if asked.stream is not None:
        checks.append(lambda found: found.stream == asked.stream)
    if asked.versions is not None:
        after, until = asked.versions
        checks.append(lambda found: after < found.version <= until)
    if asked.times is not None:
        first, end = asked.times
        occurred_at = PICKS["occurred_at"]
        checks.append(lambda found: first <= occurred_at(found, b"") < end)
    if asked.refs is not None:
        refs = frozenset(asked.refs)
        checks.append(lambda found: ref_of(found) in refs)
    if asked.name is not None:
        checks.append(lambda found: (found.event.source, found.event.id) == asked.name)
    return checks
