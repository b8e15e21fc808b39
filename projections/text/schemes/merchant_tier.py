"""A merchant's tier as text: each day on which it was set or changed."""

from collections.abc import Iterator, Mapping
from typing import Final

from projections.text.schemes.facet import Evaluations, Found, SchemeText
from projections.text.words import Words


def _lines(found: Found, words: Words) -> Iterator[str]:
    yield words("day", day=found["day"])
    if found["since"] is not None:
        yield words("since", since=found["since"])
    for item in found["history"]:
        yield f"{item['day']}  {words.level(item['level'])}  {words.code('rule', item['cause'])}"


def _heading(evaluation: Found, names: Mapping[str, str], words: Words) -> str:
    """The tier before and after a day, and what changed it."""
    before, after = (_standing(evaluation[name], words) for name in ("before", "after"))
    if not evaluation["decided"]:
        return words("tier_unchanged", standing=after)
    causes = words.listed(names.get(cause, words.code("rule", cause)) for cause in evaluation["decided"])
    return words("tier_changed", before=before, after=after, causes=causes)


def _standing(standing: Found, words: Words) -> str:
    return words.state(standing["state"]) if standing["level"] is None else words.level(standing["level"])


def _day_lines(evaluation: Found, words: Words) -> Iterator[str]:
    """The window of a day and its indicators against both bounds, how long it is in the lowest tier, why it stayed."""
    yield words("window", **evaluation["window"])
    for name, item in evaluation["indicators"].items():
        ratio = words("figure", name=words.code("figure", f"{name}_rate"), value=words.ratio(item))
        bounds = [words(f"bound_{way}", **item[way]) for way in ("up", "down") if item[way] is not None]
        yield words("and_then").join([ratio, *bounds])
    if evaluation["lowest"] is not None:
        yield words("lowest", **evaluation["lowest"])
    for item in evaluation["unchanged"]:
        yield words(f"unchanged_{item['why']}", until=item["until"], names=words.figure_names(item["indicators"]))


TIER: Final = SchemeText(_lines, Evaluations(_heading, _day_lines))
