"""Comparisons: a figure as an exact fraction, held against a bound, and the rule that asked for it.

Schemes of ratios and bands explain themselves by these: what was found, what it was held against, which rule it
made fire, and which rules did not.
"""

from typing import NamedTuple


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


class Trial(NamedTuple):
    """One rule that was tried, in the order of the rulebook: what it compared, and whether it fired."""

    rule: str
    comparisons: list[Comparison]
    fired: bool
    points: int | None = None
    """What it is worth, in schemes that score."""


def decimal_text(numerator: int, denominator: int, decimals: int = 2) -> str | None:
    """A fraction that is not negative as a decimal, rounded half up; None where the denominator is 0."""
    if denominator == 0:
        return None
    scale = 10**decimals
    rounded = (2 * numerator * scale + denominator) // (2 * denominator)
    return f"{rounded // scale}.{rounded % scale:0{decimals}d}"
