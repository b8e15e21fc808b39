"""The periods that levels are decided for: months or days, as of when, and from when on they can be."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from domain.calendar import day_start, day_text, month_start, month_text
from domain.policy import Policy

PolicyAt = Callable[[int, int], Policy]
"""The first and the last instant of a period → the policy that judges it."""


def first_of_the_next(month: int, _: Policy) -> tuple[int, int]:
    """As of when a month is decided, and from when on, in schemes that look at 00:00 of the 1st of the next."""
    end = month_start(month + 1)
    return end, end


class Period(NamedTuple):
    """A month or a day: as of when it is decided, and from when on it can be."""

    text: str
    begins: int
    as_of: int
    due: int


@dataclass(frozen=True)
class Monthly:
    """A scheme whose levels are decided by the month: every subject's, each time."""

    decided_at: Callable[[int, Policy], tuple[int, int]]
    """A month and the policy that judges it → as of which instant it is decided, and from when on."""
    unit: ClassVar[str] = "month"

    def period(self, month: int, policy_at: PolicyAt) -> Period:
        begins, end = month_start(month), month_start(month + 1)
        as_of, due = self.decided_at(month, policy_at(begins, end - 1))
        return Period(month_text(month), begins, as_of, due)


@dataclass(frozen=True)
class Daily:
    """A scheme whose levels are decided by the day, at its close: those that differ from the last decision."""

    unit: ClassVar[str] = "day"

    def period(self, day: int, policy_at: PolicyAt) -> Period:
        """Any policy gives the same."""
        close = day_start(day + 1) - 1
        return Period(day_text(day), day_start(day), close, close + 1)
