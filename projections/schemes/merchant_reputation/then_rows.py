"""What publications showed otherwise than they would now, as rows: each of some months on end that showed the same.

A month that has none showed what it would show now. Nothing is stored of what did not change: what a settled
publication showed is what the views held of its month before the first step that changes that.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from domain.calendar import month_of, month_start, month_text, parse_month
from domain.events import Event
from domain.merchant_reputation.account import Publication, Shown, shown
from domain.merchant_reputation.rule import NEVER, NEW, Account, Span
from projections.schemes.merchant_reputation.issuing import is_judged_alike, issues_of, policies_then, unknown_of
from projections.views.step import Rewrite, Step
from replay.history.timeline import Moment
from replay.replaying.base import Policies
from replay.schemes.merchant_reputation.late import Issue, bearings_of, touched
from replay.schemes.merchant_reputation.replay import ReputationReplay
from replay.schemes.merchant_reputation.then import Displayed, Issued, publications_then, seen_in

TABLE = "published_then"
Differing = dict[int, Displayed | None]
"""By month, what its publication showed where it would show something else now; None: nothing was published."""
ShownOf = Callable[[int], Shown | None]
"""What a month's publication shows; None where nothing is published of it."""


class SameMonths(NamedTuple):
    """Months on end whose publications showed the same."""

    first: int
    last: int
    then: Displayed | None


def on_end(differing: Differing, unknown: SameMonths | None = None) -> list[SameMonths]:
    """Months put together, in order; behind those, where there are any, of which nothing was known."""
    found = [] if unknown is None else [unknown]
    for month in sorted(differing):
        then = differing[month]
        if found and found[-1].last == month - 1 and found[-1].then == then:
            found[-1] = found[-1]._replace(last=month)
        else:
            found.append(SameMonths(month, month, then))
    return found


def then_row(subject: str, months: SameMonths) -> dict[str, Any]:
    points, level = (None, None) if months.then is None else months.then
    return {
        "subject": subject,
        "month": month_text(months.first),
        "to_month": month_text(months.last),
        "points_tenths": points,
        "level": level,
    }


def differing_in(rows: Iterable[Mapping[str, Any]]) -> Differing:
    """What rows say, month by month."""
    return {
        month: None if row["points_tenths"] is None else Displayed(row["points_tenths"], row["level"])
        for row in rows
        for month in range(parse_month(row["month"]), parse_month(row["to_month"]) + 1)
    }


def shown_by(
    months: Sequence[int], closing: Callable[[int], Account], opened_at: int, spans: Sequence[Span]
) -> ShownOf:
    """What publications show of a merchant by the closes of its months: their numbers, rising, and by the place of each
    the account."""
    first = NEVER if opened_at == NEVER else month_of(opened_at)

    def shown_of(month: int) -> Shown | None:
        if month < first:
            return None
        place = bisect_right(months, month)
        return shown(closing(place - 1) if place else NEW, spans, month_start(month))

    return shown_of


# --- a step that goes on ----------------------------------------------------------------------------------------------


class MonthsToSee(NamedTuple):
    """Months whose publications a step may change."""

    settled: list[int]
    """What they showed is what stood of them before."""
    unknown: list[int]
    """Nothing was known when they came."""


def months_to_see(step: Step, restart: int) -> MonthsToSee:
    """Those that come in the step, and those that a merchant has from an instant on."""
    first, settled = month_of(restart), issues_of(step).settled
    later = [item.month for item in settled if item.month >= first] if settled and settled[-1].month >= first else []
    return MonthsToSee(later, [item.month for item in unknown_of(step)])


def gone_on(stored: Differing, months: MonthsToSee, before: ShownOf, now: ShownOf) -> Differing:
    """What differs once a step has made a merchant's months `now`: from what differed, and how they stood `before`."""
    differing = dict(stored)
    then = {month: stored[month] if month in stored else seen_in(before(month)) for month in months.settled}
    for month, seen in (then | dict.fromkeys(months.unknown)).items():
        differing.pop(month, None)
        if seen != seen_in(now(month)):
            differing[month] = seen
    return differing


def then_rewrites(step: Step, subject: str, months: MonthsToSee, before: ShownOf, now: ShownOf) -> list[Rewrite]:
    """What a step changes that goes on with a merchant."""
    stored = differing_in(dict(row._mapping) for row in step.rows_of(TABLE, subject, "month"))
    differing = gone_on(stored, months, before, now)
    return [] if differing == stored else [whole_rewrite(subject, differing)]


def whole_rewrite(subject: str, differing: Differing) -> Rewrite:
    return Rewrite(TABLE, {"subject": subject}, [then_row(subject, months) for months in on_end(differing)])


# --- from nothing -----------------------------------------------------------------------------------------------------


def differing_of(step: Step, subject: str, events: Sequence[Event], now: ShownOf) -> Differing:
    """What differs of a merchant of which all events that are known are at hand."""
    issued = issues_of(step).all
    if not issued or not events:
        return {}
    judged = _Judged(step, subject, events, now)
    unknown = [item for item in issued if item.at < events[0].recorded_at]
    known = issued[len(unknown) :]
    then = publications_then(judged, known, judged, len(known))
    seen = dict.fromkeys((item.month for item in unknown), None)
    seen |= {item.month: found.seen for item, found in zip(known, then, strict=True)}
    return {month: item for month, item in seen.items() if item != seen_in(now(month))}


class _Judged:
    """What a step makes of a merchant, and what was known of it earlier."""

    def __init__(self, step: Step, subject: str, events: Sequence[Event], now: ShownOf) -> None:
        self._step, self._subject, self._events, self._now = step, subject, events, now

    def publications(self) -> list[Publication]:
        found = [(item, self._now(item.month)) for item in issues_of(self._step).all]
        return [Publication(item.month, shown, item.at) for item, shown in found if shown is not None]

    def touched(self, issues: Sequence[Issue]) -> set[int]:
        return touched(issues, bearings_of(self._events))

    def known_by(self, position: int) -> int:
        return bisect_right(self._events, position, key=lambda event: event.position)

    def judged_alike(self, policies: Policies, month: int) -> bool:
        return is_judged_alike(self._step, policies, month)

    def moments(self, instants: Sequence[int]) -> list[Moment]:
        recorded = [event.recorded_at for event in self._events]
        places = [0, *(event.position for event in self._events)]
        return [Moment(at, at, places[bisect_right(recorded, at)]) for at in instants]

    def policies(self, moment: Moment) -> Policies:
        return policies_then(self._step, Issued(0, moment.as_of))

    def published_by(self, moment: Moment, policies: Policies) -> list[Publication]:
        known = [event for event in self._events if event.position <= moment.position]
        return ReputationReplay(self._subject, known, moment, policies).publications()
