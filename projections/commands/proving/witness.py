"""Commands of witnesses: a witness's own, and those by which a ledger asks them."""

import sys
import time
from pathlib import Path
from typing import BinaryIO

import click

from projections.commands.asking.asked import open_at
from projections.commands.asking.options import command, group, location_option
from projections.commands.proving.trust import trust_option
from projections.configuration.settings import language_option

FOLDER = click.Path(path_type=Path, file_okay=False)


def now_s() -> int:
    """When a witness signs, by the clock of its machine."""
    return int(time.time())


@group("witness", "levelbook witness new /var/lib/witness --name w.example")
def witness() -> None:
    """Cosign a ledger's checkpoints as a witness, and ask witnesses for it."""


@command("new", "levelbook witness new /var/lib/witness --name w.example --grade recomputed", of=witness)
@click.argument("folder", type=FOLDER)
@click.option("--name", required=True, metavar="NAME", help="Who witnesses, such as a host's name.")
@click.option(
    "--grade",
    type=click.Choice(["seen", "recomputed"]),
    default="recomputed",
    show_default=True,
    help="What its signatures say: that the log only grew; or also that the records come to what is sealed.",
)
def new(folder: Path, name: str, grade: str) -> None:
    """Make a witness in FOLDER with keys of its own, and print their lines for a trust file."""
    from projections.text.witnesses import print_trust_lines
    from replay.witnessing.kept import Grade, new_witness

    print_trust_lines(new_witness(folder, name, Grade(grade)))


@command("keys", "levelbook witness keys /var/lib/witness >> trust.txt", of=witness)
@click.argument("folder", type=FOLDER)
def keys(folder: Path) -> None:
    """Print the lines of the witness in FOLDER for a trust file."""
    from projections.text.witnesses import print_trust_lines
    from replay.witnessing.kept import open_witness

    print_trust_lines(open_witness(folder))


@command("add", "levelbook witness add /var/lib/witness request.txt --trust logs.txt > answer.txt", of=witness)
@click.argument("folder", type=FOLDER)
@click.argument("request", type=click.File("rb"))
@trust_option
@location_option
def add(folder: Path, request: BinaryIO, trust: Path, store: str) -> None:
    """Cosign the checkpoint of REQUEST ('-' is standard input) as the witness in FOLDER, and print its signature lines.

    A witness of the grade 'recomputed' reads the ledger's new records first, and never writes to it.
    """
    from projections.server.witness import Served, cosigned

    click.echo(cosigned(Served(folder, trust, store), request.read(), now_s()), nl=False)


@command("serve", "levelbook witness serve /var/lib/witness --trust logs.txt --port 8021", of=witness)
@click.argument("folder", type=FOLDER)
@trust_option
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Where to listen.")
@click.option("--port", type=click.IntRange(0, 65_535), default=8021, show_default=True, help="On which port.")
@location_option
def serve(folder: Path, trust: Path, host: str, port: int, store: str) -> None:
    """Cosign over HTTP, as C2SP tlog-witness has it: POST /add-checkpoint."""
    from projections.server.witness import Served, serve_witness

    serve_witness(Served(folder, trust, store), host, port, now_s)


@command("request", "levelbook witness request --old 120 > request.txt", of=witness)
@click.option(
    "--old", type=click.IntRange(0), default=0, show_default=True, help="How many records the witness cosigned last."
)
@location_option
def request(old: int, store: str) -> None:
    """Print what is asked of a witness: to cosign the last checkpoint."""
    from replay.witnessing.asking import request_from

    with open_at(store) as opened:
        click.echo(request_from(opened, old).text, nl=False)


@command("collect", "levelbook witness collect --trust trust.txt answer.txt", of=witness)
@click.argument("answers", nargs=-1, type=click.File("rb"))
@trust_option
@language_option
@location_option
def collect(answers: tuple[BinaryIO, ...], trust: Path, store: str, lang: str) -> None:
    """Keep the cosignatures of ANSWERS, or of all witnesses of the trust file that have a URL there, which are asked.

    Exit status 1 when a witness did not cosign.
    """
    from projections.text.witnesses import print_answer
    from replay.errors import LevelbookError
    from replay.sealing.trusted import read_trust
    from replay.witnessing.asking import ask, take_answer

    trusted = read_trust(trust)
    urls = sorted({trusted.urls[key].rstrip("/") for key in trusted.witnesses.values() if key in trusted.urls})
    if not answers and not urls:
        raise click.UsageError(f"give answers; {trust} names no witness with a URL that could be asked")
    all_cosigned = True
    with open_at(store) as opened:
        for where in answers or urls:
            try:
                lines = ask(opened, where) if isinstance(where, str) else where.read().decode("utf-8", "replace")
                print_answer(take_answer(opened, trusted, lines), lang)
            except LevelbookError as error:
                click.echo(f"Error: {error}", err=True)
                all_cosigned = False
    if not all_cosigned:
        sys.exit(1)
