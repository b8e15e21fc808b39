"""A store: where the records of one ledger are kept. What both databases promise.

Statements are written once, with `?` for parameters; a database with another sign translates. What is asked of a
store stands in `queries` and `alias_queries`.
"""

import os
import re
import secrets
from abc import abstractmethod
from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from hashlib import sha256
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

import msgspec

from replay.blocks.files import Listings, SegmentBytes, segment_at
from replay.blocks.form import RecordSegment
from replay.errors import StoreError, UsageError, damaged
from replay.objects.naming import FilesPlace, names_objects, place_of
from replay.schema.versions import (
    ALIAS_BYTES,
    ARCHIVED,
    ERASURES_DUE,
    KEY_CHAINS,
    LATER_INDEXES,
    LATER_TABLES,
    LEFT_ALIASES,
    ONE_ALIAS_EVERYWHERE,
    ROWS_LEFT,
    SCHEMA_VERSION,
    STREAM_CHAINS,
)
from replay.store.reading.alias_form import AliasKey, AliasRow, without
from replay.store.reading.aliases_left import entries_of, left_rows_of, merchants_of
from replay.store.reading.asked import marks
from replay.store.reading.left import LeftRows
from replay.store.reading.readable import ROW_COLUMNS, Readable
from replay.store.reading.row import CHAIN_START, Row, content_hash_of, encode_json

KEY_BYTES: Final = 32
ALIASES_AT_ONCE: Final = 500
RECORDS_VARIABLE: Final = "LEVELBOOK_RECORDS"
"""Of the environment: the place of the records that have left a store, looked into before the one that it names."""


class Head(NamedTuple):
    """Where a ledger stands: its last record; where there is none, position 0 and the start of the chain."""

    position: int
    recorded_at: int
    chain: bytes

    def text(self, ledger: str) -> str:
        """As it is noted down and given to `verify --head`: N:HASH:LEDGER."""
        return f"{self.position}:{self.chain.hex()}:{ledger}"


EMPTY: Final = Head(0, 0, CHAIN_START)


class Holding(msgspec.Struct, frozen=True):
    """What a partial store holds, and what it is evidence of."""

    keys: list[str]
    """The keys (`domain.keys`) whose records are there, all of them up to `size`."""
    links: list[tuple[int, int, str]]
    """(position, recorded_at, chain in hex) of positions that its records speak of, rising."""
    size: int
    subject: str
    scheme: str
    as_of: int
    position: int
    claim: int | None
    """The position of the disputed record."""

    def link_up_to(self, position: int) -> Head | None:
        """The last link at or before a position."""
        place = bisect_right(self.links, position, key=lambda link: link[0])
        if not place:
            return None
        at, recorded_at, chain = self.links[place - 1]
        return Head(at, recorded_at, bytes.fromhex(chain))


class Identity(NamedTuple):
    """Which ledger a store holds."""

    id: str
    created_at: int
    key_check: bytes
    version: int = SCHEMA_VERSION

    @property
    def chain_start(self) -> bytes:
        """What the first record is linked to: a hash of the identity, so that none of it can be changed unseen."""
        if self.version == ONE_ALIAS_EVERYWHERE:
            return CHAIN_START
        said = {
            "created_at": self.created_at,
            "id": self.id,
            "key_check": self.key_check.hex(),
            "schema_version": self.version,
        }
        return sha256(b"levelbook ledger\x00" + encode_json(said)).digest()


class Known(NamedTuple):
    """What is compared of a record that bears the same source and id."""

    position: int
    content_hash: bytes
    record: bytes


class Transaction(Readable):
    """One append transaction: alone in the store, and either whole or without trace."""

    @abstractmethod
    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]: ...

    def _query(self, sql: str, parameters: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        return iter(self.execute(sql, parameters))

    @abstractmethod
    def execute_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None: ...

    @abstractmethod
    def now(self) -> int:
        """The ledger's clock: an instant."""

    def find(self, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Known]:
        """The records that bear one of these (source, id); of one that left the store as bytes, what it left behind."""
        found = self._found_here(keys)
        if self.left is not None:
            missing = {*keys} - found.keys()
            for name, position in self.left.named(missing, self.left.up_to()).items():
                ((record,),) = self.left.at(["record"], [position])
                found[name] = Known(position, content_hash_of(record), record)
        return found

    @abstractmethod
    def _found_here(self, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Known]:
        """Those whose rows are in the database."""

    def whole(self, known: Known) -> Known:
        """The same with its record, wherever that lies."""
        if len(known.record) > ALIAS_BYTES:
            return known
        return known._replace(record=self._fetched(known.position, known.record))

    def versions(self, streams: Sequence[str]) -> dict[str, int]:
        """The last version of each stream; 0 for one that has no record."""
        found = self._versions_here(streams)
        if self.left is not None:
            # Of one that is found here there may be a later one that left: some rows stay, however old they are.
            for stream, version in self.left.last_versions(found, self.left.up_to()).items():
                found[stream] = max(found[stream], version)
        return found

    @abstractmethod
    def _versions_here(self, streams: Sequence[str]) -> dict[str, int]:
        """The same of the rows in the database."""

    def aliases(self, keys: Sequence[AliasKey]) -> list[AliasRow]:
        """The rows of the buyers that have an alias at the merchant. Raises DamagedError."""
        found = self._aliases_here(keys)
        missing = {*keys} - {AliasKey(row.key, row.merchant) for row in found}
        left = left_rows_of(self, {key.buyer for key in missing})
        return found + [row for row in left if AliasKey(row.key, row.merchant) in missing]

    @abstractmethod
    def _aliases_here(self, keys: Sequence[AliasKey]) -> list[AliasRow]:
        """Those that are in the table of aliases."""

    @abstractmethod
    def insert(self, rows: Sequence[Row]) -> None:
        """Append rows that follow the last record."""

    def chain_start(self) -> bytes:
        return identity_of(self.execute(IDENTITY_SQL), "the store").chain_start

    def head(self) -> Head:
        rows = self.execute(HEAD_SQL)
        return Head(*rows[0]) if rows else Head(0, 0, self.chain_start())

    def given(self, aliases: Collection[str]) -> set[str]:
        """Which of some aliases still belong to somebody, and not to a buyer who was erased.

        For all that are asked of together, since rows that left are gone through. Raises DamagedError.
        """
        found, wanted = set[str](), sorted({*aliases})
        for start in range(0, len(wanted), ALIASES_AT_ONCE):
            some = wanted[start : start + ALIASES_AT_ONCE]
            sql = f"SELECT alias FROM buyers WHERE alias IN ({marks(some)})"
            found |= {alias for (alias,) in self.execute(sql, some)}
        return found | merchants_of(self, {*wanted} - found).keys()

    @abstractmethod
    def run_deferred(self) -> None:
        """Let what the database would do only at the commit happen now, so that reading back sees it."""

    def record(self, rows: Sequence[Row]) -> None:
        """Append rows that follow the last record, count them, and read back what the database has written.

        A trigger or rule on a table can swallow or alter a row without an error. Raises StoreError where one did:
        what is acknowledged is what the database says it wrote.
        """
        counted = self._counted()
        self.insert(rows)
        self.add_to_tally(Counter(row.type for row in rows))
        self.run_deferred()
        sql = f"SELECT {ROW_COLUMNS} FROM records WHERE position >= ? ORDER BY position"
        written = self.execute(sql, (rows[0].position,))
        for row, found in zip_longest(rows, written):
            if row != found:
                at = row.position if row is not None else found[0]
                there = found is not None and found[0] == at
                raise not_kept(f"at position {at} {'another' if there else 'no'} record is there")
        if self._counted() != counted + len(rows):
            raise not_kept("the tally does not count it")

    def _counted(self) -> int:
        ((count,),) = self.execute("SELECT CAST(coalesce(sum(count), 0) AS BIGINT) FROM tally")
        return int(count)

    def add_aliases(self, rows: Sequence[AliasRow]) -> None:
        """Give buyers their aliases. Raises StoreError unless the database has kept them."""
        self.execute_many("INSERT INTO buyers (key, merchant, alias, seal) VALUES (?, ?, ?, ?)", rows)
        self.run_deferred()
        if sorted(self._aliases_here([AliasKey(row.key, row.merchant) for row in rows])) != sorted(rows):
            raise not_kept("an alias of a buyer is not there, or another one")

    def delete_aliases(self, buyer: bytes) -> int:
        """Forget a buyer at every merchant: how many rows there were. Raises StoreError unless they are gone."""
        count = self.aliases_of(buyer)
        self.execute("DELETE FROM buyers WHERE key = ?", (buyer,))
        for _, entries in list(entries_of(self, [buyer])):
            if rest := without(buyer, entries):
                self.execute(f"UPDATE {LEFT_ALIASES} SET entries = ? WHERE first = ?", (rest, entries.first))
            else:
                self.execute(f"DELETE FROM {LEFT_ALIASES} WHERE first = ?", (entries.first,))
        self.run_deferred()
        if self.aliases_of(buyer):
            raise not_kept("a row that was deleted is still there")
        return count

    def make_later_tables(self) -> None:
        """Make the tables that this store lacks, as those of earlier versions do. Raises StoreError where this role
        may not.
        """
        missing = [name for name in LATER_TABLES if not self.has_table(name)]
        is_first = missing and not self.has_table(ERASURES_DUE)
        if is_first and identity_of(self.execute(IDENTITY_SQL), "the store").version != ONE_ALIAS_EVERYWHERE:
            missing.append(ERASURES_DUE)  # later its absence would be somebody's doing
        self.make_tables(missing)

    def make_tables(self, names: Sequence[str]) -> None:
        """Make some tables that stores of earlier versions lack.

        Raises StoreError where this role may not; DamagedError where chains of keys are missing of which a part left.
        """
        gone = sorted({STREAM_CHAINS, KEY_CHAINS}.intersection(names))
        if gone and self.left is not None:
            raise damaged(f"the table {gone[0]}, which rows had when they left and which is not there,")
        if names:
            self._make_tables(names)

    @abstractmethod
    def _make_tables(self, names: Sequence[str]) -> None:
        """Make tables by their names."""

    def index_later(self) -> None:
        """Make the indexes that stores lack which were made before there were such."""
        for name, columns in LATER_INDEXES.items():
            self.execute(f"CREATE INDEX IF NOT EXISTS {name} ON records {columns}")

    @abstractmethod
    def let_rows_leave(self) -> None:
        """Make the tables by which rows are found that left, and the guards that let them go; say so by the store's
        version. From then on rows may leave.

        Raises StoreError where this role may not.
        """

    def keep_rows_behind(self, position: int) -> bool:
        """Let all rows up to a position go at once that have left, by taking over the others into a new table; whether
        this database does. Others who record wait meanwhile.
        """
        return False

    def drop_alias_index(self) -> bool:
        """Drop the index by alias, so that many rows go at once; whether this database does."""
        return False

    def make_alias_index(self) -> None:
        """Make it again, before the transaction ends."""

    @abstractmethod
    def may_erase(self) -> bool:
        """Whether this role may delete what leads to a buyer."""

    def aliases_of(self, buyer: bytes) -> int:
        """At how many merchants a buyer has an alias. Raises DamagedError."""
        return len(self.rows_of_buyer(buyer))

    def rows_of_buyer(self, buyer: bytes) -> list[AliasRow]:
        """The rows of a buyer at every merchant. Raises DamagedError."""
        sql = f"SELECT {', '.join(AliasRow._fields)} FROM buyers WHERE key = ?"
        return [*map(AliasRow._make, self.execute(sql, (buyer,))), *left_rows_of(self, [buyer])]

    def add_to_tally(self, counts: Mapping[str, int]) -> None:
        self.execute_many(
            "INSERT INTO tally (type, count) VALUES (?, ?)"
            " ON CONFLICT (type) DO UPDATE SET count = tally.count + excluded.count",
            sorted(counts.items()),
        )


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


HEAD_SQL: Final = "SELECT position, recorded_at, chain FROM records ORDER BY position DESC LIMIT 1"


def have_left(identity_rows: Sequence[tuple[Any, ...]]) -> bool:
    """Whether rows have left the store whose rows of IDENTITY_SQL these are."""
    return bool(identity_rows) and identity_rows[0][1] == ROWS_LEFT


def refuse_one_alias_everywhere(identity: Identity, name: str) -> None:
    """Raises UsageError for a store whose buyers have one alias at all merchants."""
    if identity.version == ONE_ALIAS_EVERYWHERE:
        raise UsageError(
            f"{name} was made when a buyer had one alias at all merchants, by which merchants could match their buyers;"
            " it can be read, backed up and verified, but nothing more is recorded in it: ingest its sources again into"
            " a new store (with --backfill they keep their recordedtime), or go on with the levelbook that made it"
        )


def new_identity(key: bytes, now: int) -> Identity:
    """The identity of a ledger that is made at the instant `now`."""
    ledger_id = secrets.token_hex(16)
    return Identity(ledger_id, now, key_check(ledger_id, key))


def identity_row(identity: Identity) -> tuple[int, str, int, int, bytes]:
    """The row of the table `ledger`."""
    return (1, identity.id, identity.version, identity.created_at, identity.key_check)


def identity_of(rows: list[tuple[Any, ...]], name: str) -> Identity:
    """Read the row of the table `ledger`; raises UsageError for another schema version."""
    if len(rows) != 1:
        raise UsageError(f"{name} is not a Levelbook store: it names no ledger")
    ledger_id, version, created_at, check = rows[0]
    if version not in (ONE_ALIAS_EVERYWHERE, SCHEMA_VERSION, ARCHIVED, ROWS_LEFT):
        raise UsageError(
            f"{name} has schema version {version}, this levelbook reads versions {ONE_ALIAS_EVERYWHERE} to"
            f" {ROWS_LEFT}; use the levelbook that made it or a newer one"
        )
    # Of a store from which records have left, the ledger is what it was, and so is the start of its chain.
    return Identity(ledger_id, created_at, check, min(version, SCHEMA_VERSION))


IDENTITY_SQL: Final = "SELECT id, schema_version, created_at, key_check FROM ledger"


def key_check(ledger_id: str, key: bytes) -> bytes:
    """Tells whether a key is the ledger's own without giving it away."""
    return sha256(b"levelbook buyer key\x00" + ledger_id.encode() + key).digest()


def not_kept(found: str) -> StoreError:
    """The error where the database has not done what a statement says; `found` says what was seen."""
    return StoreError(
        f"the database does not do what it was told: {found}. Nothing of this was recorded; a trigger or rule stands on"
        " a table of the store: 'levelbook verify' names it. Remove it, then try again"
    )


def lacks_table(name: str, text: str) -> StoreError:
    """The error where a store has no table of a name, as a database says it in `text`."""
    if re.search(r"\brecords\b", text):
        return begun_to_leave(name)
    return StoreError(
        f"{name} lacks a table ({text}): where an earlier version made it, 'levelbook upgrade' adds what is missing;"
        " else 'levelbook verify' names it"
    )


def begun_to_leave(name: str) -> StoreError:
    """The error where a store was opened before rows first left it."""
    return StoreError(
        f"rows have begun to leave {name} since it was opened here, so that not all records are where they were;"
        " nothing was read or recorded: start again"
    )


def backfill_running(name: str) -> StoreError:
    return StoreError(f"another backfill is running on {name}; wait for it, there is one at a time")


def checkpoint_running(name: str) -> StoreError:
    return StoreError(
        f"another checkpoint of {name} is still being made: nothing was signed by this one; make it again"
    )


def clock_failure(now: int, last: int) -> StoreError:
    from domain.calendar import instant_text

    return StoreError(
        f"the clock says {instant_text(now)}, but the last record was made at {instant_text(last)}:"
        " more than 5 s later. Set the clock right, or give --clock-behind if the record is the one that is wrong"
    )
