"""Rows of tables as lines of events, for whoever wants to see or keep them before they are recorded."""

import sys
from pathlib import Path

import click

from projections.commands.asking.options import EXIT_NOT_ALL, command
from projections.commands.mapping.options import query_options
from projections.configuration.settings import language_option


@command("convert", "levelbook convert orders.toml orders.csv.gz > orders.jsonl")
@click.argument("mapping", type=click.Path(path_type=Path), metavar="MAPPING")
@click.argument("files", nargs=-1, type=click.Path(readable=False), metavar="[FILE]...")
@query_options
@click.option(
    "--rejects", type=click.Path(path_type=Path), metavar="FILE", help="Keep refused rows, to be mended and read again."
)
@language_option
def convert(
    mapping: Path, files: tuple[str, ...], from_: str | None, query: str | None, rejects: Path | None, lang: str
) -> None:
    """Print the events that the rows of FILEs give by MAPPING, as 'ingest' takes them, one a line.

    FILEs may be folders, globs, packed, or '-'. A row that is refused is told by file, row, column and value, and the
    others go on. Exit status 1 when one was refused, or a file breaks off. Nothing is recorded.
    """
    from projections.text.mapping.converting import ConvertWatch
    from replay.intake.converting import converted
    from replay.intake.rejects import Rejects
    from replay.mapping.asking import to_read

    asked = to_read(mapping, files, from_, query, proving=True)
    watch = ConvertWatch(lang)
    kept = None if rejects is None else Rejects(rejects)
    try:
        for lines in converted(asked.names, asked.read, watch, kept):
            sys.stdout.buffer.write(lines)
    finally:
        if kept is not None:
            kept.close()
    if watch.tell():
        sys.exit(EXIT_NOT_ALL)
