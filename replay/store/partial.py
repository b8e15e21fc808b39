"""A partial store: some records of a ledger in a passing SQLite file of the same tables, without guards.

It is filled once, from evidence that was checked record by record, and then only read. Its positions have gaps, and of
the ledger's own chain it knows only what its records say of other positions: those are its *links*.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NoReturn

import msgspec

from domain.keys import stream_key
from replay.errors import UsageError
from replay.schema.versions import SCHEMA_VERSION
from replay.store.base.holding import Holding
from replay.store.base.identity import Identity, identity_row
from replay.store.base.transaction import Transaction
from replay.store.beside import connect_sqlite
from replay.store.reading.row import Row
from replay.store.sqlite import PassingStore, passing_failures_named
from replay.store.sqlite_transaction import INSERT

PARTIAL_ID: Final = 0x4C764270
"""'LvBp' in the file's header."""
NO_CHAIN: Final = b""
"""Stands for the ledger's chain where it is not known."""
_HOLDING_SQL: Final = "SELECT holding FROM holding"


class PartialStore(PassingStore):
    """An open partial store."""

    application_id = PARTIAL_ID
    held: Holding

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        ((found,),) = self._query(_HOLDING_SQL)
        self.held = msgspec.json.decode(found, type=Holding)
        self.name = f"the evidence of {self.held.subject}"

    @contextmanager
    def writing(self) -> Iterator[Transaction]:
        self._refuse()
        yield  # never

    @contextmanager
    def backfilling(self) -> Iterator[None]:
        self._refuse()
        yield

    def index_later(self) -> None:
        """It has every index."""

    def segments_path(self) -> None:
        """It has none."""

    def check_holds(self, stream: str) -> None:
        """Raises UsageError where not all records of a stream are there: an answer would rest on some of them."""
        if stream_key(stream) not in self.held.keys:
            raise UsageError(
                f"{self.name} in {self.held.scheme} does not hold {stream} whole, so that nothing is said of it; ask"
                f" for {self.held.subject} in {self.held.scheme}, or ask the ledger itself"
            )

    def holds(self, stream: str) -> bool:
        return stream_key(stream) in self.held.keys

    def _refuse(self) -> NoReturn:
        raise UsageError(f"{self.name} is only read: nothing is recorded in it")


class PartialWriter:
    """Fills a new partial store; nobody else knows its file yet.

    Everything but `close` raises NotExaminedError where the file cannot be kept in its folder.
    """

    def __init__(self, path: Path) -> None:
        from replay.schema.tables import sqlite_statements

        self._types: Counter[str] = Counter()
        made = [sql for sql in sqlite_statements(SCHEMA_VERSION) if not sql.lstrip().startswith("CREATE TRIGGER")]
        # Indexes are made at the end, which takes a fraction of the time of keeping them up.
        self._indexes = [sql for sql in made if " INDEX " in sql.partition("(")[0]]
        with passing_failures_named():
            path.touch(mode=0o600, exist_ok=False)
            self._connection = connect_sqlite(path, busy_seconds=0)
            try:
                self._make_tables(made)
            except sqlite3.Error:
                self.close()
                raise

    def _make_tables(self, made: Sequence[str]) -> None:
        # A file that is thrown away need survive nothing.
        for pragma in (
            f"application_id = {PARTIAL_ID}",
            f"user_version = {SCHEMA_VERSION}",
            *("journal_mode = OFF", "synchronous = OFF", "cache_size = -65536", "locking_mode = EXCLUSIVE"),
        ):
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.execute("BEGIN")
        for sql in made:
            if sql not in self._indexes:
                self._connection.execute(sql)
        self._connection.execute("CREATE TABLE holding (holding BLOB NOT NULL) STRICT")

    def add(self, rows: Sequence[Row]) -> None:
        """Rows in any order. Raises sqlite3.IntegrityError where two stand at one position."""
        with passing_failures_named():
            self._connection.executemany(INSERT, rows)
        self._types.update(row.type for row in rows)

    def finish(self, ledger_id: str, holding: Holding) -> None:
        """Make it whole. Raises sqlite3.IntegrityError where two records bear one name, or one version of a stream."""
        identity = identity_row(Identity(ledger_id, 0, b""))
        with passing_failures_named():
            for sql in self._indexes:
                self._connection.execute(sql)
            self._connection.executemany("INSERT INTO tally (type, count) VALUES (?, ?)", sorted(self._types.items()))
            self._connection.execute("INSERT INTO holding VALUES (?)", (msgspec.json.encode(holding),))
            self._connection.execute("INSERT INTO ledger VALUES (?, ?, ?, ?, ?)", identity)
            self._connection.execute("COMMIT")

    def close(self) -> None:
        """Let go of the file, whole or not."""
        self._connection.close()
