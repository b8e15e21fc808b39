"""One subject's levels in one statement, and what they rest on in a few: as fast as a database can be asked."""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from time import monotonic
from typing import Any, Final, NamedTuple

from sqlalchemy.dialects import sqlite

from projections.http.problems import no_views
from projections.reading.freshness import Place, Seen, ViewsStanding
from projections.views.belonging import SeenHistory
from projections.views.location import views_path
from projections.views.rows import SubjectRows, read_once, rows_query
from projections.views.tables import tables_of
from replay.errors import StoreError
from replay.store.beside import OpenedFile, connect_sqlite, examining_mode
from replay.store.sqlite import SqliteStore


class Level(NamedTuple):
    """A row of `v1_levels`, and where it last changed."""

    subject: str
    scheme: str
    state: str
    level: str | None
    score: int | None
    effective_state: str
    effective_level: str | None
    effective_since: int | None
    policy: str
    policy_hash: str
    assumed: bool
    stale: bool
    changed_position: int
    """0 where it was not asked for."""


class PointRead(NamedTuple):
    """What the live views hold of a subject at one moment."""

    standing: ViewsStanding
    levels: Sequence[Level]
    rows: Callable[[Level], SubjectRows]
    """What a level rests on, at the same moment: to be read while the point is."""


BUSY_SECONDS: Final = 5
HEAD_SECONDS: Final = 0.05
"""For how long the end of the ledger is taken to stand where it was seen: it only says how fresh the views are."""
_STANDING: Final = "b.build, b.position, b.as_of, b.chain, b.policies, (SELECT max(number) FROM changes)"
_OF_STANDING: Final = len(_STANDING.split(", "))
_LEVEL: Final = ", ".join(f"l.{name}" for name in Level._fields if name != "changed_position")
_LEVELS_SQL: Final = (
    f"SELECT {_STANDING}, {_LEVEL} FROM v1_levels AS l, builds AS b WHERE l.subject = ? AND b.role = 'live'"
)
_LEVEL_SQL: Final = f"{_LEVELS_SQL} AND l.scheme = ?"
STANDING_SQL: Final = f"SELECT {_STANDING} FROM builds AS b WHERE b.role = 'live'"


class SqlitePoints:
    """A connection to the file of the views, for one thread: the event loop reads by it without waiting."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        path = views_path(store)
        mode = examining_mode(path)
        self._file = OpenedFile(path, mode)
        self._connection = connect_sqlite(path, busy_seconds=BUSY_SECONDS, mode=mode)
        self._connection.execute("PRAGMA query_only = ON")
        self._head, self._head_until = 0, 0.0
        self._history = SeenHistory()
        self.version = 0
        """Of the file, as it was last looked at: another one with every commit of whoever writes to it."""
        self._stood: Place | None = None

    def look(self) -> Seen:
        """Where the views stand now. Raises Problem where nothing is live, OtherHistory."""
        ((version,),) = self._rows("PRAGMA data_version")
        if self._stood is None or version != self.version:
            rows = self._rows(STANDING_SQL)
            if not rows:
                raise no_views()
            self.version, self._stood = version, rows[0]
        self._file.check_unchanged("the file of the views")
        return Seen(self._standing(self._stood), self._store.now())

    @contextmanager
    def reading(self, subject: str, scheme: str | None = None) -> Iterator[PointRead]:
        """A subject's levels, or the one in a scheme, and what they rest on. Raises Problem where nothing is live,
        OtherHistory.
        """
        self._rows("BEGIN")
        try:
            yield self._read(subject, scheme)
        finally:
            self._connection.rollback()

    def _read(self, subject: str, scheme: str | None) -> PointRead:
        asked = (_LEVELS_SQL, (subject,)) if scheme is None else (_LEVEL_SQL, (subject, scheme))
        rows = self._rows(*asked) or self._rows(STANDING_SQL)
        self._file.check_unchanged("the file of the views")
        if not rows:
            raise no_views()
        standing = self._standing(rows[0][:_OF_STANDING])
        levels = [Level._make((*row[_OF_STANDING:], 0)) for row in rows if len(row) > _OF_STANDING]
        return PointRead(
            standing, sorted(levels) if len(levels) > 1 else levels, partial(self._rows_of, standing.build)
        )

    def _rows_of(self, build: int, level: Level) -> SubjectRows:
        def read(table: str, since: tuple[str, int | str] | None = None) -> list[dict[str, Any]]:
            column, value = (None, None) if since is None else since
            sql, names = _rows_sql(build, table, column)
            asked = {"subject": level.subject, "scheme": level.scheme, "since": value}
            return [dict(zip(names, row, strict=True)) for row in self._rows(sql, asked)]

        return read_once(read)

    def is_current(self) -> bool:
        """Whether it still reads the file of the views that stands there now."""
        return self._file.is_current()

    def _rows(self, sql: str, parameters: Sequence[str] | Mapping[str, Any] = ()) -> list[Any]:
        try:
            return self._connection.execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise StoreError(f"the levels cannot be read from the views: {error}") from error

    def _standing(self, place: Place) -> ViewsStanding:
        standing = ViewsStanding(*place, self._seen_head())
        self._history.check(self._store, standing.position, standing.chain)
        return standing

    def _seen_head(self) -> int:
        if monotonic() >= self._head_until:
            self._head = self._store.head().position
            self._head_until = monotonic() + HEAD_SECONDS
        return self._head

    def close(self) -> None:
        self._connection.close()


@lru_cache(64)
def _rows_sql(build: int, table: str, since: str | None) -> tuple[str, tuple[str, ...]]:
    """The statement that reads a subject's rows of a table, and the names of its columns."""
    found = tables_of(build, None)[table]
    compiled = rows_query(found, since).compile(dialect=sqlite.dialect(paramstyle="named"))
    return str(compiled), tuple(column.name for column in found.columns)
