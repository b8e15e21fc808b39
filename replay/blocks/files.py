"""Where the bytes of a record segment lie: in a file of this machine, or in storage of objects, read by ranges."""

import errno
import os
import weakref
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Protocol

from replay.blocks.form import RecordSegment
from replay.errors import DamagedError, NotExaminedError, StoreError
from replay.objects.cache import ObjectCache, cache_of_this_machine
from replay.objects.naming import FilesPlace, ObjectsUrl, shown_under, without_keys
from replay.objects.storage import Storage, StoredObject, storage_at

RANGES_MAX: Final = 12
"""Whoever asks for more of the blocks of an object goes through all of it, and is given it whole; so is at once who
reads it afresh.
"""
WHOLE_BYTES_MAX: Final = 8 * 2**20
"""Of an object that is given whole: so much of it stands in memory."""
_HASH_BYTES: Final = 32


class SegmentBytes(Protocol):
    """The bytes of a segment. Raises StoreError where they are not to be had."""

    @property
    def shown(self) -> str:
        """What is told to people of where they lie."""

    def index(self, segment: RecordSegment) -> bytes:
        """Its ranks and directory, as they lie there."""

    def block(self, at: int, length: int, hashed: bytes) -> bytes:
        """A block, as it lies there; `hashed` is what its SHA-256 should be."""

    def forget_kept(self) -> bool:
        """Let go of what a cache has of its index, whose ranks have no hash; whether `index` gave what came of it."""


def misfit(shown: str, found: str) -> DamagedError:
    """A file of records that is not what the store says: it holds what stands nowhere else."""
    return DamagedError(
        f"the file of archived records {shown} {found}: these records stand nowhere else in this ledger. Bring the file"
        " back from a copy of its folder, or restore a backup, which holds all records; where the folder was moved,"
        " name it by LEVELBOOK_RECORDS"
    )


def _unread(shown: str, error: OSError) -> StoreError:
    """The error where a file is there and its bytes are not given: by its disk, or to this user or process alone."""
    if error.errno == errno.EIO:
        return misfit(shown, f"cannot be read ({error.strerror or error})")
    return NotExaminedError(
        f"the file of archived records {shown} cannot be read here ({error.strerror or error}), which says nothing"
        " against its records, and nothing is said of them: let this user and process read it, then ask again"
    )


def _wrong_size(shown: str, size: int, segment: RecordSegment) -> DamagedError:
    return misfit(shown, f"has {size} bytes, the ledger says {segment.file_bytes}")


class SegmentOnDisk:
    """A file of this machine, held open from when its index is read."""

    def __init__(self, path: Path) -> None:
        self.shown = str(path)

    def index(self, segment: RecordSegment) -> bytes:
        try:
            self._file = os.open(self.shown, os.O_RDONLY)
            weakref.finalize(self, os.close, self._file)
            size = os.fstat(self._file).st_size
            if size != segment.file_bytes:
                raise _wrong_size(self.shown, size, segment)
            return self._read(segment.ranks_at, segment.file_bytes - segment.ranks_at)
        except FileNotFoundError:
            raise misfit(self.shown, "is missing") from None
        except OSError as error:
            raise _unread(self.shown, error) from None

    def block(self, at: int, length: int, hashed: bytes) -> bytes:
        try:
            return self._read(at, length)
        except OSError as error:
            raise _unread(self.shown, error) from None

    def forget_kept(self) -> bool:
        return False

    def _read(self, at: int, length: int) -> bytes:
        found = b""
        while len(found) < length and (some := os.pread(self._file, length - len(found), at + len(found))):
            found += some
        return found


class SegmentInObjects:
    """An object, of which indexes and single blocks are kept on this machine where there is a cache."""

    def __init__(self, storage: Storage, name: str, kept: ObjectCache | None) -> None:
        self.shown = shown_under(storage.shown, name)
        self._storage, self._name, self._kept = storage, name, kept
        self._key = sha256(f"index of {name}".encode()).hexdigest()
        self._was_kept = False
        self._handle: Any = None
        self._size = 0
        self._ranges = 0
        self._whole: bytes | None = None

    def index(self, segment: RecordSegment) -> bytes:
        kept = None if self._kept is None else self._kept.get(self._key)
        if kept is not None and sha256(kept[_HASH_BYTES:]).digest() == kept[:_HASH_BYTES]:
            self._was_kept = True
            return bytes(kept[_HASH_BYTES:])
        self._was_kept = False
        self._open()
        if self._size != segment.file_bytes:
            raise _wrong_size(self.shown, self._size, segment)
        content = self._range(segment.ranks_at, segment.file_bytes - segment.ranks_at)
        directory = content[segment.directory_at - segment.ranks_at :]
        if self._kept is not None and sha256(directory).digest() == segment.hash:
            self._kept.put(self._key, sha256(content).digest() + content)
        return content

    def block(self, at: int, length: int, hashed: bytes) -> bytes:
        kept = None if self._kept is None else self._kept.get(hashed.hex())
        if kept is not None and sha256(kept).digest() == hashed:
            return bytes(kept)
        self._open()
        is_walked = self._kept is None or self._ranges >= RANGES_MAX
        if is_walked and self._whole is None and self._size <= WHOLE_BYTES_MAX:
            self._whole = self._range(0, self._size)
        if self._whole is not None:
            return self._whole[at : at + length]
        self._ranges += 1
        content = self._range(at, length)
        if self._kept is not None and sha256(content).digest() == hashed:
            self._kept.put(hashed.hex(), content)
        return content

    def forget_kept(self) -> bool:
        if self._kept is not None:
            self._kept.remove(self._key)
        return self._was_kept

    def look(self, segment: RecordSegment, listings: "Listings") -> None:
        """Raises DamagedError where no object of its name and size is listed."""
        size = listings.size(self._storage, self._name)
        if size is None:
            raise misfit(self.shown, "is missing")
        if size != segment.file_bytes:
            raise _wrong_size(self.shown, size, segment)

    def _open(self) -> None:
        if self._handle is not None:
            return
        with self._storage.failures_named():
            try:
                self._handle = self._storage.files.open_input_file(self._storage.path(self._name))
                self._size = self._handle.size()
            except FileNotFoundError:
                self._storage.listed()  # a bucket that is not there says nothing against the records in it
                raise misfit(self.shown, "is missing") from None

    def _range(self, at: int, length: int) -> bytes:
        with self._storage.failures_named():
            found: bytes = self._handle.read_at(length, at)
            return found


class Listings:
    """What lies in storages of objects, each listed once: for who looks at many segments."""

    def __init__(self) -> None:
        self._listed = dict[Storage, dict[str, StoredObject]]()

    def size(self, storage: Storage, name: str) -> int | None:
        """In bytes, of an object; None where it is not there."""
        if storage not in self._listed:
            self._listed[storage] = storage.listed()
        found = self._listed[storage].get(name)
        return None if found is None else found.bytes


@cache
def records_storage(place: str) -> Storage:
    """What a URL names, asked for once. Raises UsageError for what is none, NotInstalled without what reads it."""
    url = ObjectsUrl(place)

    def failed(said: str) -> NotExaminedError:
        return NotExaminedError(
            f"the archived records in {url} cannot be read or written: {said}; nothing is said against them. See to"
            " network, bucket, region and keys, then ask again"
        )

    return storage_at(url, failed)


def segment_at(
    places: Sequence[FilesPlace], name: str, *, is_object: bool, afresh: bool, listings: Listings | None = None
) -> SegmentBytes:
    """The bytes of a segment: in the first folder that has its file, else in the first storage of objects that does.

    A name is never used for other bytes, so that it does not matter in which of them it is found. Where none has it, it
    is missing where the ledger says that it lies: `is_object` where that is storage, the last in `places`. What is read
    afresh comes out of no cache. With `listings` no object is asked for by itself.
    """
    paths = [place / name for place in places if isinstance(place, Path)]
    path = next((path for path in paths if os.access(path, os.F_OK)), None)
    urls: dict[str, str] = {}
    for place in places:
        if isinstance(place, ObjectsUrl):
            urls.setdefault(without_keys(place.given), place.given)
    on_disk = SegmentOnDisk(path or [*paths, Path(name)][0])
    if path is not None or not urls:
        return on_disk
    storages = [records_storage(url) for url in urls.values()]
    asked, last = (storages[:-1], storages[-1]) if is_object else (storages, None)
    found = next((storage for storage in asked if _has(storage, name, listings)), last)
    return on_disk if found is None else SegmentInObjects(found, name, None if afresh else cache_of_this_machine())


def _has(storage: Storage, name: str, listings: Listings | None) -> bool:
    return storage.has(name) if listings is None else listings.size(storage, name) is not None
