"""From events and policies to what the rules of `merchant-tier` read: figures by day, and what acts on the tier.

Each event that bears on a tier gets its verdict here: whether it is the first of its kind for its order.
"""

from collections.abc import Iterable, MutableSequence, Sequence
from enum import StrEnum
from typing import Any, Final, NamedTuple

from domain.calendar import day_of, day_start, parse_instant
from domain.events import Event
from domain.merchant_tier.values import (
    CLOSED,
    NEVER,
    NO_LIMIT,
    NO_TIER,
    NOTICE,
    OPENED,
    Act,
    Bounds,
    Day,
    History,
    Rules,
    Span,
    Tier,
)
from domain.policy import Policy, Term, term_at


class Verdict(StrEnum):
    """What became of an event."""

    COUNTED = "counted"
    DUPLICATE_ORDER = "duplicate_order"
    REPEAT_COMPLAINT = "repeat_complaint"
    DISMISSED = "dismissed"
    REPEAT_REVIEW = "repeat_review"


COUNTED: Final = 0
DUPLICATE_ORDER: Final = 1
REPEAT_COMPLAINT: Final = 2
DISMISSED: Final = 3
REPEAT_REVIEW: Final = 4
VERDICTS: Final = tuple(Verdict)
"""By the number that stands for it in the rule."""
PAID: Final = 0
COMPLAINED: Final = 1
REVIEWED: Final = 2
"""The kinds of events that count, as the rule numbers them."""


class ReadingTerm(NamedTuple):
    """How a version reads the events of its time; the first begins before all."""

    begins: int
    """An instant."""
    good_stars: int
    category: str
    joined_before: int


class Finding(NamedTuple):
    """The verdict on the event at `position`."""

    at: int
    position: int
    verdict: Verdict


def rules_of(policy: Policy) -> Rules:
    """The rules that a policy sets."""
    value = {name: item.value for name, item in policy.parameters.items()}
    codes = codes_of(policy)
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


def codes_of(policy: Policy) -> tuple[str, ...]:
    """What a policy's tiers are called, the lowest first."""
    return tuple(tier["code"] for tier in policy.parameters["tiers"].value)


def spans_of(terms: Sequence[Term]) -> list[Span]:
    """The rules by day of each term; the first begins before all."""
    begins = [-NEVER, *(day_of(term.begins) for term in terms[1:])]
    return [Span(day, rules_of(term.policy), codes_of(term.policy)) for day, term in zip(begins, terms, strict=True)]


def _tier(tier: dict[str, Any]) -> Tier:
    up, down = tier.get("up"), tier.get("down")
    nowhere = Bounds(0, 0, 0)
    return Tier(
        rises=up is not None,
        up=Bounds(up["complaint_below"], up["product_above"], up["service_above"]) if up else nowhere,
        falls=down is not None,
        down=Bounds(down["complaint_above"], down["product_below"], down["service_below"]) if down else nowhere,
        orders_limit=tier.get("orders_limit", NO_LIMIT),
        gmv_limit_fen=tier.get("gmv_limit_fen", NO_LIMIT),
    )


def readings_of(terms: Sequence[Term]) -> list[ReadingTerm]:
    """How the version of each term reads events."""
    found = []
    for term in terms:
        value = {name: item.value for name, item in term.policy.parameters.items()}
        scope = value["scope"]
        joined_before = parse_instant(scope["joined_before"])
        found.append(ReadingTerm(term.begins, value["good_stars"], scope["category"], joined_before))
    return found


def last_closed_day(as_of: int) -> int:
    """The last Shanghai day whose last microsecond is not after an instant."""
    return day_of(as_of + 1) - 1


def history_of(events: Iterable[Event], terms: Sequence[Term], last_day: int) -> tuple[History, list[Finding]]:
    """A merchant's days and acts among the events up to the close of a day, given by (`occurred_at`, position).

    What an event says is read by the version of its own day; who is in scope, by that of the first opening. Before the
    first day that is evaluated has closed nothing has acted, whatever was opened before.
    """
    events = list(events)
    readings = readings_of(terms)
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
                count_event(event, figures.setdefault(day, [0] * FIGURES), reading_at(readings, event.occurred_at))
        elif event.type in _ACTS:
            first_opening = first_opening or (event if event.type == "merchant.onboarded" else None)
            acts.append(Act(day, event.position, _ACTS[event.type], _tier_of(event, terms)))
    days = [Day(day, *figures[day]) for day in sorted(figures)]
    begun = last_day >= start_day(terms)
    if first_opening is None:
        return History(days, acts, False, False), findings
    reading = reading_at(readings, first_opening.occurred_at)
    return History(
        days, acts, begun, in_scope(first_opening.occurred_at, first_opening.data.category, reading)
    ), findings


def start_day(terms: Sequence[Term]) -> int:
    """The first day that is evaluated."""
    return day_of(parse_instant(terms[0].policy.parameters["statistics_from"].value))


def _tier_of(event: Event, terms: Sequence[Term]) -> int:
    """The rank of the tier that a notice gives."""
    if event.type != "merchant.tier_set":
        return NO_TIER
    return codes_of(term_at(terms, event.occurred_at).policy).index(event.data.level)


_ACTS: Final = {
    "merchant.onboarded": OPENED,
    "merchant.tier_set": NOTICE,
    "merchant.closed": CLOSED,
}
_COUNTED: Final = {"order.paid": PAID, "order.complained": COMPLAINED, "review.posted": REVIEWED}
FIGURES: Final = len(Day._fields) - 1


def _verdict(event: Event, seen: set[tuple[str, str]], dismissed: set[str]) -> Verdict:
    order: str = event.data.order
    outcome = outcome_of(_COUNTED[event.type], (event.type, order) in seen, order in dismissed)
    if outcome == COUNTED:
        seen.add((event.type, order))
    return VERDICTS[outcome]


def count_event(event: Event, figures: list[int], reading: ReadingTerm) -> None:
    """Add an event to its day's figures."""
    data = event.data
    if event.type == "order.paid":
        count(figures, PAID, data.amount, 0, 0, reading)
    elif event.type == "order.complained":
        count(figures, COMPLAINED, 0, 0, 0, reading)
    else:
        count(figures, REVIEWED, 0, data.quality, data.service if isinstance(data.service, int) else 0, reading)


# --- the rule ---------------------------------------------------------------------------------------------------------


def outcome_of(kind: int, seen: bool, dismissed: bool) -> int:
    """What becomes of an event, by whether one of its kind for its order was seen before, or it is dismissed."""
    if kind == COMPLAINED and dismissed:
        return DISMISSED
    if not seen:
        return COUNTED
    if kind == PAID:
        return DUPLICATE_ORDER
    return REPEAT_COMPLAINT if kind == COMPLAINED else REPEAT_REVIEW


def count(
    figures: MutableSequence[int], kind: int, amount: int, quality: int, service: int, reading: ReadingTerm
) -> None:
    """Add an event that counts to its day's figures, in the order of `Day`; `service` is 0 without stars."""
    if kind == PAID:
        figures[0] += 1
        figures[1] += amount
    elif kind == COMPLAINED:
        figures[2] += 1
    else:
        figures[3] += 1
        figures[4] += quality >= reading.good_stars
        figures[5] += service > 0
        figures[6] += service > 0 and service >= reading.good_stars


def reading_at(readings: Sequence[ReadingTerm], instant: int) -> ReadingTerm:
    """The reading that holds an instant; the first begins before all."""
    place = len(readings) - 1
    while readings[place].begins > instant:
        place -= 1
    return readings[place]


def in_scope(joined_at: int, category: str, reading: ReadingTerm) -> bool:
    """Whether a merchant that joined at an instant is judged at all."""
    return category == reading.category and joined_at < reading.joined_before


READING: Final = (outcome_of, count, reading_at, in_scope)
"""The functions that are compiled where many merchants are read."""


def end_of(day: int) -> int:
    """The last microsecond of a day."""
    return day_start(day + 1) - 1
