"""Checking the live views: every row of every table against a build made from nothing, at one moment."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Select, Table, and_, not_, or_, select

from projections.belonging import check_belongs
from projections.fill import Progress, fill
from projections.rebuild import new_build, together
from projections.view_tables import TABLE_NAMES
from projections.views import CHECKING, Views

SHOWN_MAX: Final = 3
"""Rows that differ shown of each table."""
_NOT_COMPARED: Final = "set_aside"


def check_views(views: Views, progress: Progress = lambda *_: None, segments: Path | None = None) -> list[str]:
    """What is wrong with the live views, a line for each row found; nothing where they are what the ledger gives.

    Subjects that are set aside are not looked at: their rows are known to be stale. Raises DamagedViews for views of
    another history of the ledger, and for those that stand later than its clock.
    """
    with views.alone("check"):
        number = _begin(views)
        try:
            fill(views, number, progress, segments)
            with together(views, number) as (connection, live, _):
                aside = _aside(views, connection, (live.build, number))
                return [
                    problem
                    for name in TABLE_NAMES
                    if name != _NOT_COMPARED
                    for problem in _table_problems(
                        connection, views.tables(live.build)[name], views.tables(number)[name], name, aside
                    )
                ]
        finally:
            with views.moving() as connection:
                views.drop_build(connection, number)


def _begin(views: Views) -> int:
    with views.moving() as connection:
        left = views.in_role(connection, CHECKING)
        if left is not None:  # of a check that was killed
            views.drop_build(connection, left.build)
        check_belongs(views.store, views.live(connection))
        number = max(build.build for build in views.builds(connection)) + 1
        views.add_build(connection, new_build(views, connection, number, CHECKING))
        return number


def _aside(views: Views, connection: Connection, builds: Collection[int]) -> set[str]:
    return {
        row.subject
        for build in builds
        for row in connection.execute(select(views.tables(build)["set_aside"].c.subject))
    }


def _table_problems(
    connection: Connection, found: Table, expected: Table, name: str, aside: Collection[str]
) -> Iterator[str]:
    """The rows of a table that are not what they must be, and those that are missing."""
    keys = [column.name for column in found.primary_key]
    where = _not_aside(expected, aside)
    wanted = connection.execute(select(expected).where(where).except_(select(found)).limit(SHOWN_MAX)).all()
    for row in wanted:
        key = {column: row._mapping[column] for column in keys}
        there = connection.execute(_by_key(found, key)).first()
        if there is None:
            yield f"views: {name} has no row {_shown(key)}, which the ledger gives"
            continue
        wrong = [
            f"{column} is {value!r}, not {row._mapping[column]!r}"
            for column, value in there._mapping.items()
            if value != row._mapping[column]
        ]
        yield f"views: the row {_shown(key)} of {name} is not what the ledger gives: {', '.join(wrong)}"
    columns = [found.c[column] for column in keys]
    too_many = select(*columns).where(_not_aside(found, aside)).except_(select(*(expected.c[key] for key in keys)))
    for row in connection.execute(too_many.limit(SHOWN_MAX)):
        yield f"views: {name} has a row {_shown(row._mapping)} that the ledger does not give"


def _not_aside(table: Table, aside: Collection[str]) -> Any:
    named = [table.c[name] for name in ("subject", "mcn") if name in table.c]
    if not named or not aside:
        return and_(True)
    return not_(or_(*(column.in_(sorted(aside)) for column in named)))


def _by_key(table: Table, key: dict[str, Any]) -> Select[Any]:
    return select(table).where(*(table.c[name] == value for name, value in key.items()))


def _shown(key: Any) -> str:
    return " ".join(str(value) for value in key.values())
