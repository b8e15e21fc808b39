"""What the service keeps of its own: tokens, sessions of browsers, and who asked for which explanation.

It is neither fact nor derived, and so stands beside the ledger and the views: with SQLite in the file `STORE.service`
(mode 0600), with PostgreSQL in the schema `levelbook_service`. Of a token only its SHA-256 is stored: a token is 256
random bits, which nobody finds by trying, however fast the hash.
"""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from pathlib import Path
from time import monotonic
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, Engine, Table, delete, insert, inspect, select, text, update

from projections.http.kept_tables import POSTGRES_SCHEMA, kept_differ, kept_tables, make_tables
from replay.errors import BusyError, DamagedError, StoreError, UsageError
from replay.store.base import Store
from replay.store.beside import (
    Failure,
    OpenedFile,
    beside,
    end_engine,
    examining_mode,
    failures_named,
    make_private,
    postgres_engine,
    reading_mode,
    sqlite_engine,
)
from replay.store.postgres import PostgresStore
from replay.store.queries import has_table
from replay.store.sqlite import SqliteStore

BUSY_SECONDS: Final = 10
HELD_SECONDS: Final = 1
"""How long nobody waits again after it was seen that another process holds the tables."""
_HELD: Final = ("database is locked", "lock timeout")
TOKEN_BYTES: Final = 32
TOKEN_BEGINS: Final = "levelbook_"
SESSION_MICROS: Final = 12 * 3_600 * 1_000_000
"""How long a browser stays signed in."""
_MAY_NOT: Final = ("readonly database", "permission denied", "read-only transaction")


class Token(NamedTuple):
    """A token as it is stored."""

    number: int
    name: str
    scopes: frozenset[str]
    per_minute: int
    made_at: int
    revoked_at: int | None


class NotedAccess(NamedTuple):
    """Somebody asked for an explanation."""

    number: int
    at: int
    token: int | None
    what: str
    subject: str
    scheme: str | None


class HeldError(BusyError):
    """Another process holds the service's own tables."""


class Keeping:
    """The service's own tables, open; from any thread."""

    def __init__(self, store: Store, engine: Engine, schema: str | None, file: OpenedFile | None = None) -> None:
        self._name = store.name
        self._engine = engine
        self._schema = schema
        self._file = file
        self._held_until = 0.0
        self._tokens, self._sessions, self._accesses = kept_tables(schema)

    def is_there(self) -> bool:
        """Whether the tables were made."""
        with self._reading() as connection:
            return inspect(connection).has_table("accesses", schema=self._schema)

    def make(self) -> None:
        """Make the tables unless they are there. Raises StoreError where that may not be done."""
        if self.is_there():
            return
        try:
            with self._writing() as connection:
                make_tables(connection, self._schema)
        except StoreError as error:
            raise StoreError(
                f"nothing is there yet in which the service keeps tokens and accesses, and it cannot be made: {error}."
                " Let who made the ledger run 'levelbook token new', and this one be granted what"
                " docs/how-to/postgresql.md says"
            ) from error

    def is_current(self) -> bool:
        """Whether what is read is what stands there now; a file may have been replaced."""
        return self._file is None or self._file.is_current()

    def problems(self) -> list[str]:
        """What is defined otherwise than this version makes it: it could swallow or alter what is written down."""
        with self._reading() as connection:
            return kept_differ(connection, self._schema)

    def check_definitions(self) -> None:
        """Raises DamagedError where tables, triggers or the like are not those of this version."""
        problems = self.problems()
        if problems:
            raise DamagedError(
                f"what the service keeps beside {self._name} is not defined as levelbook makes it, and could lose what"
                f" is written down: {problems[0]}; find out who changed it"
            )

    def check(self) -> None:
        """Raises StoreError where who shows a token could not be found now."""
        with self._reading() as connection:
            connection.execute(select(self._tokens.c.number).limit(1)).first()

    # --- tokens -------------------------------------------------------------------------------------------------------

    def new_token(self, name: str, scopes: Sequence[str], per_minute: int, now: int) -> tuple[int, str]:
        """Make a token: its number, and the token itself, which is shown this once."""
        token = TOKEN_BEGINS + secrets.token_urlsafe(TOKEN_BYTES)
        values = {
            "name": name,
            "hash": _hash(token),
            "scopes": " ".join(sorted(set(scopes))),
            "per_minute": per_minute,
            "made_at": now,
        }
        with self._writing() as connection:
            return int(self._add(connection, self._tokens, values)), token

    def tokens(self) -> list[Token]:
        """Every token, the oldest first."""
        with self._reading() as connection:
            rows = connection.execute(select(self._tokens).order_by(self._tokens.c.number)).all()
        return [_token(row) for row in rows]

    def revoke(self, number: int, now: int) -> Token:
        """Let a token and the sessions begun with it end. Raises UsageError for one that there is not."""
        with self._writing() as connection:
            found = connection.execute(select(self._tokens).where(self._tokens.c.number == number)).first()
            if found is None:
                raise no_token(number)
            if found.revoked_at is None:
                named = update(self._tokens).where(self._tokens.c.number == number)
                connection.execute(named.values(revoked_at=now))
            connection.execute(delete(self._sessions).where(self._sessions.c.token == number))
            holds = (self._tokens.c.number == number) & self._tokens.c.revoked_at.is_(None)
            self._check_gone(connection, self._tokens, holds)
            self._check_gone(connection, self._sessions, self._sessions.c.token == number)
        return _token(found)

    def token_of(self, token: str) -> Token | None:
        """The token that was shown, while it holds."""
        with self._reading() as connection:
            row = connection.execute(select(self._tokens).where(self._tokens.c.hash == _hash(token))).first()
        return None if row is None or row.revoked_at is not None else _token(row)

    # --- sessions -----------------------------------------------------------------------------------------------------

    def begin_session(self, token: Token, now: int) -> str:
        """A secret for a browser's cookie, which stands for the token until it ends."""
        secret = secrets.token_urlsafe(TOKEN_BYTES)
        with self._writing() as connection:
            connection.execute(delete(self._sessions).where(self._sessions.c.ends_at <= now))
            values = {"hash": _hash(secret), "token": token.number, "ends_at": now + SESSION_MICROS}
            self._add(connection, self._sessions, values)
        return secret

    def token_of_session(self, secret: str, now: int) -> Token | None:
        """The token that a session was begun with, while both hold."""
        tokens, sessions = self._tokens, self._sessions
        query = select(tokens).join(sessions, sessions.c.token == tokens.c.number)
        with self._reading() as connection:
            row = connection.execute(query.where(sessions.c.hash == _hash(secret), sessions.c.ends_at > now)).first()
        return None if row is None or row.revoked_at is not None else _token(row)

    def end_session(self, secret: str) -> None:
        this = self._sessions.c.hash == _hash(secret)
        with self._writing() as connection:
            connection.execute(delete(self._sessions).where(this))
            self._check_gone(connection, self._sessions, this)

    # --- accesses -----------------------------------------------------------------------------------------------------

    def note_access(self, at: int, token: int | None, what: str, subject: str, scheme: str | None) -> None:
        """Log an access. Raises StoreError unless the database has stored it."""
        values = {"at": at, "token": token, "what": what, "subject": subject, "scheme": scheme}
        with self._writing() as connection:
            self._add(connection, self._accesses, values)

    def accesses(self, subject: str | None) -> list[NotedAccess]:
        """Who asked for explanations, of one subject or all, the earliest first."""
        query = select(self._accesses).order_by(self._accesses.c.number)
        if subject is not None:
            query = query.where(self._accesses.c.subject == subject)
        with self._reading() as connection:
            return [NotedAccess(*row) for row in connection.execute(query)]

    def latest_accesses(self, subject: str | None, before: int | None, limit: int) -> list[NotedAccess]:
        """The last of these before a number, the latest first."""
        accesses = self._accesses.c
        query = select(self._accesses).order_by(accesses.number.desc()).limit(limit)
        if subject is not None:
            query = query.where(accesses.subject == subject)
        if before is not None:
            query = query.where(accesses.number < before)
        with self._reading() as connection:
            return [NotedAccess(*row) for row in connection.execute(query)]

    def close(self) -> None:
        end_engine(self._engine)

    def __enter__(self) -> "Keeping":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _add(self, connection: Connection, table: Table, values: dict[str, Any]) -> Any:
        """Add a row and read it back: its key. Raises StoreError where a trigger or rule swallowed or altered it."""
        (key,) = table.primary_key
        made = connection.execute(insert(table).values(values).returning(key)).scalar()
        self._run_deferred(connection)
        row = None if made is None else connection.execute(select(table).where(key == made)).first()
        if row is None or any(row._mapping[name] != value for name, value in values.items()):
            raise self._not_kept(f"a row of {table.name} is not there, or another one")
        return made

    def _check_gone(self, connection: Connection, table: Table, which: ColumnElement[bool]) -> None:
        """Raises StoreError where rows are still there that were deleted or changed."""
        self._run_deferred(connection)
        if connection.execute(select(*table.primary_key).where(which).limit(1)).first() is not None:
            raise self._not_kept(f"a row of {table.name} that was ended is still there")

    def _run_deferred(self, connection: Connection) -> None:
        """Let what PostgreSQL would do only at the commit happen now, so that reading back sees it."""
        if self._schema is not None:
            connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))

    def _not_kept(self, found: str) -> StoreError:
        return StoreError(
            f"what the service keeps beside {self._name} is not written as it was told: {found}. A trigger or rule"
            " stands on a table: 'levelbook verify' names it; remove it, then try again"
        )

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
                    f"what the service keeps, beside {self._name}, was removed or replaced: nothing was written"
                )
            connection.commit()

    @contextmanager
    def _failures_named(self) -> Iterator[None]:
        """Raises HeldError where another process holds the tables; at once, where that was seen a moment ago."""
        if monotonic() < self._held_until:
            raise _held(self._name)
        try:
            with failures_named(partial(_failure, self._name)):
                yield
        except HeldError:
            self._held_until = monotonic() + HELD_SECONDS
            raise


def open_keeping(store: Store, *, make_file: bool = True, busy_seconds: float = BUSY_SECONDS) -> Keeping:
    """The service's own tables beside a ledger; made where there are none. Raises StoreError where that may not be.

    Also where their file is not there and none is to be made: tokens that held would hold no more. Whoever finds the
    tables held by another process waits for `busy_seconds`.
    """
    if isinstance(store, SqliteStore):
        path = service_path(store)
        if not make_file and not path.exists():
            raise StoreError(
                f"what the service keeps, {path}, was removed: put it back; or make tokens anew, by"
                " 'levelbook token new'"
            )
        try:
            make_private(path, store.path)
        except OSError as error:
            raise StoreError(f"what the service keeps, {path}, cannot be written: {error.strerror}") from error
        pragmas = ("journal_mode = WAL", "synchronous = NORMAL")
        keeping = _in_file(store, path, reading_mode(path), pragmas, busy_seconds)
    else:
        keeping = _in_schema(store, busy_seconds)
    try:
        keeping.make()
    except BaseException:
        keeping.close()
        raise
    return keeping


def find_keeping(store: Store) -> Keeping | None:
    """The service's own tables, only to be read; None where there are none. Makes nothing, and changes nothing."""
    if not is_kept(store):
        return None
    if isinstance(store, SqliteStore):
        path = service_path(store)
        keeping = _in_file(store, path, examining_mode(path), ("query_only = ON",), BUSY_SECONDS)
    else:
        keeping = _in_schema(store, BUSY_SECONDS)
    try:
        there = keeping.is_there()
    except BaseException:
        keeping.close()
        raise
    if not there:
        keeping.close()
        return None
    return keeping


def is_kept(store: Store) -> bool:
    """Whether there is a place in which a service keeps what is its own."""
    if isinstance(store, SqliteStore):
        return service_path(store).exists()
    return has_table(store, POSTGRES_SCHEMA, "accesses")


def no_token(number: int) -> UsageError:
    return UsageError(f"there is no token {number}; 'levelbook token list' shows them")


def service_path(store: SqliteStore) -> Path:
    return beside(store.path, ".service")


def _in_file(store: SqliteStore, path: Path, mode: str, pragmas: Sequence[str], busy_seconds: float) -> Keeping:
    engine = sqlite_engine(path, busy_seconds=busy_seconds, pragmas=pragmas if mode == "rw" else (), mode=mode)
    return Keeping(store, engine, None, OpenedFile(path, mode))


def _in_schema(store: Store, busy_seconds: float) -> Keeping:
    assert isinstance(store, PostgresStore)
    engine = postgres_engine(store.location, application="levelbook-service", busy_seconds=busy_seconds)
    return Keeping(store, engine, POSTGRES_SCHEMA)


def _hash(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()


def _token(row: Any) -> Token:
    scopes = frozenset(row.scopes.split())
    return Token(row.number, row.name, scopes, row.per_minute, row.made_at, row.revoked_at)


def _held(name: str) -> HeldError:
    return HeldError(
        f"what the service keeps beside {name} is held by another process, which is writing to it or never ended; ask"
        " again in a moment; where it stays so, find that process and end it"
    )


def _failure(name: str, found: Failure) -> StoreError:
    if any(words in found.text for words in _HELD):
        return _held(name)
    is_refused = any(words in found.text for words in _MAY_NOT)
    more = "; docs/how-to/postgresql.md has the rights that each role needs" if is_refused else ""
    return StoreError(f"what the service keeps beside {name} cannot be used: {found.text}{more}")
