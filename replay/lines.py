"""Lines of files, of standard input and of gzip files, in blocks of bounded size.

A block is what was there to read, up to a megabyte: whole lines. A pipe that delivers one line gets
that line acknowledged without waiting for more. However long a line is, no more of it than the limit
is held in memory.
"""

import gzip
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
    for name in names:
        if name == STANDARD_INPUT:
            continue
        path = Path(name)
        if not path.exists():
            raise UsageError(f"there is no file {name}; check the path")
        if path.is_dir():
            raise UsageError(f"{name} is a folder; name the files in it")
        try:
            path.open("rb").close()
        except OSError as error:
            raise UsageError(f"{name} cannot be read: {error.strerror}") from None


def blocks(name: str) -> Iterator[Block]:
    """The blocks of one file, `-` being standard input and `.gz` being unpacked.

    Raises BrokenInput after the last whole block when the file cannot be read to its end.
    """
    with ExitStack() as stack:
        if name == STANDARD_INPUT:
            raw: BinaryIO = sys.stdin.buffer
        else:
            raw = stack.enter_context(Path(name).open("rb"))
        stream = stack.enter_context(gzip.open(raw)) if name.endswith(".gz") else raw
        read = stream.read1 if hasattr(stream, "read1") else stream.read
        number = 1
        carry = b""
        while True:
            try:
                chunk = read(BLOCK_BYTES)
            except (OSError, EOFError, zlib.error) as error:
                raise BrokenInput(
                    f"{name} cannot be read beyond line {number - 1}: {error}; what stands before was taken in,"
                    " mend the file and ingest it again"
                ) from error
            if not chunk:
                break
            *lines, carry = (carry + chunk).split(b"\n")
            carry = carry[: LINE_BYTES_MAX + 1]
            at = raw.tell() if raw.seekable() else 0
            for start in range(0, len(lines), BATCH_LINES_MAX):
                part = lines[start : start + BATCH_LINES_MAX]
                yield Block(name, number, part, at)
                number += len(part)
        if carry:
            yield Block(name, number, [carry], 0)


def is_passed_over(line: bytes) -> bool:
    """Whether a line holds nothing: blank, or the reason written above a refused line."""
    return not line.strip() or line.startswith(REFUSED_MARK)
