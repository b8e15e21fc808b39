"""Drafting the heads for a seal: the keys that moved since the one before, and the roots over their buckets.

A draft is written some buckets at a time, each stretch in a transaction of its own. Whoever goes on with one that was
left works all of it out again, writes what is missing, and refuses to go on where something else is there.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Final, NamedTuple

from replay.errors import StoreError
from replay.proving.heads_trie import trie_root
from replay.schema.versions import HEAD_BUCKETS, HEADS
from replay.store.base.store import Store
from replay.store.evidence.heads import (
    BucketRoot,
    KeyHead,
    add_heads,
    bucket_of,
    bucket_roots,
    bucket_roots_at,
    heads_in,
    moved_heads,
)
from replay.store.evidence.seals import Seal
from replay.store.reading.asked import EVERYTHING

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
    """What is to be written, some buckets at a time: nothing that a draft before has. All roots go into `made`."""
    some: dict[int, list[KeyHead]] = {}
    count = 0
    for bucket, found in groupby(moved, lambda head: bucket_of(head.key_hash)):
        some[bucket] = list(found)
        count += len(some[bucket])
        if count >= STRETCH_HEADS:
            yield _unwritten(store, some, made)
            some, count = {}, 0
    if some:
        yield _unwritten(store, some, made)


def _unwritten(
    store: Store, moved: Mapping[int, list[KeyHead]], made: dict[int, BucketRoot]
) -> tuple[list[KeyHead], list[BucketRoot]]:
    """Of the keys that moved, by bucket, the heads and the roots over their buckets that are not kept yet."""
    size, reader, buckets = next(iter(moved.values()))[0].size, store.reader(), list(moved)
    kept: dict[int, list[KeyHead]] = {bucket: [] for bucket in buckets}
    for head in heads_in(reader, buckets, size):
        kept[bucket_of(head.key_hash)].append(head)
    drafted = bucket_roots_at(reader, buckets, size)
    heads: list[KeyHead] = []
    roots: list[BucketRoot] = []
    for bucket, found in moved.items():
        if [head for head in kept[bucket] if head.size == size] != (found if bucket in drafted else []):
            raise _misfit(f"at {size} records", "the records")
        last = {head.key_hash: head.leaf for head in (*kept[bucket], *found)}
        made[bucket] = BucketRoot(bucket, size, trie_root([last[hashed] for hashed in sorted(last)]), len(last))
        if bucket not in drafted:
            heads += found
            roots.append(made[bucket])
    return heads, roots


def _misfit(where: str, other: str) -> StoreError:
    return StoreError(
        f"the tables {HEADS} and {HEAD_BUCKETS} {where} do not fit {other}: nothing was sealed; 'levelbook verify'"
        " tells what was changed, and a backup from before is sound"
    )
