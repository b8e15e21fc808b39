"""Lines that the schemes of monthly evaluations share."""

from collections.abc import Iterator, Mapping, Sequence

from projections.text.schemes.facet import Found
from projections.text.words import Words
from replay.rendering.folding import Fold, folded


def figures(found: Found, names: Sequence[str], words: Words) -> Iterator[str]:
    """A line a figure, by its name."""
    for name in names:
        yield words("figure", name=words.code("figure", name), value=words.figure(name, found[name]))


def month_lines(months: Sequence[Found], names: Sequence[str], words: Words) -> Iterator[str]:
    """A line a month that was evaluated, with the figures that are named; months that are alike in one."""

    def shown(month: Found) -> dict[str, str]:
        told = "  ".join(f"{words.code('figure', name)} {words.figure(name, month[name])}" for name in names)
        return {"state": words.state(month["state"]), "level": words.level(month["level"]), "figures": told}

    for fold in folded(months, "month", shown):
        yield words("month_line", month=months_text(fold, words), **fold.shown)


def months_text(fold: Fold, words: Words) -> str:
    """A month, or from which to which, and how many these are."""
    if fold.periods == 1:
        return fold.first
    return words("months_alike", first=fold.first, last=fold.last, months=fold.periods)


def month_heading(evaluation: Found, _: Mapping[str, str], words: Words) -> str:
    """What a month's evaluation came to."""
    return words("month_heading", level=words.level(evaluation["level"]), state=words.state(evaluation["state"]))


def rests_on_nothing_else(_: Found, __: Words) -> Iterator[str]:
    """For schemes whose rules name all that they ask for."""
    return iter(())
