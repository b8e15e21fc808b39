"""The columns of a ledger up to a position: its sealed segments and the records behind them, a part at a time."""

from collections.abc import Collection, Iterator
from functools import cached_property
from typing import Final, NamedTuple

from domain.buckets import BUCKETS
from replay.columnar.archive import Archive, Tail, open_archive
from replay.columnar.columns import TYPES, Columns
from replay.columnar.encoding import Unread
from replay.columnar.parts import PART_ROWS
from replay.columnar.seal import seal
from replay.errors import UsageError
from replay.objects.naming import FilesPlace
from replay.store.base.store import Store

BEGINS: Final = [f"{bucket}/0" for bucket in range(BUCKETS)]
"""Where the first part of each bucket begins."""
TAIL_RECORDS_MAX: Final = 4_000_000
"""A longer stretch behind the sealed records is sealed first: it would not fit into memory."""


class BulkPart(NamedTuple):
    """All records of some merchants and creators, in order."""

    columns: Columns
    following: str | None
    """Where the next part of the same bucket begins; None behind its last one."""


class LedgerColumns:
    """The records of a ledger up to a position, in parts of whole subjects."""

    def __init__(self, store: Store, position: int, named: FilesPlace | None = None) -> None:
        self.store = store
        self._position = position
        self._named = named
        self._parts: Iterator[BulkPart] = iter(())
        self._reached: str | None = None
        """Where the next one of these begins."""

    @property
    def place(self) -> FilesPlace | None:
        """Where sealed segments are looked for; None where no place of them is known."""
        return self._named or self.store.segments_path()

    @cached_property
    def archive(self) -> Archive:
        """What is sealed of them, as it was when it was first asked for."""
        store, folder = self.store, self.place
        archive = open_archive(store, folder)
        if self._position - archive.position > TAIL_RECORDS_MAX:
            if folder is None:
                raise UsageError(
                    f"{store.name} has {self._position:,} records and no sealed segments; make them by 'levelbook seal"
                    " --into DIR', and name DIR with --segments"
                )
            seal(store, folder)
            archive = open_archive(store, folder)
        while archive.position > self._position:
            archive = archive.before(len(archive.manifest.generations) - 1)
        return archive

    @cached_property
    def _tail(self) -> Tail:
        return self.archive.tail(self.store, self._position)

    def unread(self) -> list[Unread]:
        """The records behind the sealed ones that cannot be read, in order.

        Raises NotSealedError where so many must be sealed first, and one of them cannot be read.
        """
        return self._tail.unread

    def agencies(self) -> Columns:
        """The records of every agency, in order."""
        return self.archive.agencies(self._tail)

    def part(self, begin: str) -> BulkPart:
        """The part that begins somewhere; read on from the one before it where that was asked for last."""
        if begin != self._reached:
            self._parts = self.parts(begin)
        part = next(self._parts)
        self._reached = part.following
        return part

    def parts(self, begin: str) -> Iterator[BulkPart]:
        """The parts of one bucket from one on: one of BEGINS, or where it begins as the part before it says."""
        bucket, first = map(int, begin.split("/"))
        for part in self.archive.parts(bucket, self._tail, first=first, rows=PART_ROWS):
            yield BulkPart(part.columns, None if part.end is None else f"{bucket}/{part.end}")

    def tail_of(self, begin: str) -> Tail:
        """What is not sealed of the bucket that a part is of: with it, another process need not read it."""
        bucket = int(begin.partition("/")[0])
        parts = self._tail.parts
        return Tail(self._position, {bucket: parts[bucket]} if bucket in parts else {}, [])

    def with_others(self, archive: Archive, tail: Tail) -> None:
        """Read this archive of another process, which holds it, and take this for what is not sealed in it.

        The folder may hold more by now, or the same in other segments, to which the tail does not fit.
        """
        self.archive, self._tail = archive, tail
        self._reached = None

    def parts_of(self, bucket: int) -> Iterator[Columns]:
        """The parts of one bucket: threads may read different buckets side by side once `unread` was asked."""
        return (part.columns for part in self.archive.parts(bucket, self._tail, rows=PART_ROWS))

    def of_agencies(self) -> list[Columns]:
        """What agencies are judged by: all records but merchants', a part each, and the agencies' own."""
        parts = (part for bucket in range(BUCKETS) for part in self.parts_of(bucket))
        return [*map(_without_merchants, parts), self.agencies()]

    def check_read(self, kinds: Collection[str]) -> None:
        """Raises the error of the first record of subjects of some kinds that cannot be read, as a replay does."""
        for item in self.unread():
            if item.stream.partition("/")[0] in kinds:
                raise item.error


def _without_merchants(columns: Columns) -> Columns:
    import numpy as np

    kept = np.array([not name.startswith("merchant/") for name in columns.subjects], np.bool_)[columns.subject]
    return columns._replace(**{name: getattr(columns, name)[kept] for name in TYPES})
