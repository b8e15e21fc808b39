"""The difference of two replays of one subject, split by cause into steps that add up exactly.

From the replay that knew less to the one that knew more: ordinary events learned, corrections learned, `as_of`
moved, policy. Each step ends in a run of the scheme of its own, so that nothing is left over. Asked the other
way round, every figure is the negative.
"""

from functools import partial
from typing import Any, Final, NamedTuple

from domain.events import CORRECTION_TYPES
from domain.merchant_reputation.account import PENDING
from domain.version import PROGRAM_VERSION
from replay.answers.explain import made_of
from replay.answers.replay import asked_json
from replay.history.timeline import Moment
from replay.rendering.clauses import points_text
from replay.rendering.facet import standing_json
from replay.replaying.base import Policies, Replay
from replay.schemes.registry import answer_of

STEPS: Final = ("events_learned", "corrections_learned", "as_of_moved", "policy")


class Step(NamedTuple):
    """One cause, and the runs before and after it."""

    name: str
    before: Replay
    after: Replay


def steps_between(first: Replay, last: Replay) -> list[Step]:
    """The steps from a replay to one that knew at least as much, each from the run before to its own.

    What a step does not change is not run again.
    """
    moment = Moment(first.moment.as_of, last.moment.known_at, last.moment.position)
    known = [
        event for event in last.known if event.position <= first.moment.position or event.type not in CORRECTION_TYPES
    ]
    again = partial(type(first), first.subject)
    learned = first if len(known) == len(first.known) else again(known, moment, first.policies)
    corrected = learned if len(known) == len(last.known) else again(last.known, moment, first.policies)
    same_policies = _hashes(first.policies) == _hashes(last.policies)
    same_time = first.moment.as_of == last.moment.as_of
    moved = last if same_policies else corrected if same_time else again(last.known, last.moment, first.policies)
    runs = [first, learned, corrected, moved, last]
    return [Step(name, runs[index], runs[index + 1]) for index, name in enumerate(STEPS)]


def diff_json(start: Replay, end: Replay) -> dict[str, Any]:
    """What leads from one replay of a subject to another, by cause and event."""
    forwards = (start.moment.position, start.moment.as_of) <= (end.moment.position, end.moment.as_of)
    steps = steps_between(start, end) if forwards else [_turned(step) for step in steps_between(end, start)]
    moved = _total(end) - _total(start)
    assert moved == sum(_total(step.after) - _total(step.before) for step in steps), "the steps add up"
    return {
        "subject": start.subject,
        "scheme": start.scheme,
        "program": PROGRAM_VERSION,
        "from": asked_json(start) | standing_json(start.standing()),
        "to": asked_json(end) | standing_json(end.standing()),
        "points": _points(start, moved),
        "steps": [_step_json(step) for step in steps],
        "assumed": sorted({*start.assumed, *end.assumed}),
    }


def _hashes(policies: Policies) -> list[str]:
    return [policy.hash for policy in (*policies.own, *policies.creators)]


def _turned(step: Step) -> Step:
    return Step(step.name, step.after, step.before)


def _total(replay: Replay) -> int:
    """The points that the verdicts add up to, in tenths; 0 in schemes that have none."""
    return sum(judged.tenths or 0 for judged in replay.judged)


def _points(replay: Replay, tenths: int) -> str | None:
    """A difference in points; None in schemes that have none."""
    return points_text(tenths, signed=True) if replay.has_points else None


def _step_json(step: Step) -> dict[str, Any]:
    moved = _total(step.after) - _total(step.before)
    events = _events_of(step)
    assert sum(tenths for _, tenths in events) == moved, "within a step, events add up"
    return {
        "step": step.name,
        "points": _points(step.before, moved),
        "before": standing_json(step.before.standing()),
        "after": standing_json(step.after.standing()),
        "figures": _figures(step),
        "events": [item for item, _ in events],
    }


def _figures(step: Step) -> dict[str, Any] | None:
    """In schemes of ratios and bands, the figures before and after a step."""
    if step.before.has_points:
        return None
    return {"before": answer_of(step.before).figures_json(), "after": answer_of(step.after).figures_json()}


def _events_of(step: Step) -> list[tuple[dict[str, Any], int]]:
    """The events that the two runs make something else of, in the order of the ledger, with the tenths they moved."""
    before, after = made_of(step.before), made_of(step.after)
    tenths_before, tenths_after = _tenths(step.before), _tenths(step.after)
    known = step.after if len(step.after.known) >= len(step.before.known) else step.before
    found = []
    for position in sorted(before.keys() | after.keys()):
        was, now = before.get(position), after.get(position)
        if was == now:
            continue
        moved = tenths_after.get(position, 0) - tenths_before.get(position, 0)
        item = {
            **answer_of(known).typed_event_json(position),
            "before": was,
            "after": now,
            "points": _points(known, moved),
            "by_time": step.name == "as_of_moved" and _is_by_time(was, now),
        }
        found.append((item, moved))
    return found


def _is_by_time(was: dict[str, Any] | None, now: dict[str, Any] | None) -> bool:
    """Whether time alone, and no other event, brought or took a credit: what was pending got a verdict, or back."""
    if was is None or now is None:
        return False
    pending, judged = sorted((was, now), key=lambda made: "verdict" in made)
    return pending.get("note") == PENDING and "verdict" in judged


def _tenths(replay: Replay) -> dict[int, int]:
    return {judged.position: judged.tenths or 0 for judged in replay.judged}
