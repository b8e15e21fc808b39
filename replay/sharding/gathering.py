"""All that an agency rests on, gathered from the ledgers of a set into one passing store, which reads like a ledger.

Its creators' records lie in other shards than its own. Here they stand in one order: of the times at which they were
recorded, then of shards, then of positions; and each has the position of that order. So whatever replays, explains and
compares a subject of one ledger does so with an agency of a set. The positions are of the gathering alone: where a
creator is bound later who had records before, others stand there. What is to be found again is named by times.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from heapq import merge
from itertools import chain, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from domain.events import BINDING_TYPES
from replay.errors import StoreError, damaged
from replay.history.timeline import RETRACTED
from replay.schemes.registry import SCHEMES
from replay.sharding.opened import LedgerSet
from replay.store.base import Store
from replay.store.queries import EVERYTHING, row_at, rows_about, rows_of
from replay.store.record import Row
from replay.store.searching.across import binding_rows
from replay.store.sqlite import copy_of

NO_CHAIN: Final = bytes(32)
"""Stands for the chain, which is that of no ledger."""
AGENCY: Final = "mcn"
"""The kind of subject that rests on records of others."""
_ROWS_AT_ONCE: Final = 10_000
_Placed = tuple[int, int, int, Row]
"""When a row was recorded, in which shard, where there; and the row."""


@contextmanager
def gathered(opened: LedgerSet, agency: str, upto: Sequence[int] = ()) -> Iterator[Store]:
    """A store with all that a replay of an agency reads, up to a position of each ledger or everything."""
    last = upto or [EVERYTHING] * opened.of
    with TemporaryDirectory() as folder, copy_of(Path(folder) / "agency.db", opened.agencies.identity) as store:
        rows = _renumbered(merge(*_sources(opened, agency, last)))
        try:
            while some := list(islice(rows, _ROWS_AT_ONCE)):
                with store.writing() as transaction:
                    transaction.record(some)
        except StoreError as error:
            raise StoreError(
                f"the records that {agency} rests on cannot be gathered ({error}); 'levelbook shard check"
                f" {opened.path}' tells whether an id stands twice"
            ) from error
        store.name = f"{opened.path} ({agency})"
        yield store


def _sources(opened: LedgerSet, agency: str, last: Sequence[int]) -> list[Iterator[_Placed]]:
    """The rows of each stream that it rests on, in order: its own, its creators', of others what binds these."""
    home = opened.agencies
    creators = sorted({row.ref for row in rows_of(home, agency, 0, last[0]) if row.type in BINDING_TYPES and row.ref})
    own = [agency, *(f"policy/{scheme}" for scheme in SCHEMES)]
    found = [_placed(0, rows_of(home, stream, 0, last[0])) for stream in own]
    for creator in creators:
        stream = f"creator/{creator}"
        number = opened.number_of(stream)
        found.append(_placed(number, rows_of(opened.stores[number], stream, 0, last[number])))
    others = sorted({row.position: row for row in _of_others(home, agency, creators, last[0])}.items())
    return [*found, _placed(0, (row for _, row in others))]


def _placed(number: int, rows: Iterator[Row]) -> Iterator[_Placed]:
    return ((row.recorded_at, number, row.position, row) for row in rows)


def _of_others(home: Store, agency: str, creators: Sequence[str], last: int) -> Iterator[Row]:
    """What other agencies bound of some creators, and what retracts that, or would."""
    for creator in creators:
        for *_, position in binding_rows(home, creator, last):
            row = row_at(home, position)
            if row is not None and row.stream != agency:
                yield from chain([row], _retractions(home, row, last))


def _retractions(home: Store, row: Row, last: int) -> Iterator[Row]:
    for found in rows_about(home, row.stream, f"{row.source} {row.event_id}"):
        if found.type == RETRACTED and found.position <= last:
            yield from chain([found], _retractions(home, found, last))


def _renumbered(placed: Iterator[_Placed]) -> Iterator[Row]:
    versions = defaultdict[str, int](int)
    for position, (*_, row) in enumerate(placed, 1):
        versions[row.stream] += 1
        version = versions[row.stream]
        yield row._replace(
            position=position,
            version=version,
            chain=NO_CHAIN,
            record=_with_place(row, position, version),
        )


def _with_place(row: Row, position: int, version: int) -> bytes:
    """A record with another place: its canonical JSON ends with what says where it stands."""
    begin, mark, end = bytes(row.record).rpartition(b'"position":%d,"recorded_at":' % row.position)
    before, _, v = end.rpartition(b'"version":')
    if not mark or v != b"%d}" % row.version:
        raise damaged(f"the record at position {row.position}")
    return b'%b"position":%d,"recorded_at":%b"version":%d}' % (begin, position, before, version)
