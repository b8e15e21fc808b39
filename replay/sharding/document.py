"""The file of a set: which ledgers it has, in order, and where each lies. Beside them nothing says so."""

import os
from pathlib import Path
from typing import Final

import msgspec

from domain.buckets import BUCKETS
from replay.errors import UsageError
from replay.store.beside import draft_beside, open_private, sync
from replay.store.location import SET_SUFFIX, holds_password, is_postgres

FORM: Final = 1
"""The form of the file that this program reads and writes."""
SIZES: Final = tuple(of for of in range(2, BUCKETS + 1) if BUCKETS % of == 0)
"""How many ledgers a set may have: each then takes as many buckets."""


class ShardPlace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A ledger of a set, and where its store lies."""

    ledger: str
    """Its id."""
    store: str
    """A postgresql:// URL without a password, or a path; one that is not absolute is meant from the file's folder."""


class SetDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the file says."""

    form: int
    set_id: str
    shards: list[ShardPlace]
    """In order: by its number each has its subjects."""


def read_set(path: Path) -> SetDocument:
    """The set that a file names. Raises UsageError where there is none, or the file says something else."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=SetDocument)
    except FileNotFoundError:
        raise UsageError(f"there is no set of ledgers at {path}; 'levelbook shard make' makes one") from None
    except OSError as error:
        raise UsageError(f"the set {path} cannot be read: {error.strerror or error}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not the file of a set ({error}); bring it back from its copy") from None
    if found.form != FORM:
        raise UsageError(f"{path} is of form {found.form}, this levelbook reads form {FORM}; use the one that made it")
    if len(found.shards) not in SIZES or len({place.ledger for place in found.shards}) != len(found.shards):
        raise UsageError(
            f"{path} names {len(found.shards)} ledgers, and a set has {_either(SIZES)} different ones; bring it back"
            " from its copy"
        )
    return found


def write_set(path: Path, document: SetDocument) -> None:
    """Put the file there in one piece. Raises UsageError where another one is."""
    draft = draft_beside(path)
    with os.fdopen(open_private(draft, os.O_WRONLY | os.O_TRUNC), "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
        sync(path.parent)
    except FileExistsError:
        if read_set(path) != document:
            raise UsageError(f"{path} is there and names other ledgers; give the new set another name") from None
    finally:
        draft.unlink()


def check_name(path: Path) -> None:
    """Raises UsageError for a name by which a set would not be known as one."""
    if not path.name.endswith(SET_SUFFIX) or path.name == SET_SUFFIX:
        raise UsageError(f"the file of a set ends with {SET_SUFFIX}, and {path} does not; name it so")


def check_size(of: int) -> None:
    """Raises UsageError for a number of ledgers among which buckets cannot be divided evenly."""
    if of not in SIZES:
        raise UsageError(
            f"a set cannot have {of} ledgers, for {BUCKETS} buckets must be divided evenly; give {_either(SIZES)}"
        )


def check_store(store: str) -> None:
    """Raises UsageError for a URL with a password, which would stand in the file."""
    if holds_password(store):
        raise UsageError(
            "a URL with a password would stand in the file of the set; leave the password out and put it into a"
            " password file, which PGPASSFILE names"
        )


def location_of(path: Path, store: str) -> str:
    """Where the store of a shard is opened."""
    return store if is_postgres(store) else str(path.parent / store)


def _either(numbers: tuple[int, ...]) -> str:
    *others, last = map(str, numbers)
    return f"{', '.join(others)} or {last}"
