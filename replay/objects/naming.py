"""Where files lie: in a folder, or under the URL of storage of objects; and what of such a URL may be shown."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from replay.errors import UsageError

SCHEMES: Final = ("s3", "gs", "abfs", "abfss")
"""Storage whose objects appear whole."""
_SHOWN: Final = ("endpoint_override", "region", "scheme")
_URL: Final = re.compile(r"([a-z][a-z0-9+.-]*)://(.*)", re.DOTALL)


@dataclass(frozen=True, repr=False)
class ObjectsUrl:
    """The URL of a prefix of a bucket, as it was given. Written out it has no keys."""

    given: str

    def __str__(self) -> str:
        return masked_url(self.given)

    __repr__ = __str__


FilesPlace = Path | ObjectsUrl


def names_objects(place: str) -> bool:
    """Whether a place is a URL, and no path."""
    return _URL.fullmatch(place) is not None


def masked_url(url: str) -> str:
    """A URL without keys: neither those before its host nor any parameter but where it is."""
    return _without_keys(url, "***@")


def without_keys(url: str) -> str:
    """The URL by which the same storage is reached with keys of the environment."""
    return _without_keys(url, "")


def _without_keys(url: str, instead: str) -> str:
    found = _URL.fullmatch(url)
    assert found is not None
    _, at, rest = found[2].rpartition("@")
    path, question, query = rest.partition("?")
    kept = [pair for pair in query.split("&") if pair.partition("=")[0] in _SHOWN]
    return f"{found[1]}://{instead if at else ''}{path}{question if kept else ''}{'&'.join(kept)}"


def holds_key(name: str) -> bool:
    """Whether a place is a URL, and anything stands in it that is not to be shown."""
    return names_objects(name) and masked_url(name) != name


def place_of(name: str) -> FilesPlace:
    """The folder or the storage that a text names. Raises UsageError for what names neither."""
    if not names_objects(name):
        return Path(name)
    found = urlsplit(name)
    if found.scheme != "file":
        return _checked(name)
    if found.netloc not in ("", "localhost") or not found.path.strip("/"):
        raise UsageError(f"{name} names no folder of this machine; write file:///PATH, or the path alone")
    return Path(unquote(found.path))


def _checked(url: str) -> ObjectsUrl:
    place = ObjectsUrl(url)
    if url.partition("://")[0] not in SCHEMES:
        raise UsageError(
            f"{place} is neither a folder nor known storage of objects; give a path, or a URL that begins with"
            f" {', '.join(f'{name}://' for name in SCHEMES)}"
        )
    return place


def shown_under(url: str, name: str) -> str:
    """What an object below a URL is called, which is masked."""
    path, question, query = url.partition("?")
    return f"{path.rstrip('/')}/{name}{question}{query}"
