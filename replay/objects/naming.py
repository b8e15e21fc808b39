"""Where files lie: in a folder, or under the URL of storage of objects; and what of such a URL may be shown."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from replay.errors import UsageError

SCHEMES: Final = ("s3", "gs", "abfs", "abfss")
"""Storage whose objects appear whole."""
_AZURE: Final = ("abfs", "abfss")
"""Of these a container or an account stands before the @."""
_SHOWN: Final = (
    "endpoint_override",
    "region",
    "scheme",
    "blob_storage_authority",
    "dfs_storage_authority",
    "enable_tls",
)
_SIGN_BEHIND_HOST: Final = re.compile("[/?]")
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
    """A URL without keys: neither those before its host nor any parameter but where it is.

    A key may have been written with signs that end a host: where it may reach up to an @, all before that is hidden.
    """
    scheme, rest = _parts(url)
    before, _, behind = rest.rpartition("@")
    is_hidden = ":" in before or (scheme not in _AZURE and "@" in _SIGN_BEHIND_HOST.split(rest, maxsplit=1)[0])
    path, _, query = (behind if is_hidden else rest).partition("?")
    return f"{scheme}://{'***@' if is_hidden else ''}{_with_shown(path, query)}"


def without_keys(url: str) -> str:
    """The URL by which the same storage is reached with keys of the environment.

    Of what stands before the host, that stays which is no key: a container or an account of Azure.
    """
    scheme, rest = _parts(url)
    place, _, query = rest.partition("?")
    host, slash, path = place.partition("/")
    user, _, host = host.rpartition("@")
    name = user.partition(":")[0] if scheme in _AZURE else ""
    return f"{scheme}://{name}{'@' if name else ''}{_with_shown(f'{host}{slash}{path}', query)}"


def _parts(url: str) -> tuple[str, str]:
    """(scheme, what follows it)."""
    found = _URL.fullmatch(url)
    assert found is not None
    return found[1], found[2]


def _with_shown(path: str, query: str) -> str:
    kept = [pair for pair in query.split("&") if pair.partition("=")[0] in _SHOWN and "@" not in pair]
    return f"{path}{'?' if kept else ''}{'&'.join(kept)}"


def holds_key(name: str) -> bool:
    """Whether a place is a URL, and anything stands in it that is not to be shown."""
    return names_objects(name) and masked_url(name) != name


def place_of(name: str) -> FilesPlace:
    """The folder or the storage that a text names. Raises UsageError for what names neither."""
    if not name:
        raise UsageError(
            "an empty text names no place for files, nor does a variable that is not set; write . for here"
        )
    if not names_objects(name):
        return Path(name)
    found = urlsplit(name)
    if found.scheme != "file":
        return _checked(name)
    if found.netloc not in ("", "localhost") or not found.path.strip("/"):
        raise UsageError(f"{name} names no folder of this machine; write file:///PATH, or the path alone")
    return Path(unquote(found.path))


def are_one(one: FilesPlace, other: FilesPlace) -> bool:
    """Whether two names are of one place, as far as names tell."""
    if isinstance(one, Path) and isinstance(other, Path):
        return one.resolve() == other.resolve()
    if isinstance(one, Path) or isinstance(other, Path):
        return False
    (path, *query), (other_path, *other_query) = (without_keys(item.given).split("?", 1) for item in (one, other))
    return path.rstrip("/") == other_path.rstrip("/") and query == other_query


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
