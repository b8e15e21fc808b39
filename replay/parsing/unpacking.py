"""Files as bytes: packed ones unpacked, by what they are and not by their names; folders and globs as their files."""

import bz2
import gzip
import io
import os
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from glob import has_magic
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple, cast

from replay.errors import UsageError
from replay.extras import need

STANDARD_INPUT: Final = "-"
BLOCK_BYTES: Final = 1 << 22
_MAGIC_BYTES: Final = 4
Unpack = Callable[[BinaryIO], BinaryIO]
"""Makes a stream of what a packed one holds."""


class BrokenInput(Exception):
    """A file is of a form that is not read, or ends or fails in the middle; what was read before stands."""


class Unpacked(NamedTuple):
    """A file that can be read."""

    stream: BinaryIO
    read_bytes: Callable[[], int]
    """How many bytes were taken of it as it lies on the disk, for a progress bar."""
    bytes_on_disk: int | None = None
    """None of a pipe, of which nobody knows what is still to come."""


def files_of(names: Sequence[str]) -> tuple[str, ...]:
    """The files that are named: of a folder those in it by name, hidden ones left out; of a glob those that fit it.

    Raises UsageError for a folder or glob without any.
    """
    found: list[str] = []
    for name in names:
        some = _files_in(name)
        if not some:
            raise UsageError(f"{printable(name)} names no file; check the path")
        found += some
    return tuple(found)


def opened(name: str, stack: ExitStack) -> Unpacked:
    """A file, `-` being standard input; what is packed with gzip, bzip2 or zstd is unpacked.

    Raises BrokenInput where that cannot be done to its end: of such a file nothing is given.
    """
    raw = sys.stdin.buffer if name == STANDARD_INPUT else stack.enter_context(Path(name).open("rb"))
    seekable = raw.seekable()
    magic = cast(Any, raw).peek(_MAGIC_BYTES)[:_MAGIC_BYTES]
    unpack = packing_of(magic)
    if unpack is None:
        return Unpacked(raw, raw.tell, _size(raw)) if seekable else Unpacked(raw, lambda: 0)
    whole = raw if seekable else copied(name, raw, stack)
    return Unpacked(unpacked(name, whole, unpack), whole.tell, _size(whole))


def _size(whole: BinaryIO) -> int:
    return os.fstat(whole.fileno()).st_size


def packing_of(head: bytes) -> Unpack | None:
    """How a file that begins so is unpacked; None where it is not packed in a way that is read."""
    return next((unpack for first, unpack in _PACKED if head.startswith(first)), None)


def unpacked(name: str, whole: BinaryIO, unpack: Unpack) -> BinaryIO:
    """What a packed file holds, from where it stands; it has to be seekable.

    Unpacked once to its end before: its checksum comes last, and a record is for ever. Raises BrokenInput.
    """
    start = whole.tell()
    for _ in _chunks(name, unpack(whole)):
        pass
    whole.seek(start)
    return unpack(whole)


def printable(name: str) -> str:
    """A file's name for messages: control characters and broken encodings are escaped."""
    return name if name.isprintable() else name.encode("unicode_escape", "backslashreplace").decode()


def copied(name: str, stream: BinaryIO, stack: ExitStack) -> BinaryIO:
    """A copy of a stream in a temporary file, which can be read in any order."""
    copy: BinaryIO = stack.enter_context(tempfile.TemporaryFile())
    copy.writelines(_chunks(name, stream))
    copy.seek(0)
    return copy


@contextmanager
def read_to_its_end(name: str) -> Iterator[None]:
    """Raises BrokenInput for what is raised where a file is damaged or goes away."""
    try:
        yield
    except (OSError, EOFError, zlib.error) as error:
        raise BrokenInput(
            f"{printable(name)} cannot be read to its end: {error}; mend the file and ingest it again"
        ) from error


def _chunks(name: str, stream: BinaryIO) -> Iterator[bytes]:
    with read_to_its_end(name):
        while chunk := stream.read(BLOCK_BYTES):
            yield chunk


def _files_in(name: str) -> list[str]:
    if name == STANDARD_INPUT:
        return [name]
    if Path(name).is_dir():
        inside = sorted(entry.name for entry in os.scandir(name) if entry.is_file() and entry.name[0] != ".")
        return [str(Path(name) / entry) for entry in inside]
    if has_magic(name) and not Path(name).exists():
        return sorted(str(found) for found in _fitting(name) if found.is_file())
    return [name]


def _fitting(pattern: str) -> Iterator[Path]:
    path = Path(pattern)
    return Path(path.anchor).glob(str(path.relative_to(path.anchor)))


def _of_zstd(stream: BinaryIO) -> BinaryIO:
    need(("pyarrow",), "a file packed by zstd")
    import pyarrow as pa

    return io.BufferedReader(pa.CompressedInputStream(pa.PythonFile(_KeptOpen(stream), "r"), "zstd"))


class _KeptOpen:
    """A stream that pyarrow, which closes what it has read, does not close."""

    closed = False

    def __init__(self, stream: BinaryIO) -> None:
        self.read = stream.read

    def close(self) -> None:
        pass


_PACKED: Final[tuple[tuple[bytes, Unpack], ...]] = (
    (b"\x1f\x8b", lambda stream: cast(BinaryIO, gzip.open(stream))),
    (b"BZh", lambda stream: cast(BinaryIO, bz2.open(stream))),
    (b"\x28\xb5\x2f\xfd", _of_zstd),
)
