"""A merchant's tier as text: each day on which it was set or changed."""

from collections.abc import Iterator
from typing import Final

from projections.text.schemes.facet import Evaluations, Found, SchemeText
from projections.text.schemes.monthly import rests_on_nothing_else
from projections.text.words import Words


def _lines(found: Found, words: Words) -> Iterator[str]:
    yield words("day", day=found["day"])
    if found["since"] is not None:
        yield words("since", since=found["since"])
    for item in found["history"]:
        yield f"{item['day']}  {words.level(item['level'])}  {words.code('rule', item['cause'])}"


def _decided(evaluation: Found, words: Words) -> str:
    return words.listed(words.code("rule", cause) for cause in evaluation["decided"])


TIER: Final = SchemeText(_lines, Evaluations(_decided, rests_on_nothing_else))
