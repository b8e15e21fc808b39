"""Where an export lies: a folder, in which files appear whole or not at all."""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from projections.exporting.manifest import KEPT, MANIFEST
from replay.errors import StoreError, UsageError
from replay.store.beside import draft_beside, locked, sync

LOCK: Final = ".export.lock"
_OURS: Final = re.compile(
    rf"(?:v1_[a-z_]+|changes)/(?:[A-Za-z0-9._%-]+/)*\.?[0-9a-f]{{32}}\.(?:parquet|csv)(?:\.[0-9a-f]{{8}}\.new)?"
    rf"|{KEPT}/\.?[0-9]{{9}}\.json(?:\.[0-9a-f]{{8}}\.new)?|\.{re.escape(MANIFEST)}\.[0-9a-f]{{8}}\.new"
)
"""Names that exports give, and their drafts: nothing else in a place is ever removed."""


class PlacedFile(NamedTuple):
    """A file that lies there."""

    bytes: int
    is_young: bool
    """Whether another export may be putting it just now."""


class ExportPlace(Protocol):
    """Where files of an export are put; names are those of the manifest. Raises StoreError where it cannot be used."""

    @property
    def shown(self) -> str:
        """What it is called to people, without any secret."""

    def alone(self) -> AbstractContextManager[None]:
        """Hold the right to export to it, as far as the place knows one."""

    def read(self, name: str) -> bytes | None:
        """What a file holds; None where there is none."""

    def put(self, name: str, content: bytes | memoryview) -> None:
        """A file, whole or not at all, in the place of one of that name."""

    @property
    def is_held(self) -> bool:
        """Whether nobody else exports there while one holds that right."""

    def claim(self, name: str, content: bytes) -> bool:
        """Put a kept manifest where none of its number lies, which another export may have put; False where one does.

        Of two at once one alone puts it, as far as the place can tell them apart.
        """

    def show(self, name: str, content: bytes) -> str:
        """Let readers open a kept manifest, which was put under a name; or a later one that lies there: its name."""

    def settle(self) -> None:
        """Wait until everything that was put will stay."""

    def files(self) -> dict[str, PlacedFile]:
        """By name, every file that an export may have put there, but for the manifest."""

    def remove(self, name: str) -> None:
        """Take away a file, if it is there."""


def is_ours(name: str) -> bool:
    """Whether a name is one that exports give."""
    return _OURS.fullmatch(name) is not None


class FolderPlace:
    """A folder of this machine."""

    is_held = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._unsettled: set[Path] = set()

    @property
    def shown(self) -> str:
        return str(self._folder)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Raises StoreError where another export runs; UsageError where the folder cannot be made."""
        if not self._folder.parent.is_dir():
            raise UsageError(f"the folder {self._folder.parent} for the export does not exist; make it first")
        with self._failures_named():
            self._folder.mkdir(exist_ok=True)
        busy = StoreError(f"another export to {self._folder} is running; wait for it, there is one at a time")
        with locked(self._folder / LOCK, busy):
            yield

    def read(self, name: str) -> bytes | None:
        with self._failures_named():
            try:
                return (self._folder / name).read_bytes()
            except FileNotFoundError:
                return None

    def put(self, name: str, content: bytes | memoryview) -> None:
        path = self._folder / name
        draft = draft_beside(path)
        with self._failures_named():
            self._make_folder(path.parent)
            try:
                with draft.open("wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                draft.replace(path)
            except BaseException:
                draft.unlink(missing_ok=True)
                raise
        self._unsettled.add(path.parent)

    def claim(self, name: str, content: bytes) -> bool:
        """One that lies there never counted: it is of an export that was killed."""
        self.put(name, content)
        self.settle()
        return True

    def show(self, name: str, content: bytes) -> str:
        self.put(MANIFEST, content)
        self.settle()
        return name

    def settle(self) -> None:
        with self._failures_named():
            while self._unsettled:
                sync(self._unsettled.pop())

    def files(self) -> dict[str, PlacedFile]:
        """None is young: the folder is held alone."""
        with self._failures_named():
            names = [path.relative_to(self._folder).as_posix() for path in self._folder.rglob("*")]
            ours = [name for name in names if is_ours(name) and (self._folder / name).is_file()]
            return {name: PlacedFile((self._folder / name).stat().st_size, False) for name in ours}

    def remove(self, name: str) -> None:
        with self._failures_named():
            path = self._folder / name
            path.unlink(missing_ok=True)
            for above in path.relative_to(self._folder).parents[:-1]:
                if any((self._folder / above).iterdir()):
                    break
                (self._folder / above).rmdir()

    def _make_folder(self, folder: Path) -> None:
        for made in reversed([folder, *folder.parents]):
            if made.is_relative_to(self._folder) and not made.is_dir():
                made.mkdir(exist_ok=True)
                self._unsettled.add(made.parent)

    @contextmanager
    def _failures_named(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StoreError(
                    f"the disk of {self._folder} is full: the export that stood there stands; make space and export"
                    " again"
                ) from error
            raise StoreError(
                f"the export to {self._folder} cannot be written: {error.strerror or error}; see to the folder, then"
                " export again"
            ) from error
