"""Sets of ledgers: planned, made, looked at."""

import sys
from pathlib import Path
from typing import Final

import click

from projections.commands.asking.asked import open_at
from projections.commands.asking.options import (
    EXIT_NOT_ALL,
    clock_option,
    command,
    format_option,
    group,
    store_options,
)
from projections.configuration.settings import language_option
from projections.terminal.progress import phases
from projections.text.output import phases_in

LEDGERS_MAX: Final = 16
set_argument: Final = click.argument("set_", metavar="SET", type=click.Path(path_type=Path, readable=False))


@group("shard", "levelbook shard make levels.shards --of 4")
def shard() -> None:
    """Plan, make, check and sign a set of ledgers that together take all subjects, each its own."""


@command("plan", "levelbook shard plan --of 4 --store levelbook.db", of=shard)
@click.option("--of", required=True, type=click.IntRange(2, LEDGERS_MAX), help="Of how many ledgers: 2, 4, 8 or 16.")
@language_option
@store_options
def shard_plan(of: int, store: str, format_: str, lang: str) -> None:
    """Show how the subjects and records of a ledger would fall into so many. Nothing is changed."""
    from projections.text.sharding.sets import print_plan
    from replay.sharding.making import plan

    with open_at(store) as opened:
        print_plan(plan(opened, of), lang, as_json=format_ == "json")


@command("make", "levelbook shard make levels.shards --of 4", of=shard)
@set_argument
@click.option("--of", required=True, type=click.IntRange(2, LEDGERS_MAX), help="Of how many ledgers: 2, 4, 8 or 16.")
@click.option(
    "--at",
    "stores",
    multiple=True,
    metavar="PATH|URL",
    help="Where a ledger lies; once for each, in order. A path is meant from the folder of SET. Default: beside SET.",
)
@language_option
@format_option
def shard_make(set_: Path, of: int, stores: tuple[str, ...], format_: str, lang: str) -> None:
    """Make the ledgers of a set, each of which says in its first record which it is, and the file SET that names them.

    SET ends with .shards, and is given to --store where a set can stand. The same command goes on after a kill.
    """
    from projections.text.sharding.sets import print_made
    from replay.sharding.making import make

    print_made(set_, make(set_, of, stores), lang, as_json=format_ == "json")


@command("check", "levelbook shard check levels.shards", of=shard)
@set_argument
@click.option(
    "--trust",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Whose signatures must stand under the roots, as 'shard key' prints it. Default: they are not looked at.",
)
@language_option
@format_option
def shard_check(set_: Path, trust: Path | None, format_: str, lang: str) -> None:
    """Show the ledgers of SET, and look whether each is in its place, each subject in its own, and each id stands once.

    Roots are held against the ledgers, each against those before, and adopted policies against one another. Exit status
    1 where a subject is misplaced, an id stands twice and neither record is retracted, shards judge by different
    policies, or ledgers and roots do not fit. What is in each ledger, 'verify' looks at.
    """
    from projections.text.sharding.sets import print_checked
    from replay.sealing.trusted import read_trust
    from replay.sharding.checking import check_set
    from replay.sharding.opened import open_set

    keys = None if trust is None else read_trust(trust)
    with open_set(str(set_)) as opened:
        found = check_set(opened, keys)
    print_checked(found, lang, as_json=format_ == "json")
    if not found.is_sound:
        sys.exit(EXIT_NOT_ALL)


@command("key", "levelbook shard key levels.shards > set-trust.txt", of=shard)
@set_argument
@format_option
def shard_key(set_: Path, format_: str) -> None:
    """Make the keys by which roots of SET are signed, unless it has some, and print them as a trust file.

    The secret is 64 hexadecimal digits in the file SET.signing (mode 0600). No backup holds it: keep a copy elsewhere.
    """
    from projections.text.sharding.sets import print_set_keys
    from replay.sharding.document import read_set
    from replay.sharding.signing import begin_set_keys

    set_id = read_set(set_).set_id
    print_set_keys(set_id, begin_set_keys(set_, set_id), as_json=format_ == "json")


@command("checkpoint", "levelbook shard checkpoint levels.shards > latest.root", of=shard)
@set_argument
@clock_option
@language_option
@format_option
def shard_checkpoint(set_: Path, clock_behind: bool, format_: str, lang: str) -> None:
    """Make a checkpoint of each ledger of SET, sign a root over them, and print the signed note.

    No root is signed while an id stands twice and both records count. Where nothing was recorded since the last one,
    that is printed again.
    """
    from projections.text.sharding.sets import print_root
    from replay.sharding.opened import open_set
    from replay.sharding.signing import make_root

    with open_set(str(set_)) as opened, phases(named=phases_in(lang)) as told:
        made = make_root(opened, told, clock_behind=clock_behind)
    print_root(made, lang, as_json=format_ == "json")


@command("prove", "levelbook shard prove levels.shards 2 > shard-2.tlog-proof", of=shard)
@set_argument
@click.argument("number", type=click.IntRange(0, LEDGERS_MAX - 1))
def shard_prove(set_: Path, number: int) -> None:
    """Print the proof that the last root of SET covers the last checkpoint of shard NUMBER (C2SP tlog-proof).

    Its leaf is the checkpoint's text: what stands above the empty line in the note that evidence of the shard bears.
    Its extra data is a receipt of the ledger's first record, which says of which set it is.
    """
    from replay.sharding.holding import prove_shard
    from replay.sharding.opened import open_set

    with open_set(str(set_)) as opened:
        click.echo(prove_shard(opened, number).text, nl=False)
