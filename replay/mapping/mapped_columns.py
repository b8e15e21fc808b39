"""Rows made into lines a column at a time; the rows that are in doubt, one by one among them."""

from collections.abc import Collection
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from replay.mapping.columnwise.events import ColumnEvent
from replay.mapping.columnwise.lines import Elsewhere, MadeLines, columns_of, in_order, of_columns
from replay.mapping.language.compiling import MappedEvent
from replay.mapping.mapped_rows import NO_EVENT, MappedRows, kept_of, told_of
from replay.mapping.rows import Batch
from replay.parsing.refusals import Columns, Refusal


class ColumnWay:
    """What the columns of a table are made into lines by."""

    def __init__(
        self, named: list[str], columns: list[str], events: list[MappedEvent], column_events: list[ColumnEvent]
    ) -> None:
        self.named = named
        self.columns = columns
        self.events = events
        self._column_events = column_events

    def mapped(self, batch: Batch, first: int) -> "MappedColumns | None":
        """The lines of consecutive rows; None where they are better made row by row."""
        found = columns_of(batch.rows, self.columns, self.named) if batch.columns is None else None
        columns, there = found or (batch.columns, np.ones(len(batch.rows), bool))
        if columns is None:
            return None
        made = of_columns(self._column_events, columns, there)
        if made is None:
            return None
        lines, usual = made
        others = MappedRows(self.named, self.columns, self.events, batch, 0, np.flatnonzero(~usual).tolist())
        elsewhere = Elsewhere(others.lines, others.numbers, others.which)
        return MappedColumns(self, batch, first, in_order(lines, usual, elsewhere, NO_EVENT), usual, others.refusals)


class MappedColumns:
    """The lines that consecutive rows give, and which row each comes from."""

    def __init__(
        self,
        way: ColumnWay,
        batch: Batch,
        first: int,
        made: MadeLines,
        usual: Any,
        refusals: dict[int, Refusal],
    ) -> None:
        self._way = way
        self._batch = batch
        self._first = first
        self._made = made
        self._usual = usual
        self._of_others = refusals

    @cached_property
    def lines(self) -> list[bytes]:
        return bytes(self._text(self._made.text)).split(b"\n")[:-1]

    @cached_property
    def numbers(self) -> list[int]:
        found: list[int] = (self._made.rows + self._first).tolist()
        return found

    @property
    def last(self) -> int:
        return self._first + len(self._batch.rows) - 1

    @cached_property
    def row_by_row(self) -> list[int]:
        """The lines of rows that were in doubt."""
        found: list[int] = np.flatnonzero(~self._usual[self._made.rows]).tolist()
        return found

    @property
    def without_event(self) -> int:
        """How many of the other rows have no event."""
        return int((self._made.which == NO_EVENT).sum()) - sum(
            int(self._made.which[index] == NO_EVENT) for index in self.row_by_row
        )

    def text_without(self, left_out: Collection[int]) -> tuple[memoryview, int]:
        """The lines that are events, each with its line end, and how many; some are left out."""
        is_event = self._made.which != NO_EVENT
        is_event[list(left_out)] = False
        if is_event.all():
            return self._text(self._made.text), len(is_event)
        return self._text(self._made.text.filter(pa.array(is_event))), int(is_event.sum())

    def raw(self, index: int) -> bytes:
        return kept_of(self._batch, int(self._made.rows[index]), self._way.columns, self._way.named)

    def refused(self, index: int) -> Refusal | None:
        return self._refusals.get(index)

    def columns(self, index: int) -> Columns:
        row, which = int(self._made.rows[index]), int(self._made.which[index])
        return told_of(self._batch, row, self._way.columns, self._way.events, which)

    @cached_property
    def _refusals(self) -> dict[int, Refusal]:
        return {self.row_by_row[index]: refusal for index, refusal in self._of_others.items()}

    @staticmethod
    def _text(array: Any) -> memoryview:
        if not len(array):
            return memoryview(b"")
        ends = np.frombuffer(array.buffers()[1], np.int32)[array.offset :]
        return memoryview(array.buffers()[2])[ends[0] : ends[len(array)]]
