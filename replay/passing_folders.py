"""Folders in the temporary folder that go with the block, or with the next run where a process was killed in it.

Who works in one holds a lock on the folder itself, which ends with its process however that comes about. What clears
temporary folders by age, as systemd does, leaves alone what is so held.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from shutil import rmtree
from tempfile import gettempdir, mkdtemp
from typing import Final

from replay.errors import NotExaminedError

PREFIX: Final = "levelbook-passing-"
_DRAFT: Final = "."
"""Before the name of a folder that nobody holds yet, so that nobody takes it for one that was left."""
_DRAFT_SECONDS: Final = 3600
"""Who has not held it after so long was killed before."""


@contextmanager
def passing_folder() -> Iterator[Path]:
    """A new folder for this user alone; before, those are removed that this user's killed processes left.

    Raises NotExaminedError where none can be made.
    """
    folder: Path | None = None
    try:
        folder = _draft()
        with at_work_in(folder):
            folder = folder.rename(folder.with_name(folder.name.removeprefix(_DRAFT)))
            yield folder
    finally:
        if folder is not None:
            rmtree(folder, ignore_errors=True)


def _draft() -> Path:
    try:
        _remove_left()
        return Path(mkdtemp(prefix=_DRAFT + PREFIX))
    except OSError as error:
        raise NotExaminedError(
            f"no folder can be made for what is worked out in passing ({error}): make space there, or name another"
            " temporary folder by TMPDIR, and begin again"
        ) from error


@contextmanager
def at_work_in(folder: Path) -> Iterator[None]:
    """Keep others from removing a passing folder, also where the process is killed that made it.

    Raises FileNotFoundError where it is gone.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):  # a disk without such locks: who would remove the folder cannot hold it there, either
            fcntl.flock(handle, fcntl.LOCK_SH)
        yield
    finally:
        os.close(handle)


def no_room(found: str) -> NotExaminedError:
    """The error where something in a passing folder cannot be written, or read again; `found` says how that was met."""
    return NotExaminedError(
        f"what is worked out in the temporary folder {gettempdir()} cannot be kept there ({found}): nothing else was"
        " changed; make space there, or name another folder by TMPDIR, and begin again"
    )


def _remove_left() -> None:
    place = Path(gettempdir())
    for folder in place.glob(f"{PREFIX}*"):
        with suppress(OSError):  # somebody is at work in it, it is gone meanwhile, or another user's
            _remove_unheld(folder, partial(rmtree, ignore_errors=True))
    for folder in place.glob(f"{_DRAFT}{PREFIX}*"):
        with suppress(OSError):  # or something is in it, so that it is no draft
            if time.time() - folder.lstat().st_mtime > _DRAFT_SECONDS:
                _remove_unheld(folder, Path.rmdir)


def _remove_unheld(folder: Path, remove: Callable[[Path], None]) -> None:
    """Raises OSError where it cannot be opened, held alone or removed."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if os.fstat(handle).st_uid == os.geteuid():  # root could open those of everybody
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove(folder)
    finally:
        os.close(handle)
