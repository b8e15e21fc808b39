"""The checkpoints of a ledger: signed notes by the size of the log tree that they are over, and who cosigned them."""

from collections.abc import Iterator
from typing import NamedTuple

from replay.schema.versions import CHECKPOINTS, COSIGNATURES
from replay.store.base.failures import not_kept
from replay.store.base.transaction import Transaction
from replay.store.reading.readable import Readable


class StoredCheckpoint(NamedTuple):
    """A checkpoint as the ledger signed it."""

    size: int
    """Of the log tree; the position of the seal that it was made for."""
    note: bytes


def latest_stored(readable: Readable) -> StoredCheckpoint | None:
    """The last checkpoint; None where there is none yet."""
    if not readable.has_table(CHECKPOINTS):
        return None
    rows = readable._query("SELECT size, note FROM checkpoints ORDER BY size DESC LIMIT 1")
    return next((StoredCheckpoint(size, bytes(note)) for size, note in rows), None)


def stored_checkpoint(readable: Readable, size: int) -> StoredCheckpoint | None:
    """The checkpoint over a tree of a size; None where there is none."""
    if not readable.has_table(CHECKPOINTS):
        return None
    rows = readable._query("SELECT size, note FROM checkpoints WHERE size = ?", (size,))
    return next((StoredCheckpoint(at, bytes(note)) for at, note in rows), None)


def stored_checkpoints(readable: Readable) -> Iterator[StoredCheckpoint]:
    """All of them, the smallest first."""
    if readable.has_table(CHECKPOINTS):
        for size, note in readable._query("SELECT size, note FROM checkpoints ORDER BY size"):
            yield StoredCheckpoint(size, bytes(note))


def add_checkpoint(transaction: Transaction, made: StoredCheckpoint) -> None:
    """Keep a signed note. Raises StoreError unless it is there."""
    transaction.execute(f"INSERT INTO {CHECKPOINTS} (size, note) VALUES (?, ?)", made)
    transaction.run_deferred()
    if latest_stored(transaction) != made:
        raise not_kept("a checkpoint is not there, or another one")


def cosignature_lines(readable: Readable, size: int) -> list[str]:
    """The signature lines of the witnesses of the checkpoint over a size, each with its newline, by signer."""
    if not readable.has_table(COSIGNATURES):
        return []
    rows = readable._query("SELECT line FROM cosignatures WHERE size = ? ORDER BY signer", (size,))
    return [line for (line,) in rows]


def add_cosignature(transaction: Transaction, size: int, signer: str, line: str) -> bool:
    """Keep a witness's signature line, its newline included, under a checkpoint; False where the signer has one there.

    `signer` is the name of the witness's key and its id. Raises StoreError unless it is there.
    """
    kept = "SELECT line FROM cosignatures WHERE size = ? AND signer = ?"
    if transaction.execute(kept, (size, signer)):
        return False
    transaction.execute(f"INSERT INTO {COSIGNATURES} (size, signer, line) VALUES (?, ?, ?)", (size, signer, line))
    transaction.run_deferred()
    if transaction.execute(kept, (size, signer)) != [(line,)]:
        raise not_kept("a cosignature is not there, or another one")
    return True


def lines_of_name(readable: Readable, name: str) -> list[tuple[int, str]]:
    """(size, line) of each signature by any key of a name, as it was kept: who signed it is not looked at.

    Those of the last checkpoint come first.
    """
    if not readable.has_table(COSIGNATURES):
        return []
    begins = f"{name}+"
    sql = "SELECT size, line FROM cosignatures WHERE substr(signer, 1, ?) = ? ORDER BY size DESC, signer"
    return list(readable._query(sql, (len(begins), begins)))


def all_cosignatures(readable: Readable) -> Iterator[tuple[int, str, str]]:
    """(size, signer, line) of every witness's signature, by size."""
    if readable.has_table(COSIGNATURES):
        yield from readable._query("SELECT size, signer, line FROM cosignatures ORDER BY size, signer")
