"""The level of a large agency: evaluations and verdicts of the compiled fold."""

from collections.abc import Sequence
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from domain.creator_level.facts import evaluation_period
from domain.events import Event, SaleSettled
from domain.mcn_level.facts import COUNTED, NOT_BOUND, UNKNOWN_ORDER
from domain.policy import start_of_month, terms_of
from replay.columnar.columns import CREATOR_BOUND, SALE_REFUNDED, SALE_SETTLED, no_rows
from replay.columnar.rows import retracted_rows
from replay.history.same_instant import Causes
from replay.history.timeline import Moment
from replay.policies.catalog import shipped
from replay.replaying.base import COMMON_NOTES, Policies, Replay
from replay.replaying.known import LargeKnown
from replay.replaying.self_telling import SelfTelling
from replay.replaying.verdicts import verdicts_of
from replay.schemes.creator_level.replay import CreatorReplay
from replay.schemes.mcn_level.folded import agency_of, fold_mcn
from replay.schemes.mcn_level.replay import McnReplay


class LargeAgency(SelfTelling, McnReplay):
    """One replay of one large agency."""

    note_words: ClassVar[tuple[str, ...]] = COMMON_NOTES

    def __init__(self, subject: str, known: LargeKnown, moment: Moment, policies: Policies) -> None:
        Replay.__init__(self, subject, known, moment, policies)  # type: ignore[arg-type]
        self.terms = terms_of(policies.own, start_of_month)
        folded = fold_mcn([known.columns], terms_of(policies.beside, evaluation_period), moment.as_of, judges=True)
        number = folded.slots.agencies.index(subject)
        assert folded.verdicts is not None, "they were asked for"
        self.verdicts = verdicts_of(folded.verdicts, number)
        found = agency_of(folded, number, self.terms)
        self.history, self.months, self._creator_months = found

    @staticmethod
    def load_loops() -> None:
        fold_mcn([no_rows()], terms_of(shipped(CreatorReplay.scheme), evaluation_period), 0, judges=True)

    @cached_property
    def causes(self) -> Causes:
        """Among the sales and bindings that verdicts may lack: the same order or creator, at the same instant."""
        lacking = self.verdicts.position[np.isin(self.verdicts.verdict, (UNKNOWN_ORDER, NOT_BOUND))]
        columns, keys = self.columns, self.subject_keys_of(slice(None))
        rows = self.rows_at(lacking.tolist())
        can_be = np.isin(columns.what, (SALE_SETTLED, CREATOR_BOUND))
        can_be &= np.isin(keys, np.unique(keys[rows])) & np.isin(columns.at, np.unique(columns.at[rows]))
        return Causes(self.events.at([at for at in columns.position[can_be].tolist() if at not in self.retracted]))

    def sale_of(self, event: Event) -> SaleSettled:
        if event.type != "sale.settled":
            (sold,) = self._first_sales_at(self.rows_at([event.position]))
            event = self.events[sold]
        return super().sale_of(event)

    def read_beside(self, judged: Sequence[int]) -> list[int]:
        """The sales that refunds which count are of."""
        places = self.verdicts.position[self.verdicts.verdict == COUNTED]
        rows = self.rows_at(places[np.isin(places, np.array(judged, np.int64))].tolist())
        return self._first_sales_at(rows[self.columns.what[rows] == SALE_REFUNDED])

    def _first_sales_at(self, refunds: NDArray[np.int64]) -> list[int]:
        """Where that stands which was sold first of the orders that some rows refund; each was settled."""
        keys, positions = self._settled_by_key
        found: list[int] = positions[np.searchsorted(keys, self.subject_keys_of(refunds))].tolist()
        return found

    @cached_property
    def _settled_by_key(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The rising keys of all orders that were settled, a row a settlement, and where these stand in the ledger."""
        rows = np.flatnonzero((self.columns.what == SALE_SETTLED) & ~retracted_rows(self.columns))
        keys = self.subject_keys_of(rows)
        order = np.argsort(keys, kind="stable")
        return keys[order], self.columns.position[rows[order]]


Large = LargeAgency
