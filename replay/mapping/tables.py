"""Rows of files: separated values, JSON Lines, Parquet and Arrow, as texts in the order of their columns."""

import csv
import io
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice
from typing import Any, Final

import msgspec

from domain.limits import LINE_BYTES_MAX
from replay.mapping.arrow_tables import arrow_table
from replay.mapping.compiling import Row
from replay.mapping.document import Mapping
from replay.mapping.rows import Batch, RowTable, Unreadable, check_columns
from replay.parsing.lines import REFUSED_MARK, is_passed_over
from replay.parsing.refusals import Reason, Refusal, RefusalError
from replay.parsing.strict_json import OddNumber, parse_unchecked, shown
from replay.parsing.unpacking import BrokenInput, Unpacked, opened, printable, read_to_its_end

FIELD_CHARS_MAX: Final = 1 << 17
"""So long may one value be: an unclosed quote takes in no more."""
LINES: Final = "jsonl"


def table_of(mapping: Mapping, name: str, rows: int, stack: ExitStack) -> RowTable:
    """The table in a file, in batches of so many rows.

    Raises BrokenInput, before a row is given, where it has no such columns as the mapping says, and later where it
    breaks off. A file of rows that were refused by this mapping is JSON Lines, whatever the mapping's format.
    """
    source = opened(name, stack)
    head = _head(source)
    if mapping.format == LINES or head.startswith(REFUSED_MARK):
        return RowTable(mapping.columns, _batches(name, source, rows, _json_rows(mapping, source)))
    if mapping.format in ("parquet", "arrow"):
        return arrow_table(mapping, name, source, rows, stack)
    return _separated(mapping, name, source, rows, stack)


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


def _separated(mapping: Mapping, name: str, source: Unpacked, size: int, stack: ExitStack) -> RowTable:
    encoding = "utf-8-sig" if mapping.encoding == "utf-8" else mapping.encoding
    text = io.TextIOWrapper(source.stream, encoding, newline="")
    stack.callback(text.detach)  # or it would close the stream once the rows are read
    csv.field_size_limit(FIELD_CHARS_MAX)
    reader = csv.reader(text, delimiter=mapping.delimiter, strict=True)
    columns = _header(mapping, name, reader)
    return RowTable(columns, _batches(name, source, size, _separated_rows(mapping, name, reader, columns)))


def _header(mapping: Mapping, name: str, reader: Any) -> list[str]:
    try:
        with read_to_its_end(name):
            columns: list[str] = next(reader, [])
    except (UnicodeError, csv.Error) as error:
        raise _broken_off(mapping, name, 0, error) from None
    if not columns:
        raise BrokenInput(f"{printable(name)} has no header; its first line names the columns")
    check_columns(mapping, columns, name)
    return columns


def _separated_rows(mapping: Mapping, name: str, reader: Any, columns: list[str]) -> _Read:
    width, number = len(columns), 0
    while True:
        try:
            for row in reader:
                number += 1
                if len(row) == width:
                    yield row
                else:
                    yield _of_other_width(row, columns) if row else None
            return
        except csv.Error as error:
            number += 1
            text = f"line {reader.line_num} cannot be read as separated values ({error}); mend its quotes in the file"
            yield Unreadable(Refusal(Reason.ROW_SHAPE, text), b"[]")
        except UnicodeError as error:
            raise _broken_off(mapping, name, number, error) from None


def _broken_off(mapping: Mapping, name: str, number: int, error: Exception) -> BrokenInput:
    return BrokenInput(
        f"{printable(name)} cannot be read as {mapping.encoding} behind row {number}: {error}; say its encoding in"
        f" {mapping.name}, or mend the file"
    )


def _of_other_width(row: list[str], columns: list[str]) -> Unreadable:
    lacks = len(row) < len(columns)
    first = (
        f"no value for {shown(columns[len(row)])}" if lacks else f"{shown(row[len(columns)])} beyond the last column"
    )
    text = f"found {len(row)} values in a row of {len(columns)} columns ({first}); mend the row in the file"
    return Unreadable(Refusal(Reason.ROW_SHAPE, text), msgspec.json.encode(row))


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
        return str(value)
    raise RefusalError(
        Reason.ROW_SHAPE, f"column {column}: found {shown(value)}, which is no single value; write the rows flat"
    )
