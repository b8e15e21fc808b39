"""What a witness keeps in its folder: its keys, and of each log what it cosigned last and what it needs to go on.

    witness.keys    its private keys, a line each, for its owner alone
    witness.db      a SQLite file; a cosigning is one transaction in it, so that a kill at any moment undoes it whole

The keys' name ends with the witness's grade, so that whoever trusts one knows what it vouches for.
"""

import os
import secrets
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple

from replay.errors import StoreError, UsageError
from replay.proving.heads_trie import HeadLeaf, leaf, state_hash
from replay.proving.log_tree import EMPTY_ROOT, WholeSubtree
from replay.proving.notes import ED25519_TIMED, ML_DSA_44, SEED_BYTES, SigningKey, parse_signing_key
from replay.proving.strict_text import HASH_BYTES, MalformedError
from replay.store.beside import open_private, sync
from replay.store.reading.key_state import NO_RECORD, KeyState

KEYS: Final = "witness.keys"
STATE: Final = "witness.db"
BUSY_SECONDS: Final = 600
"""How long a request waits for another to be cosigned: recomputing a long ledger takes minutes."""
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS logs (
    origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL, whole BLOB NOT NULL, note BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS states (
    origin TEXT NOT NULL, key_hash BLOB NOT NULL, records INTEGER NOT NULL, chain BLOB NOT NULL,
    position INTEGER NOT NULL, PRIMARY KEY (origin, key_hash)
) STRICT, WITHOUT ROWID;
"""


class Grade(StrEnum):
    """What a witness's signature says."""

    SEEN = "seen"
    """The log only grew, and everybody who asks is shown the same."""
    RECOMPUTED = "recomputed"
    """Also, log and heads were computed from the records, and came out as signed."""


class Witness(NamedTuple):
    """A witness's folder, opened."""

    folder: Path
    grade: Grade
    keys: tuple[SigningKey, ...]


class Cosigned(NamedTuple):
    """What a witness cosigned last of a log."""

    size: int
    root: bytes
    whole: tuple[WholeSubtree, ...]
    """What the tree consists of; of a witness that only sees, nothing."""
    note: bytes


NOTHING: Final = Cosigned(0, EMPTY_ROOT, (), b"")


def new_witness(folder: Path, name: str, grade: Grade) -> Witness:
    """Make a witness's folder and its keys. Raises UsageError where there is one, or the name is none for a key."""
    kinds = (ED25519_TIMED, ML_DSA_44)
    keys = tuple(SigningKey(f"{name}/{grade}", kind, secrets.token_bytes(SEED_BYTES)) for kind in kinds)
    try:
        if not name:
            raise MalformedError("no name")
        lines = "".join(f"{parse_signing_key(key.secret_text).secret_text}\n" for key in keys)
    except (MalformedError, UnicodeEncodeError):
        raise UsageError(
            f"{name!r} is no name for a witness: give one without spaces and plus signs, such as w.example"
        ) from None
    folder.mkdir(parents=True, exist_ok=True)
    try:
        handle = open_private(folder / KEYS, os.O_WRONLY | os.O_EXCL)
    except FileExistsError:
        raise UsageError(f"{folder} holds a witness already, with keys of its own; nothing was changed") from None
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(lines)
        file.flush()
        os.fsync(file.fileno())
    sync(folder)
    sync(folder.absolute().parent)
    return Witness(folder, grade, keys)


def open_witness(folder: Path) -> Witness:
    """The witness of a folder. Raises UsageError where none is there, StoreError where its keys cannot be read."""
    try:
        lines = (folder / KEYS).read_text("utf-8").splitlines()
    except FileNotFoundError:
        raise UsageError(f"there is no witness in {folder}; 'levelbook witness new' makes one") from None
    try:
        keys = tuple(map(parse_signing_key, lines))
        (grade,) = {Grade(key.name.rpartition("/")[2]) for key in keys}
    except ValueError:
        raise StoreError(
            f"{folder / KEYS} does not hold a witness's keys, or was cut off when it was made; move it away and make"
            " the witness anew, whose keys are then others"
        ) from None
    return Witness(folder, grade, keys)


class WitnessState:
    """A witness's state within one transaction, in which nobody else changes it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def cosigned(self, origin: str) -> Cosigned:
        """What was cosigned last of a log; NOTHING where nothing was."""
        sql = "SELECT size, root, whole, note FROM logs WHERE origin = ?"
        row = self._connection.execute(sql, (origin,)).fetchone()
        if row is None:
            return NOTHING
        size, root, whole, note = row
        return Cosigned(size, root, _whole(size, whole), note)

    def note_down(self, origin: str, cosigned: Cosigned) -> None:
        """Keep what is cosigned now."""
        size, root, whole, note = cosigned
        hashes = b"".join(found for _, found in whole)
        self._connection.execute("REPLACE INTO logs VALUES (?, ?, ?, ?, ?)", (origin, size, root, hashes, note))

    def state(self, origin: str, hashed: bytes) -> KeyState:
        """How far the chain of a key has come, by the hash of the key."""
        sql = "SELECT records, chain, position FROM states WHERE origin = ? AND key_hash = ?"
        row = self._connection.execute(sql, (origin, hashed)).fetchone()
        return NO_RECORD if row is None else KeyState(*row)

    def move(self, origin: str, states: Mapping[bytes, KeyState]) -> None:
        """Keep how far the chains of some keys have come."""
        rows = ((origin, hashed, *state) for hashed, state in states.items())
        self._connection.executemany("REPLACE INTO states VALUES (?, ?, ?, ?, ?)", rows)

    def leaves(self, origin: str) -> Iterator[HeadLeaf]:
        """The leaves of all keys in the heads trie."""
        sql = "SELECT key_hash, records, chain, position FROM states WHERE origin = ?"
        for hashed, *state in self._connection.execute(sql, (origin,)):
            yield leaf_of(hashed, KeyState._make(state))


def leaf_of(hashed: bytes, state: KeyState) -> HeadLeaf:
    """The leaf of a key in the heads trie, by the hash of the key."""
    return HeadLeaf(hashed, leaf(hashed, state_hash(state.records, state.chain)))


@contextmanager
def keeping(witness: Witness) -> Iterator[WitnessState]:
    """The state of a witness, changed whole or not at all. Raises StoreError where another has it for too long."""
    path = witness.folder / STATE
    os.close(open_private(path, os.O_RDWR))
    with closing(sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)) as connection:
        try:
            connection.execute("PRAGMA synchronous=EXTRA")
            connection.execute("BEGIN IMMEDIATE")
            for sql in filter(str.strip, _TABLES.split(";")):
                connection.execute(sql)
            yield WitnessState(connection)
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise StoreError(
                f"{path} cannot be read or written: {error}; nothing was cosigned. Where it is damaged, only a copy of"
                " it from the same day may replace it: with an older one the witness would sign two histories"
            ) from None


def _whole(size: int, hashes: bytes) -> tuple[WholeSubtree, ...]:
    """The whole subtrees that a tree of a size consists of: a level for each bit of the size, the highest first."""
    levels = [level for level in reversed(range(size.bit_length())) if size >> level & 1]
    roots = [hashes[start : start + HASH_BYTES] for start in range(0, len(hashes), HASH_BYTES)]
    return tuple(zip(levels, roots, strict=True)) if roots else ()
