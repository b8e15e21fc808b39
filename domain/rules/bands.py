"""Bands: from a figure on, so many points or such a score; the highest band reached counts."""

from collections.abc import Sequence
from typing import NamedTuple


class Band(NamedTuple):
    """From this figure on, this score."""

    begins: int
    score: int


def score_of(bands: Sequence[Band], numerator: int, denominator: int = 1) -> int:
    """The score of the highest band that a fraction reaches; 0 below all, and where the denominator is 0.

    Bands rise. Compiled, where many subjects are judged.
    """
    score = 0
    if denominator:
        for place in range(len(bands)):
            if numerator >= bands[place].begins * denominator:
                score = bands[place].score
    return score


def band_of(bands: Sequence[Band], numerator: int, denominator: int = 1) -> Band:
    """The highest band that a fraction reaches; one of no score below all, and where the denominator is 0."""
    reached = [band for band in bands if denominator and numerator >= band.begins * denominator]
    return max(reached, default=Band(0, 0))
