"""How answers are written as JSON: whole, or an item a line."""

import json
from collections.abc import Iterable
from typing import Any

import click


def print_json(value: Any) -> None:
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def print_json_list(items: Iterable[Any]) -> None:
    """A JSON array, an item a line, printed as it is read."""
    before = "["
    for item in items:
        click.echo(f"{before}\n{json.dumps(item, ensure_ascii=False)}", nl=False)
        before = ","
    click.echo("[]" if before == "[" else "\n]")
