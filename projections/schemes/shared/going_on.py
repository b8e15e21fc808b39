"""Many subjects gone on with at once from what is stored of them.

Read are their new records, and no more of the others than these call for.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from domain.events import Event
from projections.schemes.shared.filling import Filling
from projections.schemes.shared.moving import Work
from projections.views.recent import Orders, RecentRecords, orders_in
from projections.views.step import LIFE_TYPES, SUBJECTS_AT_ONCE, Step, batched
from replay.columnar.columns import WHATS, Columns
from replay.columnar.encoding import Named, chosen
from replay.columnar.numbering import names_schema, number
from replay.columnar.reading import joined
from replay.history.timeline import RETRACTED, Moment

if TYPE_CHECKING:
    from replay.schemes.mcn_level.fold import Slots


class GoingOn:
    """Some subjects in one step in which no other policies judge."""

    def __init__(
        self,
        step: Step,
        subjects: Sequence[str],
        work: Work,
        slots: "Callable[[Moment], Slots]",
        bearing: Mapping[str, Sequence[Event]],
    ) -> None:
        """`work` is what the step brings, but for the subjects' new events; `bearing` says by subject what its new life
        events and retractions bear on: these events themselves, and what is taken out or brought back."""
        self.step = step
        self.subjects = [*subjects]
        self.work = work
        self._slots = slots
        self._bearing = bearing
        self._recent: RecentRecords = step.windows.recent(step.before.position)
        self._recent.go_on_to(step.store, step.before.position, step.after.position)
        self.new = self._recent.new_of(self.subjects)
        """Their streams are numbered as the subjects are."""

    def unread(self) -> list[str]:
        """Of which subjects a record was met that cannot be read."""
        return [subject for subject in self.subjects if not self._recent.has(subject)]

    def due(self, scheme: str, never: int) -> NDArray[np.int64]:
        """By subject, the instant at which time alone changes it; `never` where that is after the step."""
        return np.array([self.work.due.get((subject, scheme), never) for subject in self.subjects], np.int64)

    def bearing(self, types: Collection[str]) -> Iterator[tuple[int, Event]]:
        """What new life events and retractions bear on, of some types, each with the number of its subject."""
        for place, subject in enumerate(self.subjects):
            for event in self._bearing.get(subject, ()):
                if event.type in types:
                    yield place, event

    def about(self, orders: Orders) -> Named:
        """What is known of the subjects that some orders are of: of these orders everything. Those of which a record
        cannot be read are left out."""
        self._recent.look_up(self.step.store, {pair for pair in orders if self._recent.has(pair[0])})
        return self._recent.rows(sorted({subject for subject, _ in orders if self._recent.has(subject)}))

    def reach(self, found: NDArray[np.int64], orders: Orders, whats: Collection[int]) -> None:
        """Of the subjects that some orders are of, lower an instant to the earliest at which an event of some types
        about one of these occurred."""
        if not orders:
            return
        numbers = {subject: number for number, subject in enumerate(self.subjects)}
        about = self.about(orders)
        rows = np.flatnonzero(np.isin(about.what, [*whats]))
        names = about.name.take(pa.array(rows)).to_pylist()
        for stream, name, at in zip(about.stream[rows].tolist(), names, about.at[rows].tolist(), strict=True):
            subject = about.streams[stream]
            if (subject, name) in orders:
                found[numbers[subject]] = min(found[numbers[subject]], at)

    def filling(
        self,
        subjects: Sequence[str],
        firsts: NDArray[np.int64],
        ordered: Collection[int],
        life: Collection[str] = (RETRACTED,),
    ) -> Filling | None:
        """Some subjects' records from an instant on, each from its own, all others about the orders, violations, tasks
        and redemptions that these name (types are given that name one), and all retractions, or all of other rare types
        besides. None where one cannot be read."""
        recent, store = self._recent, self.step.store
        recent.reach_back(store, dict(zip(subjects, firsts.tolist(), strict=True)))
        if not all(map(recent.has, subjects)):
            return None
        named = recent.rows(subjects)
        rows = np.flatnonzero((named.at >= firsts[named.stream]) & np.isin(named.what, [*ordered]))
        recent.look_up(store, orders_in(named, rows))
        if not all(map(recent.has, subjects)):
            return None
        return self.filling_from(self._with_life(recent.rows(subjects), life))

    def of_orders(self, subjects: Collection[str], whats: Collection[int]) -> Columns:
        """What is known, of events of some types, about the orders of which some subjects' new ones are, and those that
        retractions take out or bring back, with all retractions. Those of which a record cannot be read are left out.
        """
        wanted = {*subjects}
        among = np.array([subject in wanted for subject in self.subjects], np.bool_)
        rows = np.flatnonzero(np.isin(self.new.what, [*whats]) & among[self.new.stream])
        moved = [event for place, event in self.bearing(WHATS.keys()) if among[place] and WHATS[event.type] in whats]
        orders = {(event.originator_id, event.data.order) for event in moved}
        named = self.about(orders_in(self.new, rows) | orders)
        codes = named.name.dictionary_encode().indices.fill_null(-1).to_numpy()
        keys = named.stream.astype(np.int64) << 32 | codes
        read = np.isin(named.what, [*whats])
        places = np.array([event.position for event in moved], np.int64)
        is_moved = (named.position > self.step.before.position) | np.isin(named.position, places)
        asked = np.unique(keys[read & is_moved])
        return self._with_life(chosen(named, np.flatnonzero(read & np.isin(keys, asked))), (RETRACTED,))

    def life(self, subjects: Sequence[str]) -> Columns:
        """The rare events of some subjects, as the views keep them."""
        return _numbered(self._life(subjects, LIFE_TYPES))

    def filling_from(self, columns: Columns) -> Filling:
        """Columns to be filled from, as they are known at the step's end."""
        return Filling(self.step, columns, partial(self._slots, self.step.after))

    def _with_life(self, named: Named, types: Collection[str]) -> Columns:
        """The records with all rare events of these types of their subjects, as the views keep them."""
        others = chosen(named, np.flatnonzero(~np.isin(named.what, [WHATS[name] for name in types])))
        return _numbered(joined([others, self._life(named.streams, types)]))

    def _life(self, subjects: Sequence[str], types: Collection[str]) -> Named:
        numbers = {subject: number for number, subject in enumerate(subjects)}
        life = self.step.tables["life"].c
        rows: list[Any] = []
        for some in batched(subjects, SUBJECTS_AT_ONCE):
            rows += self.step.rows("life", life.subject.in_(some), life.type.in_(sorted(types)))
        opened = [row.about if row.type == "merchant.onboarded" else None for row in rows]
        tiers = [int(row.about[2:]) if row.type == "merchant.tier_set" else 0 for row in rows]
        return Named(
            stream=np.array([numbers[row.subject] for row in rows], np.int32),
            at=np.array([row.at for row in rows], np.int64),
            position=np.array([row.position for row in rows], np.int64),
            what=np.array([WHATS[row.type] for row in rows], np.int8),
            amount=np.array([row.value for row in rows], np.int64),
            detail=np.array(tiers, np.int16),
            extra=np.zeros(len(rows), np.int8),
            name=pa.array(opened, pa.string()),
            buyer=pa.nulls(len(rows), pa.string()),
            streams=[*subjects],
        )


def _numbered(named: Named) -> Columns:
    return number(chosen(named, np.argsort(named.position, kind="stable")), names_schema().empty_table()).columns
