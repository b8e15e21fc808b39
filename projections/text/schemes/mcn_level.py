"""An agency's level as text: scores and figures of the month, and the creators that they rest on."""

from collections.abc import Iterator
from typing import Final

from projections.text.schemes.facet import Evaluations, Found, SchemeText
from projections.text.schemes.monthly import figures, month_heading, month_lines
from projections.text.words import Words
from projections.text.words.figures import money_text


def _lines(found: Found, words: Words) -> Iterator[str]:
    if found["month"] is not None:
        yield from figures(found, ("month", "credit", "operating", "growth", "service", "bonus", "total"), words)
        yield from figures(found["figures"], tuple(found["figures"]), words)
    yield from month_lines(found["months"], ("credit", "operating", "growth", "service", "bonus", "total"), words)


def _creators(evaluation: Found, words: Words) -> Iterator[str]:
    for item in evaluation["creators"]:
        level = item["level"] or words("nothing")
        counted = words("counted_creator") if item["counted"] else ""
        yield words("creator", **item | {"level": level, "counted": counted, "settled": money_text(item["settled"])})


MCN: Final = SchemeText(_lines, Evaluations(month_heading, _creators))
