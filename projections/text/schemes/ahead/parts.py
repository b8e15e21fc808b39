"""What comes next of a level is told in sections; and what several schemes' have: conditions, benefits, dates."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from projections.text.words import Words, table

Found = dict[str, Any]
"""An answer as JSON, or a part of one."""


class Remark(NamedTuple):
    """A line of a section."""

    text: str
    met: bool | None = None
    """Of a condition: whether it is met."""
    is_urgent: bool = False
    rules: tuple[str, str] | None = None
    """The versions whose rules it leads to, side by side."""


class Section(NamedTuple):
    """Something that comes next, or is needed for it."""

    title: str
    lines: Sequence[Remark] = ()
    header: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    """Of a table below the lines."""
    exact: Sequence[Found] = ()
    """The same rows as an answer has them, for files."""


Ahead = Callable[[Found, Words], Iterator[Section]]
"""What an answer about a level says of what comes next."""


def section_lines(sections: Iterable[Section], words: Words) -> Iterator[str]:
    """Sections as a command prints them."""
    for title, lines, header, rows, _ in sections:
        yield words.ahead("title", title=title)
        for line in lines:
            mark = "" if line.met is None else words.ahead("mark", met=words("met" if line.met else "not_met"))
            yield f"  {line.text}{mark}"
        if rows:
            cells = [list(row) for row in rows]
            tails = [row.pop() for row in cells]
            yield from (f"  {row}" for row in table(list(header[:-1]), cells, tails, header[-1]))


def conditions(compared: Iterable[Found], words: Words) -> list[Remark]:
    """A line a comparison."""
    return [Remark(words.condition(item), item["met"]) for item in compared]


def benefits_section(benefits: Found, words: Words) -> Section:
    """The benefits held, won and lost with the last evaluation, and those that come next."""
    by_code = {item["code"]: item for item in benefits["held"]}
    found = {
        "held": benefits["held"],
        "won": [by_code[code] for code in benefits["won"]],
        "lost": benefits["gone"],
        "next": benefits["next"],
    }
    return Section(words.ahead("benefits"), list(benefit_lines(found, words)))


def benefit_lines(groups: dict[str, list[Found]], words: Words) -> Iterator[Remark]:
    """A line a group of benefits, but for empty ones; the first is told all the same."""
    for place, (name, items) in enumerate(groups.items()):
        if items or not place:
            names = words.listed(_benefit(item, words) for item in items) or words("none")
            yield Remark(words.ahead(f"benefits_{name}", names=names))


def _benefit(item: Found, words: Words) -> str:
    least = item.get("reputation_hundredths_min")
    needs = "" if least is None else words.ahead("needs", least=f"{least // 100}.{least % 100:02d}")
    status, later = words.status(item["status"]), item["later_text"]
    status = status if later is None else words.ahead("status_of_later_text", status=status, day=later)
    return words.ahead("benefit", name=item[words.language], status=status, needs=needs)


def dates_section(dates: Found, words: Words) -> Section:
    """The next evaluation, publication and update, as far as a date brings them; what comes at once in one line."""
    names: dict[str, list[str]] = {}
    for name, at in dates.items():
        if at is not None:
            names.setdefault(words.date(at), []).append(words.ahead(f"date_{name}"))
    told = [Remark(words.ahead("date", names=words.listed(called), at=at)) for at, called in names.items()]
    return Section(words.ahead("dates"), told or [Remark(words.ahead("no_date"))])
