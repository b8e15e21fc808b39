"""How a step moves creators' levels: the months that events concern, and those of creators newly bound or unbound."""

from collections.abc import Collection

from domain.calendar import month_of
from domain.events import BINDING_TYPES
from projections.schemes.creator_level import view
from projections.schemes.shared.moving import Mover, Work
from projections.views.step import Rewrite
from replay.history.timeline import has_subject


class CreatorMover(Mover):
    def others(self) -> Collection[str]:
        return newly_bound(self.work).keys()

    def work_out(self, subject: str, fresh: bool) -> list[Rewrite] | None:
        step, touched = self.step, self.touched(subject)
        if fresh and not touched and not has_subject(step.store, subject, step.after.position):
            return None  # bound, and not heard of itself
        months = None if fresh else view.months_of(step, subject, touched)
        bound = newly_bound(self.work)
        if months is not None and subject in bound:
            months |= view.months_since(step, subject, month_of(bound[subject]))
        rejudge = any(event.type == "creator.registered" for event in touched)
        found = view.advance(step, subject, months, rejudge=rejudge)
        if found.agencies_from is not None:
            self.work.note_changed(self.scheme, subject, found.agencies_from)
        return found.rewrites


def newly_bound(work: Work) -> dict[str, int]:
    """By creator, the earliest instant at which a binding is new or gone; worked out once a step."""
    found: dict[str, int] | None = work.step.prepared.get("newly bound")
    if found is None:
        found = work.step.prepared["newly bound"] = {}
        for events in work.touched.values():
            for event in events:
                if event.type in BINDING_TYPES:
                    subject = f"creator/{event.data.creator}"
                    found[subject] = min(event.occurred_at, found.get(subject, event.occurred_at))
    return found
