"""What the service keeps of its own: tokens, sessions of browsers, and who asked for which explanation.

It is neither fact nor derived, and so stands beside the ledger and the views: with SQLite in the file `STORE.service`
(mode 0600), with PostgreSQL in the schema `levelbook_service`. Of a token only its SHA-256 is stored: a token is 256
random bits, which nobody finds by trying, however fast the hash.
"""

import secrets
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, Table, delete, insert, select, update

from projections.http.kept_tables import POSTGRES_SCHEMA, kept_differ, kept_tables, make_tables
from projections.http.own_tables import BUSY_SECONDS, Home, OwnTables, file_of, is_made, make_place
from replay.errors import DamagedError, StoreError, UsageError
from replay.store.base.store import Store
from replay.store.beside import examining_mode, reading_mode
from replay.store.sqlite import SqliteStore

HOME: Final = Home("what the service keeps", ".service", POSTGRES_SCHEMA, "levelbook-service", "accesses")
TOKEN_BYTES: Final = 32
TOKEN_BEGINS: Final = "levelbook_"
SESSION_MICROS: Final = 12 * 3_600 * 1_000_000
"""How long a browser stays signed in."""


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


class Keeping(OwnTables):
    """The service's own tables, open; from any thread."""

    def __init__(
        self, store: Store, *, mode: str = "rw", pragmas: Sequence[str] = (), busy_seconds: float = BUSY_SECONDS
    ) -> None:
        super().__init__(HOME, store, mode=mode, pragmas=pragmas, busy_seconds=busy_seconds)
        self._tokens, self._sessions, self._accesses = kept_tables(self._schema)

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

    def _not_kept(self, found: str) -> StoreError:
        return StoreError(
            f"what the service keeps beside {self._name} is not written as it was told: {found}. A trigger or rule"
            " stands on a table: 'levelbook verify' names it; remove it, then try again"
        )


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
        make_place(HOME, store)
        mode = reading_mode(path)
        pragmas = ("journal_mode = WAL", "synchronous = NORMAL") if mode == "rw" else ()
        keeping = Keeping(store, mode=mode, pragmas=pragmas, busy_seconds=busy_seconds)
    else:
        keeping = Keeping(store, busy_seconds=busy_seconds)
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
    mode = examining_mode(service_path(store)) if isinstance(store, SqliteStore) else "rw"
    keeping = Keeping(store, mode=mode, pragmas=("query_only = ON",) if mode == "rw" else ())
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
    return is_made(HOME, store)


def no_token(number: int) -> UsageError:
    return UsageError(f"there is no token {number}; 'levelbook token list' shows them")


def service_path(store: SqliteStore) -> Path:
    return file_of(HOME, store)


def _hash(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()


def _token(row: Any) -> Token:
    scopes = frozenset(row.scopes.split())
    return Token(row.number, row.name, scopes, row.per_minute, row.made_at, row.revoked_at)
