"""What lies under a prefix of a bucket, through Arrow: S3 and what Arrow reaches by the same calls.

An object appears whole when it is closed. Nothing there is held alone.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from replay.errors import StoreError, UsageError
from replay.extras import ARROW, need
from replay.objects.naming import ObjectsUrl

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

Failed = Callable[[str], StoreError]
"""Makes the error of what the storage says where it cannot be read or written."""


class StoredObject(NamedTuple):
    """An object as a listing has it."""

    bytes: int
    changed_at_ns: int | None
    """When it was put, by the storage's clock, since 1970; None where that does not say."""


class Storage:
    """A prefix of a bucket; names begin behind it."""

    def __init__(self, files: "FileSystem", prefix: str, shown: str, failed: Failed) -> None:
        self.files = files
        self.prefix = prefix.rstrip("/")
        self.shown = shown
        """What it is called to people, without any secret."""
        self._failed = failed

    def read(self, name: str) -> bytes | None:
        """What an object holds; None where there is none."""
        with self.failures_named():
            try:
                with self.files.open_input_stream(self.path(name), compression=None) as stream:
                    found: bytes = stream.read()
                    return found
            except FileNotFoundError:
                return None

    def has(self, name: str) -> bool:
        """Whether an object of a name is there."""
        from pyarrow.fs import FileType

        with self.failures_named():
            return bool(self.files.get_file_info(self.path(name)).type is FileType.File)

    def put(self, name: str, content: bytes | memoryview) -> None:
        """An object, whole or not at all, in the place of one of that name; also where Ctrl-C comes meanwhile.

        A stream of Arrow is closed by whatever ends it, and what is closed is put as far as it was written. So it is
        written by a thread of its own, which no signal interrupts, and which whoever is interrupted here waits for.
        """
        with self.failures_named(), ThreadPoolExecutor(1) as beside:
            beside.submit(bool).result()  # a thread that still starts would not be waited for
            beside.submit(self._put, name, content).result()

    def _put(self, name: str, content: bytes | memoryview) -> None:
        with self.files.open_output_stream(self.path(name), compression=None) as stream:
            stream.write(content)

    def listed(self, below: str = "") -> dict[str, StoredObject]:
        """By name, every object that lies there, or below a folder of it.

        A bucket that is not there is a failure, of which a request for a single object does not tell.
        """
        from pyarrow.fs import FileSelector, FileType

        infos: list[Any] = []
        selector = FileSelector(self.path(below).rstrip("/"), recursive=True)
        with self.failures_named(), suppress(FileNotFoundError):  # allow_not_found would allow for the bucket, too
            infos = self.files.get_file_info(selector)
        return {
            info.path[len(self.prefix) + 1 :]: StoredObject(info.size, info.mtime_ns)
            for info in infos
            if info.type is FileType.File
        }

    def remove(self, name: str) -> None:
        """Take away an object, if it is there."""
        with self.failures_named(), suppress(FileNotFoundError):
            self.files.delete_file(self.path(name))

    def path(self, name: str) -> str:
        return f"{self.prefix}/{name}"

    @contextmanager
    def failures_named(self) -> Iterator[None]:
        """Raises what was given to make of what the storage says."""
        try:
            yield
        except OSError as error:
            raise self.failure(error) from error

    def failure(self, error: OSError) -> StoreError:
        return self._failed(" ".join(str(error).split()))


def storage_at(place: ObjectsUrl, failed: Failed) -> Storage:
    """What a URL names; keys come from it or from the environment, as Arrow takes them.

    Raises NotInstalled without Arrow, UsageError for what names no storage, and what was given to make where the
    storage does not say in which region it is.
    """
    need(ARROW, "storage of objects")
    import pyarrow as pa
    from pyarrow.fs import FileSystem

    asked = place.given
    if asked.startswith("s3://"):  # a small object goes by one request, and leaves no part behind when it is killed
        asked += f"{'&' if '?' in asked else '?'}allow_delayed_open=true"
    try:
        files, path = FileSystem.from_uri(asked)
    except OSError as error:  # where no region is named, the storage is asked for it
        raise failed(_said(error, asked, place)) from None
    except (pa.ArrowException, ValueError) as error:
        said = _said(error, asked, place)
        raise UsageError(f"{place} names no storage of objects: {said}; write s3://BUCKET/PREFIX") from None
    if not path.strip("/"):
        raise UsageError(f"{place} names no bucket; write s3://BUCKET/PREFIX")
    if "//" in path:
        raise UsageError(
            f"{place} has two slashes in its prefix, between which nothing stands; write s3://BUCKET/PREFIX"
        )
    return Storage(files, path, str(place), failed)


def _said(error: Exception, asked: str, place: ObjectsUrl) -> str:
    return " ".join(str(error).split()).replace(asked, str(place))
