"""A creator's Firefly level as text: points earned and left, what is missing, benefits, the months."""

from collections.abc import Iterator
from typing import Final

from projections.text.schemes.facet import Found, SchemeText
from projections.text.schemes.monthly import figures, month_lines
from projections.text.words import Words


def _lines(found: Found, words: Words) -> Iterator[str]:
    yield from figures(found, ("score", "balance"), words)
    yield from month_lines(found["months"], ("earned", "redeemed", "score", "balance"), words)


FIREFLY: Final = SchemeText(_lines, None)
