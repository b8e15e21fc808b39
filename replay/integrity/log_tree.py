"""The hashes of the log tree beside a walk through the records: those of whole subtrees, and what seals rest on.

A walk that begins in the midst of a run of 256 records reads the beginning of the run; where the walk before ended,
the next goes on, so that two of them together are one.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from replay.errors import LevelbookError
from replay.proving.log_tree import Subtree, root_of, whole_subtrees
from replay.schema.versions import LOG_TREE
from replay.store.base.store import Store
from replay.store.evidence.checkpoints import stored_checkpoints
from replay.store.evidence.log_tree import (
    LEAST_LEVEL,
    RUN,
    highest_level,
    leaves_between,
    log_nodes,
    log_reach,
    pairs_joined,
    runs_joined,
)
from replay.store.evidence.seals import seals


@dataclass
class WalkedLog:
    """The log tree of a stretch of the ledger that is walked."""

    sizes: tuple[int, ...] = ()
    """Of the trees whose roots are needed, rising; where there are none, nothing is hashed."""
    at: int = 0
    """How many records come before what is taken next."""
    runs: list[bytes] = field(default_factory=list)
    """The hashes of whole runs of records."""
    low: dict[tuple[int, int], bytes] = field(default_factory=dict)
    """(level, index) → the hash of a smaller subtree at the end of a tree whose root is needed."""
    open: list[bytes] = field(default_factory=list)
    """The leaves of the run that is not whole yet."""

    def follow(self, leaves: Sequence[bytes]) -> None:
        """Take the leaves of the next records."""
        if not self.sizes:
            return
        while leaves:
            some = leaves[: RUN - len(self.open)]
            leaves = leaves[len(some) :]
            self.open += some
            before, self.at = self.at, self.at + len(some)
            for size in self.sizes[bisect_right(self.sizes, before) : bisect_right(self.sizes, self.at)]:
                self._keep_end(size)
            if len(self.open) == RUN:
                self.runs += runs_joined(self.open)
                self.open = []

    def _keep_end(self, size: int) -> None:
        start = size - size % RUN
        for level, begin in whole_subtrees(start, size):
            leaves = self.open[begin - start : begin - start + (1 << level)]
            self.low[level, begin >> level] = root_of(leaves)

    def then(self, later: "WalkedLog") -> "WalkedLog":
        """Both together, as the later went on."""
        return WalkedLog(self.sizes, later.at, self.runs + later.runs, self.low | later.low, later.open)

    def subtree(self) -> Subtree:
        """The hashes of subtrees, for the trees of `sizes`."""
        levels = self.levels()
        return lambda level, index: (
            levels[level - LEAST_LEVEL][index] if level >= LEAST_LEVEL else self.low[level, index]
        )

    def levels(self) -> list[list[bytes]]:
        """The hashes of whole subtrees, by level from LEAST_LEVEL on."""
        levels = [self.runs]
        while len(levels[-1]) > 1:
            levels.append(pairs_joined(levels[-1][: len(levels[-1]) & ~1]))
        return levels


def log_walk(store: Store, after: int, sizes: tuple[int, ...]) -> WalkedLog:
    """What a walk behind a position begins with."""
    start = after - after % RUN
    return WalkedLog(sizes, after, open=leaves_between(store, start, after) if sizes and after > start else [])


def sizes_needed(store: Store, last: int) -> tuple[int, ...]:
    """The sizes of the trees that seals, checkpoints and what is kept of the tree rest on, up to a position.

    None where a seal cannot be read, which `evidence_problems` says, or the walk itself.
    """
    try:
        found = {seal.size for seal in seals(store)} | {made.size for made in stored_checkpoints(store)}
    except LevelbookError:
        return ()
    return tuple(sorted(size for size in found | {log_reach(store)} if 0 < size <= last))


def log_problems(store: Store, log: WalkedLog) -> Iterator[str]:
    """What is kept of the log tree and does not follow from the records, the first of each level."""
    levels, kept = log.levels(), log_reach(store) // RUN
    if kept * RUN > (last := store.head().position):
        yield f"{LOG_TREE} goes on to position {kept * RUN}, but the ledger ends at {last}"
    if not store.has_table(LOG_TREE):
        return
    for level in range(LEAST_LEVEL, max(highest_level(store), LEAST_LEVEL + len(levels) - 1) + 1):
        known = levels[level - LEAST_LEVEL] if level - LEAST_LEVEL < len(levels) else []
        problem = _level_problem(store, level, known, kept >> level - LEAST_LEVEL)
        if problem is not None:
            yield problem


def _level_problem(store: Store, level: int, known: Sequence[bytes], belonging: int) -> str | None:
    """The first that does not fit among the hashes that are kept of a level, of which so many belong there."""
    count = 0
    for found in log_nodes(store, level, 0):
        if found.number != count:
            return f"{LOG_TREE} holds hash {found.number} of level {level} where hash {count} belongs"
        if count < len(known) and found.hash != known[count]:
            return (
                f"{LOG_TREE} holds {found.hash.hex()} as hash {count} of level {level}, but the records up to position"
                f" {(count + 1) << level} give {known[count].hex()}"
            )
        count += 1
    if count != belonging:
        return f"{LOG_TREE} holds {count} hashes of level {level}, where {belonging} belong"
    return None
