"""Where the views hold what a period of a scheme comes to as known now: for holding what was decided against it."""

from typing import Any, Literal, NamedTuple

from sqlalchemy import ColumnElement, Table, and_, case, func, select

from projections.views.tables import Tables


class PeriodRows(NamedTuple):
    """The table of a scheme's periods, and its columns."""

    table: str
    score: str
    kept: Literal["each", "changed", "touched"] = "each"
    """Whether every period has a row; or each day on which something changed; or each month in which something was
    judged, so that state and level stand in the history alone."""
    next_begun_with: str | None = None
    """Of months that are decided as of the instant at which the next one begins, and rows that hold months to their
    close: the column in which the next one's row holds the score at that instant, which `begins_at` names."""
    without_row: frozenset[str] = frozenset()
    """States of subjects that have no row."""

    def as_of(self, over: ColumnElement[int]) -> ColumnElement[int]:
        """As of when a period is decided, by the instant at which it is over, where the history tells its level."""
        return over if self.next_begun_with is not None else over - 1


class PeriodNamed(NamedTuple):
    """The columns by which rows of another table name a period."""

    of: Table
    period: str
    as_of: ColumnElement[int]
    """As of which instant it is decided."""


class OutcomeNow(NamedTuple):
    """What a period comes to as known now, as columns of a query."""

    joined: list[tuple[Any, ColumnElement[bool]]]
    """The tables that it stands in, and how their rows are found: each may have none."""
    state: ColumnElement[Any]
    """Null where there is no row."""
    level: ColumnElement[Any]
    score: ColumnElement[Any]


def outcome_in(tables: Tables, scheme: str, rows: PeriodRows, asked: PeriodNamed) -> OutcomeNow:
    """What the views hold of the periods that the rows of another table name."""
    table, subject, period = tables[rows.table].alias("outcome"), asked.of.c.subject, asked.of.c[asked.period]
    if rows.kept == "each":
        same = and_(table.c.subject == subject, table.c.month == period)
        return OutcomeNow([(table, same)], table.c.state, table.c.level, table.c[rows.score])
    if rows.kept == "changed":
        past = tables[rows.table].alias("past")
        last = select(func.max(past.c.number)).where(past.c.subject == subject, past.c.day <= period)
        same = and_(table.c.subject == subject, table.c.number == last.correlate(asked.of).scalar_subquery())
        score = case((table.c.level.is_not(None), table.c[rows.score]))
        return OutcomeNow([(table, same)], table.c.state, table.c.level, score)
    history, before = (tables["history"].alias(name) for name in ("standing", "before"))
    of_scheme = (before.c.subject == subject, before.c.scheme == scheme, before.c.from_at <= asked.as_of)
    last = select(func.max(before.c.number)).where(*of_scheme).correlate(asked.of)
    stands = (history.c.subject == subject, history.c.scheme == scheme, history.c.number == last.scalar_subquery())
    touched = tables[rows.table].alias("touched")
    month = select(func.max(touched.c.month)).where(touched.c.subject == subject, touched.c.month <= period)
    same = and_(table.c.subject == subject, table.c.month == month.correlate(asked.of).scalar_subquery())
    joined, scores = [(history, and_(*stands)), (table, same)], [table.c[rows.score], 0]
    if rows.next_begun_with is not None:
        following = tables[rows.table].alias("following")
        begins = following.c.begins_at == asked.as_of
        joined.append((following, and_(following.c.subject == subject, following.c.month > period, begins)))
        scores.insert(0, following.c[rows.next_begun_with])
    score = case((history.c.state.is_not(None), func.coalesce(*scores)))
    return OutcomeNow(joined, history.c.state, history.c.level, score)
