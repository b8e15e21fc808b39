"""A store: where the records of one ledger are kept. What both databases promise.

What is asked of one stands in `queries` and `alias_queries`.
"""

import os
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Final, Self

from replay.blocks.files import Listings, SegmentBytes, segment_at
from replay.blocks.form import RecordSegment
from replay.objects.naming import FilesPlace, names_objects, place_of
from replay.schema.versions import LATER_INDEXES
from replay.store.base.holding import Holding
from replay.store.base.identity import HEAD_SQL, Head, Identity, refuse_one_alias_everywhere
from replay.store.base.transaction import Transaction
from replay.store.reading.left import LeftRows
from replay.store.reading.readable import Readable

RECORDS_VARIABLE: Final = "LEVELBOOK_RECORDS"
"""Of the environment: the place of the records that have left a store, looked into before the one that it names."""


class Store(Readable):
    """An open store. Reading needs no lock and sees a prefix of the ledger, never a hole."""

    name: str
    """What to call it in front of people: no password."""
    location: str
    """How it was named when it was opened; may hold a password."""
    identity: Identity
    alias_sql: str
    """In SQL, the alias that a row of `records` with a payment bears."""
    held: Holding | None = None
    """What is there, in a store that holds some of a ledger's records alone; None in a whole one."""

    def rows_have_left(self) -> None:
        """Look from now on for what has left, too, as rows have begun to."""
        self.left = LeftRows(self)

    @abstractmethod
    def writing(self) -> AbstractContextManager[Transaction]:
        """A transaction that is alone from its first statement; committed at the end of the block."""

    def append(self) -> AbstractContextManager[Transaction]:
        """A transaction for new records. Raises UsageError for a store in which buyers have one alias everywhere."""
        refuse_one_alias_everywhere(self.identity, self.name)
        return self.writing()

    @abstractmethod
    def snapshot(self) -> AbstractContextManager[None]:
        """All that is read in the block stands at one moment."""

    def reading_once(self) -> AbstractContextManager[None]:
        """What is read in the block will not be read again soon: the database need keep little of it in memory."""
        return nullcontext()

    @abstractmethod
    def reader(self) -> Transaction:
        """What a transaction finds, for looking only; outside any lock."""

    @abstractmethod
    def backfilling(self) -> AbstractContextManager[None]:
        """Hold the right to backfill. Raises StoreError when another run holds it."""

    @abstractmethod
    def checkpointing(self) -> AbstractContextManager[None]:
        """Be the only one who seals and signs; waits for another. Raises StoreError where that one takes too long.

        It keeps two from doing the same work: what must never happen, tables refuse.
        """

    @abstractmethod
    def now(self) -> int:
        """The ledger's clock: an instant."""

    @abstractmethod
    def size_bytes(self) -> int: ...

    @abstractmethod
    def definition_problems(self) -> list[str]:
        """Which guards, tables, indexes, triggers and rules are not those that this version makes. Looks at no row."""

    @abstractmethod
    def row_problems(self) -> list[str]:
        """Which indexes give other rows than a walk through their tables. Reads everything."""

    @abstractmethod
    def keep_check(self, line: str) -> str:
        """Keep what a check found, as a line of text beside the ledger: where. Raises StoreError or OSError."""

    @abstractmethod
    def kept_checks(self) -> Iterator[str]:
        """The lines that were kept, the earliest first."""

    @abstractmethod
    def scrub(self) -> bool:
        """Leave nothing of deleted rows in the files of the store; False when something may be left."""

    @abstractmethod
    def compact(self) -> None:
        """Give back to the disk what the tables no longer take. Writes them anew: others wait meanwhile."""

    @abstractmethod
    def has_index(self, name: str) -> bool:
        """Whether there is an index of a name; those made by earlier versions lack LATER_INDEXES."""

    def index_later(self) -> None:
        """Make the indexes of a store that was made before there were such: that views read months by, and so on."""
        if self.left is None and any(not self.has_index(name) for name in LATER_INDEXES):
            with self.writing() as transaction:
                transaction.index_later()

    @abstractmethod
    def key_path(self) -> Path | None:
        """Where the key for buyers lies, or None when only the environment can give it."""

    @abstractmethod
    def signing_path(self) -> Path | None:
        """Where the secret of the ledger's own keys lies, or None when only the environment can give it."""

    def holds(self, stream: str) -> bool:
        """Whether all records of a stream are there, as in a whole ledger they always are."""
        return True

    def check_holds(self, stream: str) -> None:
        """Raises UsageError where only some records of a stream are there."""

    @abstractmethod
    def records_beside(self) -> Path | None:
        """The folder beside an SQLite store for records that leave it; None elsewhere."""

    def records_path(self) -> FilesPlace | None:
        """Where records go that leave the store: to the place that RECORDS_VARIABLE names, else beside an SQLite
        store; None elsewhere.
        """
        named = os.environ.get(RECORDS_VARIABLE)
        return place_of(named) if named else self.records_beside()

    def _file_of(self, segment: RecordSegment, afresh: bool, listings: Listings | None = None) -> SegmentBytes:
        """The bytes of a segment: in the place that the variable names, in the one noted down, beside the store."""
        named = [os.environ.get(RECORDS_VARIABLE), segment.place]
        places = [place_of(name) for name in named if name]
        beside = self.records_beside()
        name = segment.file_name(self.identity.id)
        places += [] if beside is None else [beside]
        is_object = names_objects(segment.place)
        return segment_at(places, name, is_object=is_object, afresh=afresh, listings=listings)

    named_segments: FilesPlace | None = None
    """The folder of the sealed segments where it was named."""

    @abstractmethod
    def segments_beside(self) -> Path | None:
        """Where sealed segments lie while no place is named: beside an SQLite store; None elsewhere."""

    def segments_path(self) -> FilesPlace | None:
        """Where sealed segments lie: in the place that was named, else beside an SQLite store; None elsewhere."""
        return self.named_segments or self.segments_beside()

    @abstractmethod
    def is_current(self) -> bool:
        """Whether it still reads what stands where it was opened: the connection holds, the file was not replaced."""

    @abstractmethod
    def check_unchanged(self) -> None:
        """Raises NotExaminedError where what was read since it was opened may be of two moments."""

    @abstractmethod
    def close(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None or issubclass(kind, Exception):
                self.check_unchanged()
        finally:
            self.close()

    def chain_start(self) -> bytes:
        return self.identity.chain_start

    def head(self) -> Head:
        rows = list(self._query(HEAD_SQL))
        return Head(*rows[0]) if rows else Head(0, 0, self.chain_start())
