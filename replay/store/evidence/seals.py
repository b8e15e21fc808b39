"""The seals of a ledger, as its records: each says how many records every key has, as one hash."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from domain.events import HeadsSealed
from replay.errors import UsageError, damaged
from replay.store.decode import read_record
from replay.store.reading.asked import Asked
from replay.store.reading.readable import Readable

HEADS_STREAM: Final = "ledger/heads"
SEALED: Final = "heads.sealed"
_COLUMNS: Final = "position, version, record"
_ALL: Final = Asked(HEADS_STREAM, types=(SEALED,))


class Seal(NamedTuple):
    """A seal of the heads of all keys."""

    position: int
    version: int
    """Which seal of the ledger it is, from 1 on."""
    size: int
    """Of the first so many records; below its position."""
    heads: bytes
    """The root of the heads trie."""
    keys: int
    tree: bytes
    """The root of the log tree over these records."""
    record: bytes


def latest_seal(readable: Readable) -> Seal | None:
    """The last seal; None where there is none yet."""
    rows = list(readable._records(_COLUMNS, _ALL._replace(latest_first=True, limit=1)))
    return _seal(rows[0]) if rows else None


def seals(readable: Readable) -> Iterator[Seal]:
    """All seals, the earliest first."""
    return map(_seal, list(readable._records(_COLUMNS, _ALL)))


def seal_at(readable: Readable, position: int) -> Seal:
    """The seal that stands at a position. Raises UsageError where none does."""
    rows = list(readable._records(_COLUMNS, _ALL._replace(after=position - 1, last=position)))
    if not rows:
        raise UsageError(f"no seal of the heads stands at position {position}; 'levelbook checkpoint' makes them")
    return _seal(rows[0])


def _seal(row: tuple[int, int, bytes]) -> Seal:
    position, version, record = row
    data = read_record(SEALED, bytes(record)).data
    assert isinstance(data, HeadsSealed)
    try:
        heads, tree = bytes.fromhex(data.heads), bytes.fromhex(data.tree)
    except ValueError:
        raise damaged(f"the record at position {position}") from None
    return Seal(position, version, data.size, heads, data.keys, tree, bytes(record))
