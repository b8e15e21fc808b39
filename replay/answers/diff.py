"""The difference of two replays of one subject, split by cause into steps that add up exactly.

From the replay that knew less to the one that knew more: ordinary events learned, corrections learned, `as_of`
moved, policy. Each step ends in a run of the scheme of its own, so that nothing is left over. Asked the other
way round, every figure is the negative.
"""

from functools import partial
from typing import Any, Final, NamedTuple

from domain.merchant_reputation.account import PENDING
from domain.version import PROGRAM_VERSION
from replay.answers.explain import made_json
from replay.answers.replay import asked_json
from replay.history.timeline import Moment
from replay.rendering.clauses import points_text
from replay.rendering.facet import standing_json
from replay.replaying.base import Policies, Replay
from replay.replaying.values import Differing, Judged, Made
from replay.schemes.registry import answer_of

STEPS: Final = ("events_learned", "corrections_learned", "as_of_moved", "policy")


class CauseStep(NamedTuple):
    """One cause, and the runs before and after it."""

    name: str
    before: Replay
    after: Replay

    @property
    def tenths(self) -> int:
        """What it moves the points by; 0 in schemes that have none."""
        return self.after.total_tenths - self.before.total_tenths

    @property
    def knowing(self) -> Replay:
        """The run that knows all events of both."""
        return self.after if len(self.after.known) >= len(self.before.known) else self.before


class Difference(NamedTuple):
    """What leads from one replay of a subject to another."""

    start: Replay
    end: Replay
    steps: list[tuple[CauseStep, list[Differing]]]
    """Each with the events that it moved, in the order of the ledger."""


def steps_between(first: Replay, last: Replay) -> list[CauseStep]:
    """The steps from a replay to one that knew at least as much, each from the run before to its own.

    What a step does not change is not run again.
    """
    moment = Moment(first.moment.as_of, last.moment.known_at, last.moment.position)
    again = partial(type(last), first.subject)
    same_policies = _hashes(first.policies) == _hashes(last.policies)
    same_time = first.moment.as_of == last.moment.as_of
    learned = _having_learned(first, last, moment)
    if len(learned.known) == len(last.known):
        corrected = learned
    else:
        corrected = last if same_time and same_policies else again(last.known, moment, first.policies)
    moved = last if same_policies else corrected if same_time else again(last.known, last.moment, first.policies)
    runs = [first, learned, corrected, moved, last]
    return [CauseStep(name, runs[index], runs[index + 1]) for index, name in enumerate(STEPS)]


def _having_learned(first: Replay, last: Replay, moment: Moment) -> Replay:
    """The run that knows the ordinary events which were learned."""
    position = first.moment.position
    if last.count_before_corrections(position) == len(first.known):
        return first
    return type(last)(first.subject, last.before_corrections(position), moment, first.policies)


def difference_of(start: Replay, end: Replay) -> Difference:
    """By cause and event, whichever of the two knew more."""
    forwards = (start.moment.position, start.moment.as_of) <= (end.moment.position, end.moment.as_of)
    steps = steps_between(start, end) if forwards else [_turned(step) for step in steps_between(end, start)]
    assert sum(step.tenths for step in steps) == end.total_tenths - start.total_tenths, "the steps add up"
    return Difference(start, end, [(step, _moved_in(step)) for step in steps])


def _moved_in(step: CauseStep) -> list[Differing]:
    """The events of which the two runs make something else, in the order of the ledger."""
    moved = step.before.differing(step.after)
    assert sum(map(_moved_tenths, moved)) == step.tenths, "within a step, events add up"
    return moved


def _moved_tenths(moved: Differing) -> int:
    """What an event of which something else is made moves the points by."""
    return _tenths(moved.after) - _tenths(moved.before)


def diff_json(start: Replay, end: Replay) -> dict[str, Any]:
    """What leads from one replay of a subject to another, by cause and event."""
    return difference_json(difference_of(start, end))


def difference_json(found: Difference) -> dict[str, Any]:
    start, end = found.start, found.end
    return {
        "subject": start.subject,
        "scheme": start.scheme,
        "program": PROGRAM_VERSION,
        "from": asked_json(start) | standing_json(start.standing()),
        "to": asked_json(end) | standing_json(end.standing()),
        "points": moved_json(start, end.total_tenths - start.total_tenths),
        "steps": [_step_json(step, moved) for step, moved in found.steps],
        "assumed": sorted({*start.assumed, *end.assumed}),
    }


def moved_json(replay: Replay | type[Replay], tenths: int) -> str | None:
    """What points are moved by; None in schemes that have none."""
    return points_text(tenths, signed=True) if replay.has_points else None


def _hashes(policies: Policies) -> list[str]:
    return [policy.hash for policy in (*policies.own, *policies.beside)]


def _turned(step: CauseStep) -> CauseStep:
    return CauseStep(step.name, step.after, step.before)


def _tenths(made: Made | None) -> int:
    return made.tenths or 0 if isinstance(made, Judged) else 0


def _step_json(step: CauseStep, moved: list[Differing]) -> dict[str, Any]:
    step.knowing.look_up([item.position for item in moved])
    return {
        "step": step.name,
        "points": moved_json(step.before, step.tenths),
        "before": standing_json(step.before.standing()),
        "after": standing_json(step.after.standing()),
        "figures": _figures_json(step),
        "events": [_moved_json(step, item) for item in moved],
    }


def _figures_json(step: CauseStep) -> dict[str, Any] | None:
    """In schemes of ratios and bands, the figures before and after a step."""
    if step.before.has_points:
        return None
    return {"before": answer_of(step.before).figures_json(), "after": answer_of(step.after).figures_json()}


def _moved_json(step: CauseStep, moved: Differing) -> dict[str, Any]:
    return {
        **answer_of(step.knowing).typed_event_json(moved.position),
        "before": None if moved.before is None else made_json(moved.before),
        "after": None if moved.after is None else made_json(moved.after),
        "points": moved_json(step.knowing, _moved_tenths(moved)),
        "by_time": step.name == "as_of_moved" and _is_by_time(moved),
    }


def _is_by_time(moved: Differing) -> bool:
    """Whether time alone, and no other event, brought or took a credit: what was pending got a verdict, or back."""
    was, now = moved.before, moved.after
    return (was == PENDING and isinstance(now, Judged)) or (now == PENDING and isinstance(was, Judged))
