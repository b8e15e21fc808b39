"""All that an agency rests on, gathered from the ledgers of a set into one passing store, which reads like a ledger.

Its creators' records lie in other shards than its own. Here they stand in one order: of the times at which they were
recorded, then of shards, then of positions; and each has the position of that order. So whatever replays, explains and
compares a subject of one ledger does so with an agency of a set. The positions are of the gathering alone: where a
creator is bound later who had records before, others stand there. What is to be found again is named by times.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import chain, islice
from pathlib import Path
from sqlite3 import IntegrityError
from typing import Final, NamedTuple

from domain.events import BINDING_TYPES
from replay.errors import StoreError, damaged
from replay.history.timeline import RETRACTED, events_of, retracted_positions
from replay.passing_folders import passing_folder
from replay.schemes.registry import SCHEMES
from replay.sharding.opened import LedgerSet
from replay.store.base.store import Store
from replay.store.queries import places_in, refs_of_types, rows_about, rows_at
from replay.store.reading.asked import EVERYTHING
from replay.store.reading.row import Row
from replay.store.searching.across import binding_rows
from replay.store.sqlite import passing_copy

NO_CHAIN: Final = bytes(32)
"""Stands for the chain, which is that of no ledger."""
AGENCY: Final = "mcn"
"""The kind of subject that rests on records of others."""
_ROWS_AT_ONCE: Final = 10_000


class RecordPlace(NamedTuple):
    """Where a record of a set stands, in the order of the gathering."""

    recorded_at: int
    shard: int
    position: int


@contextmanager
def gathered(opened: LedgerSet, agency: str, upto: Sequence[int] = ()) -> Iterator[Store]:
    """A store with all that a replay of an agency reads, up to a position of each ledger or everything.

    Where two of its records bear one id and at most one of them counts, the others are left out with what retracts
    them. Raises StoreError where both count, NotExaminedError where the passing store has no room.
    """
    last = upto or [EVERYTHING] * opened.of
    places = sorted(_places(opened, agency, last))
    with passing_folder() as folder, ExitStack() as stack:
        try:
            store = stack.enter_context(_filled(opened, places, folder / "agency.db"))
        except StoreError as error:
            if not isinstance(error.__cause__, IntegrityError):  # no records that are at odds
                raise
            without = _retracted_namesakes(opened, places, last)
            if not without:
                raise StoreError(
                    f"the records that {agency} rests on cannot be gathered ({error}); 'levelbook shard check"
                    f" {opened.path}' tells whether an id stands twice"
                ) from error
            kept = [place for place in places if (place.shard, place.position) not in without]
            store = stack.enter_context(_filled(opened, kept, folder / "settled.db"))
        store.name = f"{opened.path} ({agency})"
        yield store


@contextmanager
def _filled(opened: LedgerSet, places: Sequence[RecordPlace], path: Path) -> Iterator[Store]:
    rows = _renumbered(opened, places)
    with passing_copy(path, opened.agencies.identity) as store:
        while some := list(islice(rows, _ROWS_AT_ONCE)):
            with store.writing() as transaction:
                transaction.record(some)
        yield store


def _retracted_namesakes(opened: LedgerSet, places: Sequence[RecordPlace], last: Sequence[int]) -> set[tuple[int, int]]:
    """Where those stand that bear the id of another, are retracted, and so do not count; and what retracts them.

    Nothing where two of one id count.
    """
    bearing = defaultdict[tuple[str, str], list[tuple[int, Row]]](list)
    for place, row in _read(opened, places):
        bearing[row.source, row.event_id].append((place.shard, row))
    without = set[tuple[int, int]]()
    for some in bearing.values():
        if len(some) == 1:
            continue
        gone = [
            (number, row)
            for number, row in some
            if row.position in retracted_positions(list(events_of(opened.stores[number], row.stream, last[number])))
        ]
        if len(some) - len(gone) > 1:
            return set()
        for number, row in gone:
            about = _retractions(opened.stores[number], row, last[number])
            without |= {(number, each.position) for each in chain([row], about)}
    return without


def _places(opened: LedgerSet, agency: str, last: Sequence[int]) -> Iterator[RecordPlace]:
    """Where the records stand that it rests on: its own and its creators'; of other agencies what binds these."""
    home = opened.agencies
    creators = refs_of_types(home, agency, BINDING_TYPES, last[0])
    own = [agency, *(f"policy/{scheme}" for scheme in SCHEMES), *(f"creator/{creator}" for creator in creators)]
    for stream in own:
        number = opened.number_of(stream)
        for recorded_at, position in places_in(opened.stores[number], stream, last[number]):
            yield RecordPlace(recorded_at, number, position)
    others = {row.position: row.recorded_at for row in _of_others(home, agency, creators, last[0])}
    for position, recorded_at in others.items():
        yield RecordPlace(recorded_at, 0, position)


def _of_others(home: Store, agency: str, creators: Sequence[str], last: int) -> Iterator[Row]:
    """What other agencies bound of some creators, and what retracts that, or would."""
    for creator in creators:
        bound = [position for *_, position in binding_rows(home, creator, last)]
        for row in list(rows_at(home, bound)):
            if row.stream != agency:
                yield from chain([row], _retractions(home, row, last))


def _retractions(home: Store, row: Row, last: int) -> Iterator[Row]:
    """What names a record to retract it, what names that, and so on; two may name each other."""
    waiting, seen = [row], {row.position}
    while waiting:
        named = waiting.pop()
        for found in list(rows_about(home, named.stream, f"{named.source} {named.event_id}")):
            if found.type == RETRACTED and found.position <= last and found.position not in seen:
                seen.add(found.position)
                waiting.append(found)
                yield found


def _renumbered(opened: LedgerSet, places: Sequence[RecordPlace]) -> Iterator[Row]:
    """The records at some places, read some thousand at a time, each with its place in the gathering."""
    versions = defaultdict[str, int](int)
    for position, (_, row) in enumerate(_read(opened, places), 1):
        versions[row.stream] += 1
        version = versions[row.stream]
        record = _with_place(row, position, version)
        yield row._replace(position=position, version=version, chain=NO_CHAIN, record=record)


def _read(opened: LedgerSet, places: Sequence[RecordPlace]) -> Iterator[tuple[RecordPlace, Row]]:
    for start in range(0, len(places), _ROWS_AT_ONCE):
        some = places[start : start + _ROWS_AT_ONCE]
        rows = {
            (number, row.position): row
            for number, store in enumerate(opened.stores)
            for row in rows_at(store, [place.position for place in some if place.shard == number])
        }
        for place in some:
            yield place, rows[place.shard, place.position]


def _with_place(row: Row, position: int, version: int) -> bytes:
    """A record with another place: its canonical JSON ends with what says where it stands."""
    begin, mark, end = bytes(row.record).rpartition(b'"position":%d,"recorded_at":' % row.position)
    before, _, v = end.rpartition(b'"version":')
    if not mark or v != b"%d}" % row.version:
        raise damaged(f"the record at position {row.position}")
    return b'%b"position":%d,"recorded_at":%b"version":%d}' % (begin, position, before, version)
