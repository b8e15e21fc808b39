"""Where an export lies in the storage of objects.

Nothing there is held alone: whoever exports looks once more, before the manifest is put and before anything is taken
away, whether it is the one that was begun with, and leaves what another export may have put of late. The manifest that
counts is the kept one of the highest number, which is made only where none of its number lies; manifest.json is a copy
of it for readers.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from domain.limits import DAY_MICROS
from projections.exporting.manifest import KEPT, MANIFEST, is_kept_name
from projections.exporting.places import PlacedFile, is_ours
from replay.errors import StoreError
from replay.objects.creating import Creating
from replay.objects.naming import ObjectsUrl
from replay.objects.storage import Storage, storage_at

YOUNG_NS: Final = DAY_MICROS * 1_000
"""An export takes less: what was put before is of none that is at work."""


class ObjectPlace:
    """A prefix of a bucket."""

    is_held = False

    def __init__(self, storage: Storage, creating: Creating, now_ns: Callable[[], int] = time.time_ns) -> None:
        """`creating`: by storage whose failures leave open whether what was being put counts.

        `now_ns`: nanoseconds since 1970, by a clock that is not a day from that of the storage.
        """
        self._storage, self._creating, self._now_ns = storage, creating, now_ns
        self.shown = storage.shown

    @contextmanager
    def alone(self) -> Iterator[None]:
        yield

    def read(self, name: str) -> bytes | None:
        return self._storage.read(name)

    def put(self, name: str, content: bytes | memoryview) -> None:
        self._storage.put(name, content)

    def claim(self, name: str, content: bytes) -> bool:
        return self._creating.create(name, content)

    def show(self, name: str, content: bytes) -> str:
        """Who was slow may put an earlier one in the place of a later: each looks afterwards whether there is one, and
        the last who puts has seen them all.
        """
        storage = self._creating.storage
        storage.put(MANIFEST, content)
        while (last := max(filter(is_kept_name, storage.listed(KEPT)), default=name)) > name:
            later = storage.read(last)
            if later is not None:  # else it was replaced and removed meanwhile
                return self.show(last, later)
        return name

    def settle(self) -> None:
        """An object that was closed stays."""

    def files(self) -> dict[str, PlacedFile]:
        young_from = self._now_ns() - YOUNG_NS
        return {
            name: PlacedFile(found.bytes, found.changed_at_ns is None or found.changed_at_ns > young_from)
            for name, found in self._storage.listed().items()
            if is_ours(name)
        }

    def remove(self, name: str) -> None:
        self._storage.remove(name)


def object_place(url: ObjectsUrl, now_ns: Callable[[], int] = time.time_ns) -> ObjectPlace:
    """The place that a URL names. Raises UsageError for what is none."""

    def failing(stands: str) -> Callable[[str], StoreError]:
        return lambda said: StoreError(
            f"the export to {url} cannot be read or written: {said}; {stands}: see to bucket, region and keys, then"
            " export again"
        )

    storage = storage_at(url, failing("the export that stood there stands"))
    unsure = failing("whether the new one counts, the next export tells")
    switching = Storage(storage.files, storage.prefix, storage.shown, unsure)
    return ObjectPlace(storage, Creating(switching, url), now_ns)
