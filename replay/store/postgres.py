"""A store in the schema `levelbook` of a PostgreSQL database (15 or later)."""

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import sql as pgsql

from replay.blocks.files import SegmentOnDisk
from replay.blocks.reading import Blocks
from replay.errors import NoStoreError, StoreError, UsageError
from replay.schema.triggers import POSTGRES_ALIAS
from replay.schema.versions import (
    ALIAS_BYTES,
    BUYERS,
    ERASURES_DUE,
    LATER_INDEXES,
    LEFT_ALIASES,
    LEFT_NAMES,
    RECORD_SEGMENTS,
    STREAM_CHAINS,
)
from replay.store.base.failures import backfill_running, checkpoint_running, lacks_table
from replay.store.base.identity import IDENTITY_SQL, Identity, have_left, identity_of, identity_row, new_identity
from replay.store.base.store import Store
from replay.store.base.transaction import Known, Transaction
from replay.store.beside import first_line
from replay.store.location import masked
from replay.store.postgres_sessions import connected
from replay.store.reading.alias_form import AliasKey, AliasRow
from replay.store.reading.left import LeftRows
from replay.store.reading.readable import ROW_COLUMNS, here
from replay.store.reading.row import Row

# What goes wrong is said by the errors of this module; the driver's own remarks would stand beside them.
logging.getLogger("psycopg").addHandler(logging.NullHandler())

SCHEMA: Final = "levelbook"
CHECKS_SCHEMA: Final = "levelbook_checks"
_SCHEMA_SQL: Final = "SELECT 1 FROM pg_namespace WHERE nspname = %s"
_CHECKS_TABLE: Final = (
    f"CREATE TABLE {CHECKS_SCHEMA}.checks (number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, line text NOT NULL)"
)
APPEND_LOCK: Final = 0x4C76426B
"""Appends wait for one another on this advisory lock, which no VACUUM, ANALYZE or open insert holds."""
BACKFILL_LOCK: Final = APPEND_LOCK + 1
CHECKPOINT_LOCK: Final = APPEND_LOCK + 2
LOCK_SECONDS: Final = 60
FETCH_ROWS: Final = 5_000
_COPY: Final = f"COPY records ({ROW_COLUMNS}) FROM STDIN (FORMAT BINARY)"
_COPY_TYPES: Final = (
    *("int8", "text", "int8", "text", "text", "text", "text"),
    *("int8", "int8", "bytea", "bytea", "bytea"),
)
_HAS_TABLE: Final = f"SELECT 1 FROM pg_tables WHERE schemaname = '{SCHEMA}' AND tablename = ?"
_MAY_ERASE: Final = (
    f"SELECT has_table_privilege('{BUYERS}', 'DELETE') AND has_table_privilege('{ERASURES_DUE}', 'DELETE')"
)
_GET_FEWER: Final = (STREAM_CHAINS, BUYERS, LEFT_ALIASES, LEFT_NAMES)
"""Beside that of records, the tables of which rows go, or are written anew, whenever records leave."""
_MAY_TAKE_OUT: Final = (
    f" AND has_table_privilege('{LEFT_ALIASES}', 'UPDATE') AND has_table_privilege('{LEFT_ALIASES}', 'DELETE')"
)
NOW_SQL: Final = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
"""The ledger's clock, as an expression."""


class PostgresStore(Store):
    """An open PostgreSQL store: one connection for reading, one for appending."""

    has_table_sql = _HAS_TABLE
    alias_sql = (
        f"CASE WHEN length(record) <= {ALIAS_BYTES} THEN encode(record, 'hex')"
        f" ELSE {POSTGRES_ALIAS.format('record')} END"
    )

    def __init__(self, location: str) -> None:
        self.name = masked(location)
        self.location = location
        self._reader = _connect(location)
        self._writer: psycopg.Connection | None = None
        self._closed = False
        self._backfilling = False
        try:
            rows = self._reader.execute(IDENTITY_SQL).fetchall()
            self.identity = identity_of(rows, self.name)
            self.left = LeftRows(self) if have_left(rows) else None
            self.blocks = Blocks(self._file_of)
        except psycopg.errors.UndefinedTable:
            with self._reader:
                raise _not_seen(self._reader, self.name) from None
        except psycopg.Error as error:
            self._reader.close()
            raise _failure(self.name, error) from error
        except BaseException:
            self._reader.close()
            raise

    def _query(self, sql: str, parameters: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        try:
            with (
                self._reader.transaction(),
                self._reader.cursor(f"rows_{os.urandom(8).hex()}", binary=True) as cursor,
            ):
                cursor.itersize = FETCH_ROWS
                cursor.execute(_translated(sql if self.left is None else here(sql)), parameters)
                yield from cursor
        except psycopg.Error as error:
            if self._closed:
                return  # a reader that was dropped half-way when the store was closed
            raise _failure(self.name, error) from error

    @contextmanager
    def writing(self) -> Iterator[Transaction]:
        writer = self._connected_writer()
        with _failures_named(self.name), writer.transaction():
            writer.execute("SELECT pg_advisory_xact_lock(%s)", (APPEND_LOCK,))
            yield PostgresTransaction(writer, self.name, self.blocks, rows_left=self.left is not None)

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        with _failures_named(self.name), self._reader.transaction():
            self._reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield

    def reader(self) -> Transaction:
        return PostgresTransaction(self._reader, self.name, self.blocks, rows_left=self.left is not None)

    @contextmanager
    def backfilling(self) -> Iterator[None]:
        # Held by the connection that writes: who loses the right loses the means.
        writer = self._connected_writer()
        with _failures_named(self.name):
            row = writer.execute("SELECT pg_try_advisory_lock(%s)", (BACKFILL_LOCK,)).fetchone()
        if row != (True,):
            raise backfill_running(self.name)
        self._backfilling = True
        try:
            yield
        finally:
            self._backfilling = False
            with suppress(psycopg.Error):  # the right ends with the connection at the latest
                writer.execute("SELECT pg_advisory_unlock(%s)", (BACKFILL_LOCK,))

    @contextmanager
    def checkpointing(self) -> Iterator[None]:
        writer = self._connected_writer()
        try:
            writer.execute("SELECT pg_advisory_lock(%s)", (CHECKPOINT_LOCK,))  # waits as long as for any other lock
        except psycopg.errors.LockNotAvailable:
            raise checkpoint_running(self.name) from None
        except psycopg.Error as error:
            raise _failure(self.name, error) from error
        try:
            yield
        finally:
            with suppress(psycopg.Error):  # the lock ends with the connection at the latest
                writer.execute("SELECT pg_advisory_unlock(%s)", (CHECKPOINT_LOCK,))

    def _connected_writer(self) -> psycopg.Connection:
        if self._writer is None or (self._writer.closed and not self._backfilling):
            self._writer = _connect(self.location)
        return self._writer

    def now(self) -> int:
        with _failures_named(self.name):
            return _now(self._reader)

    def size_bytes(self) -> int:
        # All that there are: stores of earlier versions lack some.
        sql = "SELECT CAST(sum(pg_total_relation_size(c.oid)) AS BIGINT) FROM pg_class AS c WHERE c.relkind = 'r'"
        ((size,),) = self._query(f"{sql} AND c.relnamespace = '{SCHEMA}'::regnamespace")
        return int(size)

    def definition_problems(self) -> list[str]:
        from replay.schema.postgres_indexes import definitions_differ

        return self._looked_at(lambda connection: definitions_differ(connection, self.identity.version))

    def row_problems(self) -> list[str]:
        from replay.schema.postgres_indexes import rows_differ

        return self._looked_at(lambda connection: rows_differ(connection, self.identity.version))

    def _looked_at(self, look: Callable[[psycopg.Connection], list[str]]) -> list[str]:
        """On a connection of its own, whose settings may be changed."""
        connection = _connect(self.location)
        try:
            return look(connection)
        except psycopg.DataError as error:  # damaged pages and values; a lost connection is a failure
            return [f"the database cannot be examined: {first_line(error)}"]
        except psycopg.Error as error:
            raise _failure(self.name, error) from error
        finally:
            connection.close()

    def keep_check(self, line: str) -> str:
        writer = self._connected_writer()
        with _failures_named(self.name), writer.transaction():
            if not self._keeps_checks():
                if not writer.execute(_SCHEMA_SQL, (CHECKS_SCHEMA,)).fetchall():
                    writer.execute(f"CREATE SCHEMA {CHECKS_SCHEMA}".encode())
                writer.execute(_CHECKS_TABLE.encode())
            writer.execute(f"INSERT INTO {CHECKS_SCHEMA}.checks (line) VALUES (%s)".encode(), (line,))
        return f"the schema {CHECKS_SCHEMA}"

    def kept_checks(self) -> Iterator[str]:
        if self._keeps_checks():
            for (line,) in self._query(f"SELECT line FROM {CHECKS_SCHEMA}.checks ORDER BY number"):
                yield line

    def _keeps_checks(self) -> bool:
        return bool(list(self._query("SELECT 1 FROM pg_tables WHERE schemaname = ?", (CHECKS_SCHEMA,))))

    def scrub(self) -> bool:
        warnings: list[object] = []  # a role that does not own the table is only warned that nothing was done
        self._reader.add_notice_handler(warnings.append)
        with _failures_named(self.name):
            of_buyers = [BUYERS, ERASURES_DUE, *([] if self.left is None else [LEFT_ALIASES])]
            self._reader.execute(f"VACUUM {', '.join(of_buyers)}".encode())
        return not warnings

    def compact(self) -> None:
        with _failures_named(self.name):
            tables = ["records", *([] if self.left is None else _GET_FEWER)]
            sql = f"VACUUM FULL {', '.join(tables)}"
            self._connected_writer().execute((sql if self.left is None else here(sql)).encode())

    def has_index(self, name: str) -> bool:
        sql = "SELECT 1 FROM pg_indexes WHERE schemaname = ? AND indexname = ?"
        return bool(list(self._query(sql, (SCHEMA, name))))

    def key_path(self) -> Path | None:
        return None

    def signing_path(self) -> Path | None:
        return None

    def records_beside(self) -> Path | None:
        return None

    def segments_beside(self) -> Path | None:
        return None

    def is_current(self) -> bool:
        try:
            rows = self._reader.execute(IDENTITY_SQL).fetchall()
            same_form = have_left(rows) == (self.left is not None)
            return same_form and identity_of(rows, self.name).id == self.identity.id
        except (psycopg.Error, UsageError):
            return False

    def check_unchanged(self) -> None:
        """PostgreSQL shows each statement one moment."""

    def close(self) -> None:
        self._closed = True
        self.blocks.forget()
        self._reader.close()
        if self._writer is not None:
            self._writer.close()


class PostgresTransaction(Transaction):
    """A transaction that holds the advisory lock of appends until it is committed."""

    has_table_sql = _HAS_TABLE

    def __init__(self, connection: psycopg.Connection, name: str, blocks: Blocks, *, rows_left: bool) -> None:
        self._connection = connection
        self._name = name
        self.blocks = blocks
        self.left = LeftRows(self) if rows_left else None

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with _failures_named(self._name):
            cursor = self._connection.execute(self._here(sql), parameters, binary=True)
            return cursor.fetchall() if cursor.description else []

    def execute_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        with self._connection.cursor() as cursor:
            cursor.executemany(self._here(sql), rows)

    def _here(self, sql: str) -> bytes:
        return _translated(sql if self.left is None else here(sql))

    def now(self) -> int:
        with _failures_named(self._name):
            return _now(self._connection)

    def run_deferred(self) -> None:
        self.execute("SET CONSTRAINTS ALL IMMEDIATE")

    def _make_tables(self, names: Sequence[str]) -> None:
        from replay.schema.tables import later_postgres_statements

        try:
            for statement in later_postgres_statements(names):
                self._connection.execute(statement.encode())
        except psycopg.errors.InsufficientPrivilege as error:
            raise StoreError(
                f"{self._name} was made before there were the tables {', '.join(names)}, and this role may not make"
                f" them ({first_line(error)}); run the same once as the role that made the ledger: whoever may record"
                " is given the rights on them"
            ) from error

    def let_rows_leave(self) -> None:
        from replay.schema.left import left_postgres_statements

        try:
            for name, columns in LATER_INDEXES.items():
                self._connection.execute(f"CREATE INDEX IF NOT EXISTS {name} ON records {columns}".encode())
            for statement in left_postgres_statements(archived=self.has_table(RECORD_SEGMENTS)):
                self._connection.execute(statement.encode())
        except psycopg.errors.InsufficientPrivilege as error:
            raise StoreError(
                f"{self._name} is to be archived for the first time, and this role may not change its tables"
                f" ({first_line(error)}): nothing was changed. Run it as the role that made the ledger"
            ) from error
        self.left = LeftRows(self)

    def may_erase(self) -> bool:
        ((may,),) = self.execute(_MAY_ERASE if self.left is None else _MAY_ERASE + _MAY_TAKE_OUT)
        return bool(may)

    def _found_here(self, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Known]:
        # LATERAL … LIMIT 1: one look-up in the index for each key, whatever the table's statistics.
        rows = self.execute(
            "SELECT k.source, k.event_id, r.position, r.content_hash, r.record"
            " FROM unnest(?::text[], ?::text[]) AS k (source, event_id)"
            " CROSS JOIN LATERAL (SELECT * FROM records"
            " WHERE source = k.source AND event_id = k.event_id LIMIT 1) AS r",
            ([source for source, _ in keys], [event_id for _, event_id in keys]),
        )
        return {(source, event_id): Known(*rest) for source, event_id, *rest in rows}

    def _versions_here(self, streams: Sequence[str]) -> dict[str, int]:
        rows = self.execute(
            "SELECT s.stream, coalesce(r.version, 0) FROM unnest(?::text[]) AS s (stream)"
            " LEFT JOIN LATERAL (SELECT version FROM records WHERE stream = s.stream"
            " ORDER BY version DESC LIMIT 1) AS r ON true",
            (list(streams),),
        )
        return dict(rows)

    def _aliases_here(self, keys: Sequence[AliasKey]) -> list[AliasRow]:
        rows = self.execute(
            "SELECT b.key, b.merchant, b.alias, b.seal FROM unnest(?::bytea[], ?::text[]) AS k (key, merchant)"
            " CROSS JOIN LATERAL (SELECT * FROM buyers WHERE key = k.key AND merchant = k.merchant LIMIT 1) AS b",
            ([key.buyer for key in keys], [key.merchant for key in keys]),
        )
        return list(map(AliasRow._make, rows))

    def insert(self, rows: Sequence[Row]) -> None:
        with self._connection.cursor() as cursor, cursor.copy(self._here(_COPY)) as copy:
            copy.set_types(_COPY_TYPES)
            for row in rows:
                copy.write_row(row)


def create_postgres(location: str) -> bool:
    """Make an empty store in the schema `levelbook` unless there is one, in one transaction; whether it was made."""
    from replay.store.buyers import key_from_environment, no_key

    with made_in_postgres(location, lambda now: new_identity(key_from_environment() or no_key(), now)) as made:
        return made is not None


@contextmanager
def made_in_postgres(location: str, identity_at: Callable[[int], Identity]) -> Iterator[PostgresTransaction | None]:
    """The transaction in which an empty store was made, committed at the end of the block; None where there is one.

    `identity_at` gives the ledger's identity at an instant.
    """
    from replay.schema.tables import postgres_statements

    name = masked(location)
    with closing(_connect(location)) as connection, _failures_named(name), connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (APPEND_LOCK,))
        if connection.execute("SELECT to_regclass('levelbook.ledger')").fetchone() != (None,):
            yield None
            return
        identity = identity_at(_now(connection))
        connection.execute(pgsql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(pgsql.Identifier(SCHEMA)))
        for statement in postgres_statements(identity.version):
            connection.execute(statement.encode())
        connection.execute("INSERT INTO ledger VALUES (%s, %s, %s, %s, %s)", identity_row(identity))
        nothing_left = Blocks(lambda *_: SegmentOnDisk(Path()))
        yield PostgresTransaction(connection, name, nothing_left, rows_left=False)


@contextmanager
def _failures_named(name: str) -> Iterator[None]:
    """Errors of the driver as errors of the store."""
    try:
        yield
    except psycopg.Error as error:
        raise _failure(name, error) from error


def _connect(location: str) -> psycopg.Connection:
    with _failures_named(masked(location)):
        return connected(location, application="levelbook", lock_seconds=LOCK_SECONDS, search_path=SCHEMA)


def _now(connection: psycopg.Connection) -> int:
    row = connection.execute(f"SELECT {NOW_SQL}".encode()).fetchone()
    assert row is not None
    return int(row[0])


def _translated(sql: str) -> bytes:
    return sql.replace("?", "%s").encode()


def _not_seen(connection: psycopg.Connection[Any], name: str) -> UsageError:
    """The error where a role finds no store: there is none, or it may not look into the schema that holds it."""
    found = connection.execute(
        "SELECT has_schema_privilege(oid, 'USAGE') FROM pg_namespace WHERE nspname = %s", (SCHEMA,)
    ).fetchone()
    if found == (False,):
        return UsageError(
            f"{name} holds a schema '{SCHEMA}' into which this role may not look: GRANT USAGE ON SCHEMA {SCHEMA} to it,"
            " or ask as a role that may"
        )
    return NoStoreError(f"there is no Levelbook store at {name}; 'levelbook ingest' makes one")


def _failure(name: str, error: psycopg.Error) -> StoreError:
    if isinstance(error, psycopg.errors.DiskFull):
        return StoreError(
            f"the disk of {name} is full: the last batch was not recorded, everything before it was;"
            " make space and ingest the same file again"
        )
    if isinstance(error, psycopg.errors.LockNotAvailable):
        return StoreError(
            f"{name} was held by another process for {LOCK_SECONDS} s: nothing more was recorded; try again"
        )
    if isinstance(error, psycopg.errors.UndefinedTable):
        return lacks_table(name, first_line(error))
    return StoreError(f"{name} cannot be used: {first_line(error)}")
