"""Whether a SQLite store gives by every way of reading what a walk through its tables gives."""

import sqlite3
from collections.abc import Iterator
from typing import Final

from replay.schema.definitions import SQLITE_SQL, definition_problems, made_in_sqlite, sqlite_definitions
from replay.schema.tables import AccessPath, paths, sqlite_statements

SHOWN_MAX: Final = 5


def definitions_differ(connection: sqlite3.Connection, version: int) -> list[str]:
    """What is defined otherwise than in a store of this schema version; looks at no row of the ledger."""
    found = sqlite_definitions(connection.execute(SQLITE_SQL))
    return definition_problems(found, made_in_sqlite(sqlite_statements(version)))


def rows_differ(connection: sqlite3.Connection) -> list[str]:
    """Which indexes give other rows than their table, and pages that are damaged. Reads the whole file.

    The connection must be new: an index is then judged by the text that stands in the file now, and not by the one
    with which it was filled; whether that text is the right one, `definitions_differ` says. SQLite's own check looks up
    every row in every index, compares the entries, and counts them.
    """
    return damage(connection) + [problem for path in paths() for problem in _path_problems(connection, path)]


def damage(connection: sqlite3.Connection) -> list[str]:
    """What SQLite's own check of a whole file says; the connection must be new."""
    found = connection.execute(f"PRAGMA integrity_check({SHOWN_MAX})")
    return [f"the database is damaged: {text}" for (text,) in found if text != "ok"]


def _path_problems(connection: sqlite3.Connection, path: AccessPath) -> Iterator[str]:
    """Counted through the index alone, and without it."""
    count = f"SELECT count(*) FROM {path.table} {{}} WHERE {path.condition}"
    try:
        ((walked,),) = connection.execute(count.format("NOT INDEXED"))
        ((through,),) = connection.execute(count.format(f"INDEXED BY {path.name}"))
    except sqlite3.OperationalError:
        return  # no such index: that is said of its definition
    if walked != through:
        yield f"the index {path.name} gives {through} rows of {path.table}, a walk through it {walked}"
