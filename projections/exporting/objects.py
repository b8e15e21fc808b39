"""Where an export lies in the storage of objects, through Arrow: S3 and what Arrow reaches by the same calls.

An object appears whole when it is closed. Nothing there is held alone: whoever exports looks once more, before the
manifest is put and before anything is taken away, whether it is the one that was begun with, and leaves what another
export may have put of late.
"""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from domain.limits import DAY_MICROS
from projections.exporting.places import PlacedFile, is_ours
from replay.errors import StoreError, UsageError

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

_URL: Final = re.compile(r"([a-z][a-z0-9+.-]*)://(.*)", re.DOTALL)
SCHEMES: Final = ("s3", "gs", "abfs", "abfss")
"""Storage whose objects appear whole."""
YOUNG_NS: Final = DAY_MICROS * 1_000
"""An export takes less: what was put before is of none that is at work."""


def names_objects(place: str) -> bool:
    """Whether a place is a URL, and no path."""
    return _URL.fullmatch(place) is not None


def masked_url(url: str) -> str:
    """A URL without keys: neither those before its host nor any parameter but where it is."""
    found = _URL.fullmatch(url)
    assert found is not None
    before, at, rest = found[2].rpartition("@")
    path, question, query = rest.partition("?")
    kept = [pair for pair in query.split("&") if pair.partition("=")[0] in ("endpoint_override", "region", "scheme")]
    return f"{found[1]}://{'***' if before else ''}{at}{path}{question if kept else ''}{'&'.join(kept)}"


class ObjectPlace:
    """A prefix of a bucket."""

    def __init__(self, files: "FileSystem", prefix: str, shown: str, now_ns: Callable[[], int] = time.time_ns) -> None:
        """`now_ns`: nanoseconds since 1970, by a clock that is not a day from that of the storage."""
        self._files, self._now_ns = files, now_ns
        self._prefix = prefix.rstrip("/")
        self.shown = shown

    @contextmanager
    def alone(self) -> Iterator[None]:
        yield

    def read(self, name: str) -> bytes | None:
        with self._failures_named():
            try:
                with self._files.open_input_stream(self._path(name)) as stream:
                    found: bytes = stream.read()
                    return found
            except FileNotFoundError:
                return None

    def put(self, name: str, content: bytes | memoryview) -> None:
        with self._failures_named(), self._files.open_output_stream(self._path(name)) as stream:
            stream.write(content)

    def settle(self) -> None:
        """An object that was closed stays."""

    def files(self) -> dict[str, PlacedFile]:
        from pyarrow.fs import FileSelector, FileType

        with self._failures_named():
            selector = FileSelector(self._prefix, allow_not_found=True, recursive=True)
            infos: list[Any] = self._files.get_file_info(selector)
        found = {info.path[len(self._prefix) + 1 :]: info for info in infos if info.type is FileType.File}
        young_from = self._now_ns() - YOUNG_NS
        return {
            name: PlacedFile(info.size, info.mtime_ns is None or info.mtime_ns > young_from)
            for name, info in found.items()
            if is_ours(name)
        }

    def remove(self, name: str) -> None:
        with self._failures_named(), suppress(FileNotFoundError):
            self._files.delete_file(self._path(name))

    def _path(self, name: str) -> str:
        return f"{self._prefix}/{name}"

    @contextmanager
    def _failures_named(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreError(
                f"the export to {self.shown} cannot be read or written: {' '.join(str(error).split())}; the export that"
                " stood there stands: see to bucket, region and keys, then export again"
            ) from error


def object_place(url: str) -> ObjectPlace:
    """The place that a URL names; keys come from it or from the environment. Raises UsageError for what is none."""
    import pyarrow as pa
    from pyarrow.fs import FileSystem

    shown = masked_url(url)
    scheme = url.partition("://")[0]
    if scheme not in SCHEMES:
        raise UsageError(
            f"{shown} is neither a folder nor storage of objects that exports go to; give a path, or a URL that begins"
            f" with {', '.join(f'{name}://' for name in SCHEMES)}"
        )
    try:
        files, path = FileSystem.from_uri(url)
    except (pa.ArrowException, OSError, ValueError) as error:
        said = " ".join(str(error).split()).replace(url, shown)
        raise UsageError(f"{shown} names no storage of objects: {said}; write s3://BUCKET/PREFIX") from None
    if not path.strip("/"):
        raise UsageError(f"{shown} names no bucket; write s3://BUCKET/PREFIX")
    return ObjectPlace(files, path, shown)
