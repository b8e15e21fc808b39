"""What the program is set to, and by what, as `levelbook config` prints it."""

from collections.abc import Sequence

import click

from projections.configuration.defaults import InForce
from projections.configuration.files import Sources
from projections.terminal.tables import LEFT, print_table
from projections.text.output import print_json


def print_configuration(found: Sequence[InForce], sources: Sources, *, as_json: bool) -> None:
    if as_json:
        print_json({"settings": [row._asdict() for row in found], "files": _files_json(sources)})
        return
    rows = [(row.key, _value_text(row), _origin_text(row)) for row in found]
    print_table((LEFT, LEFT, LEFT), rows, is_copied=True)
    for file in sources.files:
        click.echo(f"read: {file.path} ({file.place})")
    for path, place in sources.absent:
        click.echo(f"not there: {path} ({place})")


def _files_json(sources: Sources) -> list[dict[str, object]]:
    read: list[dict[str, object]] = [
        {"path": str(file.path), "place": file.place, "read": True} for file in sources.files
    ]
    return read + [{"path": str(path), "place": place, "read": False} for path, place in sources.absent]


def _value_text(row: InForce) -> str:
    if row.value is None or row.value == []:
        return "-"
    if isinstance(row.value, bool):
        return str(row.value).lower()
    return ", ".join(row.value) if isinstance(row.value, list) else str(row.value) or '""'


def _origin_text(row: InForce) -> str:
    return row.origin if row.by is None else f"{row.origin} {row.by}"
