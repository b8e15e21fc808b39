"""Mapping files: a first one proposed from a file, and how one fits what the columns hold."""

import sys
from pathlib import Path

import click

from projections.commands.asking.options import EXIT_NOT_ALL, command, format_option, group
from projections.commands.mapping.options import query_options
from projections.configuration.settings import language_option


@group("map", "levelbook map new orders.csv > orders.toml")
def map() -> None:
    """Propose a mapping file for tables of others; check how one fits a file's columns."""


@command("new", "levelbook map new orders.csv > orders.toml", of=map)
@click.argument("file", type=click.Path(readable=False))
def map_new(file: str) -> None:
    """Print a first mapping for FILE, from its header and a sample.

    It is a proposal, by the names of columns: read it, name the columns for which "?" stands, say the time zone.
    """
    from replay.errors import UsageError
    from replay.mapping.proposing import proposal
    from replay.parsing.lines import check_files
    from replay.parsing.unpacking import BrokenInput

    check_files((file,))
    try:
        click.echo(proposal(file), nl=False)
    except BrokenInput as error:
        raise UsageError(str(error)) from None


@command("check", "levelbook map check orders.toml orders.csv", of=map)
@click.argument("mapping", type=click.Path(path_type=Path))
@click.argument("files", nargs=-1, type=click.Path(readable=False), metavar="[FILE]...")
@query_options
@language_option
@format_option
def map_check(
    mapping: Path, files: tuple[str, ...], from_: str | None, query: str | None, format_: str, lang: str
) -> None:
    """Show by column of FILEs: what is made of it, how many rows fill it, values, the first not mapped.

    Exit status 1 when there are such values, rows that cannot be read, or a file that cannot.
    """
    from projections.text.mapping.columns import print_surveys
    from replay.mapping.asking import to_read
    from replay.mapping.surveying import Survey, survey
    from replay.parsing.unpacking import BrokenInput

    asked = to_read(mapping, files, from_, query)
    found: dict[str, Survey | str] = {}
    for name in asked.names:
        try:
            found[name] = survey(asked, name)
        except BrokenInput as error:
            found[name] = str(error)
    print_surveys(found, lang, as_json=format_ == "json")
    if not all(isinstance(one, Survey) and one.fits for one in found.values()):
        sys.exit(EXIT_NOT_ALL)
