"""What a place of segments takes and gives: files that never change, and a manifest that is switched last."""

import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from hashlib import sha256
from typing import Any, Final, Protocol

import msgspec

from replay.errors import DamagedError

MANIFEST: Final = "manifest.json"
FILE_NAME: Final = re.compile(r"([0-9]{6})-(?:[0-9]{2}|agencies)\.(?:columns|subjects|names)\.parquet")
"""A file of a segment, which begins with the number of its generation."""


class SegmentFile(msgspec.Struct, frozen=True):
    """A file of a generation."""

    name: str
    rows: int
    bytes: int
    sha256: str


Named = Callable[[bytes], Sequence[SegmentFile]]
"""The files that a manifest names."""


class SegmentsPlace(Protocol):
    """Where segments lie. Raises StoreError where it cannot be used, DamagedError for a file that is not as written."""

    @property
    def shown(self) -> str:
        """What it is called to people, without any secret."""

    def misfit(self, name: str, found: str) -> DamagedError:
        """The error for a file, or the manifest, that does not fit: segments are derived data, and are made again."""

    def alone(self) -> AbstractContextManager[None]:
        """Hold the right to seal, as far as the place knows one, with what fails meanwhile named."""

    def hold(self) -> int | None:
        """A handle that keeps files from being removed while it is open, where the place knows such."""

    def manifest(self) -> bytes | None:
        """The manifest that counts; None where there is none."""

    def switch(self, number: int, content: bytes) -> bool:
        """Let a manifest count whose last generation bears a number, and whose files were all put.

        False where another seal has been first: its manifest counts, and nothing was written.
        """

    @property
    def keeps_apart(self) -> bool:
        """Whether of two seals at once surely one alone switches the manifest; known once one was switched."""

    def put(self, name: str, content: bytes | memoryview, rows: int) -> SegmentFile:
        """Write a file, durably."""

    def check(self, file: SegmentFile) -> None:
        """Hold a file, as it lies there now, against its hash."""

    def look_at(self, files: Sequence[SegmentFile]) -> None:
        """Look at all files before more are added, as closely as the place gives for little."""

    def opened(self, file: SegmentFile) -> AbstractContextManager[Any]:
        """What Arrow reads a file from, held against its hash."""

    def tidy(self, named: Named) -> None:
        """Remove what no manifest names any more and nobody reads: what a killed seal left, what was replaced."""


def written(name: str, content: bytes | memoryview, rows: int) -> SegmentFile:
    """What a manifest says of a file."""
    return SegmentFile(name, rows, len(content), sha256(content).hexdigest())


def wrong_size(size: int, file: SegmentFile) -> str:
    return f"has {size} bytes, the manifest says {file.bytes}"


MISSING: Final = "is missing"
CHANGED: Final = "was changed: its SHA-256 is not the one in the manifest"
