"""The view of `merchant-reputation`: months, the level's history and the level, moved on from a month's opening.

A month is judged again from the account at the close of the last month before it: what an event of this month moves
costs this month, however long the merchant's past is.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Row

from domain.calendar import month_of, month_start, month_text, parse_month
from domain.events import Event
from domain.policy import Policy, Term, start_of_month, term_at, terms_of
from domain.reputation import (
    NEW,
    NO_CAP,
    REVIEWED,
    SCHEME,
    Account,
    Finding,
    History,
    Month,
    Run,
    Span,
    run,
    span_at,
)
from domain.reputation_account import Change, changes, effective_of, next_publication, shown
from domain.reputation_facts import FLAG_TYPES, history_of, spans_of
from projections.step import SINCE_EVER, Rewrite, Step, calendar_rewrite, judged_by, level_rewrite, numbered
from projections.view_tables import VERDICT_COLUMNS
from replay.timeline import events_about, events_between, events_of, taking_part

_LIVES: Final = ("merchant.onboarded", "merchant.closed")
_OF_ORDERS: Final = ("order.paid", "order.received", "review.posted")
_SILENT: Final[tuple[list[str], ...]] = ([], ["order.paid"], ["order.paid", "order.received"])
"""What may be told of an order without a verdict on any of it, while its default credit is not due."""
_LATEST: Final = 2**62


class Judging(NamedTuple):
    """The policies of a step as the rules read them."""

    terms: list[Term]
    spans: list[Span]
    policies: list[Policy]
    window_micros: int
    """The longest review window."""


def judging_of(step: Step) -> Judging:
    found = step.prepared.get(SCHEME)
    if found is None:
        terms = terms_of(step.policies[SCHEME].own, start_of_month)
        spans = spans_of(terms)
        window = max(span.rules.window_micros for span in spans)
        found = step.prepared[SCHEME] = Judging(terms, spans, [term.policy for term in terms], window)
    return found


class Concerned(NamedTuple):
    """What events concern: from when on entries come out otherwise, and when silent receipts fall due."""

    restart: int | None
    """The earliest instant at which an entry, old or new, is another; None where none is."""
    dues: list[int]


def concerned_by(step: Step, subject: str, touched: Sequence[Event]) -> Concerned:
    """What events of a merchant concern. Most payments and receipts change nothing yet."""
    judging = judging_of(step)
    instants = [event.occurred_at for event in touched if event.type in _LIVES]
    orders = {event.data.order for event in touched if event.type in (*_OF_ORDERS, *FLAG_TYPES)}
    about = list(events_about(step.store, subject, orders, step.after.position)) if orders else []
    now = _by_order(step.taking_out(subject, about))
    earlier = [event for event in about if event.position <= step.before.position]
    then = _by_order(step.taking_out(subject, earlier, step.before.position))
    months = {row.month for row in step.rows_of("reputation_months", subject, "month")}
    dues = []
    for event in touched:
        if event.type in FLAG_TYPES:
            history = history_of(_ordered(now.get(event.data.order, [])), judging.spans, _LATEST)
            instants += [fact.at for fact in history.facts if fact.what == REVIEWED]
            instants += [credit.at for credit in history.credits]
        if event.type not in _OF_ORDERS:
            continue
        facts, before = (_dues(found.get(event.data.order, []), step, judging) for found in (now, then))
        if facts is None or before is None or month_text(month_of(event.occurred_at)) not in months:
            instants.append(event.occurred_at)
        else:
            dues += facts
    return Concerned(min(instants, default=None), dues)


def _by_order(events: Iterable[Event]) -> dict[str, list[Event]]:
    found: dict[str, list[Event]] = {}
    for event in events:
        found.setdefault(event.data.order, []).append(event)
    return found


def _dues(events: Iterable[Event], step: Step, judging: Judging) -> list[int] | None:
    """When an order's default credit falls due, where it has no verdict up to now; None where it may have one."""
    facts = [event for event in _ordered(events) if event.type in _OF_ORDERS]
    if any(event.occurred_at > step.after.as_of for event in facts):
        return None
    if [event.type for event in facts] not in _SILENT:
        return None
    receipts = [event.occurred_at for event in facts if event.type == "order.received"]
    dues = [at + span_at(judging.spans, at).rules.window_micros for at in receipts]
    return dues if all(due > step.after.as_of for due in dues) else None


def wait_for(step: Step, subject: str, dues: Sequence[int]) -> list[Rewrite] | None:
    """The calendar alone, where receipts fall due before what it waits for; None where it waits for less already."""
    rows = [row.next_at for row in step.rows_of("calendar", subject, "next_at") if row.scheme == SCHEME]
    if not dues or min(dues) >= min(rows, default=_LATEST):
        return None
    return [calendar_rewrite(subject, SCHEME, dues)]


def advance(step: Step, subject: str, restart: int) -> list[Rewrite]:
    """Everything of a merchant from the month of an instant on, judged again."""
    judging = judging_of(step)
    restart = min(restart, step.after.as_of)
    stored = [] if restart == SINCE_EVER else _months(step, subject)
    kept = [row for row in stored if row.month_end <= restart]
    opening = account_of(kept[-1]) if kept else NEW
    history, ahead = _history(step, subject, opening, judging)
    found = run(history, judging.spans, opening)
    moved = list(changes(history, found, judging.spans, step.after.as_of, opening))
    run_whole = Run(found.account, found.findings, [*map(_month, kept), *found.months])
    last = _last_kept(step, subject, opening)
    first = 0 if last is None else last.number
    return [
        Rewrite(
            "reputation_months",
            {"subject": subject},
            month_rows(subject, found.months, found.findings, judging),
            ("month_end", opening.month_end + 1),
        ),
        Rewrite(
            "history",
            {"subject": subject, "scheme": SCHEME},
            numbered(history_rows(subject, moved, judging), last),
            ("number", first),
        ),
        level_rewrite(level_row(subject, run_whole, judging, step.after.as_of)),
        calendar_rewrite(subject, SCHEME, [*ahead, *_next_instants(history, run_whole, judging, step.after.as_of)]),
    ]


def _months(step: Step, subject: str) -> Sequence[Row[Any]]:
    return step.rows_of("reputation_months", subject, "month")


def _last_kept(step: Step, subject: str, opening: Account) -> Row[Any] | None:
    rows = [
        row
        for row in step.rows_of("history", subject, "number")
        if row.scheme == SCHEME and row.from_at < opening.month_end
    ]
    return rows[-1] if rows else None


def _history(step: Step, subject: str, opening: Account, judging: Judging) -> tuple[History, list[int]]:
    """The facts that a run from an opening needs, and the instants of events dated ahead."""
    position = step.after.position
    if opening is NEW:
        events = list(events_of(step.store, subject, position))
    else:
        first = min(opening.month_end, step.after.as_of) - judging.window_micros
        window = step.windows.of(subject, first, lambda: events_between(step.store, subject, first, _LATEST, position))
        events = window.complete(lambda orders: events_about(step.store, subject, orders, position, window.first))
    part, as_of = step.taking_out(subject, events), step.after.as_of
    return history_of(taking_part(part, as_of), judging.spans, as_of), step.ahead(part)


def _ordered(events: Iterable[Event]) -> list[Event]:
    return sorted(events, key=lambda event: (event.occurred_at, event.position))


# --- rows -------------------------------------------------------------------------------------------------------------


def month_rows(
    subject: str, months: Sequence[Month], findings: Sequence[Finding], judging: Judging
) -> list[dict[str, Any]]:
    """Each month in which something happened: from its opening to its close, and how often each verdict was given."""
    rows = []
    for month in months:
        counts = Counter(findings[index].verdict.word for index in month.findings)
        rows.append(month_row(subject, month, counts, judging))
    return rows


def month_row(subject: str, month: Month, counts: dict[str, int], judging: Judging) -> dict[str, Any]:
    closing = month.closing
    standing = shown(closing, judging.spans, month.begun.month_end - 1)
    policy = term_at(judging.terms, month_start(month.month)).policy
    return {
        "subject": subject,
        "month": month_text(month.month),
        "opening_tenths": month.begun.points,
        "growth_tenths": closing.growth,
        "cap_tenths": None if closing.cap == NO_CAP else closing.cap,
        "closing_tenths": closing.points,
        "state": str(standing.state),
        "level": standing.level,
        **{word: counts.get(word, 0) for word in VERDICT_COLUMNS},
        **judged_by(judging.policies, policy),
        "month_end": closing.month_end,
        "opened_at": closing.opened_at,
        "is_open": closing.open,
        "closed_at": closing.closed_at,
        "closed_position": closing.closed_position,
        "netting": closing.netting,
    }


def account_of(row: Row[Any]) -> Account:
    """The account at a stored month's close."""
    return Account(
        points=row.closing_tenths,
        growth=row.growth_tenths,
        cap=NO_CAP if row.cap_tenths is None else row.cap_tenths,
        month_end=row.month_end,
        opened_at=row.opened_at,
        open=bool(row.is_open),
        closed_at=row.closed_at,
        closed_position=row.closed_position,
        netting=row.netting,
    )


def _month(row: Row[Any]) -> Month:
    closing = account_of(row)
    return Month(parse_month(row.month), closing, closing, range(0))


def history_rows(subject: str, moved: Sequence[Change], judging: Judging) -> list[dict[str, Any]]:
    """Each change of state or level, with the points after it and what caused it."""
    return [
        {
            "subject": subject,
            "scheme": SCHEME,
            "from_at": change.at,
            "state": str(change.after.state),
            "level": change.after.level,
            "score": change.after.points_tenths,
            **judged_by(judging.policies, term_at(judging.terms, change.at).policy),
            "cause": _cause(change),
            "cause_position": change.position or None,
        }
        for change in moved
    ]


def _cause(change: Change) -> str:
    if change.finding is not None:
        return change.finding.verdict.word
    return "opened" if change.position else "policy"


def level_row(subject: str, found: Run, judging: Judging, as_of: int) -> dict[str, Any]:
    """Where the merchant stands, and what the publications made effective."""
    standing = shown(found.account, judging.spans, as_of)
    effective = effective_of(found, judging.spans, as_of)
    return {
        "subject": subject,
        "scheme": SCHEME,
        "state": str(standing.state),
        "level": standing.level,
        "score": standing.points_tenths,
        "effective_state": str(effective.state),
        "effective_level": effective.level,
        "effective_since": effective.since,
        **judged_by(judging.policies, term_at(judging.terms, as_of).policy),
    }


def _next_instants(history: History, found: Run, judging: Judging, as_of: int) -> list[int]:
    """When a default credit falls due, and the next publication."""
    pending = [fact.due for fact in history.facts if fact.due > as_of]
    published = next_publication(found, judging.spans, as_of)
    return pending if published is None else [*pending, published]
