"""What the columns of a file hold, and what a mapping makes of them, as it is printed."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from projections.terminal.tables import LEFT, RIGHT, print_table
from projections.text.output import print_json, words_in

if TYPE_CHECKING:
    from projections.text.words import Words
    from replay.mapping.surveying import Survey, SurveyedColumn


def print_surveys(found: "Mapping[str, Survey | str]", language: str, *, as_json: bool) -> None:
    """Of each file what its columns hold, or why it cannot be read."""
    if as_json:
        print_json([_json(name, one) for name, one in found.items()])
        return
    words = words_in(language)
    for name, one in found.items():
        if isinstance(one, str):
            click.echo(f"Error: {one}", err=True)
            continue
        click.echo(words.mapping("file", file=name, rows=one.rows, unreadable=one.unreadable))
        head = tuple(words.mapping(key) for key in ("column", "filled", "distinct", "uses", "unmapped"))
        print_table(
            (LEFT, RIGHT, RIGHT, LEFT, LEFT), [head, *(_cells(column, words) for column in one.columns)], indent=2
        )


def _cells(column: "SurveyedColumn", words: "Words") -> tuple[str, ...]:
    distinct = f"{len(column.distinct)}{'+' * column.has_more}"
    uses = ", ".join(column.uses) or words.mapping("aside")
    return column.name, str(column.filled), distinct, uses, ", ".join(column.unmapped)


def _json(name: str, found: "Survey | str") -> dict[str, Any]:
    if isinstance(found, str):
        return {"file": name, "problem": found}
    columns = [
        {
            "column": column.name,
            "filled": column.filled,
            "distinct": len(column.distinct),
            "has_more": column.has_more,
            "uses": column.uses,
            "unmapped": column.unmapped,
        }
        for column in found.columns
    ]
    return {"file": name, "rows": found.rows, "unreadable": found.unreadable, "columns": columns}
