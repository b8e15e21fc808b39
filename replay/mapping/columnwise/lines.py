"""Columns of rows → the lines of their events in the order of the rows, and which rows are left to the way of rows."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from replay.mapping.columnwise.composed import Columns
from replay.mapping.columnwise.events import ColumnEvent, EventLines, Rows
from replay.mapping.columnwise.values import Doubts, Flags, TextColumn
from replay.mapping.language.compiling import Row

BYTES_MAX: Final = 1 << 25
"""Columns of more bytes are left to the way of rows: Arrow's texts of all events must stay within 2 GiB."""

ROWS_MAX: Final = 1 << 16


class MadeLines(NamedTuple):
    """What became of the rows of a batch."""

    text: Any
    """Arrow's strings: the lines, each with its line end; those from elsewhere among them."""
    rows: Rows
    """Of each line, the row that it comes from, counted from 0."""
    which: NDArray[np.int8]
    """Of each line, the event of the mapping that it is, or what came with it from elsewhere."""


class Elsewhere(NamedTuple):
    """Lines that were made row by row, in the order of the rows."""

    lines: list[bytes]
    rows: list[int]
    which: list[int]


def columns_of(rows: Sequence[Row | None], names: Sequence[str], used: Sequence[str]) -> tuple[Columns, Flags] | None:
    """The used columns of rows, with an empty text for those of None, and which rows are there; None where none is."""
    there = np.array([row is not None for row in rows], bool)
    if not there.any():
        return None
    nothing: Row = [""] * len(names)
    by_name = dict(zip(names, zip(*(row or nothing for row in rows), strict=True), strict=True))
    try:
        return {name: TextColumn(pa.array(by_name[name], pa.string())) for name in used}, there
    except UnicodeEncodeError:
        return None


def of_columns(
    events: list[ColumnEvent], columns: Columns, there: Flags
) -> tuple[list[tuple[int, EventLines]], Flags] | None:
    """The lines of each event, over all rows that are not in doubt, and which rows those are.

    None where at least half of the rows are in doubt.
    """
    if len(there) > ROWS_MAX or sum(len(column.data) for column in columns.values()) > BYTES_MAX:
        return None
    usual = there
    while True:
        count = int(usual.sum())
        if count * 2 < len(usual) or not count:
            return None
        chosen = columns if usual.all() else {name: column.where(usual) for name, column in columns.items()}
        doubts = Doubts(count)
        made = [(which, event.of(chosen, count, doubts)) for which, event in enumerate(events)]
        if doubts.found is None:
            return [(which, lines) for which, lines in made if lines is not None], usual
        further = usual.copy()
        further[usual] = ~doubts.found
        usual = further


def in_order(made: list[tuple[int, EventLines]], usual: Flags, elsewhere: Elsewhere, no_event: int) -> MadeLines:
    """All lines in the order of their rows; a blank one for a usual row that has no event."""
    numbers = np.flatnonzero(usual)
    texts, rows, which = [], [], []
    without = np.ones(len(numbers), bool)
    for event, found in made:
        chosen = slice(None) if found.rows is None else found.rows
        without[chosen] = False
        texts.append(found.lines)
        rows.append(numbers[chosen])
        which.append(np.full(len(found.lines), event, np.int8))
    if without.any():
        rows.append(numbers[without])
        texts.append(pa.repeat(pa.scalar("\n"), len(rows[-1])))
        which.append(np.full(len(rows[-1]), no_event, np.int8))
    if elsewhere.lines:
        texts.append(pa.array([line + b"\n" for line in elsewhere.lines], pa.binary()).cast(pa.string()))
        rows.append(np.array(elsewhere.rows))
        which.append(np.array(elsewhere.which, np.int8))
    if len(texts) == 1:
        return MadeLines(texts[0], rows[0], which[0])
    every_row = np.concatenate(rows)
    order = np.argsort(every_row.astype(np.uint16), kind="stable")
    return MadeLines(pa.concat_arrays(texts).take(pa.array(order)), every_row[order], np.concatenate(which)[order])
