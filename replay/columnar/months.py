"""The calendar's months as arrays, for compiled loops: the calendar itself stays in `domain.calendar`."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from domain.calendar import month_of, month_start


class Months(NamedTuple):
    """Months one after another."""

    first: int
    begins: NDArray[np.int64]
    """The instant at which each begins, and one more for the end."""


def months_between(first_at: int, last: int) -> Months:
    """The months from that of an instant to the one given, and one more."""
    first = min(month_of(first_at), last)
    return Months(first, np.array([month_start(month) for month in range(first, last + 3)]))


# --- in compiled loops ------------------------------------------------------------------------------------------------


def place_of(months: Months, at: int) -> int:
    """The place of the month that holds an instant, found by halving; that after the last for what is later."""
    low, high = 0, len(months.begins)
    while low < high:
        middle = (low + high) // 2
        if months.begins[middle] <= at:
            low = middle + 1
        else:
            high = middle
    return low - 1
