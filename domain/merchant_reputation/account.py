"""A merchant's account: publications, what is effective, changes of level and notes, drawn from a run.

RULEBOOK §1. Nothing is judged here: `reputation.run` has judged every entry; this only reads its months and
findings.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from domain.calendar import month_of, month_start
from domain.events import Event
from domain.limits import DAY_MICROS, HOUR_MICROS
from domain.merchant_reputation.facts import FLAG_TYPES
from domain.merchant_reputation.rule import (
    NEVER,
    NEW,
    OPENED,
    RECEIVED,
    REVIEWED,
    Account,
    Finding,
    History,
    Rules,
    Span,
    State,
    Verdict,
    standing,
)
from domain.merchant_reputation.running import Run, span_at


class Shown(NamedTuple):
    """Where an account stands, in the words of the policy."""

    state: State
    level: str | None
    """The level's code; None unless rated."""
    points_tenths: int
    to_next_tenths: int | None


class Publication(NamedTuple):
    """What the 16th shows: where the merchant stood at the close of the month before."""

    month: int
    shown: Shown
    at: int
    """The instant of the publication."""


class EffectivePublication(NamedTuple):
    """What counts towards the outside: the state and level last published, and since which publication."""

    state: State
    level: str | None
    since: int | None
    """None before the first publication."""


class Change(NamedTuple):
    """A change of state or level, and what it came with: a finding, an opening, or rules that changed."""

    at: int
    before: Shown
    after: Shown
    finding: Finding | None
    position: int
    """Of the event that caused it; 0 where the rules changed."""


PENDING: Final = "pending"
REVIEWED_NOTE: Final = "reviewed"
SUPERSEDED: Final = "superseded"
NO_ENTRY: Final = frozenset({Verdict.UNKNOWN_ORDER, Verdict.REPEAT_REVIEW, Verdict.LATE_REVIEW})
"""Verdicts by which a review is not its order's entry."""
NOTES: Final = (PENDING, REVIEWED_NOTE, SUPERSEDED)


def shown(account: Account, spans: Sequence[Span], instant: int) -> Shown:
    """Where an account stands, under the rules of the month of an instant."""
    span = span_at(spans, instant)
    found = standing(account, span.rules)
    level = span.codes[found.level - 1] if found.level else None
    return Shown(found.state, level, found.points_tenths, found.to_next_tenths)


def publications(run: Run, spans: Sequence[Span], as_of: int) -> Iterator[Publication]:
    """The publications at or before `as_of`, the latest first.

    Each is dated by the rules of its own month, so that rules which begin to count later undo and re-date none.
    """
    months = list(run.months)

    def closing(month: int) -> Account:
        while months and months[-1].month > month:
            months.pop()
        return months[-1].closing if months else NEW

    return publications_since(first_month(run.account), closing, spans, as_of)


def publications_since(
    first: int, closing: Callable[[int], Account], spans: Sequence[Span], as_of: int
) -> Iterator[Publication]:
    """The same back to a month, given the account at the close of each; asked for the latest first."""
    for month, at in published_months(spans, as_of, first):
        yield Publication(month, shown(closing(month), spans, month_start(month)), at)


def last_published(spans: Sequence[Span], as_of: int) -> int | None:
    """The month that the last publication at or before `as_of` shows; None where no month of the last three is shown.

    What happened later can have changed nothing that is effective.
    """
    return next((month for month, _ in published_months(spans, as_of, month_of(as_of) - 3)), None)


def published_months(spans: Sequence[Span], as_of: int, first: int) -> Iterator[tuple[int, int]]:
    """The months published at or before `as_of`, each with the instant, the latest first and back to `first`."""
    for month in range(month_of(as_of) - 1, first - 1, -1):
        rules = span_at(spans, month_start(month)).rules
        at = _publication_instant(month, rules)
        if at <= as_of and month >= month_of(rules.start):
            yield month, at


class Dated(NamedTuple):
    """When a month is published, and the rules by which."""

    at: int
    span: Span


def publication_of(month: int, spans: Sequence[Span]) -> Dated:
    """When a month's points and level are published: by its own rules."""
    span = span_at(spans, month_start(month))
    return Dated(_publication_instant(month, span.rules), span)


def next_publication(run: Run, spans: Sequence[Span], as_of: int) -> int | None:
    """The instant of the first publication after `as_of`; None for a merchant that never opened."""
    first = first_month(run.account)
    return None if first == NEVER else next_publication_since(first, spans, as_of)


def next_publication_since(first: int, spans: Sequence[Span], as_of: int) -> int:
    """The instant of the first publication after `as_of` for merchants that first opened in a month."""
    begins = max(first, month_of(span_at(spans, as_of).rules.start), month_of(as_of) - 2)
    dates = (
        _publication_instant(month, span_at(spans, month_start(month)).rules)
        for month in range(begins, max(begins, month_of(as_of)) + 1)
    )
    return min(at for at in dates if at > as_of)


def first_month(account: Account) -> int:
    """The month of the first opening; one that never comes where there is none."""
    return NEVER if account.opened_at == NEVER else month_of(account.opened_at)


def effective_of(run: Run, spans: Sequence[Span], as_of: int) -> EffectivePublication:
    """What the publications up to `as_of` make effective."""
    published = publications(run, spans, as_of)
    last = next(published, None)
    if last is None:
        never = run.account.opened_at == NEVER
        return EffectivePublication(State.NOT_ONBOARDED if never else State.UNRATED, None, None)
    since = last.at
    for earlier in published:
        if earlier.shown[:2] != last.shown[:2]:
            break
        since = earlier.at
    return EffectivePublication(last.shown.state, last.shown.level, since)


def _publication_instant(month: int, rules: Rules) -> int:
    """When a month's points and level are published."""
    days, hours = rules.publication_day - 1, rules.publication_hour
    return month_start(month + 1) + days * DAY_MICROS + hours * HOUR_MICROS


def balances(run: Run, opening: Account = NEW) -> list[int]:
    """The points after each finding of a run from an opening, in tenths."""
    points, after = opening.points, []
    for finding in run.findings:
        points += finding.tenths
        after.append(points)
    return after


def changes(history: History, run: Run, spans: Sequence[Span], as_of: int, opening: Account = NEW) -> Iterator[Change]:
    """Each change of state or level from an opening on, the earliest first, with what caused it."""
    now = shown(opening, spans, as_of if opening is NEW else opening.month_end - 1)
    movements = [moved for moved in _movements(history, run, spans) if opening.month_end <= moved[0] <= as_of]
    return _changes(movements, opening, now, spans)


def later_changes(findings: Sequence[Finding], before: Account, spans: Sequence[Span]) -> Iterator[Change]:
    """Each change of state or level by further findings of a month whose rules `before` has been under already."""
    if not findings:
        return iter(())
    movements = sorted((finding.at, finding.position, finding) for finding in findings)
    return _changes(movements, before, shown(before, spans, findings[0].at), spans)


def _changes(movements: Sequence["_Movement"], account: Account, now: Shown, spans: Sequence[Span]) -> Iterator[Change]:
    for at, position, finding in movements:
        account = _moved(account, at, finding, opens=position > 0 and finding is None)
        after = shown(account, spans, at)
        if after[:2] != now[:2]:
            yield Change(at, now, after, finding, position)
        now = after


_Movement = tuple[int, int, Finding | None]


def _movements(history: History, run: Run, spans: Sequence[Span]) -> list[_Movement]:
    """What can change a level, in order: findings, openings, and (position 0) new rules at a month's start."""
    found: list[_Movement] = [(finding.at, finding.position, finding) for finding in run.findings]
    found += [(fact.at, fact.position, None) for fact in history.facts if fact.what == OPENED]
    found += [(span.begins, 0, None) for span in spans[1:]]
    return sorted(found, key=lambda movement: movement[:2])


def _moved(account: Account, at: int, finding: Finding | None, *, opens: bool) -> Account:
    if opens:
        return account._replace(opened_at=min(account.opened_at, at), open=True)
    if finding is None:
        return account
    closes = finding.verdict is Verdict.WIPED
    return account._replace(points=account.points + finding.tenths, open=account.open and not closes)


def notes_of(events: Sequence[Event], history: History, verdicts: Mapping[int, Verdict]) -> dict[int, str]:
    """By position, why a receipt, a flag or a clear that takes part has no verdict of its own.

    A receipt is `pending` while its default credit is not due, and `reviewed` when a review in time was
    its order's entry. A flag or clear is `superseded` when a later one of the same order is known. `verdicts` are
    those on events, by position.
    """
    scored = {fact.order for fact in history.facts if fact.what == REVIEWED and verdicts[fact.position] not in NO_ENTRY}
    notes = {
        fact.position: REVIEWED_NOTE if fact.order in scored else PENDING
        for fact in history.facts
        if fact.what == RECEIVED and fact.position not in verdicts
    }
    flags = [event for event in events if event.type in FLAG_TYPES]
    latest = {event.data.order: event.position for event in flags}
    return notes | {event.position: SUPERSEDED for event in flags if latest[event.data.order] != event.position}
