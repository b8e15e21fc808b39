"""Checkpoints: a seal is made, and the ledger signs the log tree over it; from cron, or at the end of decisions.

A kill at any moment leaves the checkpoint, or a seal that the next run signs. Two at once wait for one another.
"""

from typing import Final, NamedTuple

from replay.errors import StoreError
from replay.proving.checkpoint import Checkpoint, origin_of
from replay.proving.notes import SignedNote, sign
from replay.sealing.keys import Rotated, new_keys, rotate_keys, settle_rotation, signers
from replay.sealing.proofs import latest_checkpoint, log_root
from replay.sealing.seal import Told, prepare, seal_heads
from replay.store.base.identity import refuse_one_alias_everywhere
from replay.store.base.store import Store
from replay.store.evidence.announced import announcements
from replay.store.evidence.checkpoints import StoredCheckpoint, add_checkpoint, latest_stored
from replay.store.evidence.seals import Seal

MICROS_A_SECOND: Final = 1_000_000


class MadeCheckpoint(NamedTuple):
    """A checkpoint and the seal that it is over."""

    ledger: str
    seal: Seal
    note: bytes
    """The signed note, with the lines of those who cosigned it."""
    root: bytes
    """Of the log tree over the records up to the seal's, and that one."""
    is_new: bool


def make_checkpoint(store: Store, told: Told = lambda *_: None, *, clock_behind: bool = False) -> MadeCheckpoint:
    """Seal what is recorded and sign it; the last checkpoint where nothing was recorded since.

    `clock_behind` goes on although the last record bears a later time than the clock. Raises UsageError where the
    ledger has no keys, or its keys are not there.
    """
    with store.checkpointing():
        return _made(store, told, clock_behind=clock_behind)


def begin_keys(store: Store) -> list[str]:
    """Make the first keys of a ledger and announce them: the public ones.

    Raises UsageError where it has others, and for a store to which nothing is appended any more.
    """
    refuse_one_alias_everywhere(store.identity, store.name)
    with store.checkpointing():
        prepare(store)
        return new_keys(store)


def replace_keys(store: Store, reason: str, told: Told = lambda *_: None, *, lost: bool) -> Rotated:
    """Announce other keys, and sign that with those before as well, unless they are lost.

    Raises UsageError as `rotate_keys` does.
    """
    with store.checkpointing():
        prepare(store, told)
        done = rotate_keys(store, reason, lost=lost)
        _made(store, told, clock_behind=False)
        settle_rotation(store)
        return done


def has_keys(store: Store) -> bool:
    """Whether a ledger has announced keys by which its checkpoints are signed."""
    return bool(announcements(store))


def _made(store: Store, told: Told, *, clock_behind: bool) -> MadeCheckpoint:
    by = signers(store)
    last = latest_stored(store)
    seal = seal_heads(store, told, clock_behind=clock_behind)
    size, root = seal.position, log_root(store, seal.position)
    is_new = last is None or last.size != size
    if is_new:
        text = Checkpoint(origin_of(store.identity.id), size, root).text
        # Whoever trusts the keys before learns of those that replace them by a checkpoint that both have signed.
        is_first = last is None or last.size < by.announcement.position
        keys = [*by.keys, *(by.before if is_first else ())]
        signatures = tuple(sign(text, key, store.now() // MICROS_A_SECOND) for key in keys)
        note = SignedNote(text, signatures).whole.encode()
        with store.writing() as transaction:
            if announcements(transaction)[-1] != by.announcement or latest_stored(transaction) != last:
                raise StoreError("other keys or another checkpoint came meanwhile; nothing was signed: make it again")
            add_checkpoint(transaction, StoredCheckpoint(size, note))
    kept = latest_checkpoint(store)
    assert kept is not None
    return MadeCheckpoint(store.identity.id, seal, kept.note, root, is_new)
