"""Sets of ledgers: planned, made, looked at."""

import sys
from pathlib import Path
from typing import Final

import click

from projections.commands.asking.asked import open_at
from projections.commands.asking.options import EXIT_NOT_ALL, command, format_option, group, store_options
from projections.configuration.settings import language_option

LEDGERS_MAX: Final = 16
set_argument: Final = click.argument("set_", metavar="SET", type=click.Path(path_type=Path, readable=False))


@group("shard", "levelbook shard make levels.shards --of 4")
def shard() -> None:
    """Plan, make and check a set of ledgers that together take all subjects, each its own."""


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
    help="Where a ledger lies; once for each, in order. Default: SQLite files beside SET.",
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
@language_option
@format_option
def shard_check(set_: Path, format_: str, lang: str) -> None:
    """Show the ledgers of SET, and look whether each is in its place, each subject in its own, and each id stands once.

    Exit status 1 where a subject is misplaced, or an id stands twice and neither record is retracted. What is in each
    ledger, 'verify' looks at.
    """
    from projections.text.sharding.sets import print_checked
    from replay.sharding.checking import check_set
    from replay.sharding.opened import open_set

    with open_set(str(set_)) as opened:
        found = check_set(opened)
    print_checked(found, lang, as_json=format_ == "json")
    if not found.is_sound:
        sys.exit(EXIT_NOT_ALL)
