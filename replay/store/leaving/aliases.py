"""How rows of the table of aliases leave it: merged into those that left before, from the least hash to the greatest.

Each transaction takes what begins with some bits of hashes, here and there, and writes all of it anew, packed, so that
a kill leaves every row in one of both places. Runs beside one another go on with what they find.
"""

from collections.abc import Sequence
from typing import Final

from replay.schema.versions import LEFT_ALIASES
from replay.store.alias_queries import count_here
from replay.store.base.failures import not_kept
from replay.store.base.store import Store
from replay.store.base.transaction import Transaction
from replay.store.reading.alias_form import (
    FIRST_END,
    AliasRow,
    Entries,
    Merged,
    cut,
    first_of,
    is_usual,
    least_key,
    merged,
)
from replay.store.reading.aliases_left import ALL_ENTRIES, aliases_about, left_rows_of

GO_AT_ONCE: Final = 5_000
"""Rows that go in one transaction."""
ENTRIES_AT_ONCE: Final = 500
"""Rows of entries that are written anew in one: two megabytes."""
MERGED_FROM_PART: Final = 16
"""As all that left is written anew, rows go once there are as many as this part of it."""
AT_ONCE_FROM_ROWS: Final = 20_000
AT_ONCE_ROWS_MAX: Final = 1_000_000
AT_ONCE_LEFT_MAX: Final = 10_000_000
"""So many go at once, into so many, where that saves an index that is touched at random. A million take about twenty
seconds, and ten million that have left as long again, for which others who record wait, as they do for sixty.
"""
_FROM: Final = (
    f"{ALL_ENTRIES} WHERE first >= coalesce((SELECT max(first) FROM {LEFT_ALIASES} WHERE first <= ?), 0)"
    " ORDER BY first LIMIT ?"
)


def let_aliases_go(store: Store) -> None:
    """Let the rows of aliases leave their table, unless they are few beside those that have left.

    Those of another form than usual stay. Raises DamagedError where what left cannot be read.
    """
    count, left = count_here(store), aliases_about(store)
    if count * MERGED_FROM_PART < left:
        return
    few_enough = AT_ONCE_FROM_ROWS < count <= AT_ONCE_ROWS_MAX and left <= AT_ONCE_LEFT_MAX
    if few_enough and _gone_at_once(store):
        return
    first = 0
    while first < FIRST_END:
        with store.append() as transaction:
            first = _merged(transaction, first)


def _gone_at_once(store: Store) -> bool:
    with store.append() as transaction:
        if not transaction.drop_alias_index():
            return False
        first = 0
        while first < FIRST_END:
            first = _merged(transaction, first)
        transaction.make_alias_index()
    return True


def _merged(transaction: Transaction, first: int) -> int:
    """Merge rows of buyers from a first on: the first of those that come next."""
    there = _entries_from(transaction, first, ENTRIES_AT_ONCE + 1)
    end = FIRST_END if len(there) <= ENTRIES_AT_ONCE else there[-1].first
    sql = "SELECT key FROM buyers WHERE key >= ? ORDER BY key LIMIT 1 OFFSET ?"
    for (beyond,) in transaction.execute(sql, (least_key(first), GO_AT_ONCE)):
        end = min(end, max(first_of(beyond), first + 1))
    there = [entries for entries in there if entries.first < end]
    here = _rows_between(transaction, first, end)
    found = merged(there, [cut(row) for row in here if is_usual(row)])
    if found.added:
        _move(transaction, there, found)
        if len(_rows_between(transaction, first, end)) != len(here) - len(found.added):
            raise not_kept("an alias that was to leave its table is still there")
    return end


def _move(transaction: Transaction, there: Sequence[Entries], found: Merged) -> None:
    """Write entries in place of others, and take the rows that came to them away from where they were."""
    transaction.execute_many(f"DELETE FROM {LEFT_ALIASES} WHERE first = ?", [entries[:1] for entries in there])
    transaction.execute_many(f"INSERT INTO {LEFT_ALIASES} (first, entries) VALUES (?, ?)", found.entries)
    transaction.execute_many("DELETE FROM buyers WHERE key = ? AND merchant = ?", [row[:2] for row in found.added])
    transaction.run_deferred()
    written = _entries_from(transaction, found.entries[0].first, len(found.entries))
    if written != found.entries or not {*found.added} <= {*left_rows_of(transaction, {row.key for row in found.added})}:
        raise not_kept("aliases that were to leave their table are not there, or others")


def _entries_from(transaction: Transaction, first: int, count: int) -> list[Entries]:
    """Some rows of entries, from that on in which a first stands or would."""
    return [Entries(at, bytes(packed)) for at, packed in transaction.execute(_FROM, (first, count))]


def _rows_between(transaction: Transaction, first: int, end: int) -> list[AliasRow]:
    """The rows of buyers from a first on and before another."""
    sql = f"SELECT {', '.join(AliasRow._fields)} FROM buyers WHERE key >= ? AND key < ? ORDER BY key, merchant"
    return list(map(AliasRow._make, transaction.execute(sql, (least_key(first), least_key(end)))))
