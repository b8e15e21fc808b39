"""What each event adds to a creator's points, and how those of a month add up."""

from collections.abc import Mapping
from typing import Final

from domain.calendar import month_of
from domain.creator_firefly.account import Month
from domain.creator_firefly.facts import Finding
from domain.rules.contributions import IN_PERIOD, OPENING, POINTS, Contribution, FigureSum, SumLine, summed

UNITS: Final[Mapping[str, str]] = {"score": POINTS, "balance": POINTS}
"""By figure that something adds to: points earned in all, and what is left of them."""


def contributed(finding: Finding) -> list[Contribution]:
    """What points that were earned or redeemed move."""
    moved = (finding.after.earned - finding.before.earned, finding.after.balance - finding.before.balance)
    figures = zip(UNITS.items(), moved, strict=True)
    return [Contribution(name, unit, amount, (month_of(finding.at),)) for (name, unit), amount in figures if amount]


def sums_of(month: Month) -> list[FigureSum]:
    """How the points at a month's close add up."""
    in_month = (month.earned, month.earned - month.redeemed)
    figures = zip(UNITS.items(), (month.total, month.balance), in_month, strict=True)
    return [
        summed(month.month, name, unit, value, SumLine(OPENING, value - added), SumLine(IN_PERIOD, added))
        for (name, unit), value, added in figures
    ]
