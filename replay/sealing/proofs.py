"""Proofs of what a ledger holds: of records in its log tree, of its growth, and of the heads of keys at a seal.

All of them are made from what is kept and at most some thousand records; whoever checks them needs `replay.proving`.
"""

from collections.abc import Callable
from typing import NamedTuple

from replay.errors import UsageError
from replay.proving.heads_trie import HeadLeaf, Turn, key_hash, trie_path
from replay.proving.log_tree import consistency_path, inclusion_path, root_at
from replay.store.base.store import Store
from replay.store.evidence.checkpoints import (
    StoredCheckpoint,
    cosignature_lines,
    latest_stored,
)
from replay.store.evidence.heads import bucket_of, bucket_roots, heads_in
from replay.store.evidence.log_tree import subtree_of


class HeadPath(NamedTuple):
    """The way of a key in the heads trie of a seal."""

    leaf: HeadLeaf
    """Where its bits lead: its own leaf, or where no record has it, another key's."""
    state: bytes
    """The hash of the state of the key whose leaf that is."""
    turns: list[Turn]
    """From the root to the leaf."""
    is_present: bool


def latest_checkpoint(store: Store) -> StoredCheckpoint | None:
    """The last checkpoint with the lines of the witnesses who cosigned it; None where there is none yet.

    Its size is the position of its seal.
    """
    found = latest_stored(store)
    if found is None:
        return None
    return found._replace(note=found.note + "".join(cosignature_lines(store, found.size)).encode())


def log_root(store: Store, size: int) -> bytes:
    """The root of the log tree over the first `size` records. Raises UsageError where there are not so many."""
    _check_size(store, size)
    return root_at(subtree_of(store), size)


def inclusion(store: Store, position: int, size: int) -> list[bytes]:
    """The proof that the record at a position is in the log tree over the first `size`.

    Raises UsageError where it is not, or there are not so many.
    """
    _check_size(store, size)
    if not 0 < position <= size:
        raise UsageError(f"position {position} is not among the first {size} records")
    return inclusion_path(subtree_of(store), position - 1, size)


def consistency(store: Store, first: int, second: int) -> list[bytes]:
    """The proof that the log tree over the first records goes on as that over more of them; none from nothing on.

    Raises UsageError where there are not so many, or fewer in the second.
    """
    _check_size(store, second)
    if not 0 <= first <= second:
        raise UsageError(f"a log of {second} records does not go on from one of {first}")
    return consistency_path(subtree_of(store), first, second) if first else []


def head_path(store: Store, key: str, size: int) -> HeadPath:
    """The way of a key in the heads trie of the seal over the first `size` records.

    Raises UsageError where nothing is sealed so far.
    """
    return head_paths(store, size)(key)


def head_paths(store: Store, size: int) -> Callable[[str], HeadPath]:
    """The same for many keys: the roots of all buckets are read and joined once, for each key the heads of one bucket
    are read.
    """
    roots = [root.subtree for root in bucket_roots(store, size)]
    if not roots:
        raise UsageError(f"no seal is over the first {size} records; 'levelbook checkpoint' makes them")

    known: dict[tuple[int, int], bytes] = {}

    def path_of(key: str) -> HeadPath:
        hashed = key_hash(key)
        reached, above = trie_path(roots, hashed, known)
        heads = heads_in(store, [bucket_of(reached.key_hash)], size)
        leaf, below = trie_path([head.leaf for head in heads], hashed)
        state = next(head.state for head in heads if head.key_hash == leaf.key_hash)
        return HeadPath(leaf, state, above + below, leaf.key_hash == hashed)

    return path_of


def _check_size(store: Store, size: int) -> None:
    last = store.head().position
    if size > last:
        raise UsageError(f"a log of {size} records was asked for, but {store.name} ends at position {last}")
