"""How a month's points add up of what its verdicts move them by."""

from collections.abc import Mapping
from typing import Final

from domain.merchant_reputation.running import Month
from domain.rules.contributions import IN_PERIOD, OPENING, TENTHS, Contribution, FigureSum, SumLine, summed

UNITS: Final[Mapping[str, str]] = {"points": TENTHS}
"""By figure that something adds to."""


def contributed(tenths: int, month: int) -> list[Contribution]:
    """What a verdict moves the points by."""
    return [Contribution("points", TENTHS, tenths, (month,))] if tenths else []


def sums_of(month: Month) -> list[FigureSum]:
    """How the points at a month's close, or at `as_of`, add up."""
    opening, closing = month.begun.points, month.closing.points
    lines = SumLine(OPENING, opening), SumLine(IN_PERIOD, closing - opening)
    return [summed(month.month, "points", TENTHS, closing, *lines)]
