"""A table as it is read, whatever it lies in: columns, and batches of rows of texts."""

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, NamedTuple

from replay.mapping.language.compiling import Row
from replay.mapping.language.document import Mapping
from replay.parsing.refusals import Refusal
from replay.parsing.strict_json import shown
from replay.parsing.unpacking import BrokenInput, printable

if TYPE_CHECKING:
    from replay.mapping.columnwise.composed import Columns


class Unreadable(NamedTuple):
    """A row that is none of its table, why, and what of it is kept."""

    refusal: Refusal
    raw: bytes


class Batch(NamedTuple):
    """Consecutive rows; None for one that is blank, or is not readable."""

    rows: Sequence[Row | None]
    unreadable: dict[int, Unreadable]
    read_bytes: int
    columns: "Columns | None" = None
    """The columns that events are made of, where the rows were read as such and are all readable."""


class RowTable(NamedTuple):
    """The rows of a file, as they are read."""

    columns: list[str]
    batches: Iterator[Batch]


def check_columns(mapping: Mapping, columns: list[str], name: str) -> None:
    """Raises BrokenInput where columns are missing, stand twice, or are neither named nor left aside."""
    shown_name = printable(name)
    if twice := sorted({column for column in columns if columns.count(column) > 1}):
        raise BrokenInput(f"{shown_name} has the column {shown(twice[0])} twice; nothing of it was taken in")
    for column in mapping.columns:
        if column not in columns:
            near = get_close_matches(column, columns, n=1)
            known = f"did you mean {shown(near[0])}?" if near else f"its columns are: {', '.join(map(shown, columns))}"
            raise BrokenInput(f"{shown_name} has no column {shown(column)}, which {mapping.name} names; {known}")
    if beyond := [column for column in columns if column not in mapping.ignored and column not in mapping.columns]:
        raise BrokenInput(
            f"{shown_name} has columns of which {mapping.name} says nothing: {', '.join(map(shown, beyond))}; make"
            " something of them, or leave them aside by columns = [...]"
        )
