"""One subject's levels in one statement, and so from one moment: as fast as a database can be asked."""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from projections.place import views_path
from projections.service.problems import no_views
from projections.service.standing import Standing
from replay.sqlite import SqliteStore


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


class Point(NamedTuple):
    """What the live views hold of a subject at one moment."""

    standing: Standing
    levels: Sequence[Level]


_SQL: Final = (
    "SELECT b.build, b.position, b.as_of, b.policies, (SELECT coalesce(max(number), 0) FROM changes),"
    f" {', '.join(f'l.{name}' for name in Level._fields if name != 'changed_position')}, c.position"
    " FROM builds AS b LEFT JOIN v1_levels AS l ON l.subject = ?"
    " LEFT JOIN changes AS c ON c.subject = l.subject AND c.scheme = l.scheme"
    " WHERE b.role = 'live' ORDER BY l.scheme"
)
_OF_STANDING: Final = len(Standing._fields)


class SqlitePoints:
    """A connection to the file of the views, for one thread: the event loop reads by it without waiting."""

    def __init__(self, store: SqliteStore) -> None:
        uri = f"file:{quote(str(views_path(store)))}?mode=rw"
        self._connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA query_only = ON")

    def read(self, subject: str) -> Point:
        """Raises Problem where nothing is live."""
        return point_of(self._connection.execute(_SQL, (subject,)).fetchall())

    def close(self) -> None:
        self._connection.close()


def point_of(rows: Iterable[Sequence[Any]]) -> Point:
    """Rows of one standing, each with a level or without."""
    found = list(rows)
    if not found:
        raise no_views()
    levels = [Level(*row[_OF_STANDING:]) for row in found if row[_OF_STANDING] is not None]
    return Point(Standing(*found[0][:_OF_STANDING]), levels)
