"""A creator's level as text: figures, and the months."""

from collections.abc import Iterator
from typing import Final

from projections.text.schemes.facet import Evaluations, Found, SchemeText
from projections.text.schemes.monthly import (
    figures,
    month_heading,
    month_lines,
    rests_on_nothing_else,
)
from projections.text.words import Words


def _lines(found: Found, words: Words) -> Iterator[str]:
    if found["month"] is not None:
        yield from figures(found, ("month", "settled", "good", "sales_score", "behaviour_score"), words)
        yield from figures(found, ("reputation_mean", "credit_deducted"), words)
    yield from month_lines(found["months"], ("settled", "good", "sales_score", "behaviour_score"), words)


CREATOR: Final = SchemeText(_lines, Evaluations(month_heading, rests_on_nothing_else))
