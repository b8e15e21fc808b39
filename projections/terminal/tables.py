"""Tables without lines: columns as wide as what stands in them, counted in places of a terminal.

On a terminal that shows Unicode rich lays them out, and folds what is too long under its own column. Everywhere else
they are plain lines, the same whatever the width of a window, so that a pipe gets a row a line.
"""

import codecs
import sys
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import click

from projections.terminal.streams import is_watched

_GAP: Final = 2


class Column(NamedTuple):
    """How the cells of a column stand."""

    is_right: bool = False
    least: int = 0
    """Places that it takes at least."""


LEFT: Final = Column()
RIGHT: Final = Column(is_right=True)


def cells(text: str) -> int:
    """How many places a text takes on a terminal: Chinese characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def print_table(
    columns: Sequence[Column], rows: Iterable[Sequence[str]], *, indent: int = 0, is_copied: bool = False
) -> None:
    """Print rows with a cell for each column; all are held in memory until the widest is known.

    What is copied from a terminal, such as hashes and paths, is never folded.
    """
    kept = [tuple(row) for row in rows]
    if kept and not is_copied and _is_laid_out_by_rich():
        _print_by_rich(columns, kept, indent)
        return
    ends_left = not columns[-1].is_right  # nothing stands behind it that had to be in line
    measured = columns[:-1] if ends_left else columns
    widths = [max((cells(row[at]) for row in kept), default=0) for at in range(len(measured))] + [0] * ends_left
    for row in kept:
        padded = [
            _padded(cell, column, max(width, column.least))
            for cell, column, width in zip(row, columns, widths, strict=True)
        ]
        click.echo(f"{' ' * indent}{(' ' * _GAP).join(padded)}".rstrip())


def _padded(text: str, column: Column, width: int) -> str:
    blanks = " " * (width - cells(text))
    return blanks + text if column.is_right else text + blanks


def _is_laid_out_by_rich() -> bool:
    """Whether standard output is a terminal on which rich can do more than plain lines would."""
    if not is_watched(sys.stdout):
        return False
    return codecs.lookup(sys.stdout.encoding or "ascii").name == "utf-8"


def _print_by_rich(columns: Sequence[Column], rows: Sequence[tuple[str, ...]], indent: int) -> None:
    from rich.console import Console
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, _GAP, 0, 0))
    for column in columns:
        table.add_column(
            justify="right" if column.is_right else "left", overflow="fold", min_width=column.least or None
        )
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console(highlight=False).print(Padding(table, (0, 0, 0, indent)))
