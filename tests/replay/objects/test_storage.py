"""What lies in storage of objects: by a server of S3 on this machine, and where whoever writes is interrupted."""

import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from replay.errors import StoreError
from replay.objects.naming import ObjectsUrl
from replay.objects.storage import Storage, storage_at
from tests.support.buckets import BucketServer, bucket_server, keys_in_environment

SMALL = b"a manifest"
IN_PARTS = bytes(11_000_000)
"""More than Arrow puts by one request."""


@pytest.fixture(scope="module")
def server() -> Iterator[BucketServer]:
    with bucket_server() as found:
        yield found


@pytest.fixture
def url(server: BucketServer, monkeypatch: pytest.MonkeyPatch) -> str:
    keys_in_environment(monkeypatch)
    return server.url("things", "of")


class Interrupted:
    """A stream during whose writing Ctrl-C is pressed."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __enter__(self) -> "Interrupted":
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def write(self, content: bytes) -> None:
        main = threading.main_thread().ident
        assert main is not None
        signal.pthread_kill(main, signal.SIGINT)
        self._stream.write(content)


class InterruptedFiles:
    """What lies there, every write to which is interrupted."""

    def __init__(self, files: Any) -> None:
        self._files = files

    def open_output_stream(self, *given: Any, **named: Any) -> Interrupted:
        return Interrupted(self._files.open_output_stream(*given, **named))


@pytest.mark.parametrize("content", [SMALL, IN_PARTS], ids=["by one request", "in parts"])
def test_a_write_that_is_interrupted_leaves_a_whole_object_or_none(
    url: str, server: BucketServer, content: bytes
) -> None:
    storage = storage_at(ObjectsUrl(url), StoreError)
    storage.put("manifest.json", b"the one before")
    files: Any = InterruptedFiles(storage.files)
    server.asked.clear()
    with pytest.raises(KeyboardInterrupt):
        Storage(files, storage.prefix, storage.shown, StoreError).put("manifest.json", content)
    assert storage.read("manifest.json") in (b"the one before", content)
    begun = [line for line in server.asked if line.endswith("?uploads")]
    ended = [line for line in server.asked if line.startswith("POST") and "?uploadId=" in line]
    assert len(begun) == len(ended), "no part of an upload is left behind"


def test_a_bucket_that_is_not_there_is_told_and_an_empty_prefix_is_empty(url: str) -> None:
    assert storage_at(ObjectsUrl(url.replace("/of?", "/empty?")), StoreError).listed() == {}
    missing = storage_at(ObjectsUrl(url.replace("//things/", "//no-such-bucket/")), StoreError)
    for below in ("", "manifests"):
        with pytest.raises(StoreError, match="NO_SUCH_BUCKET"):
            missing.listed(below)
