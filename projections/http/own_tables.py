"""Tables beside a ledger that are neither fact nor derived, open from any thread.

With SQLite they lie in a file of their own (mode 0600), with PostgreSQL in a schema of their own.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Final, NamedTuple, Self

from sqlalchemy import Connection, inspect, text

from replay.errors import BusyError, StoreError
from replay.store.base.store import Store
from replay.store.beside import (
    Failure,
    OpenedFile,
    beside,
    end_engine,
    failures_named,
    make_private,
    postgres_engine,
    sqlite_engine,
)
from replay.store.postgres import PostgresStore
from replay.store.queries import has_table
from replay.store.sqlite import SqliteStore

BUSY_SECONDS: Final = 10
HELD_SECONDS: Final = 1
"""How long nobody waits again after it was seen that another process holds the tables."""
_HELD: Final = ("database is locked", "lock timeout")
_MAY_NOT: Final = ("readonly database", "permission denied", "read-only transaction")


class Home(NamedTuple):
    """Where some tables lie."""

    what: str
    """What they hold, as an error says it: "what the service keeps"."""
    suffix: str
    """Of their file."""
    schema: str
    application: str
    """What a server calls their connections."""
    table: str
    """One of them: where it is there, so are the others."""


class HeldError(BusyError):
    """Another process holds the tables."""


class OwnTables:
    """Some tables, open; from any thread."""

    def __init__(
        self, home: Home, store: Store, *, mode: str, pragmas: Sequence[str], busy_seconds: float = BUSY_SECONDS
    ) -> None:
        self._home, self._name = home, store.name
        self._held_until = 0.0
        self._file: OpenedFile | None = None
        self._schema: str | None = None
        if isinstance(store, SqliteStore):
            path = file_of(home, store)
            self._engine = sqlite_engine(path, busy_seconds=busy_seconds, pragmas=pragmas, mode=mode)
            self._file = OpenedFile(path, mode)
            return
        assert isinstance(store, PostgresStore)
        self._engine = postgres_engine(store.location, application=home.application, busy_seconds=busy_seconds)
        self._schema = home.schema

    def is_there(self) -> bool:
        """Whether the tables were made."""
        with self._reading() as connection:
            return inspect(connection).has_table(self._home.table, schema=self._schema)

    def is_current(self) -> bool:
        """Whether what is read is what stands there now; a file may have been replaced."""
        return self._file is None or self._file.is_current()

    def close(self) -> None:
        end_engine(self._engine)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run_deferred(self, connection: Connection) -> None:
        """Let what PostgreSQL would do only at the commit happen now, so that reading back sees it."""
        if self._schema is not None:
            connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._failures_named(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self._failures_named(), self._engine.connect() as connection:
            if self._schema is None:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection
            if not self.is_current():
                raise StoreError(
                    f"{self._home.what}, beside {self._name}, was removed or replaced: nothing was written"
                )
            connection.commit()

    @contextmanager
    def _failures_named(self) -> Iterator[None]:
        """Raises HeldError where another process holds the tables; at once, where that was seen a moment ago."""
        if monotonic() < self._held_until:
            raise _held(self._home, self._name)
        try:
            with failures_named(partial(_failure, self._home, self._name)):
                yield
        except HeldError:
            self._held_until = monotonic() + HELD_SECONDS
            raise


def file_of(home: Home, store: SqliteStore) -> Path:
    """The file of the tables, beside a SQLite ledger."""
    return beside(store.path, home.suffix)


def make_place(home: Home, store: SqliteStore) -> None:
    """Make an empty file for the tables unless there is one. Raises StoreError where that may not be."""
    path = file_of(home, store)
    try:
        make_private(path, store.path)
    except OSError as error:
        raise StoreError(f"{home.what}, {path}, cannot be written: {error.strerror}") from error


def is_made(home: Home, store: Store) -> bool:
    """Whether there is a place for the tables."""
    if isinstance(store, SqliteStore):
        return file_of(home, store).exists()
    return has_table(store, home.schema, home.table)


def _held(home: Home, name: str) -> HeldError:
    return HeldError(
        f"{home.what} beside {name} is held by another process, which is writing to it or never ended; ask"
        " again in a moment; where it stays so, find that process and end it"
    )


def _failure(home: Home, name: str, found: Failure) -> StoreError:
    if any(words in found.text for words in _HELD):
        return _held(home, name)
    is_refused = any(words in found.text for words in _MAY_NOT)
    more = "; docs/how-to/postgresql.md has the rights that each role needs" if is_refused else ""
    return StoreError(f"{home.what} beside {name} cannot be used: {found.text}{more}")
