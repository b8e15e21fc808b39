"""What was decided or announced, held against what the views hold of the same period: as known where they stand.

A decision differs in state, level or score; only the latest of its period is held. An announcement differs from the
level decided, and where nothing was decided from the level known now; of a day on which nothing differed from the last
decision, or which no run decided, from either. Both are read from the latest period back, a
scheme at a time, by an index; for one page no more than so many are looked at, and it says where to go on.
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, FromClause, Select, and_, case, func, not_, or_, select, tuple_

from domain.calendar import shanghai_text
from projections.reading.disputes import retracted_in
from projections.reading.reader import Snapshot
from projections.schemes.registry import view_of
from projections.schemes.shared.period_rows import OutcomeNow, PeriodNamed, outcome_in
from projections.views.tables import Tables
from projections.worklist.looking import LOOKED_AT, Filters, Key, ListPage
from replay.schemes.registry import SCHEMES, scheme_of

_SUBJECTS_AT_ONCE: Final = 500
_PERIOD_CHARS: Final = {"month": len("2022-11"), "day": len("2022-11-05")}
_BEHIND_A_MONTH: Final = "."
"""Sorts behind the dash that stands between a month and its day."""


class Listed(NamedTuple):
    """A table that is read from the latest period back, and what is asked of it."""

    table: str
    query: Callable[[Tables, str, Filters], Select[Any]]
    """The tables, a scheme and filters → the rows that are wanted, in no order."""
    told: Callable[[Any], dict[str, Any]]


def decisions_differing(
    at: Snapshot, filters: Filters, after: Key | None, limit: int, looked_at: int = LOOKED_AT
) -> ListPage:
    """The decisions that would come out otherwise now."""
    return _page(at, _DIFFERING, filters, after, limit, looked_at)


def announcements_differing(
    at: Snapshot, filters: Filters, after: Key | None, limit: int, looked_at: int = LOOKED_AT
) -> ListPage:
    """The announced levels that were not decided so; what was retracted was never announced."""
    found = _page(at, _ANNOUNCED, filters, after, limit, looked_at)
    gone = retracted_in(at, {row["subject"] for row in found.rows})
    return found._replace(rows=[row for row in found.rows if row["position"] not in gone])


class ListCount(NamedTuple):
    """How many rows of a scheme a list has."""

    rows: int
    is_whole: bool
    """Whether all of the scheme's were looked at."""


def decisions_counted(at: Snapshot, scheme: str, filters: Filters, looked_at: int | None) -> ListCount:
    """How many decisions would come out otherwise now, of the latest so many, or of all."""
    wanted, ends = _stretch(at, _DIFFERING, scheme, filters, None, looked_at)
    found = wanted.with_only_columns(at.tables["decisions"].c.position).subquery()
    return ListCount(at.connection.execute(select(func.count()).select_from(found)).scalar_one(), ends is None)


def announcements_counted(at: Snapshot, scheme: str, filters: Filters, looked_at: int | None) -> ListCount:
    """How many announced levels were not decided so."""
    wanted, ends = _stretch(at, _ANNOUNCED, scheme, filters, None, looked_at)
    columns = at.tables["announced"].c
    rows = list(at.connection.execute(wanted.with_only_columns(columns.subject, columns.position)))
    gone = set[int]()
    for start in range(0, len(rows), _SUBJECTS_AT_ONCE):
        gone |= retracted_in(at, {row.subject for row in rows[start : start + _SUBJECTS_AT_ONCE]})
    return ListCount(sum(row.position not in gone for row in rows), ends is None)


def decisions_made(at: Snapshot, filters: Filters, after: Key | None, limit: int) -> ListPage:
    """Every decision, whatever became of it."""
    return _page(at, Listed("decisions", _made, _made_json), filters, after, limit, LOOKED_AT)


def _page(at: Snapshot, listed: Listed, filters: Filters, after: Key | None, limit: int, looked_at: int) -> ListPage:
    codes = [code for code in SCHEMES if filters.scheme in (None, code)]
    first = codes.index(after[0]) if after is not None and after[0] in codes else 0
    rows: list[Any] = []
    for scheme in codes[first:]:
        source = at.tables[listed.table].c
        behind = after[1:] if after is not None and after[0] == scheme else None
        wanted, ends = _stretch(at, listed, scheme, filters, behind, looked_at)
        order = (source.period.desc(), source.position.desc())
        rows += at.connection.execute(wanted.order_by(*order).limit(limit + 1 - len(rows)))
        if len(rows) > limit:
            last = rows[limit - 1]
            return ListPage([listed.told(row) for row in rows[:limit]], (last.scheme, last.period, last.position))
        if ends is not None:
            return ListPage([listed.told(row) for row in rows], (scheme, *ends))
    return ListPage([listed.told(row) for row in rows], None)


def _stretch(
    at: Snapshot, listed: Listed, scheme: str, filters: Filters, after: Key | None, looked_at: int | None
) -> tuple[Select[Any], Any]:
    """The wanted rows of a scheme behind a place, in no order, and at which row they end since so many were looked at:
    None at the end, and where there is no bound.
    """
    source = at.tables[listed.table].c
    place = tuple_(source.period, source.position)
    where = [source.scheme == scheme, *_of_month(source.period, filters.period)]
    if after is not None:
        where.append(place < tuple_(*after))
    wanted = listed.query(at.tables, scheme, filters).where(*where)
    if looked_at is None:
        return wanted, None
    order = (source.period.desc(), source.position.desc())
    ends = at.connection.execute(
        select(source.period, source.position).where(*where).order_by(*order).offset(looked_at - 1).limit(1)
    ).first()
    return (wanted, None) if ends is None else (wanted.where(place >= tuple_(*ends)), ends)


def _with(source: FromClause, now: OutcomeNow, *where: ColumnElement[bool]) -> FromClause:
    """A source with the tables beside it in which stands what its rows come to now."""
    for table, on in now.joined:
        source = source.outerjoin(table, and_(on, *where))
    return source


def _of_month(period: ColumnElement[Any], month: str | None) -> list[ColumnElement[bool]]:
    return [] if month is None else [period >= month, period < month + _BEHIND_A_MONTH]


def _either(value: str | None, *columns: ColumnElement[Any]) -> list[ColumnElement[bool]]:
    return [] if value is None else [or_(*(column == value for column in columns))]


# --- decisions --------------------------------------------------------------------------------------------------------


def _made(tables: Tables, scheme: str, filters: Filters) -> Select[Any]:
    found = tables["decisions"]
    state, level = _either(filters.state, found.c.state), _either(filters.level, found.c.level)
    return select(found, not_(_decided_again(tables)).label("as_decided")).where(*state, *level)


def _decided_again(tables: Tables) -> ColumnElement[bool]:
    """Whether there is a later decision on the same period."""
    found, later = tables["decisions"].c, tables["decisions"].alias("later").c
    same = (later.subject == found.subject, later.scheme == found.scheme, later.period == found.period)
    return select(later.position).where(*same, later.position > found.position).correlate(tables["decisions"]).exists()


def _made_json(row: Any) -> dict[str, Any]:
    return {
        "subject": row.subject,
        "scheme": row.scheme,
        "period": row.period,
        "run": row.run,
        "position_of_decision": row.position,
        "state": row.state,
        "level": row.level,
        "score": row.score,
        "policy": row.policy,
        "policy_hash": row.policy_hash,
        "as_of": shanghai_text(row.as_of),
        "known_at": shanghai_text(row.known_at),
        "position": row.decided_position,
        "as_decided": bool(row.as_decided),
    }


def _differing(tables: Tables, scheme: str, filters: Filters) -> Select[Any]:
    found, aside, rows = tables["decisions"], tables["set_aside"], view_of(scheme).period_rows
    now = outcome_in(tables, scheme, rows, PeriodNamed(found, "period", found.c.as_of))
    is_aside = (aside.c.subject == found.c.subject) & (aside.c.scheme == found.c.scheme)
    same_without_row = and_(now.state.is_(None), found.c.state.in_(sorted(rows.without_row)))
    differs = or_(
        now.state.is_distinct_from(found.c.state),
        now.level.is_distinct_from(found.c.level),
        now.score.is_distinct_from(found.c.score),
    )
    told = (now.state.label("now_state"), now.level.label("now_level"), now.score.label("now_score"))
    return (
        select(found, *told, aside.c.subject.is_not(None).label("stale"))
        .select_from(_with(found.outerjoin(aside, is_aside), now))
        .where(differs, not_(same_without_row), not_(_decided_again(tables)))
        .where(*_either(filters.state, found.c.state, now.state), *_either(filters.level, found.c.level, now.level))
    )


def _differing_json(row: Any) -> dict[str, Any]:
    now = None
    if row.now_state is not None:
        now = {"state": row.now_state, "level": row.now_level, "score": row.now_score}
    return {
        "subject": row.subject,
        "scheme": row.scheme,
        "period": row.period,
        "run": row.run,
        "position_of_decision": row.position,
        "decided": {"state": row.state, "level": row.level, "score": row.score},
        "now": now,
        "stale": bool(row.stale),
    }


# --- announcements ----------------------------------------------------------------------------------------------------


def _announced(tables: Tables, scheme: str, filters: Filters) -> Select[Any]:
    found, decided = tables["announced"], tables["decisions"].alias("decided")
    unit, rows = scheme_of(scheme).periods.unit, view_of(scheme).period_rows
    now = outcome_in(tables, scheme, rows, PeriodNamed(found, "period", rows.as_of(found.c.ends_at)))
    has_period = func.length(found.c.period) == _PERIOD_CHARS[unit]
    not_as_decided = found.c.level.is_distinct_from(decided.c.level)
    not_as_now = found.c.level.is_distinct_from(now.level)
    differs = case(
        (decided.c.position.is_(None), not_as_now),
        (decided.c.period == found.c.period, not_as_decided),
        else_=or_(not_as_decided, not_as_now),
    )
    told = (
        decided.c.position.label("decided_at"),
        *(decided.c[name].label(f"decided_{name}") for name in ("run", "period", "state", "level", "score")),
        *(now.state.label("now_state"), now.level.label("now_level"), now.score.label("now_score")),
    )
    made = decided.c.position == _decision_on(tables, scheme, is_daily=unit == "day")
    return (
        select(found, has_period.label("has_period"), *told)
        .select_from(_with(found.outerjoin(decided, made & has_period), now, has_period))
        .where(or_(differs, not_(has_period)))
        .where(*_either(filters.state, decided.c.state, now.state))
        .where(*_either(filters.level, found.c.level, decided.c.level, now.level))
    )


def _decision_on(tables: Tables, scheme: str, *, is_daily: bool) -> Any:
    """The position of the latest decision on an announced period; by the day, on the last that was decided by then."""
    found, made = tables["announced"], tables["decisions"].alias("made")
    period: Any = found.c.period
    if is_daily:
        earlier = tables["decisions"].alias("earlier").c
        by_then = (earlier.subject == found.c.subject, earlier.scheme == scheme, earlier.period <= found.c.period)
        period = select(func.max(earlier.period)).where(*by_then).correlate(found).scalar_subquery()
    same = (made.c.subject == found.c.subject, made.c.scheme == scheme, made.c.period == period)
    return select(func.max(made.c.position)).where(*same).correlate(found).scalar_subquery()


def _announced_json(row: Any) -> dict[str, Any]:
    decided = now = None
    if row.decided_at is not None:
        decided = {"state": row.decided_state, "level": row.decided_level, "score": row.decided_score}
        decided |= {"period": row.decided_period, "run": row.decided_run, "position_of_decision": row.decided_at}
    if row.now_state is not None:
        now = {"state": row.now_state, "level": row.now_level, "score": row.now_score}
    return {
        "subject": row.subject,
        "scheme": row.scheme,
        "period": row.period,
        "position": row.position,
        "announced_at": shanghai_text(row.at),
        "announced": row.level,
        "decided": decided,
        "now": now,
        "is_period": bool(row.has_period),
    }


_DIFFERING: Final = Listed("decisions", _differing, _differing_json)
_ANNOUNCED: Final = Listed("announced", _announced, _announced_json)
