"""Contributions: what an event adds to which figure of which period, and how such sums come to the figures.

Amounts are whole numbers of their units. Where a bound cuts a sum, or something counts of which no event of the period
tells, that is a line of its own, so that the lines of a figure add up to its value.
"""

from typing import Final, NamedTuple

FEN: Final = "fen"
TENTHS: Final = "tenths"
"""Of a point."""
HUNDREDTHS: Final = "hundredths"
"""Of a score from 0 to 5, or of a level."""
POINTS: Final = "points"
DAYS: Final = "days"
MINUTES: Final = "minutes"
ORDERS: Final = "orders"
COMPLAINTS: Final = "complaints"
REVIEWS: Final = "reviews"
CREATORS: Final = "creators"
UNITS: Final = (FEN, TENTHS, HUNDREDTHS, POINTS, DAYS, MINUTES, ORDERS, COMPLAINTS, REVIEWS, CREATORS)
IN_PERIOD: Final = "in_period"
"""By the events of the month or day itself."""
DAYS_BEFORE: Final = "days_before"
"""By those of earlier days that count for it, too."""
OPENING: Final = "opening"
"""What was there when the period began."""
NOT_UNDER_ZERO: Final = "not_under_zero"
WITHIN_SETTLED: Final = "within_settled"
LINES: Final = (IN_PERIOD, DAYS_BEFORE, OPENING, NOT_UNDER_ZERO, WITHIN_SETTLED)
"""What lines of sums are called in several schemes."""


class Contribution(NamedTuple):
    """What an event adds to a figure."""

    figure: str
    unit: str
    amount: int
    periods: tuple[int, ...]
    """The months or days whose figure it is part of."""


class SumLine(NamedTuple):
    """One part of a figure, and where it comes from."""

    what: str
    amount: int


class FigureSum(NamedTuple):
    """How a period's figure adds up."""

    period: int
    figure: str
    unit: str
    lines: list[SumLine]
    value: int


def summed(period: int, figure: str, unit: str, value: int, *lines: SumLine) -> FigureSum:
    """The sum of a figure; of lines of nothing the own of the period alone is kept."""
    assert sum(line.amount for line in lines) == value, f"the lines of {figure} add up to it"
    kept = [line for line in lines if line.amount or line.what == IN_PERIOD]
    return FigureSum(period, figure, unit, kept, value)


def money_summed(period: int, figure: str, added: int, value: int) -> FigureSum:
    """The sum of an amount that is not under 0, nor over what was settled."""
    not_under_zero = max(added, 0)
    return summed(
        period,
        figure,
        FEN,
        value,
        SumLine(IN_PERIOD, added),
        SumLine(NOT_UNDER_ZERO, not_under_zero - added),
        SumLine(WITHIN_SETTLED, value - not_under_zero),
    )
