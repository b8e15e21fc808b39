"""Where segments of records are written: a folder, held by a lock, or storage of objects."""

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final, Protocol

from replay.blocks.files import SegmentBytes, SegmentInObjects, SegmentOnDisk, records_storage
from replay.blocks.form import SUFFIX
from replay.errors import StoreError, UsageError
from replay.objects.naming import FilesPlace, ObjectsUrl, without_keys
from replay.store.beside import draft_beside, locked, open_private, sync

LOCK: Final = "archive.lock"
ReadBack = Callable[[SegmentBytes], None]
"""Raises DamagedError unless a segment gives what was written."""


class RecordsPlace(Protocol):
    """A place for segments. Raises StoreError where it cannot be written."""

    @property
    def shown(self) -> str:
        """What it is called to people, without any secret."""

    @property
    def noted(self) -> str:
        """What the store notes down of it; empty for the folder beside the store."""

    def alone(self) -> AbstractContextManager[None]:
        """Hold the right to archive there, as far as the place knows one, with what fails meanwhile named."""

    def remove_drafts(self, prefix: str) -> None:
        """Remove what a run that was killed left under passing names that begin so."""

    def write(self, name: str, pieces: Sequence[bytes], read_back: ReadBack) -> None:
        """A segment, durably, under its name once it was read back: a whole one may stand under that already."""

    def names(self, prefix: str) -> list[str]:
        """The segments there whose names begin so."""


class RecordsFolder:
    """A folder of this machine."""

    def __init__(self, folder: Path, beside_store: Path | None) -> None:
        self._given, self._folder = folder, folder.resolve()
        self.shown = str(self._folder)
        is_beside = beside_store is not None and self._folder == beside_store.resolve()
        self.noted = "" if is_beside else self.shown

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Raises StoreError where another run is at it or the disk is full, UsageError where it cannot be made."""
        folder = self._folder
        busy = StoreError(f"another run archives into {folder}; wait for it, there is one at a time")
        try:
            if not self._given.parent.is_dir():
                raise UsageError(f"the folder {self._given.parent} for archived records does not exist; make it first")
            folder.mkdir(mode=0o700, exist_ok=True)
            sync(folder.parent)  # a folder that a power cut takes away takes its files with it
            with locked(folder / LOCK, busy):
                yield
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StoreError(
                    f"the disk of {folder} is full: what was archived before is whole, everything else is still in the"
                    " store; make space and archive again"
                ) from error
            raise StoreError(f"records cannot be archived into {folder}: {error.strerror or error}") from error

    def remove_drafts(self, prefix: str) -> None:
        for path in self._folder.glob(f".{prefix}*.new"):
            path.unlink()

    def write(self, name: str, pieces: Sequence[bytes], read_back: ReadBack) -> None:
        path = self._folder / name
        draft = draft_beside(path)
        try:
            with open(draft, "wb", opener=open_private) as file:
                file.writelines(pieces)
                file.flush()
                os.fsync(file.fileno())
            read_back(SegmentOnDisk(draft))
            draft.replace(path)
            sync(self._folder)
        finally:
            draft.unlink(missing_ok=True)

    def names(self, prefix: str) -> list[str]:
        return [path.name for path in self._folder.glob(f"{prefix}*{SUFFIX}")]


class RecordsInObjects:
    """A prefix of a bucket, in which an object is whole or not there. Nobody holds it: of two runs on one store the
    store lets one write its segment down.
    """

    def __init__(self, url: ObjectsUrl) -> None:
        self._storage = records_storage(url.given)
        self.shown, self.noted = str(url), without_keys(url.given)

    @contextmanager
    def alone(self) -> Iterator[None]:
        yield

    def remove_drafts(self, prefix: str) -> None:
        """There are none."""

    def write(self, name: str, pieces: Sequence[bytes], read_back: ReadBack) -> None:
        content = b"".join(pieces)
        if self._storage.read(name) != content:
            self._storage.put(name, content)
        read_back(SegmentInObjects(self._storage, name, None))

    def names(self, prefix: str) -> list[str]:
        return [name for name in self._storage.listed() if name.startswith(prefix) and name.endswith(SUFFIX)]


def records_at(place: FilesPlace, beside_store: Path | None) -> RecordsPlace:
    """Raises UsageError for what names no place, NotInstalled for storage of objects without what reads it."""
    return RecordsFolder(place, beside_store) if isinstance(place, Path) else RecordsInObjects(place)
