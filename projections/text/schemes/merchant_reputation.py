"""A merchant's reputation as text: what is missing, the last publication, the table of months."""

from collections.abc import Iterator, Sequence
from typing import Final

from projections.text.schemes.facet import Found, SchemeText, Series
from projections.text.words import Words, table


def _lines(found: Found, words: Words) -> Iterator[str]:
    if found["to_next"] is not None:
        yield words("to_next", points=found["to_next"])
    yield from _published_lines(found["published"], words)
    if found["months"]:
        yield from _months_table(found["months"], words)


def _published_lines(published: Found | None, words: Words) -> Iterator[str]:
    if published is None:
        return
    points = words("points", points=published["points"])
    level = words.level(published["level"])
    line = words("published", at=published["at"], month=published["month"], level=level, points=points)
    yield line + ("" if published["in_force"] else f" ({words('before_in_force')})")
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


def _months_table(months: Sequence[Found], words: Words) -> Iterator[str]:
    yield from table(
        words.row("months_header")[:-1],
        [
            [
                month["month"],
                month["opening"],
                month["growth"],
                month["cap"] or words("no_cap"),
                month["closing"],
                month["level"] or words("nothing"),
            ]
            for month in months
        ],
        [", ".join(f"{count} {name}" for name, count in month["verdicts"].items()) for month in months],
        last=words.row("months_header")[-1],
    )


def _series(now: Found) -> Series:
    return Series("points", [(month["month"], float(month["closing"])) for month in now["months"]])


REPUTATION: Final = SchemeText(_lines, None, _series)
