"""The option that names a trust file."""

from pathlib import Path
from typing import Final

import click

trust_option: Final = click.option(
    "--trust",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Whose keys are trusted, as C2SP tlog-policy writes it.",
)
