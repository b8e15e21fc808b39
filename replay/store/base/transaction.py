"""A transaction that appends: what both databases promise of it.

Statements are written once, with `?` for parameters; a database with another sign translates. What is asked of a
store stands in `queries` and `alias_queries`.
"""

from abc import abstractmethod
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any, Final, NamedTuple

from replay.errors import damaged
from replay.schema.versions import (
    ALIAS_BYTES,
    ERASURES_DUE,
    KEY_CHAINS,
    LATER_INDEXES,
    LATER_TABLES,
    LEFT_ALIASES,
    ONE_ALIAS_EVERYWHERE,
    STREAM_CHAINS,
)
from replay.store.base.failures import not_kept
from replay.store.base.identity import HEAD_SQL, IDENTITY_SQL, Head, identity_of
from replay.store.reading.alias_form import AliasKey, AliasRow, without
from replay.store.reading.aliases_left import entries_of, left_rows_of, merchants_of
from replay.store.reading.asked import marks
from replay.store.reading.readable import ROW_COLUMNS, Readable
from replay.store.reading.row import Row, content_hash_of

ALIASES_AT_ONCE: Final = 500


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
