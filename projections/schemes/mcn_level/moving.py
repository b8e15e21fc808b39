"""How a step moves agencies' levels: from the earliest month that they, creators or bindings changed; and boards."""

from bisect import bisect_left
from collections.abc import Collection, Sequence
from typing import Final

from domain.calendar import month_of
from projections.schemes.creator_level.moving import newly_bound
from projections.schemes.mcn_level import view
from projections.schemes.mcn_level.known import AgenciesKnown
from projections.schemes.shared.moving import SINCE_FIRST_MONTH, Mover, Work
from projections.views.step import SUBJECTS_AT_ONCE, Rewrite, batched
from replay.errors import LevelbookError
from replay.schemes.registry import SCHEMES

READ_TOGETHER: Final = 50
"""So many agencies at most."""


class AgencyMover(Mover):
    def __init__(self, scheme: str, work: Work) -> None:
        super().__init__(scheme, work)
        self._rests_on = SCHEMES[scheme].rests_on
        self._months: dict[str, int] = {}
        """By agency, the earliest month that its creators or bindings changed."""
        self._boards: set[str] = set()
        self._wanted: Sequence[str] = ()
        """The agencies that are looked at, in order."""
        self._known: AgenciesKnown | None = None
        """What some of them are judged from."""

    def others(self) -> Collection[str]:
        """Every agency that ever bound a creator looks again at its months from one on."""
        changed = [
            (subject, month) for (scheme, subject), month in self.work.changed.items() if scheme in self._rests_on
        ]
        changed += [(subject, month_of(at)) for subject, at in newly_bound(self.work).items()]
        since: dict[str, int] = {}
        for subject, month in changed:
            name = subject.partition("/")[2]
            since[name] = min(month, since.get(name, month))
        table = self.step.tables["bindings"].c
        for some in batched(sorted(since), SUBJECTS_AT_ONCE):
            for row in self.step.rows("bindings", table.creator.in_(some)):
                month = since[row.creator]
                self._months[row.mcn] = min(month, self._months.get(row.mcn, month))
        return self._months.keys()

    def ready(self, subjects: Sequence[str]) -> Sequence[str]:
        """None is gone on with; of those that are worked out some are read together."""
        self._wanted, self._known = subjects, None
        return ()

    def work_out(self, subject: str, fresh: bool) -> list[Rewrite] | None:
        self._check_what_it_rests_on(subject)
        first = SINCE_FIRST_MONTH if fresh else self._changed_from(subject)
        if first is None:
            return None
        known = self._read(subject, first)
        rewrites = view.advance(self.step, subject, first, known)
        self._boards |= view.months_in(known, subject, rewrites, first)
        return rewrites

    def finish(self) -> list[Rewrite]:
        self._wanted, self._known = (), None  # what was read is written over
        return view.board_rewrites(self.step, self._boards)

    def _read(self, subject: str, first: int) -> AgenciesKnown:
        """What an agency is judged from since a month, which of those that come next is read with it."""
        if not self._wanted:
            return AgenciesKnown(self.step, {subject: first})
        if self._known is None or subject not in self._known.firsts:
            self._known = AgenciesKnown(self.step, {subject: first} | self._firsts_behind(subject, first))
        is_enough = self._known.firsts[subject] <= first
        return self._known if is_enough else AgenciesKnown(self.step, {subject: first})

    def _firsts_behind(self, subject: str, first: int) -> dict[str, int]:
        """By agency that comes next, the month since which it is read."""
        place = bisect_left(self._wanted, subject)
        found = {
            name: SINCE_FIRST_MONTH if first == SINCE_FIRST_MONTH else self._months_moved(name)
            for name in self._wanted[place + 1 : place + READ_TOGETHER]
        }
        return {name: month for name, month in found.items() if month is not None}

    def _check_what_it_rests_on(self, subject: str) -> None:
        aside = {name for name, scheme in self.work.aside if scheme in self._rests_on}
        if not aside:
            return
        table = self.step.tables["bindings"].c
        creators = {f"creator/{row.creator}" for row in self.step.rows("bindings", table.mcn == subject)}
        stale = sorted(creators & aside)
        if stale:
            raise LevelbookError(f"it rests on {stale[0]}, which is set aside itself")

    def _changed_from(self, subject: str) -> int | None:
        """The earliest month of an agency that may come out otherwise; None where none can."""
        moved, own = self._months_moved(subject), view.months_of(self.step, subject, self.touched(subject))
        return min([*own, *([] if moved is None else [moved])], default=None)

    def _months_moved(self, subject: str) -> int | None:
        """The same by what is known of it without its own events."""
        months = [self._months[subject]] if subject in self._months else []
        if self.due(subject) is not None:
            months.append(month_of(self.step.before.as_of) - 1)
        return min(months, default=None)
