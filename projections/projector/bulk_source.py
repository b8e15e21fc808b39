"""What a build is filled from in bulk: the columns of the ledger, and who holds each creator by all of them."""

from functools import cached_property
from pathlib import Path

from replay.columnar.ledger_columns import LedgerColumns
from replay.schemes.mcn_level.fold import Slots, slots_of
from replay.store.base import Store


class BulkReader(LedgerColumns):
    """The records of a ledger up to a position, for a build that is filled as of an instant."""

    def __init__(self, store: Store, position: int, as_of: int, named: Path | None) -> None:
        super().__init__(store, position, named)
        self._as_of = as_of

    def slots(self) -> Slots:
        """Who holds each creator, by the bindings of all agencies; worked out once."""
        return self._slots

    @cached_property
    def _slots(self) -> Slots:
        return slots_of([self.agencies()], self._as_of)
