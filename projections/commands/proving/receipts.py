"""The commands of those who sent events: receipts of what was recorded, and what they refute."""

import sys
from pathlib import Path
from typing import BinaryIO

import click

from projections.commands.asking.asked import open_at
from projections.commands.asking.options import EXIT_NOT_ALL, command, location_option
from projections.commands.proving.trust import trust_option
from projections.configuration.settings import language_option


@command("receipts", "levelbook receipts orders.jsonl > orders.receipts")
@click.argument("files", nargs=-1, required=True, type=click.File("rb"))
@language_option
@location_option
def receipts(files: tuple[BinaryIO, ...], store: str, lang: str) -> None:
    """Print a receipt for each event in FILES ('-' is standard input): its record, and the proof of it.

    FILES hold what was sent, or any JSON Lines with 'source' and 'id'. Exit status 1 when something is not recorded,
    or stands behind the last checkpoint: ask again after the next one.
    """
    from projections.text.witnesses import print_missing
    from replay.witnessing.receipts import Missing, names_in, receipts_of

    missing = 0
    with open_at(store) as opened:
        for file in files:
            for found in receipts_of(opened, names_in(file, file.name)):
                if not isinstance(found, Missing):
                    click.echo(found.line, nl=False)
                    continue
                missing += 1
                print_missing(found, lang)
    if missing:
        sys.exit(EXIT_NOT_ALL)


@command("refute", "levelbook refute m-17.evidence m-17.receipts --trust trust.txt")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("receipts", type=click.File("rb"))
@trust_option
@language_option
def refute(file: Path, receipts: BinaryIO, trust: Path, lang: str) -> None:
    """Hold RECEIPTS against a FILE of evidence: does it hide a record, or show another one in its place?

    Exit status 1 when one contradicts it: the ledger has then signed two things that cannot both be. None is asked.
    """
    from projections.text.witnesses import print_compared
    from replay.sealing.trusted import read_trust
    from replay.witnessing.receipts import read_receipts
    from replay.witnessing.refute import Refutation
    from replay.witnessing.refute import refute as run

    found = run(file, read_trust(trust), read_receipts(receipts, receipts.name))
    print_compared(found, lang)
    if any(one.refutation == Refutation.CONTRADICTS for one in found):
        sys.exit(EXIT_NOT_ALL)
