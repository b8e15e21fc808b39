"""What each event adds to its day, and how the figures of a window add up."""

from collections.abc import Mapping
from typing import Final

from domain.calendar import day_of
from domain.events import Event
from domain.merchant_tier.facts import FIGURES, ReadingTerm, count_event
from domain.merchant_tier.running import Window
from domain.merchant_tier.values import Rules
from domain.rules.contributions import (
    COMPLAINTS,
    DAYS_BEFORE,
    FEN,
    IN_PERIOD,
    ORDERS,
    REVIEWS,
    Contribution,
    FigureSum,
    SumLine,
    summed,
)

UNITS: Final[Mapping[str, str]] = {
    "orders": ORDERS,
    "gmv": FEN,
    "complaints": COMPLAINTS,
    "reviews": REVIEWS,
    "product_good": REVIEWS,
    "service_rated": REVIEWS,
    "service_good": REVIEWS,
}
"""By figure, in the order of `Day`."""


def contributed(event: Event, reading: ReadingTerm) -> list[Contribution]:
    """What an event that counts adds to its day."""
    added, day = [0] * FIGURES, day_of(event.occurred_at)
    count_event(event, added, reading)
    figures = zip(UNITS.items(), added, strict=True)
    return [Contribution(name, unit, amount, (day,)) for (name, unit), amount in figures if amount]


def sums_of(day: int, window: Window, rules: Rules) -> list[FigureSum]:
    """How the figures over the window that ends with a day add up: that day's own, and those of the days before."""
    own, whole = window.over(day, day), window.over(day - rules.window_days + 1, day)
    return [
        summed(day, name, unit, total, SumLine(IN_PERIOD, of_day), SumLine(DAYS_BEFORE, total - of_day))
        for (name, unit), of_day, total in zip(UNITS.items(), own[1:], whole[1:], strict=True)
    ]
