"""Going on with the log tree: hashes of whole subtrees are kept, a stretch at a time.

Each stretch is a transaction of its own, so that a kill at any moment leaves the hashes of a beginning of the ledger,
and whoever comes next goes on from there. Records are read and hashed outside the lock: others record meanwhile.
"""

from collections.abc import Callable, Sequence
from typing import Final

from replay.errors import damaged
from replay.proving.log_tree import node
from replay.schema.versions import LOG_TREE
from replay.store.base.store import Store
from replay.store.base.transaction import Transaction
from replay.store.evidence.log_tree import (
    LEAST_LEVEL,
    RUN,
    LogNode,
    add_nodes,
    kept_node,
    leaves_between,
    log_reach,
    runs_joined,
)

STRETCH_RUNS: Final = 64
"""Runs of 256 records whose hashes are kept in one transaction."""


def extend_log(store: Store, last: int, progress: Callable[[int], None] = lambda _: None) -> None:
    """Keep the hashes of the whole subtrees of the records up to a position. `progress` gets how many were hashed.

    Raises DamagedError where a record is missing, StoreError where this role may not keep them.
    """
    begin = at = log_reach(store)
    while (runs := min((last - at) // RUN, STRETCH_RUNS)) > 0:
        end = at + runs * RUN
        leaves = leaves_between(store, at, end)
        if len(leaves) != end - at:
            raise damaged(f"the ledger, where a record between positions {at + 1} and {end} is missing,")
        hashes = runs_joined(leaves)
        with store.writing() as transaction:
            if log_reach(transaction) == at:  # else another process came first
                add_nodes(transaction, _with_those_above(transaction, at // RUN, hashes))
        at = log_reach(store)
        progress(at - begin)


def _with_those_above(transaction: Transaction, first: int, hashes: Sequence[bytes]) -> list[LogNode]:
    """Hashes of runs from a number on, and of all subtrees that end with one of them."""
    made = [LogNode(LEAST_LEVEL, first + number, found) for number, found in enumerate(hashes)]
    added, level = list(made), LEAST_LEVEL
    while made:
        if made[0].number % 2:
            left = kept_node(transaction, level, made[0].number - 1)
            if left is None:
                raise damaged(f"the table {LOG_TREE}, where the hash {made[0].number - 1} of level {level} is missing,")
            made.insert(0, LogNode(level, made[0].number - 1, left))
        level += 1
        made = [
            LogNode(level, right.number // 2, node(left.hash, right.hash))
            for left, right in zip(made[::2], made[1::2], strict=False)  # one without a right neighbour waits for it
        ]
        added += made
    return added
