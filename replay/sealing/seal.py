"""Sealing: a record of the ledger says how many records each key has, over all that was recorded when it began.

A kill at any moment leaves either a seal or a draft of one, with which the next checkpoint goes on. Others record
meanwhile: the seal stands above them, and says over how many records it is.
"""

import secrets
from collections.abc import Callable
from typing import Final

from domain.events import HeadsSealed
from domain.keys import MAP_VERSION
from replay.errors import StoreError, UsageError
from replay.proving.log_tree import root_at
from replay.recording.chaining import chain_keys, unchained
from replay.recording.own_record import record_own
from replay.schema.versions import LATER_TABLES
from replay.sealing.heads import draft_heads, drafted_size
from replay.sealing.log import extend_log
from replay.store.base.store import Store
from replay.store.base.transaction import Transaction
from replay.store.evidence.log_tree import log_reach, subtree_of
from replay.store.evidence.seals import HEADS_STREAM, SEALED, Seal, latest_seal, seal_at

ID_CHANCE_BYTES: Final = 16
Told = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is, and of how much; 0 for a total that is not known."""


def seal_heads(store: Store, told: Told = lambda *_: None, *, clock_behind: bool = False) -> Seal:
    """Seal all that is recorded; the last seal where nothing was recorded since. To be called while `checkpointing`.

    `clock_behind` goes on although the last record bears a later time than the clock. Raises UsageError where nothing
    is recorded.
    """
    prepare(store, told)
    before = latest_seal(store)
    draft = drafted_size(store, before)
    if draft is not None:  # left by one that was killed
        before = _seal(store, before, draft, told, clock_behind=clock_behind)
    size = store.head().position
    if before is not None and before.size + 1 == before.position == size:
        return before
    if size == 0:
        raise UsageError(f"{store.name} holds no record; there is nothing to seal")
    return _seal(store, before, size, told, clock_behind=clock_behind)


def _seal(store: Store, before: Seal | None, size: int, told: Told, *, clock_behind: bool) -> Seal:
    """Seal the first `size` records, after the seal before."""
    waiting = size - log_reach(store)
    extend_log(store, size, lambda done: told("hashing records", done, waiting))
    sealed = draft_heads(store, before, size, lambda done: told("hashing keys", done, 0))
    tree = root_at(subtree_of(store), size)
    said = HeadsSealed(heads=sealed.root.hex(), keys=sealed.keys, map=MAP_VERSION, size=size, tree=tree.hex())
    return _append(store, before, said, clock_behind=clock_behind)


def _append(store: Store, before: Seal | None, said: HeadsSealed, *, clock_behind: bool) -> Seal:
    def check(transaction: Transaction) -> None:
        if latest_seal(transaction) != before:
            raise StoreError("another checkpoint was made meanwhile, and nothing was sealed by this one; make it again")

    event_id = f"seal-{said.size}-{secrets.token_hex(ID_CHANCE_BYTES)}"
    head = record_own(store, HEADS_STREAM, SEALED, event_id, said, check=check, clock_behind=clock_behind)
    return seal_at(store, head.position)


def prepare(store: Store, told: Told = lambda *_: None) -> None:
    """Make what a ledger of an earlier version lacks: tables, and the chains of keys. Raises StoreError where this
    role may not.
    """
    if not all(map(store.has_table, LATER_TABLES)):
        with store.writing() as transaction:
            transaction.make_later_tables()
    if waiting := max(unchained(store), 0):
        chain_keys(store, lambda done: told("chaining the keys of records", done, waiting))
