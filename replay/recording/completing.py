"""What a ledger of an earlier version lacks: tables, indexes, and the chains of the keys of its records.

No record changes, and nothing that is there: what is missing is added, each piece a transaction of its own, so that who
comes after a kill goes on from there.
"""

from collections.abc import Callable
from typing import NamedTuple

from replay.errors import StoreError
from replay.recording.chaining import chain_keys, unchained
from replay.schema.versions import ERASURES_DUE, LATER_INDEXES, LATER_TABLES, ONE_ALIAS_EVERYWHERE
from replay.store.base.store import Store


class Lacking(NamedTuple):
    """What there is still to be added to a ledger."""

    tables: list[str]
    indexes: list[str]
    unchained: int
    """Records whose keys are not chained yet."""

    @property
    def was_robbed(self) -> bool:
        """Whether the one table is missing that no earlier version lacked alone: somebody removed it."""
        return self.tables == [ERASURES_DUE]


def lacking(store: Store) -> Lacking:
    """What a ledger lacks of what this version makes with one; changes nothing."""
    belonging = LATER_TABLES if store.identity.version == ONE_ALIAS_EVERYWHERE else (ERASURES_DUE, *LATER_TABLES)
    return Lacking(
        [name for name in belonging if not store.has_table(name)],
        [name for name in LATER_INDEXES if not store.has_index(name)],
        max(unchained(store), 0),
    )


def complete(store: Store, progress: Callable[[int], None] = lambda _: None) -> Lacking:
    """Add what a ledger lacks: what that was. `progress` gets how many records were chained.

    Raises StoreError where this role may not make tables, and where one was removed.
    """
    found = lacking(store)
    if found.was_robbed:
        raise StoreError(
            f"{store.name} lacks the table {ERASURES_DUE} and no other: no version made it so, somebody removed it, and"
            " with it the requests to erase buyers. Nothing was added; restore a backup elsewhere, or the table"
            " with its rows, and look who did it"
        )
    if found.tables:
        with store.writing() as transaction:
            transaction.make_tables([name for name in found.tables if not transaction.has_table(name)])
    chain_keys(store, progress)
    store.index_later()
    return found
