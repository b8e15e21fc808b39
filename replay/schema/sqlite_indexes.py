"""Whether a SQLite store gives by every way of reading what a walk through its tables gives."""

import sqlite3
from collections.abc import Iterator
from itertools import groupby
from operator import attrgetter
from typing import Final

from replay.schema.archived import SCHEMA_VERSION_SQL, archived_sqlite_statements, is_archived
from replay.schema.definitions import (
    SQLITE_SQL,
    as_first_made,
    definition_problems,
    made_in_sqlite,
    sqlite_definitions,
)
from replay.schema.left import have_rows_left, left_sqlite_statements, paths_of_left
from replay.schema.tables import AccessPath, paths, sqlite_statements
from replay.schema.versions import ONE_ALIAS_EVERYWHERE

SHOWN_MAX: Final = 5


def definitions_differ(connection: sqlite3.Connection, version: int) -> list[str]:
    """What is defined otherwise than in a store of this schema version; looks at no row of the ledger."""
    found = sqlite_definitions(connection.execute(SQLITE_SQL))
    said = connection.execute(SCHEMA_VERSION_SQL).fetchall()
    statements = sqlite_statements(version)
    if is_archived(said):
        statements += archived_sqlite_statements()
    if have_rows_left(said):
        statements += left_sqlite_statements(archived=False)
    expected = made_in_sqlite(statements)
    return definition_problems(found, as_first_made(found, expected) if version == ONE_ALIAS_EVERYWHERE else expected)


def rows_differ(connection: sqlite3.Connection) -> list[str]:
    """Which indexes give other rows than their table, and pages that are damaged. Reads the whole file.

    The connection must be new: an index is then judged by the text that stands in the file now, and not by the one
    with which it was filled; whether that text is the right one, `definitions_differ` says. SQLite's own check looks up
    every row in every index, compares the entries, and counts them.
    """
    found = paths_of_left() if have_rows_left(connection.execute(SCHEMA_VERSION_SQL).fetchall()) else paths()
    by_table = [list(some) for _, some in groupby(found, attrgetter("table"))]
    return damage(connection) + [problem for some in by_table for problem in _path_problems(connection, some)]


def damage(connection: sqlite3.Connection) -> list[str]:
    """What SQLite's own check of a whole file says; the connection must be new."""
    found = connection.execute(f"PRAGMA integrity_check({SHOWN_MAX})")
    return [f"the database is damaged: {text}" for (text,) in found if text != "ok"]


def _path_problems(connection: sqlite3.Connection, found: list[AccessPath]) -> Iterator[str]:
    """Counted through each index of a table alone, and all together without any."""
    counts = ", ".join(f"count(CASE WHEN {path.condition} THEN 1 END)" for path in found)
    try:
        ((*walked,),) = connection.execute(f"SELECT {counts} FROM {found[0].table} NOT INDEXED")
    except sqlite3.OperationalError:
        return  # no such table: that is said of its definition
    for path, count in zip(found, walked, strict=True):
        by_index = f"SELECT count(*) FROM {path.table} INDEXED BY {path.name} WHERE {path.condition}"
        try:
            ((through,),) = connection.execute(by_index)
        except sqlite3.OperationalError:
            continue  # no such index: that is said of its definition
        if count != through:
            yield f"the index {path.name} gives {through} rows of {path.table}, a walk through it {count}"
