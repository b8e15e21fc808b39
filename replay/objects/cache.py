"""What was fetched from storage of objects, kept on this machine up to so many bytes, for none of it ever changes.

Nothing rests on it: who asks holds what is found against its hash, and fetches what is missing or wrong.
"""

import mmap
import os
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final

from replay.errors import UsageError

CACHE_VARIABLE: Final = "LEVELBOOK_CACHE"
"""Names the folder of caches; left empty, nothing is kept."""
SIZE_VARIABLE: Final = "LEVELBOOK_CACHE_MB"
DEFAULT_MB: Final = 4_096
_LOOKED_AGAIN: Final = 16
"""What a process adds until it looks again is this part of the whole: others add, too."""


class ObjectCache:
    """Files in a folder, for their owner alone; what was not asked for longest goes first."""

    def __init__(self, folder: Path | None, bytes_max: int) -> None:
        """Keeps nothing where there is no folder."""
        self._folder, self._bytes_max = folder, bytes_max
        self._left = 0
        """How much may be added before it is looked how much there is."""

    def get(self, key: str) -> memoryview | None:
        """What was kept under a key of hexadecimal digits, which the caller has to check; None where nothing is."""
        if self._folder is None:
            return None
        with suppress(OSError, ValueError), self._path(self._folder, key).open("rb") as file:
            os.utime(file.fileno())
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        return None

    def put(self, key: str, content: bytes) -> None:
        """Keep it, if there is place: a disk that is full or not writable loses nothing here."""
        if self._folder is None or len(content) > self._bytes_max // _LOOKED_AGAIN:
            return
        from tempfile import mkstemp

        with suppress(OSError):
            path = self._path(self._folder, key)
            self._make_room(self._folder, len(content))
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, draft = mkstemp(dir=path.parent)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(content)
                Path(draft).replace(path)
            finally:
                Path(draft).unlink(missing_ok=True)

    def remove(self, key: str) -> None:
        """Keep no longer what is known to be wrong, as far as that is possible here."""
        if self._folder is not None:
            with suppress(OSError):
                self._path(self._folder, key).unlink()

    def _path(self, folder: Path, key: str) -> Path:
        return folder / key[:2] / key

    def _make_room(self, folder: Path, size: int) -> None:
        if self._left < size:
            kept = sorted((found.st_mtime_ns, found.st_size, path) for path, found in _files(folder))
            whole, part = sum(item[1] for item in kept), self._bytes_max // _LOOKED_AGAIN
            for _, freed, path in kept:
                if whole + part <= self._bytes_max:
                    break
                path.unlink(missing_ok=True)
                whole -= freed
            self._left = part
        self._left -= size


def _files(folder: Path) -> list[tuple[Path, os.stat_result]]:
    found = []
    for path in folder.glob("*/*"):
        with suppress(FileNotFoundError):
            found.append((path, path.stat()))
    return found


def caches_folder() -> Path | None:
    """The folder of caches that is named, or the usual one; None where nothing is to be kept.

    Raises RuntimeError where nobody has a home.
    """
    named = os.environ.get(CACHE_VARIABLE)
    if named == "":
        return None
    return Path(named) if named else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "levelbook"


def cache_of_this_machine() -> ObjectCache:
    """The cache that settings name. Raises UsageError for a size that is none."""
    named = os.environ.get(SIZE_VARIABLE) or str(DEFAULT_MB)
    if not named.isascii() or not named.isdecimal():
        raise UsageError(f"{SIZE_VARIABLE} is {named!r}; give how many megabytes are kept, such as {DEFAULT_MB}, or 0")
    folder = None
    with suppress(RuntimeError):
        folder = caches_folder()
    return _cache_in(folder, int(named))


@cache
def _cache_in(folder: Path | None, megabytes: int) -> ObjectCache:
    """One for all that a process asks for: each that is made looks through the folder before it adds anything."""
    return ObjectCache(folder / "objects" if folder and megabytes else None, megabytes * 1_000_000)
