"""Checking the live views: definitions, and every row of every table against views made from nothing elsewhere.

Nothing is written where the views are: what they must be is worked out in a passing file, so that whoever may only read
can check, also on a standby or a read-only disk.
"""

from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing
from itertools import islice
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Row, Table, and_, not_, or_, select

from projections.projector.advance import advance
from projections.projector.fill import Progress, fill
from projections.projector.many import FEW_AT_ONCE
from projections.projector.rebuild import new_build
from projections.views.belonging import check_belongs
from projections.views.database import CHECKING, Build, Views, scratch_views
from projections.views.definitions import views_differ
from projections.views.indexes import indexes_differ
from projections.views.step import build_step
from projections.views.tables import TABLE_NAMES
from replay.errors import NotExaminedError
from replay.objects.naming import FilesPlace
from replay.passing_folders import passing_folder

SHOWN_MAX: Final = 3
"""Rows that differ shown of each table."""
ROWS_AT_ONCE: Final = 5_000
SCRATCH: Final = 1
"""The number of the build in the passing file."""
_NOT_COMPARED: Final = "set_aside"


class CheckedViews(NamedTuple):
    """What a check of the live views found; they are what the ledger gives when `problems` is empty."""

    position: int
    """Where they stand."""
    problems: list[str]
    set_aside: int
    """Subjects that are set aside: their rows are known to be stale, and were not compared."""


def check_views(views: Views, progress: Progress = lambda *_: None, segments: FilesPlace | None = None) -> CheckedViews:
    """Compare definitions and indexes, and then every row.

    Raises DamagedViews for views of another history of the ledger, and for those that stand later than its clock,
    NotExaminedError where a build is switched back to meanwhile.
    """
    with views.reading() as connection:
        live = views.live(connection)
        check_belongs(views.store, live)
        problems = views_differ(views, connection)
    problems = problems or indexes_differ(views)  # which are known by their definitions
    with ExitStack() as stack:
        folder = stack.enter_context(passing_folder())
        scratch = stack.enter_context(scratch_views(views.store, folder / "views"))
        _begin(scratch, live)
        fill(scratch, SCRATCH, progress, segments)
        connection = stack.enter_context(views.reading())
        live = views.live(connection)
        _bring_to(scratch, live)
        expected = stack.enter_context(scratch.reading())
        told_aside, unreadable = _aside(views, connection, live.build), _aside(scratch, expected, SCRATCH)
        aside = told_aside | unreadable
        problems += _aside_problems(told_aside - unreadable)
        problems += _moment_problems(live, scratch.build(expected, SCRATCH))
        problems += _change_problems(views, connection, live)
        for name in TABLE_NAMES:
            if name != _NOT_COMPARED:
                tables = (views.tables(live.build)[name], scratch.tables(SCRATCH)[name])
                problems += _table_problems((connection, expected), tables, name, aside)
    return CheckedViews(live.position, problems, len(aside))


def _begin(scratch: Views, live: Build) -> None:
    """An empty build at the moment of the live one."""
    with scratch.moving() as connection:
        build = new_build(scratch, connection, SCRATCH, CHECKING)
        build = build._replace(position=live.position, as_of=live.as_of, chain=live.chain)
        scratch.add_build(connection, build)
        scratch.note(connection, SCRATCH, policies=build_step(scratch, connection, build).policies_json())


def _bring_to(scratch: Views, live: Build) -> None:
    """Move the build on to where the live one has come meanwhile."""
    with scratch.reading() as connection:
        made = scratch.build(connection, SCRATCH)
    if live.position < made.position or live.as_of < made.as_of:
        raise NotExaminedError("another build was switched to while the views were checked; verify again")
    while (made.position, made.as_of) != (live.position, live.as_of):
        events = min(FEW_AT_ONCE, live.position - made.position)
        made = advance(scratch, SCRATCH, live.as_of, events).build


def _aside(views: Views, connection: Connection, build: int) -> set[str]:
    return set(connection.execute(select(views.tables(build)["set_aside"].c.subject)).scalars())


def _aside_problems(subjects: set[str]) -> Iterator[str]:
    """A row that sets a subject aside would keep whatever is shown of it from being compared."""
    for subject in sorted(subjects)[:SHOWN_MAX]:
        yield f"views: {subject} is set aside, and can be worked out now: 'levelbook retry' takes it up"


def _moment_problems(live: Build, expected: Build) -> Iterator[str]:
    if live.policies != expected.policies:
        yield f"views: the live build notes the policies {live.policies}, the ledger gives {expected.policies}"


def _change_problems(views: Views, connection: Connection, live: Build) -> Iterator[str]:
    """The feed must hold a change for each level."""
    levels, changes = views.tables(live.build)["levels"], views.changes
    same = and_(changes.c.subject == levels.c.subject, changes.c.scheme == levels.c.scheme)
    untold = select(levels.c.subject, levels.c.scheme).outerjoin(changes, same).where(changes.c.number.is_(None))
    for row in connection.execute(untold.limit(SHOWN_MAX)):
        yield f"views: changes has no row {row.subject} {row.scheme}, which shows a level"


def _table_problems(
    connections: tuple[Connection, Connection], tables: tuple[Table, Table], name: str, aside: set[str]
) -> Iterator[str]:
    """The rows of a table that are not what they must be, and those that are missing or too many; a few of them."""
    keys = [column.name for column in tables[0].primary_key]
    found, expected = (_rows(connection, table, aside) for connection, table in zip(connections, tables, strict=True))
    with closing(found), closing(expected):  # also where there are more than are shown
        for key, there, wanted in islice(_differing(found, expected, keys), SHOWN_MAX):
            yield f"views: {_told(name, ' '.join(map(str, key)), there, wanted)}"


def _told(name: str, key: str, there: Row[Any] | None, wanted: Row[Any] | None) -> str:
    if there is None:
        return f"{name} has no row {key}, which the ledger gives"
    if wanted is None:
        return f"{name} has a row {key} that the ledger does not give"
    pairs = zip(there._mapping.items(), wanted, strict=True)
    wrong = [f"{column} is {value!r}, not {right!r}" for (column, value), right in pairs if value != right]
    return f"the row {key} of {name} is not what the ledger gives: {', '.join(wrong)}"


def _rows(connection: Connection, table: Table, aside: set[str]) -> Generator[Row[Any], None, None]:
    """In the order of the key, which both databases sort alike: texts by code point."""
    named = [table.c[name] for name in ("subject", "mcn") if name in table.c]
    query = select(table).order_by(*table.primary_key.columns)
    if named and aside:
        query = query.where(not_(or_(*(column.in_(sorted(aside)) for column in named))))
    with connection.execute(query, execution_options={"yield_per": ROWS_AT_ONCE}) as rows:
        yield from rows


Differing = tuple[tuple[Any, ...], Row[Any] | None, Row[Any] | None]
"""A key, the row that is there, and the row that the ledger gives."""


def _differing(found: Iterator[Row[Any]], expected: Iterator[Row[Any]], keys: list[str]) -> Iterator[Differing]:
    """Both in the order of the key."""

    def key_of(row: Row[Any]) -> tuple[Any, ...]:
        return tuple(row._mapping[name] for name in keys)

    there, wanted = next(found, None), next(expected, None)
    while there is not None or wanted is not None:
        if wanted is None or (there is not None and key_of(there) < key_of(wanted)):
            assert there is not None
            yield key_of(there), there, None
            there = next(found, None)
        elif there is None or key_of(wanted) < key_of(there):
            yield key_of(wanted), None, wanted
            wanted = next(expected, None)
        else:
            if tuple(there) != tuple(wanted):
                yield key_of(there), there, wanted
            there, wanted = next(found, None), next(expected, None)
