"""What stands in a database against what this version of the program makes there.

A table, index, trigger, view, rule or function that is missing, is another one, or was never made by Levelbook can hide
or alter what readers see, however sound the records are. Definitions are compared as the database itself keeps them.
"""

import sqlite3
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from replay.schema.left import POSTGRES_GUARDS_OF_LEFT, POSTGRES_GUARDS_OF_NOTES, SQLITE_GUARDS_OF_LEFT
from replay.schema.triggers import (
    POSTGRES_GUARDS,
    POSTGRES_GUARDS_OF_ARCHIVED,
    SQLITE_GUARDS,
    SQLITE_GUARDS_OF_ARCHIVED,
)
from replay.schema.versions import ERASURES_DUE, LATER_CHECKS, LATER_INDEXES, LATER_TABLES


class NamedObject(NamedTuple):
    """What a database calls something: its kind, its name, and the table that it belongs to."""

    kind: str
    name: str
    table: str


Definitions = Mapping[NamedObject, str]
"""By what it is called, how something is defined, free of layout."""
SQLITE_SQL: Final = "SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_master"
_SQLITE_STATISTICS: Final = ("sqlite_stat", "sqlite_sequence")
"""Tables that SQLite makes by itself; they change no answer."""
_GUARDS: Final = {
    *(*SQLITE_GUARDS, *POSTGRES_GUARDS, *SQLITE_GUARDS_OF_ARCHIVED, *POSTGRES_GUARDS_OF_ARCHIVED),
    *(*SQLITE_GUARDS_OF_LEFT, *POSTGRES_GUARDS_OF_LEFT, *POSTGRES_GUARDS_OF_NOTES),
}


def sqlite_definitions(rows: Iterable[tuple[str, str, str, str]]) -> dict[NamedObject, str]:
    """The definitions in rows of `SQLITE_SQL`."""
    return {
        NamedObject(kind, name, table): " ".join(sql.split())
        for kind, name, table, sql in rows
        if not name.startswith(_SQLITE_STATISTICS)
    }


def made_in_sqlite(statements: Iterable[str]) -> dict[NamedObject, str]:
    """The definitions that some statements leave in an empty SQLite database."""
    connection = sqlite3.connect(":memory:")
    try:
        for statement in statements:
            connection.execute(statement)
        return sqlite_definitions(connection.execute(SQLITE_SQL))
    finally:
        connection.close()


def definition_problems(found: Definitions, expected: Definitions) -> list[str]:
    """A line for whatever is missing, is defined otherwise, or is none that this version makes."""
    guards, problems = [], []
    for named, definition in sorted(expected.items()):
        if found.get(named) == definition or (named not in found and _may_be_missing(named, found)):
            continue
        if named.kind == "trigger" and named.name in _GUARDS:
            guards.append(f"the guard {named.name} is missing or was changed: records could be changed")
        elif named not in found:
            problems.append(f"the {_called(named)} is missing")
        else:
            problems.append(f"the {_called(named)} is {found[named]!r}, this version makes {definition!r}")
    moved = {(named.kind, named.name) for named in expected.keys() - found.keys()}  # said above
    unknown = sorted(named for named in found.keys() - expected.keys() if named[:2] not in moved)
    return [*guards, *problems] + [
        f"the {_called(named)} is none that levelbook makes: it could hide or change what is read or written"
        for named in unknown
    ]


def as_first_made(found: Definitions, expected: Definitions) -> Definitions:
    """What is expected of a store of version 1: the first of them did not hold records to LATER_CHECKS."""
    table, checks = NamedObject("table", "records", "records"), [f"CHECK ({check})" for check in LATER_CHECKS]
    without = expected[table]
    for check in checks:
        without = without.replace(f", {check}", "")
    plain = {check.replace("(", "").replace(")", "") for check in checks}
    kept = {
        named: definition
        for named, definition in expected.items()
        if named in found or (named.kind, named.table) != ("constraint", "records") or definition not in plain
    }
    return kept | ({table: without} if found.get(table) == without else {})


def _may_be_missing(named: NamedObject, found: Definitions) -> bool:
    """Whether stores of earlier versions lack it: an index, or a table with all that belongs to it."""
    missing = [name for name in (ERASURES_DUE, *LATER_TABLES) if NamedObject("table", name, name) not in found]
    if named.table == ERASURES_DUE:
        return missing[0] == ERASURES_DUE and len(missing) > 1  # where it alone is missing, somebody removed it
    if named.table in LATER_TABLES:
        return named.table in missing
    return named.name in LATER_INDEXES


def _called(named: NamedObject) -> str:
    return f"{named.kind} {named.name}" + (f" of {named.table}" if named.table != named.name else "")
