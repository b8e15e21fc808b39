"""How a step moves agencies' levels: from the earliest month that they, creators or bindings changed; and boards."""

from collections.abc import Collection

from domain.calendar import month_of
from projections.schemes.creator_level.moving import newly_bound
from projections.schemes.mcn_level import view
from projections.schemes.shared.moving import SINCE_FIRST_MONTH, Mover, Work
from projections.views.step import SUBJECTS_AT_ONCE, Rewrite, batched
from replay.errors import LevelbookError
from replay.schemes.registry import SCHEMES


class AgencyMover(Mover):
    def __init__(self, scheme: str, work: Work) -> None:
        super().__init__(scheme, work)
        self._rests_on = SCHEMES[scheme].rests_on
        self._months: dict[str, int] = {}
        """By agency, the earliest month that its creators or bindings changed."""
        self._boards: set[str] = set()

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

    def work_out(self, subject: str, fresh: bool) -> list[Rewrite] | None:
        self._check_what_it_rests_on(subject)
        first = SINCE_FIRST_MONTH if fresh else self._changed_from(subject)
        if first is None:
            return None
        rewrites = view.advance(self.step, subject, first)
        self._boards |= view.months_in(self.step, subject, rewrites, first)
        return rewrites

    def finish(self) -> list[Rewrite]:
        return view.board_rewrites(self.step, self._boards)

    def _check_what_it_rests_on(self, subject: str) -> None:
        table = self.step.tables["bindings"].c
        creators = {f"creator/{row.creator}" for row in self.step.rows("bindings", table.mcn == subject)}
        aside = {name for name, scheme in self.work.aside if scheme in self._rests_on}
        stale = sorted(creators & aside)
        if stale:
            raise LevelbookError(f"it rests on {stale[0]}, which is set aside itself")

    def _changed_from(self, subject: str) -> int | None:
        """The earliest month of an agency that may come out otherwise; None where none can."""
        months = [self._months[subject]] if subject in self._months else []
        months += view.months_of(self.step, subject, self.touched(subject))
        if self.due(subject) is not None:
            months.append(month_of(self.step.before.as_of) - 1)
        return min(months, default=None)
