"""What each event adds to a creator's months, and how a month's figures and score add up."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from domain.calendar import day_of, month_of, month_start
from domain.creator_level.facts import KINDS, History, add_money, hundredths
from domain.creator_level.rule import Evaluation, Rules
from domain.events import Event
from domain.rules.contributions import (
    DAYS,
    DAYS_BEFORE,
    FEN,
    HUNDREDTHS,
    IN_PERIOD,
    POINTS,
    Contribution,
    FigureSum,
    SumLine,
    money_summed,
    summed,
)

UNITS: Final[Mapping[str, str]] = {
    "settled": FEN,
    "good": FEN,
    "reputation": HUNDREDTHS,
    "reputation_days": DAYS,
    "credit_deducted": POINTS,
    "weighted": HUNDREDTHS,
}
"""By figure that something adds to."""
LINES: Final = ("sales_score", "behaviour_score")
"""Of its sums, beside those of every scheme."""


class DaysBefore(NamedTuple):
    """What days before a month add to its evaluation, as in `Figures`."""

    reputation_sum: int = 0
    reputation_days: int = 0
    deducted: int = 0


def contributed(event: Event, good_goods: bool, months: tuple[int, ...]) -> list[Contribution]:
    """What an event that counts adds to months; `good_goods` is that of its order's sale."""
    data: Any = event.data
    if event.type == "creator.scored":
        return [
            Contribution("reputation", HUNDREDTHS, hundredths(data.value), months),
            Contribution("reputation_days", DAYS, 1, months),
        ]
    if event.type == "credit.deducted":
        return [Contribution("credit_deducted", POINTS, data.points, months)]
    sums = [0, 0]
    add_money(sums, KINDS[event.type], data.amount, good_goods)
    settled, good = (Contribution(name, FEN, added, months) for name, added in zip(UNITS, sums, strict=False))
    return [settled, good] if good_goods else [settled]


def counts_for(at: int, month: int, rules: Rules) -> bool:
    """Whether a day's score and deductions count for a month."""
    end = day_of(month_start(month + 1))
    return end - rules.gate_days <= day_of(at) < end


def days_before(history: History, month: int, rules: Rules) -> DaysBefore:
    """What the days before a month add to it."""
    begins = day_of(month_start(month))
    days = range(day_of(month_start(month + 1)) - rules.gate_days, begins)
    scores = [history.reputation[day] for day in days if day in history.reputation]
    return DaysBefore(sum(scores), len(scores), sum(history.deducted.get(day, 0) for day in days))


def last_month_of(at: int, rules: Rules) -> int:
    """The last month for which a day can count."""
    return month_of(at) + rules.gate_days // 28 + 1


def sums_of(found: Evaluation, before: DaysBefore, rules: Rules) -> list[FigureSum]:
    """How the figures of a month add up, and the weighted mean of its scores."""
    figures, month = found.figures, found.figures.month
    daily = (figures.reputation_sum, figures.reputation_days, figures.deducted)
    weighted = (rules.sales_percent * found.sales_score, rules.behaviour_percent * found.behaviour_score)
    return [
        money_summed(month, "settled", figures.settled_sum_fen, found.settled_fen),
        money_summed(month, "good", figures.good_sum_fen, found.good_fen),
        *(
            summed(month, name, UNITS[name], value, SumLine(IN_PERIOD, value - earlier), SumLine(DAYS_BEFORE, earlier))
            for name, value, earlier in zip(
                ("reputation", "reputation_days", "credit_deducted"), daily, before, strict=True
            )
        ),
        summed(month, "weighted", HUNDREDTHS, sum(weighted), *map(SumLine, LINES, weighted)),
    ]
