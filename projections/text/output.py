"""How answers are written: as JSON, whole or an item a line, and in the words of a language."""

import json
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from projections.text.words import Words


def words_in(language: str) -> "Words":
    """The words of a language, imported when something is said: help needs none."""
    from projections.text.words import Words

    return Words(language, {})


def phases_in(language: str) -> Callable[[str], str]:
    """What phases of work are called in a language, looked up when a bar is drawn."""
    return lambda phase: words_in(language).code("phase", phase)


def print_json(value: Any) -> None:
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def print_json_list(items: Iterable[Any]) -> None:
    """A JSON array, an item a line, printed as it is read."""
    before = "["
    for item in items:
        click.echo(f"{before}\n{json.dumps(item, ensure_ascii=False)}", nl=False)
        before = ","
    click.echo("[]" if before == "[" else "\n]")


def write(content: str | bytes) -> None:
    """The file as it is, in UTF-8 whatever the stream says of itself."""
    click.echo(content.encode() if isinstance(content, str) else content, nl=False)
