"""Where what stands and what must stand first differ, subject by subject: rows of both as arrays."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]


def first_differing(starts_then: Numbers, then: Sequence[Any], starts_now: Numbers, now: Sequence[Any]) -> Numbers:
    """By subject, how many rows of what stood and of what stands are the same, from the first on.

    Of both: where each subject's rows begin, with one more for the end, and the columns that are compared.
    """
    common = np.minimum(np.diff(starts_then), np.diff(starts_now))
    owner = np.repeat(np.arange(len(common)), common)
    place = np.arange(len(owner)) - np.repeat(np.cumsum(common) - common, common)
    rows_then, rows_now = starts_then[owner] + place, starts_now[owner] + place
    differs = np.zeros(len(owner), np.bool_)
    for column_then, column_now in zip(then, now, strict=True):
        unequal = column_then[rows_then] != column_now[rows_now]
        differs |= unequal if unequal.ndim == 1 else unequal.any(axis=1)
    first = common.astype(np.int64)
    np.minimum.at(first, owner[differs], place[differs])
    return first


def rows_from(starts: Numbers, first: Numbers) -> tuple[Numbers, Numbers]:
    """The rows of each subject from its `first` on: where they begin by subject, and which they are."""
    counts = np.maximum(np.diff(starts) - first, 0)
    begins = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    return begins, np.arange(begins[-1]) + np.repeat(starts[:-1] + first - begins[:-1], counts)
