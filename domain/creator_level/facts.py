"""From events and policies to what the rules of `creator-level` read: the figures of each month.

Each event that bears on a level gets its verdict here. A month's figures are sums, so that a late event is added to
its own month and no other.
"""

from collections import defaultdict
from collections.abc import Iterable, MutableSequence
from enum import StrEnum
from typing import Any, Final, NamedTuple

from domain.calendar import day_of, month_of, month_start, parse_month
from domain.creator_level.rule import NO_GATE, Figures, Rules
from domain.events import Event, SaleSettled
from domain.policy import Policy, start_of_month
from domain.rules.bands import Band


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


COUNTED: Final = 0
DUPLICATE_ORDER: Final = 1
UNKNOWN_ORDER: Final = 2
LIFTED: Final = 3
REPLACED: Final = 4
NOT_USED: Final = 5
VERDICTS: Final = (
    *(Verdict.COUNTED, Verdict.DUPLICATE_ORDER, Verdict.UNKNOWN_ORDER, Verdict.LIFTED),
    *(Verdict.REPLACED, Verdict.NOT_USED),
)
"""By the number that stands for it in the rule."""
SETTLED: Final = 0
REFUNDED: Final = 1
DEDUCTED: Final = 2
"""The kinds of events that add to a month or a day, as the rule numbers them."""


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
        reputation_min=gates.get("reputation_hundredths_min", NO_GATE),
        deducted_max=gates.get("deducted_max", NO_GATE),
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
    money: dict[int, list[int]] = {}
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
        data = event.data
        if event.type == "creator.scored":
            reputation[day_of(event.occurred_at)] = hundredths(data.value)
        elif event.type == "credit.deducted":
            deducted[day_of(event.occurred_at)] += data.points
        else:
            sale = sales.setdefault(data.order, data)
            sums = money.setdefault(month_of(event.occurred_at), [0, 0])
            add_money(sums, KINDS[event.type], data.amount, sale.good_goods)
    registered = next((event.occurred_at for event in events if event.type == "creator.registered"), None)
    settled, good = ({month: sums[place] for month, sums in money.items()} for place in (0, 1))
    return History(registered, settled, good, reputation, dict(deducted)), findings


KINDS: Final = {"sale.settled": SETTLED, "sale.refunded": REFUNDED, "credit.deducted": DEDUCTED}
"""By type of event that adds to a month or a day."""
DAILY_TYPES: Final = ("creator.scored", "credit.deducted")
"""Types of events that count for the months whose days they fall on."""
CONTENT: Final = "content.published"
"""The one type whose events get a verdict, always the same, without being read: columns have no rows of it."""


def _verdict(
    event: Event, sales: dict[str, SaleSettled], restored: set[str], last_scores: dict[int, int]
) -> Verdict | None:
    data: Any = event.data
    kind = KINDS.get(event.type)
    if kind is not None:
        seen, lifted = (False, data.violation in restored) if kind == DEDUCTED else (data.order in sales, False)
        return VERDICTS[outcome_of(kind, seen, lifted)]
    if event.type == "creator.scored":
        is_last = last_scores.get(day_of(event.occurred_at)) == event.position
        return VERDICTS[outcome_of_score(_is_reputation(event), is_last)]
    return Verdict.NOT_USED if event.type == CONTENT else None


def _is_reputation(event: Event) -> bool:
    return event.type == "creator.scored" and event.data.score == "reputation"


# --- the rule ---------------------------------------------------------------------------------------------------------


def outcome_of(kind: int, seen: bool, lifted: bool) -> int:
    """What becomes of an event, by whether its order was settled before, or its violation restored."""
    if kind == DEDUCTED:
        return LIFTED if lifted else COUNTED
    if kind == SETTLED:
        return DUPLICATE_ORDER if seen else COUNTED
    return COUNTED if seen else UNKNOWN_ORDER


def outcome_of_score(is_reputation: bool, is_last: bool) -> int:
    """What becomes of a score, by whether it is the last reputation value of its day."""
    if not is_reputation:
        return NOT_USED
    return COUNTED if is_last else REPLACED


def add_money(sums: MutableSequence[int], kind: int, amount: int, good_goods: bool) -> None:
    """Add a sale or a refund to its month's settled and good sums, with the attributes of the order's sale."""
    signed = amount if kind == SETTLED else -amount
    sums[0] += signed
    sums[1] += signed if good_goods else 0


READING: Final = (outcome_of, outcome_of_score, add_money)
"""The functions that are compiled where many creators are read."""


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
