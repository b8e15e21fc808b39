"""A store in one SQLite file."""

import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, ClassVar, Final

from replay.blocks.reading import Blocks
from replay.errors import LevelbookError, NoStoreError, StoreError, UsageError, damaged
from replay.passing_folders import no_room
from replay.schema.triggers import SQLITE_ALIAS
from replay.schema.versions import ALIAS_BYTES
from replay.store.base.failures import backfill_running, begun_to_leave, checkpoint_running, lacks_table
from replay.store.base.identity import IDENTITY_SQL, Identity, have_left, identity_of, identity_row, new_identity
from replay.store.base.store import Store
from replay.store.base.transaction import Transaction
from replay.store.beside import (
    OpenedFile,
    beside,
    connect_sqlite,
    draft_beside,
    examining_mode,
    locked,
    open_private,
    reading_mode,
    sync,
)
from replay.store.reading.left import LeftRows
from replay.store.reading.readable import here
from replay.store.sqlite_transaction import HAS_TABLE, SqliteTransaction

APPLICATION_ID: Final = 0x4C76426B
"""'LvBk' in the file's header."""
BUSY_SECONDS: Final = 60
_CACHE_KIB: Final = 65_536
_WRITER_CACHE_KIB: Final = 131_072
"""What is recorded touches a page of each index for nearly every stream: those of a batch fit in."""
_WAL_PAGES: Final = 25_000
"""After so many pages the log is brought into the file: what many batches touch is then written there once."""
_READ_ONCE_KIB: Final = 4_096


class SqliteStore(Store):
    """An open SQLite store: one connection for reading, one for appending."""

    application_id: ClassVar[int] = APPLICATION_ID
    has_table_sql = HAS_TABLE
    alias_sql = (
        f"CASE WHEN length(record) <= {ALIAS_BYTES} THEN lower(hex(record)) ELSE {SQLITE_ALIAS.format('record')} END"
    )

    def __init__(self, path: Path) -> None:
        if not path.exists():
            raise NoStoreError(f"there is no store at {path}; 'levelbook ingest' makes one")
        if not path.is_file():
            raise UsageError(f"{path} is a folder or a device, not a store; name a file")
        self.path = path.resolve()
        self.name = self.location = str(path)
        mode = examining_mode(self.path)
        self._file = OpenedFile(self.path, mode)
        with self._failures_named():
            self._reader = _connect(path, mode)
        try:
            with self._failures_named():
                self._reader.execute("PRAGMA query_only = ON")
                _check_header(self._reader, self.name, self.application_id)
                rows = self._reader.execute(IDENTITY_SQL).fetchall()
                self.identity = identity_of(rows, self.name)
                self.left = LeftRows(self) if have_left(rows) else None
            self.blocks = Blocks(self._file_of)
        except LevelbookError:
            self._reader.close()
            raise
        self._writer: sqlite3.Connection | None = None
        self._closed = False

    def _query(self, sql: str, parameters: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        try:
            yield from self._reader.execute(sql if self.left is None else here(sql), parameters)
        except sqlite3.Error as error:
            if self._closed:
                return  # a reader that was dropped half-way
            raise self._failure(error) from error

    @contextmanager
    def _failures_named(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self._failure(error) from error

    def _failure(self, error: sqlite3.Error) -> LevelbookError:
        """What an error of this file is told as."""
        return _failure(self.name, error)

    @contextmanager
    def writing(self) -> Iterator[Transaction]:
        with self._failures_named():
            writer = self._writer = self._writer or _connect_writer(self.path)
            try:
                writer.execute("PRAGMA journal_mode = WAL")  # a backup that is now written to has another
                _begin(writer)
                yield self._transaction(writer)
                if not self._is_of_the_form():
                    raise begun_to_leave(self.name)
                if not self._file.is_current():  # nobody would find what is written into a file that is there no more
                    raise StoreError(
                        f"the ledger's file {self.name} was removed or replaced since it was opened: the last batch was"
                        " not recorded; look which ledger stands there, then start again"
                    )
                writer.execute("COMMIT")
            finally:
                if writer.in_transaction:
                    with suppress(sqlite3.Error):
                        writer.execute("ROLLBACK")

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        self._reader.execute("BEGIN")
        try:
            yield
        finally:
            self._reader.execute("ROLLBACK")

    @contextmanager
    def reading_once(self) -> Iterator[None]:
        self._reader.execute(f"PRAGMA cache_size = -{_READ_ONCE_KIB}")
        try:
            yield
        finally:
            self._reader.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")

    def reader(self) -> Transaction:
        return self._transaction(self._reader, self._failures_named)

    def _transaction(
        self,
        connection: sqlite3.Connection,
        failures_named: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> SqliteTransaction:
        return SqliteTransaction(connection, self.now, self.blocks, failures_named, rows_left=self.left is not None)

    @contextmanager
    def backfilling(self) -> Iterator[None]:
        with locked(beside(self.path, ".backfill"), backfill_running(self.name)):
            yield

    @contextmanager
    def checkpointing(self) -> Iterator[None]:
        busy = checkpoint_running(self.name)
        with locked(beside(self.path, ".checkpointing"), busy, wait_seconds=BUSY_SECONDS):
            yield

    def now(self) -> int:
        return time.time_ns() // 1000

    def size_bytes(self) -> int:
        files = (self.path, beside(self.path, "-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    def definition_problems(self) -> list[str]:
        from replay.schema.sqlite_indexes import definitions_differ

        return self._looked_at(lambda connection: definitions_differ(connection, self.identity.version))

    def row_problems(self) -> list[str]:
        from replay.schema.sqlite_indexes import rows_differ

        return self._looked_at(rows_differ)

    def _looked_at(self, look: Callable[[sqlite3.Connection], list[str]]) -> list[str]:
        """On a connection of its own, which reads the definitions anew."""
        with self._failures_named():
            connection = _connect(self.path, examining_mode(self.path))
        try:
            connection.execute("PRAGMA query_only = ON")
            connection.execute("BEGIN")
            return look(connection)
        except sqlite3.Error as error:
            return [f"the database cannot be examined: {error}"]
        finally:
            connection.close()

    def keep_check(self, line: str) -> str:
        path = beside(self.path, ".checks")
        handle = open_private(path, os.O_WRONLY | os.O_APPEND)
        try:
            os.write(handle, f"{line}\n".encode())
            os.fsync(handle)
        finally:
            os.close(handle)
        return str(path)

    def kept_checks(self) -> Iterator[str]:
        path = beside(self.path, ".checks")
        if path.exists():
            yield from path.read_text().splitlines()

    def scrub(self) -> bool:
        assert self._writer is not None, "only after a deletion"
        with self._failures_named():
            (busy, _, _) = self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not busy

    def compact(self) -> None:
        with self._failures_named():
            writer = self._writer = self._writer or _connect(self.path)
            writer.execute("VACUUM")
            writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def has_index(self, name: str) -> bool:
        return bool(list(self._query("SELECT 1 FROM sqlite_master WHERE type = 'index' AND name = ?", (name,))))

    def key_path(self) -> Path:
        return key_path(self.path)

    def signing_path(self) -> Path:
        return beside(self.path, ".signing")

    def records_beside(self) -> Path | None:
        return beside(self.path, ".records")

    def segments_beside(self) -> Path | None:
        return beside(self.path, ".segments")

    def is_current(self) -> bool:
        return self._file.is_current() and self._is_of_the_form()

    def _is_of_the_form(self) -> bool:
        """Whether rows have begun to leave the store since it was opened, or had then."""
        try:
            return have_left(self._reader.execute(IDENTITY_SQL).fetchall()) == (self.left is not None)
        except sqlite3.Error:
            return False

    def check_unchanged(self) -> None:
        self._file.check_unchanged("the ledger")

    def close(self) -> None:
        self._closed = True
        self.blocks.forget()
        self._reader.close()
        if self._writer is not None:
            self._writer.close()


class PassingStore(SqliteStore):
    """A store in a passing folder: where it cannot be kept there, that says nothing of any ledger."""

    def _failure(self, error: sqlite3.Error) -> LevelbookError:
        return super()._failure(error) if isinstance(error, sqlite3.IntegrityError) else no_room(str(error))


def create_sqlite(path: Path) -> bool:
    """Make an empty store at `path` unless something stands there; whether it was made."""
    from replay.store.buyers import make_key

    if path.exists():
        return False
    check_folder(path)
    path = path.resolve()
    draft = draft_beside(path)
    made = False
    try:
        key = make_key(key_path(path))
        _make_file(draft, new_identity(key, time.time_ns() // 1000))
        with suppress(FileExistsError):  # another process was first: its store is as good
            os.link(draft, path)
            made = True
        sync(path.parent)
    except sqlite3.Error as error:
        raise _failure(str(path), error) from error
    except OSError as error:
        raise StoreError(f"the store {path} cannot be made: {error.strerror or error}") from error
    finally:
        remove_draft(draft)
    return made


def check_folder(path: Path) -> None:
    """Raises UsageError when there is no folder for a store at `path`."""
    if not path.parent.is_dir():
        raise UsageError(f"the folder {path.parent} for the store does not exist; make it first")


def copy_of(path: Path, identity: Identity) -> "SqliteStore":
    """A new, empty store at `path` with the identity of an existing ledger."""
    try:
        _make_file(path, identity)
    except sqlite3.Error as error:
        raise _failure(str(path), error) from error
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}") from error
    return SqliteStore(path)


def passing_copy(path: Path, identity: Identity) -> PassingStore:
    """The same in a passing folder. Raises NotExaminedError where it cannot be kept there, then and later."""
    with passing_failures_named():
        _make_file(path, identity)
    return PassingStore(path)


@contextmanager
def passing_failures_named() -> Iterator[None]:
    """Raises NotExaminedError where a file in a passing folder cannot be kept, and sqlite3.IntegrityError where what is
    written into it does not go together.
    """
    try:
        yield
    except sqlite3.IntegrityError:
        raise
    except (sqlite3.Error, OSError) as error:
        raise no_room(str(error)) from error


def settle(path: Path) -> None:
    """Bring a store that nobody writes to into one file that can be read where nothing can be written."""
    try:
        with closing(_connect(path)) as connection:
            connection.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.Error as error:
        raise _failure(str(path), error) from error


def remove_draft(path: Path) -> None:
    """Remove a store that was made under a passing name, and the files SQLite keeps beside it."""
    for suffix in ("", "-wal", "-shm"):
        beside(path, suffix).unlink(missing_ok=True)


def _make_file(path: Path, identity: Identity) -> None:
    from replay.schema.tables import sqlite_statements

    os.close(open_private(path, os.O_EXCL | os.O_RDWR))
    connection = _connect(path)
    try:
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {identity.version}")
        connection.execute("BEGIN")
        for statement in sqlite_statements(identity.version):
            connection.execute(statement)
        connection.execute("INSERT INTO ledger VALUES (?, ?, ?, ?, ?)", identity_row(identity))
        connection.execute("COMMIT")
        # Last, so that everything is in the file itself when it is linked, and a full disk is heard of.
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(IDENTITY_SQL).fetchone()
    finally:
        connection.close()


def key_path(path: Path) -> Path:
    return beside(path, ".key")


def _connect(path: Path, mode: str | None = None) -> sqlite3.Connection:
    """Raises sqlite3.Error."""
    # A service lends an open store to one thread after another; each use is alone.
    connection = connect_sqlite(path, busy_seconds=BUSY_SECONDS, mode=mode or reading_mode(path))
    try:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        connection.execute("PRAGMA wal_autocheckpoint = 10000")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _connect_writer(path: Path) -> sqlite3.Connection:
    """Raises sqlite3.Error."""
    connection = _connect(path)
    try:
        connection.execute(f"PRAGMA cache_size = -{_WRITER_CACHE_KIB}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _begin(writer: sqlite3.Connection) -> None:
    """Begin to write. Raises sqlite3.Error.

    What would take a single statement back, should a guard refuse it, stays in memory: in a file it is a third of what
    an insert takes. That is settled here; what is sorted meanwhile, or written anew by VACUUM, may be too much for it.
    """
    writer.execute("PRAGMA temp_store = MEMORY")
    try:
        writer.execute("BEGIN IMMEDIATE")
    finally:
        writer.execute("PRAGMA temp_store = FILE")


def _check_header(connection: sqlite3.Connection, name: str, expected: int) -> None:
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application_id != expected:
        raise UsageError(f"{name} is an SQLite file, but not a Levelbook store; nothing was changed in it")
    identity_of([("", version, 0, b"")], name)


def _failure(name: str, error: sqlite3.Error) -> StoreError | UsageError:
    text = str(error)
    if "not a database" in text:
        return UsageError(f"{name} is not a Levelbook store, or its beginning is damaged ({text})")
    if "malformed" in text or "decode" in text:
        return damaged(f"{name} ({text})")
    if "is full" in text:
        return StoreError(
            f"the disk of {name} is full: the last batch was not recorded, everything before it was;"
            " make space and ingest the same file again"
        )
    if "disk I/O" in text:
        return StoreError(f"the disk of {name} fails or is full ({text}): look at it, then ingest the same file again")
    if "locked" in text or "busy" in text:
        return StoreError(
            f"{name} was held by another process for {BUSY_SECONDS} s: nothing more was recorded; try again"
        )
    if "no such table" in text:
        return lacks_table(name, text)
    return StoreError(f"{name} cannot be used: {text}")
