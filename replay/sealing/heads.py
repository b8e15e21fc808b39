"""Drafting the heads for a seal: the keys that moved since the one before, and the roots over their buckets.

A draft is written some buckets at a time, each stretch in a transaction of its own. Whoever goes on with one that was
left works all of it out again, writes what is missing, and refuses to go on where something else is there.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Final, NamedTuple

from replay.errors import StoreError
from replay.proving.heads_trie import trie_root
from replay.schema.versions import HEAD_BUCKETS, HEADS
from replay.store.base import Store
from replay.store.evidence.heads import (
    BucketRoot,
    KeyHead,
    add_heads,
    bucket_of,
    bucket_root_at,
    bucket_roots,
    heads_in,
    moved_heads,
)
from replay.store.evidence.seals import Seal
from replay.store.queries import EVERYTHING

STRETCH_HEADS: Final = 5_000
"""Heads that are written in one transaction, but for those of the last bucket."""


class SealedHeads(NamedTuple):
    """What a seal says of all keys."""

    root: bytes
    keys: int


def draft_heads(
    store: Store, before: Seal | None, size: int, progress: Callable[[int], None] = lambda _: None
) -> SealedHeads:
    """Keep the heads over the first `size` records, after those of the seal before. `progress` gets how many are.

    Raises StoreError where what is kept fits neither that seal nor the records.
    """
    after = 0 if before is None else before.size
    if before is not None and (before.heads, before.keys) != _sealed(bucket_roots(store, after)):
        raise _misfit(f"at {after} records", f"the seal at position {before.position}")
    done, made = 0, dict[int, BucketRoot]()
    for heads, roots in _stretches(store, moved_heads(store, after, size), made):
        if roots:
            with store.writing() as transaction:
                add_heads(transaction, heads, roots)
        done += len(heads)
        progress(done)
    kept = bucket_roots(store, size)
    if {root.bucket: root for root in kept if root.size > after} != made:
        raise _misfit(f"at {size} records", "the records")
    return _sealed(kept)


def drafted_size(store: Store, before: Seal | None) -> int | None:
    """Of how many records the heads were being kept when a checkpoint was killed; None where none was."""
    size = max((root.size for root in bucket_roots(store, EVERYTHING)), default=0)
    return size if size > (0 if before is None else before.size) else None


def _sealed(roots: Sequence[BucketRoot]) -> SealedHeads:
    root = trie_root([bucket.subtree for bucket in roots]) if roots else b""
    return SealedHeads(root, sum(bucket.keys for bucket in roots))


def _stretches(
    store: Store, moved: Sequence[KeyHead], made: dict[int, BucketRoot]
) -> Iterator[tuple[list[KeyHead], list[BucketRoot]]]:
    """What is to be written, bucket by bucket: nothing of those that a draft before has. All roots go into `made`."""
    heads: list[KeyHead] = []
    roots: list[BucketRoot] = []
    for bucket, found in groupby(moved, lambda head: bucket_of(head.key_hash)):
        some = list(found)
        made[bucket], is_new = _root(store, bucket, some)
        if is_new:
            heads += some
            roots.append(made[bucket])
        if len(heads) >= STRETCH_HEADS:
            yield heads, roots
            heads, roots = [], []
    yield heads, roots


def _root(store: Store, bucket: int, moved: Sequence[KeyHead]) -> tuple[BucketRoot, bool]:
    """The root over a bucket in which some keys have moved, and whether it must be written."""
    size, reader = moved[0].size, store.reader()
    kept = heads_in(reader, bucket, size)
    is_new = bucket_root_at(reader, bucket, size) is None
    if [head for head in kept if head.size == size] != ([] if is_new else list(moved)):
        raise _misfit(f"at {size} records", "the records")
    heads = {head.key_hash: head for head in (*kept, *moved)}
    root = BucketRoot(bucket, size, trie_root([heads[hashed].leaf for hashed in sorted(heads)]), len(heads))
    return root, is_new


def _misfit(where: str, other: str) -> StoreError:
    return StoreError(
        f"the tables {HEADS} and {HEAD_BUCKETS} {where} do not fit {other}: nothing was sealed; 'levelbook verify'"
        " tells what was changed, and a backup from before is sound"
    )
