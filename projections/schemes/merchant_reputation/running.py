"""A merchant's run kept from step to step, so that an event in order costs no more than its own judgement.

Nothing but read-ahead: where a run cannot go on (a late event, a correction, a new month, other policies), the month is
judged again from its stored opening, and a run begins anew from there.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import Final

from domain.calendar import month_of, month_start
from domain.events import Event
from domain.merchant_reputation.account import later_changes
from domain.merchant_reputation.facts import FLAG_TYPES, LIFE_TYPES, ORDER_TYPES, Names, facts_of
from domain.merchant_reputation.rule import RECEIVED, SCHEME, Account, Credit, Fact, Finding
from domain.merchant_reputation.running import Month, Run, Running, go_on, open_pages
from projections.schemes.merchant_reputation.rows import (
    effective_in,
    history_rows,
    judging_of,
    level_row,
    month_row,
    published,
)
from projections.views.step import Rewrite, Step, calendar_rewrite, level_rewrite, numbered
from replay.history.timeline import RETRACTED

_REACHING_BACK: Final = (*LIFE_TYPES, *FLAG_TYPES, RETRACTED)
"""Types that may change what has been judged, or from when on anything is."""


@dataclass
class KeptRun:
    """A run up to where the views stand, and what they show of it."""

    names: Names
    running: Running
    """Its findings have been let go of, and its months but the last."""
    waiting: list[Credit]
    """Default credits that fall due later, as a heap."""
    counts: Counter[str]
    """Of the last month: how often each verdict was given."""
    publication: int | None
    """The next one."""
    next_at: int | None
    """What the calendar holds."""
    hashes: tuple[str, ...]
    """The policies that judged."""
    as_of: int

    @property
    def orders(self) -> Collection[str]:
        """Those of which it knows all events."""
        return self.names.orders.keys()


def kept_run(names: Names, running: Running, step: Step, publication: int | None) -> KeptRun:
    """What is kept of a run to the step's end, where no known event is still to occur."""
    findings, months = running.run.findings, running.run.months
    waiting = _credits(fact for fact in running.history.facts if fact.due > step.after.as_of)
    heapify(waiting)
    counts = _counted(findings[index] for index in months[-1].findings) if months else Counter()
    hashes, as_of = judging_of(step).hashes, step.after.as_of
    return KeptRun(names, _let_go(running), waiting, counts, publication, _next(waiting, publication), hashes, as_of)


def reaches_back(step: Step, events: Iterable[Event]) -> bool:
    """Whether events bear on what no kept run goes on with: on a month that is over, or on what has been judged."""
    month = month_start(month_of(step.after.as_of))
    return any(
        event.type in _REACHING_BACK or (event.type in ORDER_TYPES and event.occurred_at < month) for event in events
    )


def go_on_with(step: Step, subject: str, events: Sequence[Event]) -> list[Rewrite] | None:
    """What new events, and time, change of a merchant whose run is kept; None where it cannot go on, and is let go."""
    kept = step.windows.take_run(subject)
    if not isinstance(kept, KeptRun):
        return None
    further = _further(step, subject, kept, events)
    if further is None:
        return None
    before, months = kept.running.run.account, list(kept.running.run.months)
    _write_down(step, kept, further)
    running = go_on(kept.running, judging_of(step).spans)
    rewrites = [*_judged(step, subject, kept, running, months), *_changed(step, subject, running, before)]
    next_at = _next(kept.waiting, kept.publication)
    if next_at != kept.next_at:
        rewrites.append(calendar_rewrite(subject, SCHEME, [] if next_at is None else [next_at]))
    kept.running, kept.next_at, kept.as_of = _let_go(running), next_at, step.after.as_of
    step.windows.keep_run(subject, kept)
    return rewrites


def _further(step: Step, subject: str, kept: KeptRun, events: Sequence[Event]) -> list[Event] | None:
    """The new facts among events, in order; None where they, or the time that has passed, ask for more."""
    as_of, month = step.after.as_of, month_of(step.after.as_of)
    if kept.hashes != judging_of(step).hashes or month_of(kept.as_of) != month:
        return None
    if published(step) is None or step.level(subject, SCHEME) is None:
        return None
    if any(event.type in _REACHING_BACK or event.occurred_at > as_of for event in events):
        return None
    history = kept.running.history
    judged = [fact.at for fact in history.facts[-1:]] + [credit.at for credit in history.credits[-1:]]
    judged_to = max([month_start(month), *judged])  # nothing may have been judged: a month can begin without an event
    further = [event for event in events if event.type in ORDER_TYPES]
    if any(event.occurred_at < judged_to for event in further):
        return None
    new = {event.data.order for event in further} - kept.names.orders.keys()
    if any(event.position <= step.before.position for event in step.about(subject, new)):
        return None  # of an order that began before what the run has read
    return sorted(further, key=lambda event: (event.occurred_at, event.position))


def _write_down(step: Step, kept: KeptRun, further: Sequence[Event]) -> None:
    """Let the run's history grow by new facts, and by the default credits that have fallen due."""
    history, book = kept.running.history, kept.running.book
    facts = facts_of(further, judging_of(step).spans, kept.names)
    orders, buyers = len(kept.names.orders), len(kept.names.buyers)
    history.facts.extend(facts)
    history.flagged.extend([False] * (orders - len(history.flagged)))
    open_pages(book, orders, buyers)
    for credit in _credits(facts):
        heappush(kept.waiting, credit)
    while kept.waiting and kept.waiting[0].at <= step.after.as_of:
        history.credits.append(heappop(kept.waiting))
    kept.running = kept.running._replace(history=history._replace(buyers=buyers))


def _judged(step: Step, subject: str, kept: KeptRun, running: Running, months: Sequence[Month]) -> list[Rewrite]:
    """The row of the month, where anything was judged or a month began."""
    if not running.run.months:
        return []
    month = running.run.months[-1]
    begins = not months or months[-1].month != month.month
    if begins:
        kept.counts.clear()
    kept.counts.update(_counted(running.run.findings))
    if not begins and not running.run.findings:
        return []
    row = month_row(subject, month, kept.counts, judging_of(step))
    return [Rewrite("reputation_months", {"subject": subject, "month": row["month"]}, [row])]


def _changed(step: Step, subject: str, running: Running, before: Account) -> list[Rewrite]:
    """The level, where anything was judged, and its history, where it changed."""
    findings, level = running.run.findings, step.level(subject, SCHEME)
    if not findings or level is None:
        return []
    judging = judging_of(step)
    row = level_row(subject, running.run.account, effective_in(level), judging, step.after.as_of)
    moved = list(later_changes(findings, before, judging.spans))
    if not moved:
        return [level_rewrite(row)]
    past = [item for item in step.rows_of("history", subject, "number") if item.scheme == SCHEME]
    rows = numbered(history_rows(subject, moved, judging), past[-1] if past else None)
    keys = {"subject": subject, "scheme": SCHEME}
    return [level_rewrite(row), Rewrite("history", keys, rows, ("number", past[-1].number if past else 0))]


def _let_go(running: Running) -> Running:
    """The run without what has been written."""
    account, _, months = running.run
    return running._replace(run=Run(account, [], [month._replace(findings=range(0)) for month in months[-1:]]))


def _credits(facts: Iterable[Fact]) -> list[Credit]:
    return [Credit(fact.due, fact.position, fact.order) for fact in facts if fact.what == RECEIVED]


def _counted(findings: Iterable[Finding]) -> Counter[str]:
    return Counter(finding.verdict.word for finding in findings)


def _next(waiting: Sequence[Credit], publication: int | None) -> int | None:
    """The next instant at which something changes by time alone."""
    return min((*(credit.at for credit in waiting[:1]), *(() if publication is None else (publication,))), default=None)
