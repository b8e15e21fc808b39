"""Levels that changed in a month or on a day, and those that are set aside."""

from typing import Any

from sqlalchemy import FromClause, Select, func, select, tuple_

from domain.calendar import shanghai_text
from projections.reading.reader import Snapshot
from projections.worklist.looking import Filters, Key, ListPage, bounds_of


def levels_changed(at: Snapshot, filters: Filters, after: Key | None, limit: int) -> ListPage:
    """The changes of level or state in a month, or on a day, as known now, the latest first; it must be named."""
    past = at.tables["history"]
    place = tuple_(past.c.from_at, past.c.subject, past.c.scheme, past.c.number)
    query = _changed(at, filters)
    if after is not None:
        query = query.where(place < tuple_(*after))
    order = [past.c[name].desc() for name in ("from_at", "subject", "scheme", "number")]
    rows = list(at.connection.execute(query.order_by(*order).limit(limit + 1)))
    last = rows[limit - 1] if len(rows) > limit else None
    following = None if last is None else (last.from_at, last.subject, last.scheme, last.number)
    return ListPage([_changed_json(row) for row in rows[:limit]], following)


def changed_by_scheme(at: Snapshot, filters: Filters) -> dict[str, int]:
    """How many of them there are, of a month or a day."""
    return _by_scheme(at, _changed(at, filters).subquery())


def _changed(at: Snapshot, filters: Filters) -> Select[Any]:
    """The changes that are asked for, with what was before, in no order."""
    past, before = at.tables["history"], at.tables["history"].alias("before")
    assert filters.period is not None
    begins, over = bounds_of(filters.period)
    was = (
        (before.c.subject == past.c.subject)
        & (before.c.scheme == past.c.scheme)
        & (before.c.number == past.c.number - 1)
    )
    query = (
        select(past, before.c.state.label("was_state"), before.c.level.label("was_level"))
        .select_from(past.join(before, was))
        .where(past.c.from_at >= begins, past.c.from_at < over)
    )
    for name, value in (("scheme", filters.scheme), ("state", filters.state), ("level", filters.level)):
        if value is not None:
            query = query.where(past.c[name] == value)
    return query


def _by_scheme(at: Snapshot, rows: FromClause) -> dict[str, int]:
    counted = select(rows.c.scheme, func.count().label("subjects")).group_by(rows.c.scheme)
    return {row.scheme: row.subjects for row in at.connection.execute(counted)}


def _changed_json(row: Any) -> dict[str, Any]:
    return {
        "subject": row.subject,
        "scheme": row.scheme,
        "at": shanghai_text(row.from_at),
        "before": {"state": row.was_state, "level": row.was_level},
        "after": {"state": row.state, "level": row.level},
        "cause": row.cause,
        "cause_position": row.cause_position,
        "until": None if row.to_at is None else shanghai_text(row.to_at),
    }


def levels_set_aside(at: Snapshot, filters: Filters, after: Key | None, limit: int) -> ListPage:
    """The levels that could not be worked out, in the order of subject and scheme, each as it stood before."""
    aside, query = at.tables["set_aside"], _set_aside(at, filters)
    if after is not None:
        query = query.where(tuple_(aside.c.subject, aside.c.scheme) > tuple_(*after))
    rows = list(at.connection.execute(query.order_by(aside.c.subject, aside.c.scheme).limit(limit + 1)))
    following = (rows[limit - 1].subject, rows[limit - 1].scheme) if len(rows) > limit else None
    return ListPage([_aside_json(row) for row in rows[:limit]], following)


def set_aside_by_scheme(at: Snapshot, filters: Filters) -> dict[str, int]:
    """How many of them there are; they are of no period."""
    return _by_scheme(at, _set_aside(at, filters).subquery())


def _set_aside(at: Snapshot, filters: Filters) -> Select[Any]:
    aside, levels = at.tables["set_aside"], at.tables["levels"]
    same = (levels.c.subject == aside.c.subject) & (levels.c.scheme == aside.c.scheme)
    query = select(aside, levels.c.state, levels.c.level).select_from(aside.outerjoin(levels, same))
    asked = ((aside.c.scheme, filters.scheme), (levels.c.state, filters.state), (levels.c.level, filters.level))
    for column, value in asked:
        if value is not None:
            query = query.where(column == value)
    return query


def _aside_json(row: Any) -> dict[str, Any]:
    return {
        "subject": row.subject,
        "scheme": row.scheme,
        "position": row.position,
        "since": shanghai_text(row.at),
        "state": row.state,
        "level": row.level,
        "reason": row.reason,
    }
