"""How a step moves merchants' reputation: a kept run goes on; else the months since what changed are judged again."""

from collections.abc import Iterable, Sequence

from projections.schemes.merchant_reputation import running, view
from projections.schemes.shared.moving import Mover
from projections.views.step import SINCE_EVER, Rewrite


class ReputationMover(Mover):
    looked_up = ("life", "history", "reputation_months", "calendar")

    def orders(self, subject: str) -> Iterable[str]:
        known = self.step.windows.orders_running(subject)
        return [order for order in self.orders_named(subject) if order not in known]

    def reaches_back(self, subject: str) -> bool:
        return running.reaches_back(self.step, self.work.new[subject])

    def ready(self, subjects: Sequence[str]) -> Sequence[str]:
        return subjects

    def go_on(self, subject: str) -> list[Rewrite] | None:
        return running.go_on_with(self.step, subject, self.work.new.get(subject, []))

    def work_out(self, subject: str, fresh: bool) -> list[Rewrite] | None:
        if fresh:
            return view.advance(self.step, subject, SINCE_EVER)
        found = view.concerned_by(self.step, subject, self.touched(subject))
        instants = [at for at in (found.restart, self.due(subject)) if at is not None]
        if not instants:
            return view.wait_for(self.step, subject, found.dues)
        return view.advance(self.step, subject, min(instants))
