"""Objects that are made only where none of their name lies.

Arrow has no words for that. S3 has: a PUT with `If-None-Match: *`, which is signed here. Whether a server heeds it is
tried once, by an object that is put twice: one that takes the second has not heeded; some say that they know none.
There, with other storage, and where Arrow alone has the keys, it is looked whether a name is free, and looked again
after: of two who do so in the same moment each may believe to have been the first, and the last one counts.
"""

import os
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Final
from urllib.parse import parse_qs, urlsplit

from replay.errors import StoreError
from replay.objects.naming import ObjectsUrl
from replay.objects.signing import AccessKeys, keys_for, quoted, signed_headers
from replay.objects.storage import Storage

TRIED: Final = "conditional-writes"
"""The object by which it is tried whether a server heeds conditions."""
ANSWER_SECONDS: Final = 30
_OK: Final = 200
_TAKEN: Final = (409, 412)
"""Another is putting it in this moment; it is there."""
_NOT_KNOWN: Final = 501
"""The server has no conditional writes, and says so."""


class Creating:
    """How objects are made under a prefix."""

    def __init__(self, storage: Storage, url: ObjectsUrl) -> None:
        self.storage, self.url = storage, url
        self._keys = keys_for(url) if url.given.startswith("s3://") else None
        self._is_exclusive: bool | None = None

    @property
    def is_exclusive(self) -> bool:
        """Whether of two who make the same at once surely one alone does."""
        if self._is_exclusive is None:
            self._is_exclusive = self._keys is not None and self._heeds_conditions(self._keys)
        return self._is_exclusive

    def create(self, name: str, content: bytes) -> bool:
        """Make an object; False where one of the name is there. Raises StoreError where it is not there afterwards.

        Where making it failed, an answer may have been lost and not the object: what lies there says whether it was.
        """
        try:
            if not self._made(name, content):
                return False
        except StoreError:
            with suppress(StoreError):
                if (found := self.storage.read(name)) is not None:
                    return found == content
            raise
        found = self.storage.read(name)
        if found is None:
            raise self.storage.failure(OSError(f"{name} was put and is not there"))
        return found == content

    def _made(self, name: str, content: bytes) -> bool:
        if self._keys is not None and self.is_exclusive:
            return self._put(name, content, self._keys)
        if self.storage.read(name) is not None:
            return False
        self.storage.put(name, content)
        return True

    def _heeds_conditions(self, keys: AccessKeys) -> bool:
        for _ in range(2):
            status, said = self._asked(TRIED, b"", keys)
            if status == _NOT_KNOWN:
                return False
            if not self._was_put(TRIED, status, said):
                return True
        return False

    def _put(self, name: str, content: bytes, keys: AccessKeys) -> bool:
        """Put an object where none of the name is; False where one is."""
        return self._was_put(name, *self._asked(name, content, keys))

    def _was_put(self, name: str, status: int, said: str) -> bool:
        if status == _OK:
            return True
        if status in _TAKEN:
            return False
        raise self.storage.failure(OSError(f"it answered {status} to the put of {name}: {said}"))

    def _asked(self, name: str, content: bytes, keys: AccessKeys) -> tuple[int, str]:
        path = quoted(f"/{self.storage.path(name)}")
        is_plain, host, region = self._server()
        headers = signed_headers("PUT", host, path, {"if-none-match": "*"}, content, keys, region)
        connection = (HTTPConnection if is_plain else HTTPSConnection)(host, timeout=ANSWER_SECONDS)
        try:
            connection.request("PUT", path, content, headers)
            with connection.getresponse() as answer:
                return answer.status, answer.read(2_000).decode("utf-8", "replace")
        except (HTTPException, OSError) as error:
            raise self.storage.failure(OSError(str(error) or type(error).__name__)) from error
        finally:
            connection.close()

    def _server(self) -> tuple[bool, str, str]:
        """(whether without TLS, host and port, region), as Arrow asks."""
        told = {name: values[-1] for name, values in parse_qs(urlsplit(self.url.given).query).items()}
        region = str(self.storage.files.region)
        named = told.get("endpoint_override") or os.environ.get("AWS_ENDPOINT_URL_S3")
        named = named or os.environ.get("AWS_ENDPOINT_URL") or _host_of_amazon(region)
        scheme, _, host = named.rpartition("://")
        return (scheme or told.get("scheme") or "https") == "http", host.rstrip("/"), region


def _host_of_amazon(region: str) -> str:
    return f"s3.{region}.amazonaws.com{'.cn' if region.startswith('cn-') else ''}"
