"""Many subjects gone on with at once from what is stored of them.

Read are their new records, and no more of the others than these call for.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from projections.schemes.shared.filling import Filling
from projections.views.recent import Orders, RecentRecords, orders_in
from projections.views.step import SUBJECTS_AT_ONCE, Step, batched
from replay.columnar.columns import EVENT_RETRACTED, Columns
from replay.columnar.encoding import Named, chosen
from replay.columnar.numbering import names_schema, number
from replay.columnar.reading import joined
from replay.history.timeline import RETRACTED, Moment

if TYPE_CHECKING:
    from replay.schemes.mcn_level.fold import Slots


class GoingOn:
    """Some subjects in one step of which no life event and no retraction is new, and no other policies judge."""

    def __init__(
        self,
        step: Step,
        subjects: Sequence[str],
        due: Mapping[tuple[str, str], int],
        slots: "Callable[[Moment], Slots]",
    ) -> None:
        """`due` says by subject and scheme at which instant time alone changes it."""
        self.step = step
        self.subjects = [*subjects]
        self._due = due
        self._slots = slots
        self._recent: RecentRecords = step.windows.recent(step.before.position)
        self._recent.go_on_to(step.store, step.before.position, step.after.position)
        self.new = self._recent.new_of(self.subjects)
        """Their streams are numbered as the subjects are."""

    def unread(self) -> list[str]:
        """Of which subjects a record was met that cannot be read."""
        return [subject for subject in self.subjects if not self._recent.has(subject)]

    def due(self, scheme: str, never: int) -> NDArray[np.int64]:
        """By subject, the instant at which time alone changes it; `never` where that is after the step."""
        return np.array([self._due.get((subject, scheme), never) for subject in self.subjects], np.int64)

    def about(self, orders: Orders) -> Named:
        """What is known of the subjects that some orders are of: of these orders everything. Those of which a record
        cannot be read are left out."""
        self._recent.look_up(self.step.store, {pair for pair in orders if self._recent.has(pair[0])})
        return self._recent.rows(sorted({subject for subject, _ in orders if self._recent.has(subject)}))

    def filling(self, subjects: Sequence[str], firsts: NDArray[np.int64], ordered: Collection[int]) -> Filling | None:
        """Some subjects' records from an instant on, each from its own, all others about the orders that these name
        (types are given that name one), and all retractions. None where one cannot be read."""
        recent, store = self._recent, self.step.store
        recent.reach_back(store, dict(zip(subjects, firsts.tolist(), strict=True)))
        if not all(map(recent.has, subjects)):
            return None
        named = recent.rows(subjects)
        rows = np.flatnonzero((named.at >= firsts[named.stream]) & np.isin(named.what, [*ordered]))
        recent.look_up(store, orders_in(named, rows))
        if not all(map(recent.has, subjects)):
            return None
        columns = self._with_retractions(recent.rows(subjects))
        return Filling(self.step, columns, partial(self._slots, self.step.after))

    def _with_retractions(self, named: Named) -> Columns:
        """The records with all retractions of their subjects, as the views keep them."""
        kept = chosen(named, np.flatnonzero(named.what != EVENT_RETRACTED))
        numbers = {subject: number for number, subject in enumerate(named.streams)}
        life = self.step.tables["life"].c
        rows: list[Any] = []
        for some in batched(named.streams, SUBJECTS_AT_ONCE):
            rows += self.step.rows("life", life.subject.in_(some), life.type == RETRACTED)
        zeros, none = np.zeros(len(rows), np.int8), pa.nulls(len(rows), pa.string())
        retractions = Named(
            stream=np.array([numbers[row.subject] for row in rows], np.int32),
            at=np.array([row.at for row in rows], np.int64),
            position=np.array([row.position for row in rows], np.int64),
            what=np.full(len(rows), EVENT_RETRACTED, np.int8),
            amount=np.array([row.value for row in rows], np.int64),
            detail=zeros.astype(np.int16),
            extra=zeros,
            name=none,
            buyer=none,
            streams=named.streams,
        )
        both = joined([kept, retractions])
        return number(chosen(both, np.argsort(both.position, kind="stable")), names_schema().empty_table()).columns
