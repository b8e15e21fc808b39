"""Segments in a folder of this machine, held by locks."""

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import file_digest
from pathlib import Path
from typing import Final

from replay.columnar.places.files import (
    CHANGED,
    FILE_NAME,
    MANIFEST,
    MISSING,
    Named,
    SegmentFile,
    written,
    wrong_size,
)
from replay.errors import DamagedError, StoreError, UsageError
from replay.store.beside import locked, open_private, shared, sync

LOCK: Final = "seal.lock"
READERS: Final = "readers.lock"
"""Locked by those who read, shared, so that nothing is removed under their hands."""
_DRAFT: Final = f".{MANIFEST}.new"


class FolderSegments:
    """A folder; its manifest is replaced in one piece."""

    keeps_apart = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.shown = str(folder)

    def misfit(self, name: str, found: str) -> DamagedError:
        return DamagedError(
            f"the segment file {self._folder / name} {found}; delete the folder {self._folder} and run 'levelbook seal'"
            " again"
        )

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Raises StoreError where another seal runs or the disk is full, UsageError where the folder cannot be made."""
        folder = self._folder
        busy = StoreError(f"another seal is running on {folder}; wait for it, there is one at a time")
        try:
            if not folder.parent.is_dir():
                raise UsageError(f"the folder {folder.parent} for the segments does not exist; make it first")
            folder.mkdir(mode=0o700, exist_ok=True)
            with locked(folder / LOCK, busy):
                yield
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StoreError(
                    f"the disk of {folder} is full: what was sealed before is whole; make space and seal again"
                ) from error
            raise StoreError(f"the segments in {folder} cannot be written: {error.strerror or error}") from error

    def hold(self) -> int | None:
        return shared(self._folder / READERS)

    def manifest(self) -> bytes | None:
        try:
            return (self._folder / MANIFEST).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def switch(self, number: int, content: bytes) -> bool:
        """A kill at any moment leaves the old one or this one; whoever seals does so alone."""
        draft = self._folder / _DRAFT
        _write(draft, content)
        sync(self._folder)
        draft.replace(self._folder / MANIFEST)
        sync(self._folder)
        return True

    def put(self, name: str, content: bytes | memoryview, rows: int) -> SegmentFile:
        _write(self._folder / name, content)
        return written(name, content, rows)

    def check(self, file: SegmentFile) -> None:
        try:
            with (self._folder / file.name).open("rb") as content:
                size = os.fstat(content.fileno()).st_size
                if size != file.bytes:
                    raise self.misfit(file.name, wrong_size(size, file))
                if file_digest(content, "sha256").hexdigest() != file.sha256:
                    raise self.misfit(file.name, CHANGED)
        except FileNotFoundError:
            raise self.misfit(file.name, MISSING) from None

    def look_at(self, files: Sequence[SegmentFile]) -> None:
        for file in files:
            self.check(file)

    @contextmanager
    def opened(self, file: SegmentFile) -> Iterator[Path]:
        self.check(file)
        yield self._folder / file.name

    def tidy(self, named: Named) -> None:
        """Nothing is removed while somebody reads."""
        with suppress(BlockingIOError), locked(self._folder / READERS, BlockingIOError("somebody reads")):
            manifest = self.manifest()
            listed = {file.name for file in named(manifest)} if manifest is not None else set()
            for path in self._folder.iterdir():
                if path.name == _DRAFT or (FILE_NAME.fullmatch(path.name) and path.name not in listed):
                    path.unlink()


def _write(path: Path, content: bytes | memoryview) -> None:
    """Write a file and wait until it is on the disk."""
    with open(path, "wb", opener=open_private) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
