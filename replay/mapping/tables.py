"""Rows of files: separated values, JSON Lines, Parquet and Arrow, as texts in the order of their columns."""

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice
from typing import Any, Final

from domain.limits import LINE_BYTES_MAX
from replay.mapping.arrow_tables import arrow_table
from replay.mapping.language.compiling import Row
from replay.mapping.language.document import Mapping
from replay.mapping.rows import Batch, RowTable, Unreadable
from replay.mapping.separated import separated_table
from replay.parsing.lines import REFUSED_MARK, is_passed_over
from replay.parsing.refusals import Reason, Refusal, RefusalError
from replay.parsing.strict_json import OddNumber, check_whole, parse_unchecked, shown
from replay.parsing.unpacking import Unpacked, opened, read_to_its_end

LINES: Final = "jsonl"


def table_of(mapping: Mapping, name: str, rows: int, stack: ExitStack, *, by_column: bool = False) -> RowTable:
    """The table in a file, in batches of so many rows; with `by_column`, the columns of events where they are at hand.

    Raises BrokenInput, before a row is given, where it has no such columns as the mapping says, and later where it
    breaks off. A file of rows that were refused by this mapping is JSON Lines, whatever the mapping's format.
    """
    source = opened(name, stack)
    head = _head(source)
    if mapping.format == LINES or head.startswith(REFUSED_MARK):
        return RowTable(mapping.columns, _batches(name, source, rows, _json_rows(mapping, source)))
    if mapping.format in ("parquet", "arrow"):
        return arrow_table(mapping, name, source, rows, stack, by_column=by_column)
    return separated_table(mapping, name, source, rows, by_column=by_column)


def _head(source: Unpacked) -> bytes:
    peek = getattr(source.stream, "peek", None)
    return b"" if peek is None else bytes(peek(len(REFUSED_MARK))[: len(REFUSED_MARK)])


_Read = Iterator[Row | Unreadable | None]


def _batches(name: str, source: Unpacked, size: int, rows: _Read) -> Iterator[Batch]:
    with read_to_its_end(name):
        while found := list(islice(rows, size)):
            unreadable = {index: row for index, row in enumerate(found) if isinstance(row, Unreadable)}
            readable = [None if isinstance(row, Unreadable) else row for row in found] if unreadable else found
            yield Batch(readable, unreadable, source.read_bytes())  # type: ignore[arg-type]


def _json_rows(mapping: Mapping, source: Unpacked) -> _Read:
    while line := source.stream.readline(LINE_BYTES_MAX + 1):
        if len(line) > LINE_BYTES_MAX:
            while line and not line.endswith(b"\n"):
                line = source.stream.readline(LINE_BYTES_MAX)
            text = f"found a line of more than {LINE_BYTES_MAX} bytes; leave out what no event needs"
            yield Unreadable(Refusal(Reason.LINE_TOO_LONG, text), b"")
        else:
            yield None if is_passed_over(line) else json_row(mapping, line.rstrip(b"\r\n"))


def json_row(mapping: Mapping, line: bytes) -> Row | Unreadable:
    """The values of a flat JSON object in the order of the columns that a mapping names; or why it is none."""
    try:
        found = parse_unchecked(line)
        for key in found:
            if key not in mapping.ignored and key not in mapping.columns:
                raise RefusalError(
                    Reason.ROW_SHAPE,
                    f"found a column {shown(key)}, of which {mapping.name} says nothing; make something of it, or leave"
                    " it aside by columns = [...]",
                )
        return [_text(column, found.get(column)) for column in mapping.columns]
    except RefusalError as error:
        return Unreadable(error.refusal, line)


def _text(column: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | OddNumber):
        text = str(value)
        check_whole(text)
        return text
    raise RefusalError(
        Reason.ROW_SHAPE, f"column {column}: found {shown(value)}, which is no single value; write the rows flat"
    )
