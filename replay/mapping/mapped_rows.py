"""Rows made into lines one by one, and which row each line comes from."""

from collections.abc import Iterable
from typing import Final

import msgspec

from replay.mapping.language.compiling import MappedEvent, Row
from replay.mapping.rows import Batch, Unreadable
from replay.parsing.refusals import Columns, Refusal, RefusalError

NO_EVENT: Final = -1


class MappedRows:
    """The lines that consecutive rows give, and which row each comes from; with `only`, those of some of the rows."""

    def __init__(
        self,
        named: list[str],
        columns: list[str],
        events: list[MappedEvent],
        batch: Batch,
        first: int,
        only: Iterable[int] | None = None,
    ) -> None:
        self._named = named
        self._columns = columns
        self._events = events
        self._batch = batch
        self._first = first
        self.refusals: dict[int, Refusal] = {}
        """By line."""
        self.numbers: list[int] = []
        self.lines: list[bytes] = []
        self.which: list[int] = []
        """Of each line, the event of the mapping that it is."""
        if only is None:
            for number, row in enumerate(batch.rows, first):
                self._take(number, row)
        else:
            for index in only:
                self._take(first + index, batch.rows[index])

    @property
    def last(self) -> int:
        return self._first + len(self._batch.rows) - 1

    def raw(self, index: int) -> bytes:
        at = self.numbers[index] - self._first
        return kept_of(self._batch, at, self._columns, self._named)

    def refused(self, index: int) -> Refusal | None:
        return self.refusals.get(index)

    def columns(self, index: int) -> Columns:
        which = self.which[index]
        return told_of(self._batch, self.numbers[index] - self._first, self._columns, self._events, which)

    def _take(self, number: int, row: Row | None) -> None:
        found = len(self.lines)
        if row is None:
            self._refuse(number, self._batch.unreadable.get(number - self._first))
        else:
            for which, event in enumerate(self._events):
                self._make(number, which, event, row)
        if len(self.lines) == found:
            self._add(number, NO_EVENT, b"")

    def _make(self, number: int, which: int, event: MappedEvent, row: Row) -> None:
        try:
            line = event.line(row)
        except RefusalError as error:
            self.refusals[len(self.lines)] = error.refusal
            self._add(number, NO_EVENT, b"")
            return
        if line:
            self._add(number, which, line)

    def _refuse(self, number: int, found: Unreadable | None) -> None:
        if found is not None:
            self.refusals[len(self.lines)] = found.refusal
            self._add(number, NO_EVENT, b"")

    def _add(self, number: int, which: int, line: bytes) -> None:
        self.numbers.append(number)
        self.which.append(which)
        self.lines.append(line)


def kept_of(batch: Batch, at: int, columns: list[str], named: list[str]) -> bytes:
    """A row as a JSON object, which is read again by the same mapping; what no event is made of is left out."""
    row = batch.rows[at]
    if row is None:
        return batch.unreadable[at].raw
    values = {column: row[columns.index(column)] for column in named}
    return msgspec.json.encode({column: value for column, value in values.items() if value})


def told_of(batch: Batch, at: int, columns: list[str], events: list[MappedEvent], which: int) -> Columns:
    """What a row has in the columns of which one of the events of a mapping is made."""
    row = batch.rows[at]
    if row is None or which == NO_EVENT:
        return {}
    return events[which].told_of(dict(zip(columns, row, strict=True)))
