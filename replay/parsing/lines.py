"""Lines of files, of standard input and of packed files, and elements of JSON arrays, in blocks of bounded size.

A block is what was there to read, up to four megabytes: whole lines. A pipe that delivers one line gets
that line acknowledged without waiting for more. However long a line is, no more of it than the limit
is held in memory.
"""

import os
import sys
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, Protocol

from domain.limits import BATCH_LINES_MAX, LINE_BYTES_MAX
from replay.errors import UsageError
from replay.parsing.arrays import Elements
from replay.parsing.forms import UTF8_MARK, Form, form_of, is_enough
from replay.parsing.refusals import Columns, Refusal
from replay.parsing.unpacking import (
    BLOCK_BYTES,
    STANDARD_INPUT,
    BrokenInput,
    packing_of,
    printable,
    read_to_its_end,
    unpacked,
)

REFUSED_MARK: Final = b"# refused: "
"""Begins a line of a rejects file that says why the next one was refused; the intake passes it over."""


class RowsBehind(Protocol):
    """The rows of a table whose events the lines of a block are: none, one or several a row."""

    @property
    def lines(self) -> list[bytes]:
        """An event each, or blank."""

    @property
    def numbers(self) -> Sequence[int]:
        """Of the row that each line comes from."""

    @property
    def last(self) -> int:
        """The number of the last row."""

    def raw(self, index: int) -> bytes:
        """The row of a line as it is kept where it is refused."""

    def refused(self, index: int) -> Refusal | None:
        """Why a row gave no event in the place of this line, where that is a fault."""

    def columns(self, index: int) -> Columns:
        """What the row has in the columns of which the event of a line is made."""


class ProvenLines(Protocol):
    """Lines of rows of which it is told without reading them that the reader takes them; others may be among them."""

    @property
    def row_by_row(self) -> Sequence[int]:
        """The lines that are not proven."""

    @property
    def without_event(self) -> int:
        """How many of the others are blank, because their rows have no event."""

    def text_without(self, left_out: Collection[int]) -> tuple[memoryview, int]:
        """The lines that are not blank, each with its line end, and how many; some are left out."""


class Block(NamedTuple):
    """Consecutive whole lines of one file, without their line ends; or those made of consecutive rows."""

    name: str
    first_line: int
    as_read: list[bytes]
    """None of a block that is made of rows."""
    read_bytes: int
    """Bytes taken from the file as it lies on the disk, for a progress bar."""
    origin: RowsBehind | None = None
    proven: ProvenLines | None = None

    @property
    def lines(self) -> list[bytes]:
        return self.as_read if self.origin is None else self.origin.lines

    @property
    def last_line(self) -> int:
        return self.first_line + len(self.lines) - 1 if self.origin is None else self.origin.last

    def number(self, index: int) -> int:
        """The number in the file of the line, or row, that a line of the block is, or comes from."""
        return self.first_line + index if self.origin is None else self.origin.numbers[index]

    def raw(self, index: int) -> bytes:
        """What a line was in the file, without its line end."""
        if self.origin is not None:
            return self.origin.raw(index)
        return self.lines[index].removesuffix(b"\r")

    def columns(self, index: int) -> Columns:
        return {} if self.origin is None else self.origin.columns(index)

    def refused(self, index: int) -> Refusal | None:
        return None if self.origin is None else self.origin.refused(index)


def check_files(names: tuple[str, ...]) -> None:
    """Raises UsageError for the first name that cannot be read, before anything is recorded."""
    if names.count(STANDARD_INPUT) > 1:
        raise UsageError("standard input '-' is named twice; it can be read once")
    if STANDARD_INPUT in names and sys.stdin is None:
        raise UsageError("standard input is closed; name a file")
    for name in names:
        if name == STANDARD_INPUT:
            continue
        path = Path(name)
        if not path.exists():
            raise UsageError(f"there is no file {printable(name)}; check the path")
        if path.is_dir():
            raise UsageError(f"{printable(name)} is a folder; name the files in it")
        if not os.access(path, os.R_OK):
            raise UsageError(f"{printable(name)} cannot be read: permission denied")


def blocks(name: str) -> Iterator[Block]:
    """The blocks of one file, `-` being standard input; gzip, bzip2 and zstd are unpacked, arrays give their elements.

    Raises BrokenInput when the file is of a form that is not read, or cannot be read to its end; of a packed file
    nothing is given then, because what stood before may be damaged too.
    """
    with ExitStack() as stack:
        raw: BinaryIO = sys.stdin.buffer if name == STANDARD_INPUT else stack.enter_context(Path(name).open("rb"))
        form, chunks = _opened(name, raw, stack)
        is_array = form is Form.ARRAY
        shown = f"{printable(name)}:element" if is_array else printable(name)
        number = 1
        for lines in _elements(name, chunks) if is_array else _lines(chunks):
            at = raw.tell() if raw.seekable() else 0
            for start in range(0, len(lines), BATCH_LINES_MAX):
                part = lines[start : start + BATCH_LINES_MAX]
                yield Block(shown, number, part, at)
                number += len(part)


def is_passed_over(line: bytes) -> bool:
    """Whether a line holds nothing: blank, or the reason written above a refused line."""
    return len(line) <= LINE_BYTES_MAX and (not line.strip() or line.startswith(REFUSED_MARK))


def _opened(name: str, raw: BinaryIO, stack: ExitStack, *, was_packed: bool = False) -> tuple[Form, Iterator[bytes]]:
    """What a file is read as, and its bytes without a byte order mark."""
    start = raw.tell() if raw.seekable() and not was_packed else 0
    chunks = _chunks(name, raw)
    head = b""
    for chunk in chunks:
        head += chunk
        if is_enough(head):
            break
    unpack = packing_of(head)
    if unpack is not None and not was_packed:
        whole = _whole(chain([head], chunks), raw, start, stack)
        return _opened(name, stack.enter_context(unpacked(name, whole, unpack)), stack, was_packed=True)
    form = form_of(head)
    if not isinstance(form, Form):
        raise BrokenInput(f"{printable(name)} {'unpacked ' * was_packed}{form}; nothing of it was taken in")
    return form, chain([head.removeprefix(UTF8_MARK)], chunks)


def _whole(chunks: Iterator[bytes], raw: BinaryIO, start: int, stack: ExitStack) -> BinaryIO:
    """A packed file that can be read twice: of a pipe a copy."""
    if raw.seekable():
        raw.seek(start)
        return raw
    copy: BinaryIO = stack.enter_context(tempfile.TemporaryFile())
    copy.writelines(chunks)
    copy.seek(0)
    return copy


def _lines(chunks: Iterator[bytes]) -> Iterator[list[bytes]]:
    carry = b""
    for chunk in chunks:
        *lines, carry = (carry + chunk).split(b"\n")
        carry = carry[: LINE_BYTES_MAX + 1]
        yield lines
    if carry:
        yield [carry]


def _elements(name: str, chunks: Iterator[bytes]) -> Iterator[list[bytes]]:
    elements, number = Elements(), 0
    for chunk in chunks:
        found = list(elements.feed(chunk))
        number += len(found)
        yield found
    if elements.beyond:
        raise BrokenInput(
            f"{printable(name)} goes on behind element {number}, the last of its JSON array; put the rest into a file"
            " of its own"
        )
    if not elements.ended:
        raise BrokenInput(
            f"{printable(name)} ends in the middle of its JSON array, behind element {number}; mend the file and ingest"
            " it again"
        )


def _chunks(name: str, stream: BinaryIO) -> Iterator[bytes]:
    read = getattr(stream, "read1", stream.read)
    with read_to_its_end(name):
        while chunk := read(BLOCK_BYTES):
            yield chunk
