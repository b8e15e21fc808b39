"""What a look at an installation found: a line each, with what to do below it, and how it stands in all."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from projections.text.output import print_json, words_in

if TYPE_CHECKING:
    from projections.doctor.observations import Observation
    from projections.text.words import Words

OK: Final = "ok"
STATUSES: Final = (OK, "warn", "fail")
"""From the best to the worst."""
OF_EVERY_CHECK: Final = ("error", "broke", "not_looked")
"""Observations whose words are the same whatever was looked at."""
SAYING_IT: Final = ("error", "not_looked")
"""Observations that themselves say what to do."""
STATUS_CELLS: Final = 6
NAME_CELLS: Final = 14


def print_findings(found: "Sequence[Observation]", language: str, *, as_json: bool) -> None:
    """The findings in the order in which they were looked for."""
    words = words_in(language)
    if as_json:
        worst = max((STATUSES.index(item.status) for item in found), default=0)
        print_json({"status": STATUSES[worst], "findings": [_json(item, words) for item in found]})
        return
    from projections.text.words import padded

    for item in found:
        status, check = words.doctor(item.status), words.doctor(f"check_{item.check}")
        click.echo(f"{padded(status, STATUS_CELLS)}{padded(check, NAME_CELLS)}{says(item, words)}")
        todo = advice(item, words)
        if todo is not None:
            click.echo(f"{' ' * (STATUS_CELLS + NAME_CELLS)}{words.doctor('do', advice=todo)}")
    counts = Counter(item.status for item in found)
    click.echo(words.doctor("in_all", fail=counts["fail"], warn=counts["warn"]))


def _json(item: "Observation", words: "Words") -> dict[str, Any]:
    return {**item._asdict(), "says": says(item, words), "do": advice(item, words)}


def says(item: "Observation", words: "Words") -> str:
    """What was found, in words."""
    return words.doctor(_key(item), **item.figures)


def advice(item: "Observation", words: "Words") -> str | None:
    """What to do; None where nothing need be done, and where the finding says it."""
    return None if item.status == OK or item.found in SAYING_IT else words.doctor(f"{_key(item)}_do", **item.figures)


def _key(item: "Observation") -> str:
    return item.found if item.found in OF_EVERY_CHECK else f"{item.check}_{item.found}"
