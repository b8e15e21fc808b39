"""The tables of the views, and the `v1_…` views that services read, against what this version makes."""

import re
from typing import Any, Final

from sqlalchemy import Connection, Table
from sqlalchemy.dialects.sqlite.base import SQLiteDialect
from sqlalchemy.schema import CreateIndex, CreateTable

from projections.views.database import LIVE, DamagedViews, Views
from projections.views.tables import view_statements
from replay.errors import DamagedError
from replay.schema.definitions import SQLITE_SQL, NamedObject, definition_problems, made_in_sqlite, sqlite_definitions
from replay.schema.postgres_catalog import catalog, expected_tables, plain
from replay.store.base.store import Store

_TABLE_ALIAS: Final = re.compile(r"\b(b\d+_\w+|builds|candidates) AS ([a-z])\b")
_QUALIFIED: Final = re.compile(r"\b(?:b\d+_\w+|builds|drift)\.(?=\w)")


def views_differ(views: Views, connection: Connection) -> list[str]:
    """What is defined otherwise than this version makes it, a line each; looks at no row of a build."""
    builds = views.builds(connection)
    tables = views.all_tables(connection)
    live = next((build.build for build in builds if build.role == LIVE), None)
    statements = [] if live is None else view_statements(live, views.schema, views.shown_shadow(connection))
    if views.schema is None:
        found = sqlite_definitions((row[0], row[1], row[2], row[3]) for row in connection.exec_driver_sql(SQLITE_SQL))
        texts = [statement for table in tables for statement in sqlite_statements_of(table)]
        expected = made_in_sqlite([*texts, *(f"CREATE VIEW {name} AS {text}" for name, text in statements)])
    else:
        driver: Any = connection.connection.driver_connection
        found = {named: _plain_view(named, text) for named, text in catalog(driver, views.schema).items()}
        expected = expected_tables(tables, views.schema)
        for name, text in statements:
            bare = name.removeprefix(f"{views.schema}.")
            named = NamedObject("view", bare, bare)
            expected[named] = _plain_view(named, plain(text, views.schema))
    return [f"views: {problem}" for problem in definition_problems(found, expected)]


def check_definitions(views: Views) -> None:
    """Raises DamagedViews where somebody has made the tables or the `v1_…` views otherwise than this version does.

    Those of the ledger are looked at, too: they lead readers of the views to its events. Raises DamagedError.
    """
    check_ledger_definitions(views.store)
    with views.reading() as connection:
        problems = views_differ(views, connection)
    if problems:
        raise DamagedViews(
            f"the views of {views.store.name} are not defined as levelbook makes them, and could show anything:"
            f" {problems[0].removeprefix('views: ')}; find out who changed them, then remove them and rebuild"
        )


def check_ledger_definitions(store: Store) -> None:
    """Raises DamagedError where tables, indexes, triggers or the like of a ledger are not those of this version."""
    problems = store.definition_problems()
    if problems:
        raise DamagedError(
            f"{store.name} is not defined as levelbook makes it, and could show anything: {problems[0]};"
            " run 'levelbook verify', and find out who changed it"
        )


def sqlite_statements_of(table: Table) -> list[str]:
    """The statements by which SQLite makes a table with its indexes."""
    dialect = SQLiteDialect()
    indexes = [str(CreateIndex(index).compile(dialect=dialect)) for index in table.indexes]
    return [str(CreateTable(table).compile(dialect=dialect)), *indexes]


def _plain_view(named: NamedObject, text: str) -> str:
    """A view's text as every version of PostgreSQL would write it: without the names of its one table."""
    if named.kind != "view":
        return text
    return _QUALIFIED.sub("", _TABLE_ALIAS.sub(r"\1 \2", text.replace("NULL::boolean", "NULL")))
