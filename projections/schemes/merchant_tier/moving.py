"""How a step moves tiers: figures are added to the open day; else the days since what changed are stepped again."""

from collections.abc import Iterable, Sequence

from domain.calendar import day_start
from domain.merchant_tier.facts import last_closed_day
from domain.policy import term_at
from projections.schemes.merchant_tier import view
from projections.schemes.shared.moving import Mover
from projections.views.step import SINCE_EVER, Rewrite


class TierMover(Mover):
    looked_up = ("life", "history", "tier_days", "calendar")

    def is_judged_anew(self) -> bool:
        """A version that came into force judges from the first day on that closes under it; by the last day that closed
        the rows of those are judged, too, whom time alone changes no more."""
        terms = view.judging_of(self.step).terms
        then, now = (last_closed_day(moment.as_of) for moment in (self.step.before, self.step.after))
        return term_at(terms, day_start(then)) != term_at(terms, day_start(now))

    def orders(self, subject: str) -> Iterable[str]:
        return self.orders_named(subject) if self._has_figures(subject) else ()

    def ready(self, subjects: Sequence[str]) -> Sequence[str]:
        counted = [subject for subject in subjects if self._has_figures(subject)]
        self.step.prepare(counted, ("life", "calendar"))
        view.read_open_day(self.step, counted)
        return counted

    def go_on(self, subject: str) -> list[Rewrite] | None:
        return (
            None if self.due(subject) is not None else view.add_to_open_day(self.step, subject, self.touched(subject))
        )

    def work_out(self, subject: str, fresh: bool) -> list[Rewrite] | None:
        touched = self.touched(subject)
        if fresh:
            return view.advance(self.step, subject, SINCE_EVER, touched)
        found = [view.restart_of(self.step, subject, touched), self.due(subject)]
        instants = [at for at in found if at is not None]
        return view.advance(self.step, subject, min(instants), touched) if instants else None

    def _has_figures(self, subject: str) -> bool:
        return self.step.state(subject, self.scheme) not in view.WITHOUT_FIGURES
