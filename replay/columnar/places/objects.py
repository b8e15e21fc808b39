"""Segments in storage of objects: immutable, under names that bear their hash, and immutable manifests by number.

The manifest of the highest number counts. One is made only where none of its number lies: by a conditional write where
the storage knows such, so that of two seals at once one makes it, and the other goes on from that one. What they put
meanwhile bears other names. Nothing is held there for readers: what a manifest names stays for a day after it was
replaced, and what none names is removed once it is a day old and its number was passed.
"""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from itertools import pairwise
from typing import Any, Final

from replay.columnar.places.files import (
    CHANGED,
    FILE_NAME,
    MISSING,
    Named,
    SegmentFile,
    written,
    wrong_size,
)
from replay.errors import DamagedError, NotExaminedError
from replay.objects.cache import ObjectCache, cache_of_this_machine
from replay.objects.creating import Creating
from replay.objects.naming import ObjectsUrl, shown_under
from replay.objects.storage import Storage, StoredObject, storage_at

READ_NS: Final = 86_400 * 1_000_000_000
"""So long what was replaced stays for those who read it: a day."""
_MANIFESTS: Final = "manifests"
_MANIFEST_NAME: Final = re.compile(_MANIFESTS + r"/([0-9]{9})\.json")
_OBJECT_NAME: Final = re.compile(rf"{FILE_NAME.pattern.removesuffix('parquet')}[0-9a-f]{{16}}\.parquet")


def manifest_name(number: int) -> str:
    return f"{_MANIFESTS}/{number:09d}.json"


def object_name(file: SegmentFile) -> str:
    """What a file is called there: never the name of other bytes."""
    return f"{file.name.removesuffix('parquet')}{file.sha256[:16]}.parquet"


class ObjectSegments:
    """A prefix of a bucket, read through a cache on this machine."""

    def __init__(
        self, storage: Storage, creating: Creating, cache: ObjectCache, now_ns: Callable[[], int] = time.time_ns
    ) -> None:
        """`now_ns`: nanoseconds since 1970, by a clock that is not a day from that of the storage."""
        self._storage, self._creating, self._cache, self._now_ns = storage, creating, cache, now_ns
        self.shown = storage.shown

    def __reduce__(self) -> tuple[Callable[[ObjectsUrl], "ObjectSegments"], tuple[ObjectsUrl]]:
        """A process that it is sent to opens the place by itself."""
        return object_segments, (self._creating.url,)

    @property
    def keeps_apart(self) -> bool:
        return self._creating.is_exclusive

    def misfit(self, name: str, found: str) -> DamagedError:
        return DamagedError(
            f"the segment file {shown_under(self.shown, name)} {found}; delete all objects under {self.shown} and run"
            " 'levelbook seal' again"
        )

    @contextmanager
    def alone(self) -> Iterator[None]:
        yield

    def hold(self) -> None:
        return None

    def manifest(self) -> bytes | None:
        while numbers := _numbers(self._storage.listed(_MANIFESTS)):
            content = self._storage.read(manifest_name(numbers[-1]))
            if content is not None:
                return content  # else it was replaced and removed meanwhile
        return None

    def switch(self, number: int, content: bytes) -> bool:
        return self._creating.create(manifest_name(number), content)

    def put(self, name: str, content: bytes | memoryview, rows: int) -> SegmentFile:
        file = written(name, content, rows)
        self._storage.put(object_name(file), content)
        return file

    def check(self, file: SegmentFile) -> None:
        self._fetched(file)

    def look_at(self, files: Sequence[SegmentFile]) -> None:
        """By names and sizes, which one listing gives."""
        listed = self._storage.listed() if files else {}
        for file in files:
            found = listed.get(object_name(file))
            if found is None:
                raise self.misfit(object_name(file), MISSING)
            if found.bytes != file.bytes:
                raise self.misfit(object_name(file), wrong_size(found.bytes, file))

    @contextmanager
    def opened(self, file: SegmentFile) -> Iterator[Any]:
        import pyarrow as pa

        content: bytes | memoryview | None = self._cache.get(file.sha256)
        if content is None or sha256(content).hexdigest() != file.sha256:
            content = self._fetched(file)
        with pa.BufferReader(pa.py_buffer(content)) as source:
            yield source

    def _fetched(self, file: SegmentFile) -> bytes:
        content, name = self._storage.read(object_name(file)), object_name(file)
        if content is None:
            raise self.misfit(name, MISSING)
        if len(content) != file.bytes:
            raise self.misfit(name, wrong_size(len(content), file))
        if sha256(content).hexdigest() != file.sha256:
            raise self.misfit(name, CHANGED)
        self._cache.put(file.sha256, content)
        return content

    def tidy(self, named: Named) -> None:
        """Manifests go before what they alone name, so that no kill leaves one that names what is not there."""
        found = self._storage.listed()
        numbers, old_until = _numbers(found), self._now_ns() - READ_NS
        if not numbers:
            return
        current, listed = numbers[-1], set[str]()
        replaced = {number for number, after in pairwise(numbers) if _is_old(found[manifest_name(after)], old_until)}
        for number in {*numbers} - replaced:
            content = self._storage.read(manifest_name(number))
            if content is None:
                return  # another removes what is old
            listed |= {object_name(file) for file in named(content)}
        for number in sorted(replaced):
            self._storage.remove(manifest_name(number))
        for name, item in found.items():
            is_passed = (parts := _OBJECT_NAME.fullmatch(name)) is not None and int(parts[1]) <= current
            if is_passed and name not in listed and _is_old(item, old_until):
                self._storage.remove(name)


def _numbers(found: "dict[str, StoredObject]") -> list[int]:
    """The numbers of the manifests among objects, rising."""
    return sorted(int(parts[1]) for name in found if (parts := _MANIFEST_NAME.fullmatch(name)) is not None)


def _is_old(item: StoredObject, old_until: int) -> bool:
    return item.changed_at_ns is not None and item.changed_at_ns < old_until


def object_segments(url: ObjectsUrl) -> ObjectSegments:
    """The place that a URL names. Raises UsageError for what is none."""

    def failed(said: str) -> NotExaminedError:
        return NotExaminedError(
            f"the segments in {url} cannot be read or written: {said}; what was sealed before is whole. See to network,"
            " bucket, region and keys, then ask again"
        )

    storage = storage_at(url, failed)
    return ObjectSegments(storage, Creating(storage, url), cache_of_this_machine())
