"""Lines that the schemes of monthly evaluations share."""

from collections.abc import Iterator, Sequence

from projections.text.schemes.facet import Found, Series
from projections.text.words import Words


def figures(found: Found, names: Sequence[str], words: Words) -> Iterator[str]:
    """A line a figure, by its name."""
    for name in names:
        value = words("nothing") if found[name] is None else found[name]
        yield words("figure", name=name, value=value)


def benefit_lines(benefits: Found, words: Words) -> Iterator[str]:
    """What the level brings, and what was won and lost since the period before."""
    names = [f"{item[words.language]} [{item['status']}]" for item in benefits["held"]]
    yield words("benefits", names=", ".join(names) or words("none"))
    for key in ("won", "lost"):
        if benefits[key]:
            yield words(f"benefits_{key}", names=", ".join(benefits[key]))


def month_lines(months: Sequence[Found], names: Sequence[str], words: Words) -> Iterator[str]:
    """A line a month that was evaluated, with the figures that are named."""
    for month in months:
        told = "  ".join(f"{name} {month[name]}" for name in names)
        state, level = words.state(month["state"]), words.level(month["level"])
        yield words("month_line", month=month["month"], state=state, level=level, figures=told)


def months_of(now: Found, figure: str) -> Series:
    """A figure of every month that was evaluated."""
    return Series(figure, [(month["month"], float(month[figure])) for month in now["months"]])


def state_of(evaluation: Found) -> str:
    """What a month's evaluation came to."""
    return str(evaluation["state"])


def rests_on_nothing_else(_: Found, __: Words) -> Iterator[str]:
    """For schemes whose rules name all that they ask for."""
    return iter(())
