"""The command of those who sent events: receipts of what was recorded."""

import sys
from typing import BinaryIO

import click

from projections.commands.asked import open_at
from projections.commands.options import EXIT_NOT_ALL, command, location_option


@command("receipts", "levelbook receipts orders.jsonl > orders.receipts")
@click.argument("files", nargs=-1, required=True, type=click.File("rb"))
@location_option
def receipts(files: tuple[BinaryIO, ...], store: str) -> None:
    """Print a receipt for each event in FILES ('-' is standard input): its record, and the proof of it.

    FILES hold what was sent, or any JSON Lines with 'source' and 'id'. Exit status 1 when something is not recorded,
    or stands behind the last checkpoint: ask again after the next one.
    """
    from replay.witnessing.receipts import Missing, names_in, receipts_of

    missing = 0
    with open_at(store) as opened:
        for file in files:
            for found in receipts_of(opened, names_in(file, file.name)):
                if not isinstance(found, Missing):
                    click.echo(found.line, nl=False)
                    continue
                missing += 1
                why = (
                    "is not recorded"
                    if found.position is None
                    else (f"stands at position {found.position}, behind the last checkpoint")
                )
                click.echo(f"{found.where}: {found.source} {found.event_id} {why}", err=True)
    if missing:
        sys.exit(EXIT_NOT_ALL)
