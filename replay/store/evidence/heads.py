"""The heads of keys: how far the chain of each had come at the seals, and the roots over buckets of them.

A row tells the state of a key over the first `size` records, and stands at that size only where the key had moved since
the seal before; so the trie at any seal is the last row of each key at or below its size. Keys lie in 4,096 *buckets*,
by the first 12 bits of their hashes.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from domain.keys import stream_key
from replay.errors import damaged
from replay.proving.heads_trie import HeadLeaf, key_hash, leaf, state_hash
from replay.schema.versions import HEAD_BUCKETS, HEADS
from replay.store.base.failures import not_kept
from replay.store.base.store import Store
from replay.store.base.transaction import Transaction
from replay.store.key_chains import chain_rows_around, key_chain_rows, reach
from replay.store.reading.key_state import KeyState
from replay.store.reading.left_chains import StreamFold, states_at_ends, stretch_end
from replay.store.reading.readable import Readable
from replay.store.reading.row import HASH_BYTES

BUCKET_BITS: Final = 12
BUCKETS: Final = 1 << BUCKET_BITS
_NO_HASH_IS_HIGHER: Final = bytes((255,)) * (HASH_BYTES + 1)
_BUCKETS_AT_ONCE: Final = 200
_LEAST: Final = (
    "(SELECT h.key_hash FROM heads AS h WHERE h.key_hash {0} AND h.key_hash < {1} ORDER BY h.key_hash LIMIT 1)"
)
_LAST: Final = "(SELECT m.{0} FROM {1} AS m WHERE m.{2} = k.{2} AND m.size <= ? ORDER BY m.size DESC LIMIT 1)"
# Steps in the index, one for each key, however often it has moved.
_LAST_HEADS: Final = (
    "WITH RECURSIVE b (low, high) AS (VALUES {values}), k (key_hash, high) AS ("
    f"SELECT {_LEAST.format('>= b.low', 'b.high')}, b.high FROM b UNION ALL"
    f" SELECT {_LEAST.format('> k.key_hash', 'k.high')}, k.high FROM k WHERE k.key_hash IS NOT NULL)"
    f" SELECT k.key_hash, {_LAST.format('size', 'heads', 'key_hash')}, {_LAST.format('state', 'heads', 'key_hash')}"
    " FROM k WHERE k.key_hash IS NOT NULL"
)
_LAST_BUCKETS: Final = (
    "WITH RECURSIVE k (bucket) AS (VALUES (0) UNION ALL SELECT k.bucket + 1 FROM k"
    f" WHERE k.bucket < {BUCKETS - 1}) SELECT k.bucket, {_LAST.format('size', 'head_buckets', 'bucket')},"
    f" {_LAST.format('root', 'head_buckets', 'bucket')}, {_LAST.format('keys', 'head_buckets', 'bucket')} FROM k"
)


class KeyHead(NamedTuple):
    """How far a key had come, by the hash of the key and of its state."""

    key_hash: bytes
    size: int
    """Over the first so many records."""
    state: bytes

    @property
    def leaf(self) -> HeadLeaf:
        """As the trie has it."""
        return HeadLeaf(self.key_hash, leaf(self.key_hash, self.state))


class BucketRoot(NamedTuple):
    """The root over the keys of a bucket."""

    bucket: int
    size: int
    root: bytes
    keys: int

    @property
    def subtree(self) -> HeadLeaf:
        """As the trie has it, in the place of a leaf."""
        return HeadLeaf(first_hash(self.bucket), self.root)


def bucket_of(hashed: bytes) -> int:
    """Where a key lies, by its hash."""
    return int.from_bytes(hashed[:2], "big") >> 16 - BUCKET_BITS


def first_hash(bucket: int) -> bytes:
    """The lowest key hash that can lie in a bucket."""
    return (bucket << 16 - BUCKET_BITS).to_bytes(2, "big") + bytes(HASH_BYTES - 2)


def moved_heads(store: Store, after: int, size: int) -> list[KeyHead]:
    """The heads over the first `size` records of the keys that records behind a position have, by rising key hash.

    Reads these records, and what is kept of their chains, once. Raises StoreError where that does not go so far.
    """
    return MovedHeads(store, after).over(size)


class MovedHeads:
    """The same at one size after another: of each the heads that moved since the one before, or since a position.

    Of records that have left those alone are read at which a size lies amid a stretch.
    """

    def __init__(self, store: Store, after: int = 0) -> None:
        self._store, self._after = store, after
        self._fold: StreamFold | None = None

    def over(self, size: int) -> list[KeyHead]:
        """Those over the first `size` records, which are more than before."""
        if reach(self._store) < size:
            raise damaged(f"what is kept of the chains of keys, which ends before position {size},")
        found = {stream_key(stream): link for stream, link in self._streams(size).items()}
        for key, count, position, link in key_chain_rows(self._store, self._after + 1):
            if position > size:
                break
            found[key] = (count, bytes(link))
        self._after = size
        return sorted(KeyHead(key_hash(key), size, state_hash(count, link)) for key, (count, link) in found.items())

    def _streams(self, size: int) -> dict[str, tuple[int, bytes]]:
        """By stream, of those that moved, how many records it has and its chain."""
        store, after = self._store, self._after
        last, up_to = _last_records(store, after, size)
        links = _links_at(store, (position for _, _, position in last))
        here = {stream: (count, link) for (stream, count, _), link in zip(last, links, strict=True)}
        if after >= up_to:
            return here
        end = stretch_end(store, min(size, up_to))
        left = states_at_ends(store, after, end)
        if end < min(size, up_to):
            left |= self._folded(end, size)
        return {stream: (state.records, state.chain) for stream, state in left.items()} | here

    def _folded(self, end: int, size: int) -> dict[str, KeyState]:
        """The states of the streams that moved behind the end of a stretch, by the records there."""
        if self._fold is None or self._fold.end != end:
            self._fold = StreamFold(self._store, end)
        self._fold.move(size)
        return {stream: state for stream, state in self._fold.states.items() if state.position > self._after}


def _last_records(store: Store, after: int, size: int) -> tuple[list[tuple[str, int, int]], int]:
    """(stream, version, position) of the last record of each stream behind a position and up to another, of those that
    have not left, in order; and up to which position they have.
    """
    sql = (
        "SELECT stream, max(version), max(position) FROM records"
        " WHERE position > ? AND position <= ? GROUP BY stream ORDER BY 3"
    )
    return store._behind_left(lambda up_to: list(store._query(sql, (max(after, up_to), size))))


def _links_at(store: Store, positions: Iterable[int]) -> Iterator[bytes]:
    """The chains of streams that are kept at rising positions."""
    wanted = iter(positions)
    position = next(wanted, None)
    if position is None:
        return
    for begin, chains in chain_rows_around(store, position):
        while position is not None and position < begin + len(chains) // HASH_BYTES:
            if position < begin:
                raise damaged(f"what is kept of the chains of keys, where that at position {position} is missing,")
            start = (position - begin) * HASH_BYTES
            yield bytes(chains[start : start + HASH_BYTES])
            position = next(wanted, None)
        if position is None:
            return


def heads_in(readable: Readable, buckets: Sequence[int], size: int) -> list[KeyHead]:
    """The last head of each key of some buckets at or below a size, by rising key hash."""
    found: list[KeyHead] = []
    for begin in range(0, len(buckets), _BUCKETS_AT_ONCE):
        some = buckets[begin : begin + _BUCKETS_AT_ONCE]
        bounds = [bound for bucket in some for bound in (first_hash(bucket), _behind(bucket))]
        sql = _LAST_HEADS.format(values=", ".join(["(?, ?)"] * len(some)))
        rows = readable._query(sql, (*bounds, size, size))
        found += [KeyHead(bytes(hashed), at, bytes(state)) for hashed, at, state in rows if at is not None]
    return sorted(found)


def _behind(bucket: int) -> bytes:
    """What is above every hash of a bucket."""
    return first_hash(bucket + 1) if bucket + 1 < BUCKETS else _NO_HASH_IS_HIGHER


def bucket_roots(readable: Readable, size: int) -> list[BucketRoot]:
    """The last root of each bucket that holds keys, at or below a size, by rising bucket."""
    rows = readable._query(_LAST_BUCKETS, (size, size, size))
    return sorted(BucketRoot(bucket, at, bytes(root), keys) for bucket, at, root, keys in rows if at is not None)


def bucket_roots_at(readable: Readable, buckets: Sequence[int], size: int) -> dict[int, BucketRoot]:
    """By bucket, of some of them, the roots that stand at a size itself."""
    found: dict[int, BucketRoot] = {}
    for begin in range(0, len(buckets), _BUCKETS_AT_ONCE):
        some = buckets[begin : begin + _BUCKETS_AT_ONCE]
        marks = ", ".join("?" * len(some))
        sql = f"SELECT bucket, size, root, keys FROM head_buckets WHERE size = ? AND bucket IN ({marks})"
        for bucket, at, root, keys in readable._query(sql, (size, *some)):
            found[bucket] = BucketRoot(bucket, at, bytes(root), keys)
    return found


def all_heads(readable: Readable, size: int) -> Iterator[KeyHead]:
    """Every head at or below a size, by rising key hash and then size."""
    sql = "SELECT key_hash, size, state FROM heads WHERE size <= ? ORDER BY key_hash, size"
    return (KeyHead(bytes(hashed), at, bytes(state)) for hashed, at, state in readable._query(sql, (size,)))


def all_bucket_roots(readable: Readable, size: int) -> Iterator[BucketRoot]:
    """Every root of a bucket at or below a size, by rising bucket and then size."""
    sql = "SELECT bucket, size, root, keys FROM head_buckets WHERE size <= ? ORDER BY bucket, size"
    return (BucketRoot(bucket, at, bytes(root), keys) for bucket, at, root, keys in readable._query(sql, (size,)))


def add_heads(transaction: Transaction, heads: Sequence[KeyHead], roots: Sequence[BucketRoot]) -> None:
    """Keep heads of one size, by rising key hash, with the roots over their buckets, at least one.

    Raises StoreError unless they are there.
    """
    transaction.execute_many(f"INSERT INTO {HEADS} (key_hash, size, state) VALUES (?, ?, ?)", heads)
    transaction.execute_many(f"INSERT INTO {HEAD_BUCKETS} (bucket, size, root, keys) VALUES (?, ?, ?, ?)", roots)
    transaction.run_deferred()
    buckets, size = [root.bucket for root in roots], roots[0].size
    if [head for head in heads_in(transaction, buckets, size) if head.size == size] != list(heads):
        raise not_kept("heads of keys are not there, or others")
    if bucket_roots_at(transaction, buckets, size) != {root.bucket: root for root in roots}:
        raise not_kept("the root over a bucket of heads is not there, or another one")
