"""A merchant's account: months, publications and notes, drawn from what the scheme found.

RULEBOOK §1. Nothing is judged here: `reputation.run` has judged every entry, and its findings add up to
the points; this only sums them by month, and says what a month's publication shows.
"""

from bisect import bisect_right
from collections import Counter
from typing import Final, NamedTuple

from domain.calendar import month_of, month_start
from domain.events import Event
from domain.limits import DAY_MICROS, HOUR_MICROS
from domain.reputation import NO_CAP, Finding, History, Rules, Verdict, What


class Life(NamedTuple):
    """An opening or closing that took effect."""

    at: int
    position: int
    opens: bool


class Month(NamedTuple):
    """One month of the account, up to its close or to the replay's `as_of` if that is before."""

    month: int
    opening_tenths: int
    growth_tenths: int
    """The figure that the growth cap bounds: a closing sets it to zero."""
    cap_tenths: int | None
    """At the month's start, before any closing in it; None for no cap."""
    closing_tenths: int
    level: int
    """Number of level bounds reached at the close; 0 is no level."""
    verdicts: dict[Verdict, int]
    """How many entries got which verdict."""


class Publication(NamedTuple):
    """What the 16th shows: points and level at the close of the month before."""

    month: int
    points_tenths: int
    level: int
    at: int
    """The instant of the publication."""


class Timetable(NamedTuple):
    """When a month is published: the day and hour of the month after."""

    day: int
    hour: int


PENDING: Final = "pending"
REVIEWED: Final = "reviewed"
SUPERSEDED: Final = "superseded"


def lives_of(history: History) -> list[Life]:
    """The openings of a closed merchant and the closings of an open one; the others do nothing."""
    lives: list[Life] = []
    for fact in history.facts:
        if fact.what in (What.OPENED, What.CLOSED):
            is_open = bool(lives) and lives[-1].opens
            if is_open != (fact.what == What.OPENED):
                lives.append(Life(fact.at, fact.position, fact.what == What.OPENED))
    return lives


def months_of(findings: list[Finding], lives: list[Life], rules: Rules) -> list[Month]:
    """The months in which anything was found, each from the closing of the one before."""
    months: list[Month] = []
    points = index = 0
    while index < len(findings):
        month = month_of(findings[index].at)
        begin, end = month_start(month), month_start(month + 1)
        first, opening, growth = index, points, 0
        while index < len(findings) and findings[index].at < end:
            finding = findings[index]
            points += finding.tenths
            growth = 0 if finding.verdict is Verdict.WIPED else growth + finding.tenths
            index += 1
        cap = rules.growth_caps[level_of(opening, lives, begin, rules)]
        months.append(
            Month(
                month=month,
                opening_tenths=opening,
                growth_tenths=growth,
                cap_tenths=None if cap == NO_CAP else cap,
                closing_tenths=points,
                level=level_of(points, lives, end, rules),
                verdicts=dict(Counter(finding.verdict for finding in findings[first:index])),
            )
        )
    return months


def level_of(points_tenths: int, lives: list[Life], before: int, rules: Rules) -> int:
    """The number of level bounds reached; 0 for a merchant that is not open just before an instant."""
    earlier = [life for life in lives if life.at < before]
    if not earlier or not earlier[-1].opens:
        return 0
    return bisect_right(rules.level_bounds, points_tenths)


def in_month(finding: Finding, month: int) -> bool:
    """Whether an entry was judged in a month."""
    return month_start(month) <= finding.at < month_start(month + 1)


def publication_at(
    findings: list[Finding], lives: list[Life], rules: Rules, timetable: Timetable, as_of: int
) -> Publication | None:
    """The last publication at or before `as_of`, or None before the first."""
    if not lives:
        return None
    month = month_of(as_of) - 1
    at = publication_instant(month, timetable)
    if at > as_of:
        month -= 1
        at = publication_instant(month, timetable)
    if month < max(month_of(lives[0].at), month_of(rules.start)):
        return None
    close = month_start(month + 1)
    points = sum(finding.tenths for finding in findings if finding.at < close)
    return Publication(month, points, level_of(points, lives, close, rules), at)


def publication_instant(month: int, timetable: Timetable) -> int:
    """When a month's points and level are published."""
    return month_start(month + 1) + (timetable.day - 1) * DAY_MICROS + timetable.hour * HOUR_MICROS


def notes_of(events: list[Event], history: History, findings: list[Finding]) -> dict[int, str]:
    """By position, why a receipt, a flag or a clear that takes part has no verdict of its own.

    A receipt is `pending` while its default credit is not due, and `reviewed` when a review in time was
    its order's entry. A flag or clear is `superseded` when a later one of the same order is known.
    """
    verdicts = {finding.position: finding.verdict for finding in findings}
    scored = {
        fact.order for fact in history.facts if fact.what == What.REVIEWED and verdicts[fact.position] not in _NO_ENTRY
    }
    notes = {
        fact.position: REVIEWED if fact.order in scored else PENDING
        for fact in history.facts
        if fact.what == What.RECEIVED and fact.position not in verdicts
    }
    flags = [event for event in events if event.type in ("order.flagged", "order.cleared")]
    latest = {event.data.order: event.position for event in flags}
    return notes | {event.position: SUPERSEDED for event in flags if latest[event.data.order] != event.position}


_NO_ENTRY: Final = frozenset({Verdict.UNKNOWN_ORDER, Verdict.REPEAT_REVIEW, Verdict.LATE_REVIEW})
