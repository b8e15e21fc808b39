"""From events and policies to what the rules of `creator-level` read: the figures of each month.

Each event that bears on a level gets its verdict here. A month's figures are sums, so that a late event is added to
its own month and no other.
"""

from collections import defaultdict
from collections.abc import Iterable
from enum import StrEnum
from typing import Any, Final, NamedTuple

from domain.bands import Band
from domain.calendar import day_of, month_of, month_start, parse_month
from domain.creator_level import Figures, Rules
from domain.events import Event, SaleSettled
from domain.policy import Policy, start_of_month


class Verdict(StrEnum):
    """What became of an event."""

    COUNTED = "counted"
    UNKNOWN_ORDER = "unknown_order"
    DUPLICATE_ORDER = "duplicate_order"
    REPLACED = "replaced"
    """A later score of the same day counts in its place."""
    LIFTED = "lifted"
    """The deduction of a violation that was restored."""
    NOT_USED = "not_used"
    """Announced, and read by no version yet."""


class Finding(NamedTuple):
    """The verdict on the event at `position`."""

    at: int
    position: int
    verdict: Verdict


class History(NamedTuple):
    """One creator's sums by month and day."""

    registered_at: int | None
    """The first registration."""
    settled_fen: dict[int, int]
    """By month, refunds taken off."""
    good_fen: dict[int, int]
    reputation: dict[int, int]
    """By day, the last value in hundredths."""
    deducted: dict[int, int]
    """By day, without what was restored."""


def rules_of(policy: Policy) -> Rules:
    """The rules that a policy sets."""
    value = {name: item.value for name, item in policy.parameters.items()}
    gates = value["gates"]
    return Rules(
        first_month=parse_month(value["first_month"]),
        sales_bands=tuple(Band(band["from_fen"], band["score"]) for band in value["sales_bands"]),
        behaviour_bands=tuple(Band(band["from_percent"], band["score"]) for band in value["behaviour_bands"]),
        sales_percent=value["weights"]["sales_percent"],
        behaviour_percent=value["weights"]["behaviour_percent"],
        gate_days=gates["days"],
        reputation_min=gates.get("reputation_hundredths_min"),
        deducted_max=gates.get("deducted_max"),
        levels=tuple(value["levels"]),
    )


def evaluation_period(instant: int) -> int:
    """The beginning of the month that is evaluated at an instant or next after it.

    A month is evaluated at 00:00 on the 1st of the next, under the version in force at that very instant.
    """
    return start_of_month(instant - 1)


def hundredths(text: str) -> int:
    """A score such as "4.2" in hundredths."""
    whole, _, decimals = text.partition(".")
    return int(whole) * 100 + int(decimals.ljust(2, "0"))


def history_of(events: Iterable[Event]) -> tuple[History, list[Finding]]:
    """A creator's sums among its events, which are given by (`occurred_at`, position)."""
    events = list(events)
    restored = {event.data.violation for event in events if event.type == "credit.restored"}
    last_scores = {day_of(event.occurred_at): event.position for event in events if _is_reputation(event)}
    settled, good = defaultdict[int, int](int), defaultdict[int, int](int)
    reputation: dict[int, int] = {}
    deducted = defaultdict[int, int](int)
    sales: dict[str, SaleSettled] = {}
    findings: list[Finding] = []
    for event in events:
        verdict = _verdict(event, sales, restored, last_scores)
        if verdict is None:
            continue
        findings.append(Finding(event.occurred_at, event.position, verdict))
        if verdict is not Verdict.COUNTED:
            continue
        data, month, day = event.data, month_of(event.occurred_at), day_of(event.occurred_at)
        if event.type == "creator.scored":
            reputation[day] = hundredths(data.value)
        elif event.type == "credit.deducted":
            deducted[day] += data.points
        else:
            sale = sales.setdefault(data.order, data)
            amount = data.amount if event.type == "sale.settled" else -data.amount
            settled[month] += amount
            good[month] += amount if sale.good_goods else 0
    registered = (event.occurred_at for event in events if event.type == "creator.registered")
    return History(next(registered, None), dict(settled), dict(good), reputation, dict(deducted)), findings


def _verdict(
    event: Event, sales: dict[str, SaleSettled], restored: set[str], last_scores: dict[int, int]
) -> Verdict | None:
    data: Any = event.data
    if event.type == "sale.settled":
        return Verdict.DUPLICATE_ORDER if data.order in sales else Verdict.COUNTED
    if event.type == "sale.refunded":
        return Verdict.COUNTED if data.order in sales else Verdict.UNKNOWN_ORDER
    if event.type == "credit.deducted":
        return Verdict.LIFTED if data.violation in restored else Verdict.COUNTED
    if _is_reputation(event):
        is_last = last_scores[day_of(event.occurred_at)] == event.position
        return Verdict.COUNTED if is_last else Verdict.REPLACED
    return Verdict.NOT_USED if event.type in _NOT_USED else None


_NOT_USED: Final = ("creator.scored", "content.published")


def _is_reputation(event: Event) -> bool:
    return event.type == "creator.scored" and event.data.score == "reputation"


def figures_of(history: History, month: int, gate_days: int) -> Figures:
    """A month's figures; scores and deductions are those of the days that end with its last."""
    end = day_of(month_start(month + 1))
    days = range(end - gate_days, end)
    scores = [history.reputation[day] for day in days if day in history.reputation]
    return Figures(
        month=month,
        settled_sum_fen=history.settled_fen.get(month, 0),
        good_sum_fen=history.good_fen.get(month, 0),
        reputation_sum=sum(scores),
        reputation_days=len(scores),
        deducted=sum(points for day, points in history.deducted.items() if day in days),
    )
