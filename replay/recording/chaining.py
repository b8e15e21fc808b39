"""Chaining the keys of records that were recorded before their chains were kept, a stretch at a time.

Each stretch is a transaction of its own, so that a kill at any moment leaves the chains of a beginning of the ledger,
and whoever comes next goes on from there. What is long is done outside the lock: others read and record meanwhile.
"""

from collections.abc import Callable
from typing import Final

from replay.store.base.store import Store
from replay.store.key_chains import extend, has_chains, reach, unchained_rows
from replay.store.reading.readable import Readable
from replay.store.reading.row import Row, leaf_hash

STRETCH_ROWS: Final = 5_000
"""Records that are chained in one transaction: some hundredths of a second under the lock."""


def unchained(store: Store) -> int:
    """How many records at the end of a ledger have keys whose chains are not kept yet; 0 as a rule."""
    return store.head().position - reach(store)


def chain_keys(store: Store, progress: Callable[[int], None] = lambda _: None) -> None:
    """Keep the chains of the keys of all records; does nothing where they are kept. `progress` gets how many were done.

    Raises StoreError where this role may not make the tables for them.
    """
    if unchained(store) <= 0:
        return
    with store.writing() as transaction:
        if not has_chains(transaction):
            transaction.make_later_tables()
    begin = reach(store)
    while not _chain_stretch(store):
        progress(reach(store) - begin)
    progress(reach(store) - begin)


def _chain_stretch(store: Store) -> bool:
    """Chain the next records; whether these are all."""
    after = reach(store)
    rows, leaves = _hashed(store, after)
    chains: dict[str, bytes] = {}
    with store.writing() as transaction:
        if reach(transaction) != after:  # another process came first
            return False
        if rows:
            extend(transaction, rows, leaves, chains)
        chained = after + len(rows)
        if transaction.head().position - chained > STRETCH_ROWS:
            return False
        # The last ones are taken along under the lock: else one who records steadily would stay ahead.
        rest, leaves = _hashed(transaction, chained)
        if rest:
            extend(transaction, rest, leaves, chains)
    return True


def _hashed(readable: Readable, after: int) -> tuple[list[Row], list[bytes]]:
    """The next records behind a position, and their leaf hashes."""
    rows = unchained_rows(readable, after, STRETCH_ROWS)
    return rows, [leaf_hash(row.record) for row in rows]
