"""How much is on the lists, scheme by scheme, and how many subjects stand where: what is counted is what they list."""

from typing import Any, NamedTuple

from sqlalchemy import and_, func, or_, select

from domain.calendar import month_of, month_text
from projections.reading.reader import Snapshot
from projections.worklist.changed import changed_by_scheme, set_aside_by_scheme
from projections.worklist.differing import ListCount, announcements_counted, decisions_counted
from projections.worklist.looking import LOOKED_AT, Filters, bounds_of
from replay.schemes.registry import SCHEMES


class Totals(NamedTuple):
    """What was counted, and of which month what changed in it."""

    changed_in: str
    rows: list[dict[str, Any]]


def totals(
    at: Snapshot, filters: Filters, *, tells_decisions: bool = True, looked_at: int | None = LOOKED_AT
) -> Totals:
    """Of each scheme that is asked for, how many rows each list has, under the filters of the lists.

    No more than so many of its decisions and so many announcements are looked at, from the latest period back: `whole`
    says whether that was all of them. Without decisions for a reader who may not see them.
    """
    changed_in = filters.period or month_text(month_of(at.standing.as_of))
    changed = changed_by_scheme(at, filters._replace(period=changed_in))
    aside = set_aside_by_scheme(at, filters)
    rows = []
    for scheme in SCHEMES:
        if filters.scheme in (None, scheme):
            differing = announced = None
            if tells_decisions:
                differing = decisions_counted(at, scheme, filters, looked_at)
                announced = announcements_counted(at, scheme, filters, looked_at)
            told = {"scheme": scheme, **_counts(differing, announced)}
            rows.append(told | {"changed": changed.get(scheme, 0), "set_aside": aside.get(scheme, 0)})
    return Totals(changed_in, rows)


def _counts(differing: ListCount | None, announced: ListCount | None) -> dict[str, Any]:
    return {
        "differing": None if differing is None else differing.rows,
        "announced": None if announced is None else announced.rows,
        "whole": all(counted is None or counted.is_whole for counted in (differing, announced)),
    }


def distribution(at: Snapshot, filters: Filters) -> list[dict[str, Any]]:
    """How many subjects stand in which state and level of each scheme: counted in one walk through an index.

    At the close of a period that is named: by the histories, which are walked through; then only those are counted that
    had come to a level or a state by then.
    """
    table = at.tables["levels" if filters.period is None else "history"].c
    names = (table.scheme, table.level, table.state)
    query = select(*names, func.count().label("subjects")).group_by(*names)
    if filters.period is not None:
        _, over = bounds_of(filters.period)
        query = query.where(and_(table.from_at < over, or_(table.to_at.is_(None), table.to_at >= over)))
    for column, value in ((table.scheme, filters.scheme), (table.state, filters.state), (table.level, filters.level)):
        if value is not None:
            query = query.where(column == value)
    rows = list(at.connection.execute(query))
    return [
        {"scheme": row.scheme, "state": row.state, "level": row.level, "subjects": row.subjects}
        for row in sorted(rows, key=lambda row: (row.scheme, row.level or "", row.state))
    ]
