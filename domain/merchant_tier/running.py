"""The run of a merchant's days through the rule: from nothing, or from where an earlier day left it."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

from domain.merchant_tier.rule import span_place, step, sums_between
from domain.merchant_tier.values import CAUSES, NEVER, NOT_OPEN, Account, Cause, Day, DayOpening, History, Span


class Change(NamedTuple):
    """A move with the name of its cause."""

    day: int
    cause: Cause
    before: Account
    after: Account
    position: int = 0


class Run(NamedTuple):
    """All that a run gives."""

    account: Account
    changes: list[Change]
    next_day: int = NEVER
    """The first day after the last one at whose close something can be different through time alone."""


class Window:
    """Sums of the daily figures over any days."""

    def __init__(self, figures: Sequence[Day]) -> None:
        columns = list(zip(*figures, strict=True)) if figures else [()] * len(Day._fields)
        self.days: Sequence[int] = columns[0]
        self.sums = [list(accumulate(column, initial=0)) for column in columns[1:]]
        """By figure, the sum over all days before the one at each place."""

    def over(self, first: int, last: int) -> Day:
        """The sums from one day to another, both included."""
        return sums_between(last, self.sums, bisect_right(self.days, first - 1), bisect_right(self.days, last))


def run(history: History, spans: Sequence[Span], last_day: int, opening: DayOpening | None = None) -> Run:
    """Step a merchant to the close of a day: from nothing, or from the account at an earlier day's close.

    What acted before the start acts at it. Figures are asked for as far back as the window reaches.
    """
    start = spans[0].rules.start_day
    if not history.in_scope:
        return Run(NOT_OPEN, [], start if last_day < start else NEVER)
    if opening is None:
        opening = DayOpening(start - 1, NOT_OPEN)
    window = Window(history.days)
    account, moves, next_day = step(window.days, window.sums, history.acts, spans, last_day, *opening)
    changes = [Change(move.day, CAUSES[move.cause], *move[2:]) for move in moves]
    return Run(account, changes, next_day)


def span_on(spans: Sequence[Span], day: int) -> Span:
    """The span that holds a day; the first begins before all."""
    return spans[span_place(spans, day)]
