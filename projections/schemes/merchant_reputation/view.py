"""The view of `merchant-reputation`: months, the level's history and the level, moved on from a month's opening.

A month is judged again from the account at the close of the last month before it: what an event of this month moves
costs this month, however long the merchant's past is.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Row

from domain.calendar import month_of, month_start, month_text
from domain.events import Event
from domain.merchant_reputation.account import EffectivePublication, changes, effective_of, next_publication
from domain.merchant_reputation.facts import FLAG_TYPES, LIFE_TYPES, ORDER_TYPES, Names, history_of
from domain.merchant_reputation.rule import NEW, REVIEWED, SCHEME, Account, History
from domain.merchant_reputation.running import Run, begin, go_on, span_at
from projections.schemes.merchant_reputation.rows import (
    Judging,
    account_of,
    effective_in,
    history_rows,
    judging_of,
    level_row,
    month_of_row,
    month_rows,
    published,
)
from projections.schemes.merchant_reputation.running import kept_run
from projections.schemes.merchant_reputation.then_rows import (
    ShownOf,
    differing_of,
    months_to_see,
    shown_by,
    then_rewrites,
    whole_rewrite,
)
from projections.views.step import SINCE_EVER, Rewrite, Step, calendar_rewrite, level_rewrite, numbered
from replay.history.timeline import events_about, events_between, events_of, taking_part

_SILENT: Final[tuple[list[str], ...]] = ([], ["order.paid"], ["order.paid", "order.received"])
"""What may be known of an order without a verdict on any of it, while its default credit is not due."""
_LATEST: Final = 2**62


class Concerned(NamedTuple):
    """What events concern: from when on entries come out otherwise, and when silent receipts fall due."""

    restart: int | None
    """The earliest instant at which an entry, old or new, is another; None where none is."""
    dues: list[int]


def concerned_by(step: Step, subject: str, touched: Sequence[Event]) -> Concerned:
    """What events of a merchant concern. Most payments and receipts change nothing yet."""
    judging = judging_of(step)
    instants = [event.occurred_at for event in touched if event.type in LIFE_TYPES]
    orders = {event.data.order for event in touched if event.type in (*ORDER_TYPES, *FLAG_TYPES)}
    about = step.about(subject, orders)
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
        if event.type not in ORDER_TYPES:
            continue
        facts, before = (_dues(found.get(event.data.order, []), step, judging) for found in (now, then))
        retracted = event.position <= step.before.position  # or brought back: its month may begin or end with it
        if retracted or facts is None or before is None or month_text(month_of(event.occurred_at)) not in months:
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
    facts = [event for event in _ordered(events) if event.type in ORDER_TYPES]
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
    step.windows.take_run(subject)  # judged anew: not to be gone on with, also where none is kept in its place
    judging = judging_of(step)
    restart = min(restart, step.after.as_of)
    stored = [] if restart == SINCE_EVER else _months(step, subject)
    kept = [row for row in stored if row.month_end <= restart]
    opening = account_of(kept[-1]) if kept else NEW
    names, events = Names({}, {}), _events(step, subject, opening, judging)
    history, ahead = _history(step, subject, events, judging, names)
    running = go_on(begin(history, opening), judging.spans)
    found = running.run
    moved = list(changes(history, found, judging.spans, step.after.as_of, opening))
    effective = _effective_before(step, subject, restart)
    if effective is None:
        effective = effective_of(_whole(kept, found), judging.spans, step.after.as_of)
    last = _last_kept(step, subject, opening)
    first = 0 if last is None else last.number
    publication = next_publication(found, judging.spans, step.after.as_of)
    due = [fact.due for fact in history.facts if fact.due > step.after.as_of]
    if not ahead:
        step.windows.keep_run(subject, kept_run(names, running, step, publication))
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
        *_then(step, subject, _Changed(restart, events, stored, kept, found)),
        level_rewrite(level_row(subject, found.account, effective, judging, step.after.as_of)),
        calendar_rewrite(subject, SCHEME, [*ahead, *due, *([] if publication is None else [publication])]),
    ]


def _effective_before(step: Step, subject: str, restart: int) -> EffectivePublication | None:
    """What is effective where nothing published since, or judged again, can have changed it; None where it can."""
    level, month = step.level(subject, SCHEME), published(step)
    if level is None or level.effective_since is None or month is None or restart < month_start(month + 1):
        return None
    return effective_in(level)


def _months(step: Step, subject: str) -> Sequence[Row[Any]]:
    return step.rows_of("reputation_months", subject, "month")


def _last_kept(step: Step, subject: str, opening: Account) -> Row[Any] | None:
    rows = [
        row
        for row in step.rows_of("history", subject, "number")
        if row.scheme == SCHEME and row.from_at < opening.month_end
    ]
    return rows[-1] if rows else None


def _whole(kept: Sequence[Row[Any]], found: Run) -> Run:
    """A run with the months that are kept from before its opening."""
    return Run(found.account, found.findings, [*map(month_of_row, kept), *found.months])


class _Changed(NamedTuple):
    """What was judged again of a merchant, and what stood before."""

    restart: int
    events: Sequence[Event]
    stored: Sequence[Row[Any]]
    kept: Sequence[Row[Any]]
    found: Run


def _then(step: Step, subject: str, changed: _Changed) -> list[Rewrite]:
    """What publications showed otherwise than they would now."""
    restart, events, stored, kept, found = changed
    if restart == SINCE_EVER:
        return [whole_rewrite(subject, differing_of(step, subject, events, _shown_by(step, found)))]
    months = months_to_see(step, restart)
    if not any(months):
        return []
    before = [*map(month_of_row, stored)]
    account = before[-1].closing if before else NEW
    shown_before, shown_now = _shown_by(step, Run(account, [], before)), _shown_by(step, _whole(kept, found))
    return then_rewrites(step, subject, months, shown_before, shown_now)


def _shown_by(step: Step, run: Run) -> ShownOf:
    months = run.months
    numbers = [month.month for month in months]
    return shown_by(numbers, lambda place: months[place].closing, run.account.opened_at, judging_of(step).spans)


def _events(step: Step, subject: str, opening: Account, judging: Judging) -> list[Event]:
    """The known events that a run from an opening needs."""
    position = step.after.position
    if opening is NEW:
        return list(events_of(step.store, subject, position))
    first = min(opening.month_end, step.after.as_of) - judging.window_micros
    window = step.windows.of(subject, first, lambda: events_between(step.store, subject, first, _LATEST, position))
    return window.complete(lambda orders: events_about(step.store, subject, orders, position, window.first))


def _history(
    step: Step, subject: str, events: Sequence[Event], judging: Judging, names: Names
) -> tuple[History, list[int]]:
    """The facts among events, and the instants of those dated ahead."""
    part, as_of = step.taking_out(subject, events), step.after.as_of
    return history_of(taking_part(part, as_of), judging.spans, as_of, names), step.ahead(part)


def _ordered(events: Iterable[Event]) -> list[Event]:
    return sorted(events, key=lambda event: (event.occurred_at, event.position))
