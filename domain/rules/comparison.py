"""Comparisons: a figure as an exact fraction, held against a bound, and the rule that asked for it.

Schemes of ratios and bands explain themselves by these: what was found, what it was held against, which rule it
made fire, and which rules did not.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from domain.rules.bands import Band


class Comparison(NamedTuple):
    """`numerator` / `denominator` held against `bound` / `bound_denominator`.

    A denominator of 0 leaves the figure undefined, and then no relation holds.
    """

    what: str
    numerator: int
    denominator: int
    relation: str
    """"<", "<=", ">" or ">="."""
    bound: int
    bound_denominator: int = 1

    @property
    def met(self) -> bool:
        if self.denominator == 0:
            return False
        found, against = self.numerator * self.bound_denominator, self.bound * self.denominator
        return {"<": found < against, "<=": found <= against, ">": found > against, ">=": found >= against}[
            self.relation
        ]


GATE: Final = "gate"
"""A rule without which there is no level: met or not."""
THRESHOLD: Final = "threshold"
"""A rule that sets or moves a level or state where all that it asks, or any of it, holds."""
BAND: Final = "band"
"""A rule that gives points or a level by the highest band that a figure reaches."""
RULE_KINDS: Final = (GATE, THRESHOLD, BAND)


class Worth(NamedTuple):
    """A band: from where on, `begins` / `denominator`, and what it is worth."""

    begins: int
    denominator: int
    points: int | None = None
    level: str | None = None
    """The code of the level that it gives."""


class Trial(NamedTuple):
    """One rule that was tried, in the order of the rulebook: what it compared, and whether it fired."""

    rule: str
    comparisons: list[Comparison]
    fired: bool
    points: int | None = None
    """What it is worth, in schemes that score."""
    kind: str = THRESHOLD
    reached: Worth | None = None
    """The band that the figure reaches; None below all."""
    next: Worth | None = None
    """The band above it; None at the top."""
    withheld_by: tuple[str, ...] = ()
    """Rules for which there is no level, though a band would give it."""


def band_trial(
    rule: str, what: str, numerator: int, denominator: int, bands: Sequence[Worth], withheld_by: tuple[str, ...] = ()
) -> Trial:
    """Which of some rising bands a figure reached, and which is above it."""

    def against(band: Worth) -> Comparison:
        return Comparison(what, numerator, denominator, ">=", band.begins, band.denominator)

    count = sum(against(band).met for band in bands)
    reached = bands[count - 1] if count else None
    worth = (reached.points, reached.level) if reached else (0, None)
    above = next((band for band in bands[count:] if (band.points, band.level) != worth), None)
    is_scored = bands[0].points is not None
    fired = reached is not None and not withheld_by
    compared = [against(reached or bands[0])]
    return Trial(rule, compared, fired, worth[0] if is_scored else None, BAND, reached, above, withheld_by)


def worths(bands: Sequence[Band], denominator: int = 1) -> list[Worth]:
    """What bands of points are worth; they begin at so many of a whole."""
    return [Worth(band.begins, denominator, band.score) for band in bands]


def decimal_text(numerator: int, denominator: int, decimals: int = 2) -> str | None:
    """A fraction that is not negative as a decimal, rounded half up; None where the denominator is 0."""
    if denominator == 0:
        return None
    scale = 10**decimals
    rounded = (2 * numerator * scale + denominator) // (2 * denominator)
    return f"{rounded // scale}.{rounded % scale:0{decimals}d}"
