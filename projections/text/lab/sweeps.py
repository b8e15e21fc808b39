"""What is printed of sweeps: a row for each cell of the grid."""

from collections.abc import Iterator
from typing import Any, Final

import click

from domain.policy import HASH_SHOWN
from projections.terminal.tables import LEFT, RIGHT, print_table
from projections.text.output import print_json
from projections.text.sheets import own
from projections.text.words import Words

WAYS: Final = ("up", "down", "gained", "lost", "other", "same")
LEVELS_SHOWN: Final = 8
"""Columns of levels that people are shown; JSON and CSV have all."""


def print_cells(count: int, language: str) -> None:
    """How many cells there are, before any is judged: on standard error, apart from the answer."""
    click.echo(Words(language, {}).trial("sweep_cells", count=count), err=True)


def print_sweep(found: dict[str, Any], language: str, form: str) -> None:
    if form == "json":
        print_json(found)
    elif form == "csv":
        own.print_sweep(form, found)
    else:
        _print_text(found, Words(language, {}))


def _print_text(found: dict[str, Any], words: Words) -> None:
    policy = found["policy"]
    told = found | {"policy": f"{policy['id']}@{policy['hash'][:HASH_SHOWN]}"}
    click.echo(words.trial("sweep_heading", **told | {"scheme": words.code_beside("scheme", found["scheme"])}))
    if found["interrupted"]:
        click.echo(words.trial("sweep_interrupted", **found))
    names = [axis["name"] for axis in found["set"]]
    levels = levels_of(found)
    is_shown = len(levels) <= LEVELS_SHOWN
    shown = levels if is_shown else []
    header = (*names, *(words.code("move", way) for way in WAYS), *(_stand(*stand, words) for stand in shown))
    rows = [tuple(_cells(cell, names, shown, words)) for cell in found["cells"]]
    print_table((RIGHT,) * len(header) + (LEFT,), [(*header, ""), *rows], indent=2)
    if not is_shown:
        click.echo(words.trial("sweep_levels_left", count=len(levels)))


def _cells(cell: dict[str, Any], names: list[str], levels: list[tuple[str, str | None]], words: Words) -> Iterator[str]:
    yield from (str(cell["values"][name]) for name in names)
    if cell["fault"] is not None:
        yield from [""] * (len(WAYS) + len(levels))
        yield words.trial("sweep_fault", fault=cell["fault"])
        return
    yield from (f"{cell['moves'][way]:,}" for way in WAYS)
    counts = {(item["state"], item["level"]): item["subjects"] for item in cell["levels"]}
    yield from (f"{counts.get(level, 0):,}" for level in levels)
    yield ""


def levels_of(found: dict[str, Any]) -> list[tuple[str, str | None]]:
    """Every state and level that some cell has."""
    stands = {(item["state"], item["level"]) for cell in found["cells"] for item in cell["levels"]}
    return sorted(stands, key=lambda stand: (stand[0], stand[1] or ""))


def _stand(state: str, level: str | None, words: Words) -> str:
    return words.state(state) if level is None else words.level(level)
