"""Rows of separated values: as the standard library's strict reader reads them, and where that is certain, in columns.

A file is decoded by some megabytes, and each of these pieces, cut behind a line, is read in one of the two ways.
"""

import codecs
import contextlib
import csv
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import msgspec

from replay.mapping.language.compiling import Row
from replay.mapping.language.document import Mapping
from replay.mapping.rows import Batch, RowTable, Unreadable, check_columns
from replay.parsing.forms import UTF8_MARK
from replay.parsing.refusals import Reason, Refusal
from replay.parsing.strict_json import shown
from replay.parsing.unpacking import BLOCK_BYTES, BrokenInput, Unpacked, printable, read_to_its_end

if TYPE_CHECKING:
    from replay.mapping.columnwise.text_rows import TextRows

FIELD_CHARS_MAX: Final = 1 << 17
"""So long may one value be: an unclosed quote takes in no more."""
BYTES_BEFORE_COLUMNS: Final = BLOCK_BYTES
"""A smaller file is read row by row, and so is so much of a pipe: what columns take has to be loaded."""


def separated_table(mapping: Mapping, name: str, source: Unpacked, size: int, *, by_column: bool) -> RowTable:
    """The table in a file of separated values, in batches of at most so many rows; with `by_column`, mostly columns.

    Raises BrokenInput where the columns are others, and later where what follows is of another encoding.
    """
    found = _Separated(mapping, name, source, by_column=by_column)
    return RowTable(found.columns, found.batches(size))


class _Separated:
    """A file of separated values as it is read."""

    def __init__(self, mapping: Mapping, name: str, source: Unpacked, *, by_column: bool) -> None:
        self._mapping = mapping
        self._name = name
        self._source = source
        self._by_column = by_column
        self._before_columns = 0 if (source.bytes_on_disk or 0) > BYTES_BEFORE_COLUMNS else BYTES_BEFORE_COLUMNS
        """So many characters are read row by row first, or a few more."""
        self._pieces = _pieces(source, mapping.encoding, by_column=by_column)
        self._piece = io.StringIO("", newline="")
        self._piece_chars = 0
        self._lines_aside = 0
        """Lines that the reader of rows did not see."""
        self._rows_read = 0
        csv.field_size_limit(FIELD_CHARS_MAX)
        self._reader = csv.reader(self._lines(), delimiter=mapping.delimiter, strict=True)
        self.columns = self._header()

    def batches(self, size: int) -> Iterator[Batch]:
        gathered: list[Row | Unreadable | None] = []
        try:
            with read_to_its_end(self._name):
                for piece in self._at_rows():
                    found = self._in_columns(piece)
                    if found is not None:
                        if gathered:
                            yield self._batch(gathered)
                            gathered = []
                        yield from self._slices(found, size)
                        continue
                    self._hold(piece)
                    for row in self._rows():
                        gathered.append(row)
                        if len(gathered) == size:
                            yield self._batch(gathered)
                            gathered = []
        except UnicodeError as error:
            if gathered:
                yield self._batch(gathered)
            raise self._broken_off(error) from None
        if gathered:
            yield self._batch(gathered)

    def _header(self) -> list[str]:
        try:
            with read_to_its_end(self._name):
                columns: list[str] = next(self._reader, [])
        except (UnicodeError, csv.Error) as error:
            raise self._broken_off(error) from None
        if not columns:
            raise BrokenInput(f"{printable(self._name)} has no header; its first line names the columns")
        check_columns(self._mapping, columns, self._name)
        return columns

    def _lines(self) -> Iterator[str]:
        """Lines for the reader, which asks for another where a row begins, and within a value that goes on."""
        while True:
            held = self._piece
            yield from held
            if held is self._piece:
                piece = next(self._pieces, None)
                if piece is None:
                    return
                self._hold(piece)

    def _hold(self, piece: str | bytes) -> None:
        text = piece if isinstance(piece, str) else piece.decode()
        self._piece, self._piece_chars = io.StringIO(text, newline=""), len(text)

    def _at_rows(self) -> Iterator[str | bytes]:
        """What is left of the piece that the header was in, and the further ones, each where a row begins."""
        yield self._piece.read()
        yield from self._pieces

    def _rows(self) -> Iterator[Row | Unreadable | None]:
        """The rows that begin in the piece that is held, or in those that are held after it."""
        width = len(self.columns)
        while self._piece.tell() < self._piece_chars:
            try:
                row = next(self._reader)
            except csv.Error as error:
                line = self._reader.line_num + self._lines_aside
                text = f"line {line} cannot be read as separated values ({error}); mend its quotes in the file"
                yield Unreadable(Refusal(Reason.ROW_SHAPE, text), b"[]")
            else:
                yield row if len(row) == width else _of_other_width(row, self.columns) if row else None
            self._rows_read += 1

    def _in_columns(self, piece: str | bytes) -> "TextRows | None":
        if not self._by_column or not piece:
            return None
        if self._before_columns > 0:
            self._before_columns -= len(piece)
            return None
        from replay.mapping.columnwise.separated import rows_within

        mapping = self._mapping
        content = piece.encode() if isinstance(piece, str) else piece
        found = rows_within(content, self.columns, mapping.columns, mapping.delimiter, FIELD_CHARS_MAX)
        if found is not None:
            lines = content.count(b"\n") + (not content.endswith(b"\n")) if b'"' in content else len(found)
            self._lines_aside += lines
        return found

    def _slices(self, found: "TextRows", size: int) -> Iterator[Batch]:
        for start in range(0, len(found), size):
            part = found[start : start + size]
            self._rows_read += len(part)
            yield Batch(part, {}, self._source.read_bytes(), part.columns)

    def _batch(self, found: list[Row | Unreadable | None]) -> Batch:
        unreadable = {index: row for index, row in enumerate(found) if isinstance(row, Unreadable)}
        rows = [None if isinstance(row, Unreadable) else row for row in found]
        return Batch(rows, unreadable, self._source.read_bytes())

    def _broken_off(self, error: Exception) -> BrokenInput:
        told = str(error)
        if isinstance(error, UnicodeDecodeError):
            told = f"found the bytes {error.object[error.start : error.end].hex(' ')} ({error.reason})"
        return BrokenInput(
            f"{printable(self._name)} cannot be read as {self._mapping.encoding} behind row {self._rows_read}: {told};"
            f" say its encoding in {self._mapping.name}, or mend the file"
        )


def _pieces(source: Unpacked, encoding: str, *, by_column: bool) -> Iterator[str | bytes]:
    """What a stream holds in pieces that end behind a line, but for the last; bytes are UTF-8.

    Raises UnicodeError behind the last line before a fault.
    """
    if by_column and encoding in ("utf-8", "utf-8-sig"):
        return _in_utf8(source)
    return _decoded(source, "utf-8-sig" if encoding == "utf-8" else encoding)


def _in_utf8(source: Unpacked) -> Iterator[bytes]:
    from replay.mapping.columnwise.separated import is_utf8

    held: list[bytes] = []
    chunk, is_first = b"begun", True
    while chunk:
        chunk = _some(source)
        end = chunk.rfind(b"\n") + 1 if chunk else 0
        held.append(chunk[:end])
        if end or not chunk:
            piece = b"".join(held).removeprefix(UTF8_MARK if is_first else b"")
            held, is_first = [], False
            if is_utf8(piece):
                yield piece
            else:
                yield from _before_fault(piece)
        held.append(chunk[end:])


def _before_fault(piece: bytes) -> Iterator[bytes]:
    try:
        piece.decode()
    except UnicodeDecodeError as error:
        good = piece[: error.start]
        if end := good.rfind(b"\n") + 1:
            yield good[:end]
        raise
    yield piece


def _decoded(source: Unpacked, encoding: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(encoding)()
    held: list[str] = []
    chunk = b"begun"
    while chunk:
        chunk = _some(source)
        state = decoder.getstate()
        broken: UnicodeError | None = None
        try:
            text = decoder.decode(chunk, not chunk)
        except UnicodeError as error:
            decoder.setstate(state)
            text, broken = _decoded_before_fault(decoder, chunk), error
        end = text.rfind("\n") + 1
        if end:
            yield "".join([*held, text[:end]])
            held = []
        held.append(text[end:])
        if broken is not None:
            raise broken
    if rest := "".join(held):
        yield rest


def _some(source: Unpacked) -> bytes:
    """A piece of `BLOCK_BYTES`; of a pipe what there is of it."""
    stream: Any = source.stream
    found: bytes = stream.read1(BLOCK_BYTES) if source.bytes_on_disk is None else stream.read(BLOCK_BYTES)
    return found


def _decoded_before_fault(decoder: codecs.IncrementalDecoder, chunk: bytes) -> str:
    text = ""
    with contextlib.suppress(UnicodeError):
        for byte in chunk:
            text += decoder.decode(bytes([byte]))
    return text


def _of_other_width(row: list[str], columns: list[str]) -> Unreadable:
    lacks = len(row) < len(columns)
    first = (
        f"no value for {shown(columns[len(row)])}" if lacks else f"{shown(row[len(columns)])} beyond the last column"
    )
    text = f"found {len(row)} values in a row of {len(columns)} columns ({first}); mend the row in the file"
    return Unreadable(Refusal(Reason.ROW_SHAPE, text), msgspec.json.encode(row))
