"""The hashes of the log tree: kept of whole subtrees of 256 records and more, the lower ones worked out of records.

They are kept for a beginning of the ledger, up to the *reach*, until `replay.sealing.log` goes on; what is not kept is
worked out all the same, and takes longer.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from replay.errors import damaged
from replay.proving.log_tree import Subtree, node
from replay.schema.versions import LOG_TREE
from replay.store.base.failures import not_kept
from replay.store.base.store import Store
from replay.store.base.transaction import Transaction
from replay.store.reading.asked import Asked
from replay.store.reading.readable import Readable
from replay.store.reading.row import leaf_hash

LEAST_LEVEL: Final = 8
"""The level of the smallest subtrees whose hashes are kept."""
RUN: Final = 1 << LEAST_LEVEL
"""The records of one of them."""
_RUNS_REMEMBERED: Final = 64


class LogNode(NamedTuple):
    """The hash of a whole subtree: the one of a number, from 0 on, among those of its level."""

    level: int
    number: int
    hash: bytes


def log_reach(readable: Readable) -> int:
    """Of how many records, from the first on, the hashes are kept; a multiple of RUN."""
    if not readable.has_table(LOG_TREE):
        return 0
    sql = f"SELECT coalesce(max(number) + 1, 0) FROM log_tree WHERE level = {LEAST_LEVEL}"
    ((runs,),) = readable._query(sql)
    return int(runs) * RUN


def kept_node(readable: Readable, level: int, number: int) -> bytes | None:
    """The hash of a subtree; None where it is not kept."""
    rows = list(readable._query("SELECT hash FROM log_tree WHERE level = ? AND number = ?", (level, number)))
    return bytes(rows[0][0]) if rows else None


def log_nodes(readable: Readable, level: int, first: int) -> Iterator[LogNode]:
    """The hashes that are kept of a level from a number on, in their order."""
    sql = "SELECT level, number, hash FROM log_tree WHERE level = ? AND number >= ? ORDER BY number"
    return map(LogNode._make, readable._query(sql, (level, first)))


def highest_level(readable: Readable) -> int:
    """The highest level of which a hash is kept; LEAST_LEVEL - 1 where none is."""
    ((level,),) = readable._query(f"SELECT coalesce(max(level), {LEAST_LEVEL - 1}) FROM log_tree")
    return int(level)


def leaves_between(readable: Readable, after: int, last: int) -> list[bytes]:
    """The leaf hashes of the records behind a position and up to another."""
    rows = readable._records("position, record", Asked(after=after, last=last))
    return [leaf_hash(record) for _, record in rows]


def add_nodes(transaction: Transaction, nodes: Sequence[LogNode]) -> None:
    """Keep hashes, those of each level following the ones that are kept. Raises StoreError unless they are there."""
    transaction.execute_many(f"INSERT INTO {LOG_TREE} (level, number, hash) VALUES (?, ?, ?)", nodes)
    transaction.run_deferred()
    first: dict[int, int] = {}
    for made in nodes:
        first.setdefault(made.level, made.number)
    found = [kept for level, number in sorted(first.items()) for kept in log_nodes(transaction, level, number)]
    if found != sorted(nodes):
        raise not_kept("hashes of the log tree are not there, or others")


def pairs_joined(hashes: Sequence[bytes]) -> list[bytes]:
    """The hashes of one level out of those below, which are even in number."""
    return [node(left, right) for left, right in zip(hashes[::2], hashes[1::2], strict=True)]


def runs_joined(leaves: Sequence[bytes]) -> list[bytes]:
    """The hashes of subtrees of RUN leaves each."""
    hashes = list(leaves)
    for _ in range(LEAST_LEVEL):
        hashes = pairs_joined(hashes)
    return hashes


def subtree_of(store: Store) -> Subtree:
    """The hashes of whole subtrees of a ledger, as `replay.proving.log_tree` asks for them.

    One that is kept is looked up; of a lower one, 256 records at most are read. Raises DamagedError where a record is
    missing.
    """
    kept = log_reach(store)

    @lru_cache(_RUNS_REMEMBERED)
    def run(number: int) -> list[list[bytes]]:
        """The hashes of a run of records, by level; of the last one of a ledger those of its whole subtrees."""
        levels = [leaves_between(store, number * RUN, (number + 1) * RUN)]
        while len(levels[-1]) > 1:
            whole = levels[-1][: len(levels[-1]) & ~1]
            levels.append(pairs_joined(whole))
        return levels

    def subtree(level: int, index: int) -> bytes:
        if level >= LEAST_LEVEL and (index + 1) << level <= kept:
            found = kept_node(store, level, index)
            if found is None:
                raise damaged(f"the table {LOG_TREE}, where the hash {index} of level {level} is missing,")
            return found
        if level > LEAST_LEVEL:
            return node(subtree(level - 1, 2 * index), subtree(level - 1, 2 * index + 1))
        number, within = divmod(index, 1 << LEAST_LEVEL - level)
        levels = run(number)
        if level >= len(levels) or within >= len(levels[level]):
            raise damaged(f"the ledger, where a record behind position {(index << level)} is missing,")
        return levels[level][within]

    return subtree
