"""How a step moves Firefly levels: new points go on from the stored account; else a creator is judged anew."""

from collections.abc import Iterable, Sequence

from domain.creator_firefly import account
from domain.creator_firefly.facts import EARNED, READ_TYPES, REDEEMED, run_of
from domain.creator_firefly.rule import SCHEME
from projections.schemes.creator_firefly import from_stored
from projections.schemes.creator_firefly.rows import history_row, judging_of, level_row, month_row
from projections.schemes.shared.moving import Mover
from projections.views.step import Rewrite, calendar_rewrite, level_rewrite, numbered
from replay.history.timeline import events_of_types, taking_part


class FireflyMover(Mover):
    def orders(self, subject: str) -> Iterable[str]:
        return [
            event.data.task if event.type == EARNED else event.data.redemption
            for event in self.touched(subject)
            if event.type in (EARNED, REDEEMED)
        ]

    def ready(self, subjects: Sequence[str]) -> Sequence[str]:
        earning = [subject for subject in subjects if any(self.orders(subject))]
        self.step.prepare(earning, ("life", "firefly_months", "history"))
        return earning

    def go_on(self, subject: str) -> list[Rewrite] | None:
        if self.due(subject) is not None:
            return None
        return from_stored.go_on_from_stored(self.step, subject, self.work.new.get(subject, []))

    def work_out(self, subject: str, fresh: bool) -> list[Rewrite] | None:
        concerned = fresh or self.due(subject) is not None
        if not concerned and not any(event.type in READ_TYPES for event in self.touched(subject)):
            return None
        step, judging = self.step, judging_of(self.step)
        known = step.taking_out(subject, events_of_types(step.store, subject, READ_TYPES, step.after.position))
        run = run_of(taking_part(known, step.after.as_of))
        changes = account.changes(run, judging.spans, step.after.as_of)
        months = [month_row(subject, month, judging) for month in account.months(run, judging.spans)]
        history = [history_row(subject, change, judging) for change in changes]
        return [
            Rewrite("firefly_months", {"subject": subject}, months),
            Rewrite("history", {"subject": subject, "scheme": SCHEME}, numbered(history, None)),
            level_rewrite(level_row(subject, run.account, changes, judging, step.after.as_of)),
            calendar_rewrite(subject, SCHEME, step.ahead(known)),
        ]
