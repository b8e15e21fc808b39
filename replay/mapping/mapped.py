"""Rows by a mapping as blocks of lines, which the intake reads as it reads lines of a file."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Final

import msgspec

from domain.limits import BATCH_LINES_MAX
from replay.mapping.compiling import MappedEvent, Row, compiled
from replay.mapping.document import Mapping
from replay.mapping.queries import RowQuery, query_table
from replay.mapping.rows import Batch, RowTable, Unreadable
from replay.mapping.tables import table_of
from replay.parsing.lines import Block
from replay.parsing.refusals import Columns, Refusal, RefusalError
from replay.parsing.unpacking import printable

_NO_EVENT: Final = -1


def blocks_of(mapping: Mapping, name: str) -> Iterator[Block]:
    """The events of a file's rows, in their order; rows count from 1, below the header where there is one.

    All events of a row are in one block. A row that gives none is a blank line there. Raises BrokenInput.
    """
    with ExitStack() as stack:
        table = table_of(mapping, name, BATCH_LINES_MAX // len(mapping.events), stack)
        yield from mapped(mapping, name, table)


def blocks_of_query(mapping: Mapping, query: RowQuery) -> Iterator[Block]:
    """The same of the rows of a query, which count from 1."""
    with ExitStack() as stack:
        table = query_table(mapping, query, BATCH_LINES_MAX // len(mapping.events), stack)
        yield from mapped(mapping, query.file, table)


def mapped(mapping: Mapping, name: str, table: RowTable) -> Iterator[Block]:
    """The events of a table's rows as blocks."""
    events = compiled(mapping, table.columns)
    first = 1
    for batch in table.batches:
        origin = MappedRows(mapping.columns, table.columns, events, batch, first)
        yield Block(f"{printable(name)}:row", first, origin.lines, batch.read_bytes, origin)
        first = origin.last + 1


class MappedRows:
    """The lines that consecutive rows give, and which row each comes from."""

    def __init__(
        self, named: list[str], columns: list[str], events: list[MappedEvent], batch: Batch, first: int
    ) -> None:
        self._named = named
        self._columns = columns
        self._events = events
        self._batch = batch
        self._first = first
        self._refused: dict[int, Refusal] = {}
        self._numbers: list[int] = []
        self.lines: list[bytes] = []
        self._which: list[int] = []
        """Of each line, the event of the mapping that it is."""
        for number, row in enumerate(batch.rows, first):
            self._take(number, row)

    @property
    def numbers(self) -> list[int]:
        return self._numbers

    @property
    def last(self) -> int:
        return self._first + len(self._batch.rows) - 1

    def raw(self, index: int) -> bytes:
        """A JSON object, which is read again by the same mapping; what no event is made of is left out."""
        at = self._numbers[index] - self._first
        row = self._batch.rows[at]
        if row is None:
            return self._batch.unreadable[at].raw
        named = {column: row[self._columns.index(column)] for column in self._named}
        return msgspec.json.encode({column: value for column, value in named.items() if value})

    def refused(self, index: int) -> Refusal | None:
        return self._refused.get(index)

    def columns(self, index: int) -> Columns:
        row = self._batch.rows[self._numbers[index] - self._first]
        if row is None or self._which[index] == _NO_EVENT:
            return {}
        return self._events[self._which[index]].told_of(dict(zip(self._columns, row, strict=True)))

    def _take(self, number: int, row: Row | None) -> None:
        found = len(self.lines)
        if row is None:
            self._refuse(number, self._batch.unreadable.get(number - self._first))
        else:
            for which, event in enumerate(self._events):
                self._make(number, which, event, row)
        if len(self.lines) == found:
            self._add(number, _NO_EVENT, b"")

    def _make(self, number: int, which: int, event: MappedEvent, row: Row) -> None:
        try:
            line = event.line(row)
        except RefusalError as error:
            self._refused[len(self.lines)] = error.refusal
            self._add(number, _NO_EVENT, b"")
            return
        if line:
            self._add(number, which, line)

    def _refuse(self, number: int, found: Unreadable | None) -> None:
        if found is not None:
            self._refused[len(self.lines)] = found.refusal
            self._add(number, _NO_EVENT, b"")

    def _add(self, number: int, which: int, line: bytes) -> None:
        self._numbers.append(number)
        self._which.append(which)
        self.lines.append(line)
