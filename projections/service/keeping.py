"""What the service keeps of its own: tokens, sessions of browsers, and who asked for which explanation.

It is neither fact nor derived, and so stands beside the ledger and the views: with SQLite in the file `STORE.service`
(mode 0600), with PostgreSQL in the schema `levelbook_service`. Of a token only its SHA-256 is kept: a token is 256
random bits, which nobody finds by trying, however fast the hash.
"""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    Table,
    Text,
    delete,
    insert,
    inspect,
    select,
    text,
    update,
)
from sqlalchemy.exc import DBAPIError

from replay.beside import beside, file_at, make_private, postgres_engine, sqlite_engine
from replay.errors import StoreError, UsageError
from replay.postgres import PostgresStore
from replay.sqlite import SqliteStore
from replay.store import Store

POSTGRES_SCHEMA: Final = "levelbook_service"
BUSY_SECONDS: Final = 10
TOKEN_BYTES: Final = 32
TOKEN_BEGINS: Final = "levelbook_"
SESSION_MICROS: Final = 12 * 3_600 * 1_000_000
"""How long a browser stays signed in."""
_BIG: Final = BigInteger().with_variant(Integer(), "sqlite")
_SQLITE_GUARDS: Final = tuple(
    f"CREATE TRIGGER IF NOT EXISTS accesses_never_{verb}d BEFORE {verb.upper()} ON accesses"
    f" BEGIN SELECT RAISE(ABORT, 'accesses are append only: {verb.upper()} is refused'); END"
    for verb in ("update", "delete")
)
_POSTGRES_REFUSAL: Final = "BEGIN RAISE EXCEPTION 'accesses are append only: % is refused', TG_OP; END"
_POSTGRES_GUARDS: Final = (
    f"CREATE OR REPLACE FUNCTION {{0}}.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$ {_POSTGRES_REFUSAL} $$",
    *(
        f"CREATE OR REPLACE TRIGGER accesses_never_{name} BEFORE {events} ON {{0}}.accesses"
        f" FOR EACH {each} EXECUTE FUNCTION {{0}}.refuse_change()"
        for name, events, each in (("changed", "UPDATE OR DELETE", "ROW"), ("truncated", "TRUNCATE", "STATEMENT"))
    ),
)


class Token(NamedTuple):
    """A token as it is kept."""

    number: int
    name: str
    scopes: frozenset[str]
    per_minute: int
    made_at: int
    revoked_at: int | None


class Access(NamedTuple):
    """Somebody asked for an explanation."""

    number: int
    at: int
    token: int | None
    what: str
    subject: str
    scheme: str | None


class Keeping:
    """The service's own tables, open; from any thread."""

    def __init__(self, store: Store, engine: Engine, schema: str | None, path: Path | None = None) -> None:
        self._name = store.name
        self._path, self._file = path, None if path is None else file_at(path)
        """Which file they lie in, with SQLite."""
        self._engine = engine
        self._schema = schema
        metadata = MetaData(schema=schema)
        self._tokens = Table(
            "tokens",
            metadata,
            Column("number", _BIG, primary_key=True, autoincrement=True),
            Column("name", Text, nullable=False),
            Column("hash", Text, nullable=False, unique=True),
            Column("scopes", Text, nullable=False),
            Column("per_minute", Integer, nullable=False),
            Column("made_at", _BIG, nullable=False),
            Column("revoked_at", _BIG),
        )
        self._sessions = Table(
            "sessions",
            metadata,
            Column("hash", Text, primary_key=True),
            Column("token", _BIG, nullable=False),
            Column("ends_at", _BIG, nullable=False),
        )
        self._accesses = Table(
            "accesses",
            metadata,
            Column("number", _BIG, primary_key=True, autoincrement=True),
            Column("at", _BIG, nullable=False),
            Column("token", _BIG),
            Column("what", Text, nullable=False),
            Column("subject", Text, nullable=False),
            Column("scheme", Text),
        )

    def make(self) -> None:
        """Make the tables unless they are there."""
        with self._reading() as connection:
            if inspect(connection).has_table("accesses", schema=self._schema):
                return
        with self._writing() as connection:
            if self._schema is not None:
                connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {self._schema}"))
            self._tokens.metadata.create_all(connection)
            guards = _SQLITE_GUARDS if self._schema is None else _POSTGRES_GUARDS
            for statement in guards:
                connection.execute(text(statement.format(self._schema)))

    def is_current(self) -> bool:
        """Whether the file that was opened still stands there: what is written into another nobody finds."""
        return self._path is None or file_at(self._path) == self._file

    def check(self) -> None:
        """Raises StoreError where who shows a token could not be found now."""
        with self._reading() as connection:
            connection.execute(select(self._tokens.c.number).limit(1)).first()

    # --- tokens -------------------------------------------------------------------------------------------------------

    def new_token(self, name: str, scopes: Sequence[str], per_minute: int, now: int) -> tuple[int, str]:
        """Make a token: its number, and the token itself, which is told this once."""
        token = TOKEN_BEGINS + secrets.token_urlsafe(TOKEN_BYTES)
        values = {
            "name": name,
            "hash": _hash(token),
            "scopes": " ".join(sorted(set(scopes))),
            "per_minute": per_minute,
            "made_at": now,
        }
        with self._writing() as connection:
            made = connection.execute(insert(self._tokens).values(values).returning(self._tokens.c.number))
            return int(made.scalar_one()), token

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
                raise UsageError(f"there is no token {number}; 'levelbook token list' shows them")
            if found.revoked_at is None:
                named = update(self._tokens).where(self._tokens.c.number == number)
                connection.execute(named.values(revoked_at=now))
            connection.execute(delete(self._sessions).where(self._sessions.c.token == number))
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
            connection.execute(insert(self._sessions).values(values))
        return secret

    def token_of_session(self, secret: str, now: int) -> Token | None:
        """The token that a session was begun with, while both hold."""
        tokens, sessions = self._tokens, self._sessions
        query = select(tokens).join(sessions, sessions.c.token == tokens.c.number)
        with self._reading() as connection:
            row = connection.execute(query.where(sessions.c.hash == _hash(secret), sessions.c.ends_at > now)).first()
        return None if row is None or row.revoked_at is not None else _token(row)

    def end_session(self, secret: str) -> None:
        with self._writing() as connection:
            connection.execute(delete(self._sessions).where(self._sessions.c.hash == _hash(secret)))

    # --- accesses -----------------------------------------------------------------------------------------------------

    def note_access(self, at: int, token: int | None, what: str, subject: str, scheme: str | None) -> None:
        values = {"at": at, "token": token, "what": what, "subject": subject, "scheme": scheme}
        with self._writing() as connection:
            connection.execute(insert(self._accesses).values(values))

    def accesses(self, subject: str | None) -> list[Access]:
        """Who asked for explanations, of one subject or all, the earliest first."""
        query = select(self._accesses).order_by(self._accesses.c.number)
        if subject is not None:
            query = query.where(self._accesses.c.subject == subject)
        with self._reading() as connection:
            return [Access(*row) for row in connection.execute(query)]

    def close(self) -> None:
        self._engine.dispose()

    def __enter__(self) -> "Keeping":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with _failures_named(self._name), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with _failures_named(self._name), self._engine.connect() as connection:
            if self._schema is None:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection
            if not self.is_current():
                raise StoreError(f"what the service keeps, {self._path}, was removed or replaced: nothing was written")
            connection.commit()


def open_keeping(store: Store, *, make_file: bool = True) -> Keeping:
    """The service's own tables beside a ledger; made where there are none.

    Raises StoreError where their file is not there and none is to be made: tokens that held would hold no more.
    """
    if isinstance(store, SqliteStore):
        path = service_path(store)
        if not make_file and not path.exists():
            raise StoreError(
                f"what the service keeps, {path}, was removed: put it back; or make tokens anew, by"
                " 'levelbook token new'"
            )
        engine = _sqlite_engine(path)
        keeping = Keeping(store, engine, None, path)
    else:
        assert isinstance(store, PostgresStore)
        engine = postgres_engine(store.location, application="levelbook-service", busy_seconds=BUSY_SECONDS)
        keeping = Keeping(store, engine, POSTGRES_SCHEMA)
    try:
        keeping.make()
    except BaseException:
        keeping.close()
        raise
    return keeping


def service_path(store: SqliteStore) -> Path:
    return beside(store.path, ".service")


def _sqlite_engine(path: Path) -> Engine:
    try:
        make_private(path)
    except OSError as error:
        raise StoreError(f"what the service keeps, {path}, cannot be written: {error.strerror}") from error
    return sqlite_engine(path, busy_seconds=BUSY_SECONDS, pragmas=("journal_mode = WAL", "synchronous = NORMAL"))


def _hash(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()


def _token(row: Any) -> Token:
    scopes = frozenset(row.scopes.split())
    return Token(row.number, row.name, scopes, row.per_minute, row.made_at, row.revoked_at)


@contextmanager
def _failures_named(name: str) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        first = str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else type(error.orig).__name__
        raise StoreError(f"what the service keeps beside {name} cannot be used: {first}") from error
