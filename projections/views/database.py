"""The views of a ledger, its read model: where they lie, which build is live, and the transactions that move them.

With SQLite they are a file of their own beside the ledger, with PostgreSQL the schema `levelbook_views` of the same
database. A build is one whole set of tables (`projections.views.tables`); one is live, one may be under way, and one
that was live before may be kept to switch back to.
"""

import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Engine, Table, insert, inspect, select, text, update

from domain.policy import policy_of
from projections.views.changes import LevelWatch, StoodAt, note_switch
from projections.views.location import POSTGRES_SCHEMA, has_views, views_path
from projections.views.tables import Tables, control_tables, tables_of, view_statements
from replay.errors import NotExaminedError, StoreError, UsageError
from replay.passing_folders import no_room
from replay.policies.catalog import DEFAULT, Choice
from replay.store.base.store import Store
from replay.store.beside import (
    Failure,
    OpenedFile,
    advisory_lock,
    beside,
    end_engine,
    examining_mode,
    failures_named,
    locked,
    make_private,
    postgres_engine,
    sqlite_engine,
)
from replay.store.postgres import PostgresStore
from replay.store.sqlite import SqliteStore

FORMAT: Final = 7
"""Of the tables and `v1_…` views. 6: there are builds by candidate policies, and a shadow that is shown; what was
published otherwise than it would be now is kept. 7: a Firefly month says when, and with how many points, it begins."""
BUSY_SECONDS: Final = 60
VIEWS_PRAGMAS: Final = ("journal_mode = WAL", "synchronous = NORMAL", "cache_size = -65536")
_READING_PRAGMAS: Final = ("query_only = ON", "cache_size = -65536")
_COMMITS: Final = "PRAGMA data_version"
FEED_BYTES: Final = 6
"""Views made again from nothing count changes anew: their feed has another name, chosen at random."""
LIVE: Final = "live"
BUILDING: Final = "building"
FORMER: Final = "former"
CHECKING: Final = "checking"
BESIDE: Final = "beside"
SHADOW: Final = "shadow"
"""The roles of a build. Those beside the live one, and a shadow, which follows it, are by candidate policies."""
READY: Final = "ready"
"""The phase of a build that is whole: it is or was live, or may be looked at beside the live one."""
_DAMAGED: Final = ("malformed", "not a database", "no such table", "no such column")
_UNDEFINED: Final = ("42P01", "42703")
"""PostgreSQL's undefined_table and undefined_column."""
_INSUFFICIENT_PRIVILEGE: Final = "42501"
RIGHTS: Final = {"follow": 0x4C764201, "rebuild": 0x4C764202, "making": 0x4C764203, "check": 0x4C764204}
"""Each right to work on the views: PostgreSQL's number of its lock. With SQLite it is a file's that bears its name."""


class DamagedViews(StoreError):
    """The views cannot be read as what they must be, or are not of the ledger beside them as it is now."""


class Build(NamedTuple):
    """A row of `builds`: one set of tables, and the one moment at which all of it stands."""

    build: int
    role: str
    position: int
    as_of: int
    policies: str
    """JSON: by scheme, the revisions that judged."""
    program: str
    phase: str
    done: int
    total: int
    started_at: int
    moved_at: int
    """When it last moved, by the ledger's clock."""
    parts: str
    """JSON: which parts of a rebuild are finished."""
    chain: str
    """The ledger's chain hash at the position, in hexadecimal digits."""


class Views:
    """The views of one ledger, open for reading and for moving them."""

    def __init__(
        self,
        store: Store,
        engine: Engine,
        schema: str | None,
        path: Path | None,
        *,
        mode: str = "rw",
        of_set: tuple[str, str] | None = None,
    ) -> None:
        """`of_set`: where they are of several ledgers, of which `store` is one, the id and name of the set."""
        self.store = store
        self.ledger, self.name = of_set or (store.identity.id, store.name)
        self.schema = schema
        self.feed = ""
        """What the feed of changes is called: views made again from nothing count anew, under another name."""
        self._engine = engine
        self._path = path
        self._file = None if path is None else OpenedFile(path, mode)
        control = control_tables(schema)
        self.about, self._builds, self.changes = control.about, control.builds, control.changes
        self.candidates, self.drift = control.candidates, control.drift

    @property
    def place(self) -> str:
        """Where the views lie, in words that say what to remove."""
        if self._path is None:
            return f"the schema (DROP SCHEMA {self.schema} CASCADE)"
        return f"the file {self._path}"

    def _failures_named(self) -> AbstractContextManager[None]:
        return failures_named(partial(_failure, self.name))

    def form(self) -> int:
        """Of which form they are. Raises UsageError where they are of another ledger."""
        with self.reading() as connection:
            columns = {column["name"] for column in inspect(connection).get_columns("about", schema=self.schema)}
            ledger, form = connection.execute(select(self.about.c.ledger, self.about.c.format)).one()
            if "feed" in columns:
                self.feed = self.feed_in(connection)
        if ledger != self.ledger:
            raise UsageError(
                f"the views beside {self.name} are of another ledger; remove {self.place}, then 'levelbook rebuild'"
            )
        return int(form)

    def tables(self, build: int) -> Tables:
        return tables_of(build, self.schema)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One snapshot of the views. Raises NotExaminedError where what was read may be of two moments."""
        with self._failures_named(), self._engine.connect() as connection:
            if self.schema is None:
                connection.exec_driver_sql("BEGIN")
            else:
                connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            try:
                yield connection
            finally:
                if self._file is not None:
                    self._file.check_unchanged("the file of the views")

    @contextmanager
    def reading_by_two(self) -> Iterator[list[Connection]]:
        """One snapshot by two connections; by one where the views moved just then, and on PostgreSQL.

        SQLite tells a connection whether any other has committed since it was last asked.
        """
        if self.schema is not None:
            with self.reading() as connection:
                yield [connection]
            return
        with self._failures_named(), self._engine.connect() as second:
            before = second.exec_driver_sql(_COMMITS).scalar_one()
            with self.reading() as connection:
                second.exec_driver_sql("BEGIN")
                for one in (connection, second):
                    one.execute(select(self.about.c.format)).one()  # from here on its snapshot stays
                is_same = second.exec_driver_sql(_COMMITS).scalar_one() == before
                yield [connection, second] if is_same else [connection]

    @contextmanager
    def looking(self) -> Iterator[Connection]:
        """A connection each of whose statements reads what stands at its moment, for rows that nobody changes.

        Between them it holds nothing back: the log of SQLite is taken up into the file only where no snapshot is older.
        """
        with self._failures_named(), self._engine.connect() as connection:
            if self.schema is not None:
                connection.execution_options(isolation_level="AUTOCOMMIT")
            yield connection

    @contextmanager
    def moving(self) -> Iterator[Connection]:
        """A transaction that is alone among those that move the views; whole or without trace."""
        with self._failures_named(), self._engine.connect() as connection:
            if self.schema is None:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            else:
                connection.execute(text(f"LOCK TABLE {self.schema}.about IN EXCLUSIVE MODE"))
            yield connection
            self.check_current()
            connection.commit()

    def check_current(self) -> None:
        """Raises StoreError where the file of the views, or of their ledger, is no longer the one that was opened.

        With PostgreSQL there are no files: a connection that is lost says so itself.
        """
        if self._file is None:
            return
        if not self._file.is_current():
            raise StoreError(
                f"the file of the views, {self._path}, was removed or replaced since it was opened: nothing more is"
                " written into it; start again, 'levelbook follow' makes views where there are none"
            )
        if not self.store.is_current():
            raise StoreError(
                f"the ledger's file {self.store.name} was replaced or removed since it was opened: its views are not"
                " moved on; look which ledger stands there, then start again"
            )

    @contextmanager
    def alone(self, work: str) -> Iterator[Callable[[], None]]:
        """Hold the right to follow or to rebuild. Raises StoreError when another process holds it.

        What it gives raises StoreError once the right is lost: on PostgreSQL it ends with its connection.
        """
        busy = StoreError(f"another 'levelbook {work}' is at work on the views of {self.name}; wait for it")
        if self._path is None:
            with self._failures_named(), advisory_lock(self._engine, RIGHTS[work], busy) as check:

                def check_named() -> None:
                    with self._failures_named():
                        check()

                yield check_named
            return
        with locked(beside(self._path, f".{work}"), busy):
            yield lambda: None

    def builds(self, connection: Connection) -> list[Build]:
        """Every build, the oldest first."""
        rows = connection.execute(select(self._builds).order_by(self._builds.c.build))
        return [Build(*row) for row in rows]

    def all_tables(self, connection: Connection) -> list[Table]:
        """Those that tell of the builds, and those of every build."""
        made = [self.tables(build.build).metadata.tables.values() for build in self.builds(connection)]
        return [*self.about.metadata.tables.values(), *(table for tables in made for table in tables)]

    def in_role(self, connection: Connection, role: str) -> Build | None:
        return next((build for build in self.builds(connection) if build.role == role), None)

    def build(self, connection: Connection, number: int) -> Build:
        """A build by its number. Raises StoreError when it is gone: another process has removed it."""
        for found in self.builds(connection):
            if found.build == number:
                return found
        raise StoreError(f"build {number} of the views of {self.name} is gone: a rebuild has removed it; try again")

    def live(self, connection: Connection) -> Build:
        """The build that services read. Raises UsageError when there is none yet."""
        found = self.in_role(connection, LIVE)
        if found is None:
            raise UsageError(f"{self.name} has no views yet; 'levelbook rebuild' makes them")
        return found

    def feed_in(self, connection: Connection) -> str:
        """What the feed of changes is called at a moment; other processes may make the views again meanwhile."""
        return str(connection.execute(select(self.about.c.feed)).scalar_one())

    def watch(self, connection: Connection, build: Build) -> LevelWatch | None:
        """What notes the changes of a build's levels; None unless it is live."""
        return LevelWatch(connection, self.changes, self.tables(build.build)) if build.role == LIVE else None

    def add_build(self, connection: Connection, build: Build) -> None:
        """The empty tables of a new build, and its row."""
        self.tables(build.build).metadata.create_all(connection)
        connection.execute(insert(self._builds).values(**build._asdict()))

    def note(self, connection: Connection, build: int, **values: Any) -> None:
        """Change what is noted of a build."""
        connection.execute(update(self._builds).where(self._builds.c.build == build).values(**values))

    def drop_build(self, connection: Connection, build: int) -> None:
        self.tables(build).metadata.drop_all(connection)
        connection.execute(self._builds.delete().where(self._builds.c.build == build))
        connection.execute(self.candidates.delete().where(self.candidates.c.build == build))

    def choice(self, connection: Connection, build: Build) -> Choice:
        """What a build is judged by where not by the ledger's policies."""
        if build.role not in (BESIDE, SHADOW):
            return DEFAULT
        query = select(self.candidates.c.policies).where(self.candidates.c.build == build.build)
        return Choice(given=tuple(map(policy_of, json.loads(connection.execute(query).scalar_one()))))

    def shown_shadow(self, connection: Connection) -> int | None:
        """The number of the shadow that the `v1_…` views show beside the live build."""
        found = self.in_role(connection, SHADOW)
        return found.build if found is not None and found.phase == READY else None

    def show(self, connection: Connection, live: int) -> None:
        """Make the `v1_…` views anew: of a build, and of the shadow beside it."""
        for name, statement in view_statements(live, self.schema, self.shown_shadow(connection)):
            connection.execute(text(f"DROP VIEW IF EXISTS {name}"))
            connection.execute(text(f"CREATE VIEW {name} AS {statement}"))

    def switch(self, connection: Connection, build: int) -> None:
        """Make a build the live one: the `v1_…` views show it from this transaction's end on.

        Every level that differs is a change.
        """
        live, made = self.in_role(connection, LIVE), self.build(connection, build)
        before = None if live is None else self.tables(live.build)
        note_switch(connection, self.changes, before, self.tables(build), StoodAt(made.position, made.as_of))
        self.show(connection, build)
        if live is not None and live.build != build:
            self.note(connection, live.build, role=FORMER)
        self.note(connection, build, role=LIVE)

    def close(self) -> None:
        end_engine(self._engine)

    def __enter__(self) -> "Views":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def has_live(views: Views) -> bool:
    """Whether there is a build that services read."""
    with views.reading() as connection:
        return views.in_role(connection, LIVE) is not None


class _PassingViews(Views):
    """Views in a passing file: what goes wrong there says nothing of those that are live."""

    def _failures_named(self) -> AbstractContextManager[None]:
        return failures_named(lambda found: no_room(found.text))


def scratch_views(store: Store, path: Path) -> Views:
    """Views of a ledger in a passing file at `path`, whatever database the ledger is in.

    Raises NotExaminedError, as whatever uses them does, where the file cannot be written.
    """
    try:
        make_private(path)
    except OSError as error:
        raise no_room(error.strerror or str(error)) from error
    engine = sqlite_engine(path, busy_seconds=BUSY_SECONDS, pragmas=("journal_mode = OFF", "synchronous = OFF"))
    views = _PassingViews(store, engine, None, path)
    _check_opened(views, make=True)
    return views


def open_views(store: Store, *, make: bool = False, only_read: bool = False) -> Views:
    """The views of a ledger. `make` makes the empty place for them where there is none; `only_read` never writes.

    Raises UsageError when there are none, and when they belong to another ledger or are of another form.
    """
    if not make and not has_views(store):
        raise UsageError(f"{store.name} has no views yet; 'levelbook rebuild' makes them")
    views = open_place(store, make=make, only_read=only_read)
    _check_opened(views, make=make)
    return views


def _check_opened(views: Views, *, make: bool) -> None:
    """Look at views by `check_views`; close them where they are not what they must be, or cannot be read."""
    try:
        with views._failures_named():
            check_views(views, make=make)
    except BaseException:
        views.close()
        raise


def open_place(store: Store, *, make: bool = False, only_read: bool = False) -> Views:
    """Whatever lies where the views of a ledger do, of any form; nobody has looked at it."""
    if isinstance(store, SqliteStore):
        path = views_path(store)
        if make:
            make_private(path, store.path)
        mode = examining_mode(path) if only_read else "rw"
        pragmas = _READING_PRAGMAS if only_read else VIEWS_PRAGMAS
        engine = sqlite_engine(path, busy_seconds=BUSY_SECONDS, pragmas=pragmas, mode=mode)
        return Views(store, engine, None, path, mode=mode)
    assert isinstance(store, PostgresStore)
    engine = postgres_engine(store.location, application="levelbook-views", busy_seconds=BUSY_SECONDS)
    return Views(store, engine, POSTGRES_SCHEMA, None)


def check_views(views: Views, *, make: bool) -> None:
    """Look whether what was opened is of the ledger and of this form; `make` makes the place where there is none."""
    with views._engine.connect() as connection:
        there = inspect(connection).has_table("about", schema=views.schema)
    if not there and not make:
        raise DamagedViews(
            f"the views of {views.name} were never made whole: {views.place} holds none; 'levelbook rebuild' makes them"
        )
    if not there:
        with views._engine.connect() as connection:
            if views.schema is None:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            else:
                connection.execute(text(f"SELECT pg_advisory_xact_lock({RIGHTS['making']})"))
                make_schema(connection, views.schema)
            make_place(views, connection)
            connection.commit()
    form = views.form()
    if form != FORMAT:
        what = "'levelbook upgrade' makes them anew" if form < FORMAT else "use the levelbook that made them"
        found = f"the views of {views.name} have form {form}"
        raise UsageError(f"{found}, this levelbook moves form {FORMAT}; {what}")


def make_place(views: Views, connection: Connection) -> None:
    """The empty tables that tell of builds, unless they are there, for the ledger beside them."""
    about = views.about
    about.metadata.create_all(connection)
    if connection.execute(select(about)).first() is None:
        ledger, feed = views.ledger, secrets.token_hex(FEED_BYTES)
        connection.execute(insert(about).values(one=1, ledger=ledger, format=FORMAT, feed=feed))


def make_schema(connection: Connection, schema: str) -> None:
    """Make a schema of PostgreSQL unless it is there: a role that may make none may have been given one."""
    if not inspect(connection).has_schema(schema):
        connection.execute(text(f"CREATE SCHEMA {schema}"))


def _failure(name: str, found: Failure) -> StoreError:
    """An error of the database as one of the views."""
    if "full" in found.text:
        return StoreError(
            f"the disk of the views of {name} is full, or the folder in which SQLite sorts (TMPDIR, else /var/tmp):"
            " nothing was lost, the views stand where they stood; make space and go on"
        )
    if found.sqlstate == _INSUFFICIENT_PRIVILEGE:
        return NotExaminedError(
            f"the views of {name} cannot be read or moved by this role ({found.text});"
            " docs/how-to/postgresql.md has the rights that each role needs"
        )
    if found.sqlstate in _UNDEFINED or any(words in found.text for words in _DAMAGED):
        return DamagedViews(
            f"the views of {name} are damaged ({found.text}); remove them and rebuild: the ledger is whole"
        )
    if "locked" in found.text or "lock timeout" in found.text:
        return NotExaminedError(f"the views of {name} were held by another process for {BUSY_SECONDS} s; try again")
    if found.is_operational:  # lost, or on a disk that fails
        return NotExaminedError(f"the views of {name} cannot be used: {found.text}")
    return StoreError(f"the views of {name} cannot be used: {found.text}")
