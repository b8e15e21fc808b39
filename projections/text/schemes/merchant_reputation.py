"""A merchant's reputation as text: what is missing, the last publication, the table of months."""

from collections.abc import Iterator, Sequence
from typing import Final

from projections.text.schemes.facet import Found, SchemeText
from projections.text.schemes.monthly import months_text
from projections.text.words import Words, table
from replay.rendering.folding import folded


def _lines(found: Found, words: Words) -> Iterator[str]:
    yield from _published_lines(found, words)
    if found["months"]:
        yield from _months_table(found["months"], words)


def _published_lines(found: Found, words: Words) -> Iterator[str]:
    published, then = found["published"], found["published_then"]
    if published is None:
        return
    line = words("published", at=published["at"], month=published["month"])
    yield line + ("" if published["in_force"] else f" ({words('before_in_force')})")
    shown = words("published_nothing") if then is None else _shown(then, words)
    differs = then is None or then["differs"]
    yield "  " + words("published_then", shown=shown) + (f"  {words('published_differs')}" if differs else "")
    yield "  " + words("published_now", shown=_shown(published, words), position=found["position"])
    if "decided" not in published:
        yield "  " + words("decisions_hidden")
        return
    decided = published["decided"]
    if decided is None:
        yield "  " + words("not_decided")
        return
    points = words("points", points=decided["points"])
    line = words(
        "decided", run=decided["run"], level=words.level(decided["level"]), points=points, known_at=decided["known_at"]
    )
    yield f"  {line}" + (f"  {words('restated')}" if decided["restated"] else "")


def _shown(item: Found, words: Words) -> str:
    points = words("points", points=item["points"])
    return words("published_level", level=words.level(item["level"]), points=points)


def _months_table(months: Sequence[Found], words: Words) -> Iterator[str]:
    folds = folded(months, "month", lambda month: _month_cells(month, words))
    yield from table(
        words.row("months_header")[:-1],
        [[months_text(fold, words), *fold.shown[:-1]] for fold in folds],
        [fold.shown[-1] for fold in folds],
        last=words.row("months_header")[-1],
    )


def _month_cells(month: Found, words: Words) -> list[str]:
    """What stands beside the name of a month; the counts of its verdicts last."""
    return [
        month["opening"],
        month["growth"],
        month["cap"] or words("no_cap"),
        month["closing"],
        words("nothing") if month["level"] is None else words.level_name(month["level"]),
        words.listed(f"{count} {words.code('verdict', name)}" for name, count in month["verdicts"].items()),
    ]


REPUTATION: Final = SchemeText(_lines, None)
