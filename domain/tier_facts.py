"""From events and policies to what the rules of `merchant-tier` read: figures by day, and what acts on the tier.

Each event that bears on a tier gets its verdict here: whether it is the first of its kind for its order.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any, Final, NamedTuple

from domain.calendar import day_of, day_start, parse_instant
from domain.events import Event
from domain.policy import Policy, Term, term_at
from domain.tier import NEVER, NO_TIER, Act, Bounds, Cause, Day, History, Rules, Span, Tier


class Verdict(StrEnum):
    """What became of an event."""

    COUNTED = "counted"
    DUPLICATE_ORDER = "duplicate_order"
    REPEAT_COMPLAINT = "repeat_complaint"
    DISMISSED = "dismissed"
    REPEAT_REVIEW = "repeat_review"


class Finding(NamedTuple):
    """The verdict on the event at `position`."""

    at: int
    position: int
    verdict: Verdict


def rules_of(policy: Policy) -> Rules:
    """The rules that a policy sets."""
    value = {name: item.value for name, item in policy.parameters.items()}
    codes = [tier["code"] for tier in value["tiers"]]
    return Rules(
        start_day=day_of(parse_instant(value["statistics_from"])),
        initial_tier=codes.index(value["initial_tier"]),
        window_days=value["window_days"],
        wait_days=value["wait_days"],
        limit_share_percent=value["fast_upgrade"]["limit_share_percent"],
        reviews_share_percent=value["fast_upgrade"]["reviews_share_percent"],
        clear_out_days=value["clear_out_days"],
        tiers=tuple(_tier(tier) for tier in value["tiers"]),
    )


def spans_of(terms: Sequence[Term]) -> list[Span]:
    """The rules by day of each term; the first begins before all."""
    first, *later = terms
    return [Span(-NEVER, rules_of(first.policy)), *(Span(day_of(t.begins), rules_of(t.policy)) for t in later)]


def _tier(tier: dict[str, Any]) -> Tier:
    up, down = tier.get("up"), tier.get("down")
    return Tier(
        code=tier["code"],
        up=up and Bounds(up["complaint_below"], up["product_above"], up["service_above"]),
        down=down and Bounds(down["complaint_above"], down["product_below"], down["service_below"]),
        orders_limit=tier.get("orders_limit"),
        gmv_limit_fen=tier.get("gmv_limit_fen"),
    )


def last_closed_day(as_of: int) -> int:
    """The last Shanghai day whose last microsecond is not after an instant."""
    return day_of(as_of + 1) - 1


def history_of(events: Iterable[Event], terms: Sequence[Term], last_day: int) -> tuple[History, list[Finding]]:
    """A merchant's days and acts among the events up to the close of a day, given by (`occurred_at`, position).

    What an event says is read by the version of its own day; who is in scope, by that of the first opening. Before the
    first day that is evaluated has closed nothing has acted, whatever was opened before.
    """
    events = list(events)
    dismissed = {event.data.order for event in events if event.type == "complaint.dismissed"}
    figures: dict[int, list[int]] = {}
    seen: set[tuple[str, str]] = set()
    acts: list[Act] = []
    findings: list[Finding] = []
    first_opening: Event | None = None
    for event in events:
        day = day_of(event.occurred_at)
        if event.type in _COUNTED:
            verdict = _verdict(event, seen, dismissed)
            findings.append(Finding(event.occurred_at, event.position, verdict))
            if verdict is Verdict.COUNTED:
                good_stars = term_at(terms, event.occurred_at).policy.parameters["good_stars"].value
                _count(event, figures.setdefault(day, [0] * _FIGURES), good_stars)
        elif event.type in _ACTS:
            first_opening = first_opening or (event if event.type == "merchant.onboarded" else None)
            acts.append(Act(day, event.position, _ACTS[event.type], _tier_of(event, terms)))
    days = [Day(day, *figures[day]) for day in sorted(figures)]
    begun = last_day >= day_of(parse_instant(terms[0].policy.parameters["statistics_from"].value))
    return History(days, acts, begun and first_opening is not None, _in_scope(first_opening, terms)), findings


def _tier_of(event: Event, terms: Sequence[Term]) -> int:
    """The rank of the tier that a notice gives."""
    if event.type != "merchant.tier_set":
        return NO_TIER
    tiers = term_at(terms, event.occurred_at).policy.parameters["tiers"].value
    return [tier["code"] for tier in tiers].index(event.data.level)


_ACTS: Final = {
    "merchant.onboarded": Cause.OPENED,
    "merchant.tier_set": Cause.NOTICE,
    "merchant.closed": Cause.CLOSED,
}
_COUNTED: Final = {
    "order.paid": Verdict.DUPLICATE_ORDER,
    "order.complained": Verdict.REPEAT_COMPLAINT,
    "review.posted": Verdict.REPEAT_REVIEW,
}
"""By type, the verdict on what is not the first of its order."""
_FIGURES: Final = len(Day._fields) - 1


def _verdict(event: Event, seen: set[tuple[str, str]], dismissed: set[str]) -> Verdict:
    order: str = event.data.order
    if event.type == "order.complained" and order in dismissed:
        return Verdict.DISMISSED
    if (event.type, order) in seen:
        return _COUNTED[event.type]
    seen.add((event.type, order))
    return Verdict.COUNTED


def _count(event: Event, figures: list[int], good_stars: int) -> None:
    """Add an event to its day's figures, which stand in the order of `Day`."""
    data = event.data
    if event.type == "order.paid":
        figures[0] += 1
        figures[1] += data.amount
    elif event.type == "order.complained":
        figures[2] += 1
    else:
        rated = isinstance(data.service, int)
        figures[3] += 1
        figures[4] += data.quality >= good_stars
        figures[5] += rated
        figures[6] += rated and data.service >= good_stars


def _in_scope(first_opening: Event | None, terms: Sequence[Term]) -> bool:
    if first_opening is None:
        return False
    scope = term_at(terms, first_opening.occurred_at).policy.parameters["scope"].value
    if first_opening.data.category != scope["category"]:
        return False
    return first_opening.occurred_at < parse_instant(scope["joined_before"])


def end_of(day: int) -> int:
    """The last microsecond of a day."""
    return day_start(day + 1) - 1
