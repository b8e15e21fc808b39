"""Whether the views give by every index what a walk through their tables gives: services read them by index."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Table, UniqueConstraint

from projections.views.database import Views
from replay.schema.postgres_indexes import paths_differ
from replay.schema.sqlite_indexes import damage
from replay.schema.tables import AccessPath


def indexes_differ(views: Views) -> list[str]:
    """Indexes that give other rows than their table, a line each, and pages that are damaged; reads every build.

    The definitions must be those of this version, and the views be opened after whatever could have changed them.
    """
    with views.reading() as connection:
        driver: Any = connection.connection.driver_connection
        if views.schema is None:
            return [f"views: {problem}" for problem in damage(driver)]
        listed = [path for table in views.all_tables(connection) for path in _paths(table)]
        return [f"views: {problem}" for problem in paths_differ(driver, views.schema, listed)]


def _paths(table: Table) -> Iterator[tuple[AccessPath, tuple[str, ...]]]:
    """Each index of a table, by the name that PostgreSQL gives to those of constraints, with the primary key."""
    primary = tuple(column.name for column in table.primary_key)
    named = {f"{table.name}_pkey": primary}
    for constraint in table.constraints:
        if isinstance(constraint, UniqueConstraint):
            columns = tuple(column.name for column in constraint.columns)
            named[f"{table.name}_{'_'.join(columns)}_key"] = columns
    named |= {str(index.name): tuple(column.name for column in index.columns) for index in table.indexes}
    for name, columns in named.items():
        yield AccessPath(name, table.name, columns, "true"), primary
