"""Lines of files, of standard input and of gzip files, in blocks of bounded size.

A block is what was there to read, up to a megabyte: whole lines. A pipe that delivers one line gets
that line acknowledged without waiting for more. However long a line is, no more of it than the limit
is held in memory.
"""

import gzip
import os
import sys
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from domain.limits import BATCH_LINES_MAX, LINE_BYTES_MAX
from replay.errors import UsageError

BLOCK_BYTES: Final = 1 << 20
STANDARD_INPUT: Final = "-"
REFUSED_MARK: Final = b"# refused: "
"""Begins a line of a rejects file that says why the next one was refused; the intake passes it over."""


class Block(NamedTuple):
    """Consecutive whole lines of one file, without their line ends."""

    name: str
    first_line: int
    lines: list[bytes]
    read_bytes: int
    """Bytes taken from the file as it lies on the disk, for a progress bar."""


class BrokenInput(Exception):
    """A file ends or fails in the middle; what was read before stands."""


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
    """The blocks of one file, `-` being standard input and `.gz` being unpacked.

    Raises BrokenInput when the file cannot be read to its end; of a gzip file on disk nothing is given
    then, because what stood before may be damaged too.
    """
    with ExitStack() as stack:
        raw: BinaryIO = sys.stdin.buffer if name == STANDARD_INPUT else stack.enter_context(Path(name).open("rb"))
        if name.endswith(".gz"):
            if raw.seekable():
                _check_gzip(name, raw)
            chunks = _chunks(name, stack.enter_context(gzip.open(raw)))
        else:
            chunks = _chunks(name, raw)
        number = 1
        carry = b""
        for chunk in chunks:
            *lines, carry = (carry + chunk).split(b"\n")
            carry = carry[: LINE_BYTES_MAX + 1]
            at = raw.tell() if raw.seekable() else 0
            for start in range(0, len(lines), BATCH_LINES_MAX):
                part = lines[start : start + BATCH_LINES_MAX]
                yield Block(printable(name), number, part, at)
                number += len(part)
        if carry:
            yield Block(printable(name), number, [carry], 0)


def is_passed_over(line: bytes) -> bool:
    """Whether a line holds nothing: blank, or the reason written above a refused line."""
    return len(line) <= LINE_BYTES_MAX and (not line.strip() or line.startswith(REFUSED_MARK))


def printable(name: str) -> str:
    """A file's name for messages: control characters and broken encodings are escaped."""
    return name if name.isprintable() else name.encode("unicode_escape", "backslashreplace").decode()


def _check_gzip(name: str, raw: BinaryIO) -> None:
    """Unpack once for the checksum at the end: what it denies must not be recorded for ever."""
    with gzip.open(raw) as stream:
        for _ in _chunks(name, stream):
            pass
    raw.seek(0)


def _chunks(name: str, stream: BinaryIO | gzip.GzipFile) -> Iterator[bytes]:
    read = getattr(stream, "read1", stream.read)
    try:
        while chunk := read(BLOCK_BYTES):
            yield chunk
    except (OSError, EOFError, zlib.error) as error:
        raise BrokenInput(
            f"{printable(name)} cannot be read to its end: {error}; mend the file and ingest it again"
        ) from error
