"""Separated values by Arrow's reader, where it certainly reads what the standard library's strict reader reads."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.csv

from replay.mapping.columnwise.composed import Columns
from replay.mapping.columnwise.text_rows import TextRows
from replay.mapping.columnwise.values import TextColumn

BYTES_MAX: Final = 1 << 26
"""More is left to the way of rows, which reads it bit by bit."""
_DELIMITERS: Final = frozenset(",;\t|:^~ ")
_QUOTE: Final = ord('"')
_LINE_FEED: Final = ord("\n")
_RETURN: Final = ord("\r")


def rows_within(
    content: bytes, names: Sequence[str], wanted: Sequence[str], delimiter: str, chars_max: int
) -> TextRows | None:
    """The rows in whole lines of UTF-8, with the columns that are wanted; None where each has to be looked at.

    That is so where a row is blank or of another width, a value may have more than `chars_max` characters, quotes
    stand elsewhere than about a value, or a line ends otherwise than by a line feed.
    """
    if not _is_plain(content, delimiter, chars_max):
        return None
    has_quotes = _QUOTE in content
    if has_quotes and not _are_about_values(content, delimiter):
        return None
    try:
        table = _read(content, names, wanted, delimiter, has_quotes=has_quotes)
    except pa.ArrowInvalid:
        return None
    if not table.num_rows:
        return None
    columns: Columns = {name: TextColumn(_one(table.column(name))) for name in wanted}
    return TextRows(names, columns, table.num_rows)


def _is_plain(content: bytes, delimiter: str, chars_max: int) -> bool:
    if delimiter not in _DELIMITERS or len(content) > BYTES_MAX or b"\0" in content:
        return False
    if b"\r" in content and content.count(b"\r") != content.count(b"\r\n"):
        return False
    return not _has_blank_lines(content) and _has_short_lines(content, chars_max)


def _has_blank_lines(content: bytes) -> bool:
    """Whether a line feed, or one behind a carriage return, stands where a line begins; Arrow makes a row of it."""
    data = np.frombuffer(content, np.uint8)
    feeds = data == _LINE_FEED
    if content.startswith((b"\n", b"\r")) or (feeds[1:] & feeds[:-1]).any():
        return True
    return b"\r" in content and bool((feeds[2:] & feeds[:-2] & (data[1:-1] == _RETURN)).any())


def _has_short_lines(content: bytes, bytes_max: int) -> bool:
    """Whether a line feed stands within each so many bytes."""
    at = 0
    while len(content) - at > bytes_max:
        at = content.rfind(b"\n", at, at + bytes_max) + 1
        if at == 0:
            return False
    return True


def _are_about_values(content: bytes, delimiter: str) -> bool:
    """Whether all quotes stand about whole values, those within them twice."""
    data = np.frombuffer(content, np.uint8)
    quotes = np.flatnonzero(data == _QUOTE)
    if len(quotes) % 2:
        return False
    opening, closing = quotes[::2], quotes[1::2]
    is_twice = closing[:-1] + 1 == opening[1:]
    bounds = np.zeros(256, bool)
    bounds[[ord(delimiter), ord("\n")]] = True
    before = bounds[data[opening - 1]] | (opening == 0)
    ends = bounds.copy()
    ends[ord("\r")] = True
    behind = ends[data[np.minimum(closing + 1, len(data) - 1)]] | (closing == len(data) - 1)
    return bool(before[0] and behind[-1] and ((before[1:] & behind[:-1]) | is_twice).all())


def _read(content: bytes, names: Sequence[str], wanted: Sequence[str], delimiter: str, *, has_quotes: bool) -> pa.Table:
    reading = pa.csv.ReadOptions(use_threads=False, column_names=list(names), block_size=len(content) + 1)
    parsing = pa.csv.ParseOptions(
        delimiter=delimiter,
        quote_char='"' if has_quotes else False,
        newlines_in_values=has_quotes,
        ignore_empty_lines=False,
    )
    converting = pa.csv.ConvertOptions(
        check_utf8=False,
        column_types=dict.fromkeys(wanted, pa.string()),
        strings_can_be_null=False,
        include_columns=list(wanted),
    )
    return pa.csv.read_csv(pa.BufferReader(content), reading, parsing, converting)


def _one(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def is_utf8(content: bytes) -> bool:
    """Whether these bytes are UTF-8, for less than a GiB of them."""
    starts = np.array([0, len(content)], np.int32)
    try:
        pa.StringArray.from_buffers(1, pa.py_buffer(starts), pa.py_buffer(content)).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True
