"""What the commands share that read by a mapping: which database and query, where no file holds the rows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click


def query_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Whose rows: those of a query, in place of those of FILEs."""
    for option in (
        click.option(
            "--query",
            type=click.Path(dir_okay=False),
            metavar="FILE",
            help="With a mapping of format query: the rows of the SQL in FILE, of --from or over FILEs as tables.",
        ),
        click.option(
            "--from", "from_", metavar="PATH|URL", help="The database of --query: an SQLite file or postgresql:// URL."
        ),
    ):
        command = option(command)
    return command


map_option = click.option(
    "--map",
    "mapping",
    type=click.Path(path_type=Path),
    metavar="MAPPING",
    help="Read rows of tables by this mapping file, in place of lines of events.",
)
