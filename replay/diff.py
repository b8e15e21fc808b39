"""The difference of two replays of one subject, split by cause into steps that add up exactly.

From the replay that knew less to the one that knew more: ordinary events learned, corrections learned, `as_of`
moved, policy. Each step ends in a run of the scheme of its own, so that nothing is left over. Asked the other
way round, every figure is the negative.
"""

from typing import Any, Final, NamedTuple

from domain.events import CORRECTION_TYPES
from domain.version import PROGRAM_VERSION
from replay.answers import asked_json
from replay.clauses import points_text
from replay.explain import made_of
from replay.replays import Policies, Replay
from replay.timeline import Moment

STEPS: Final = ("events_learned", "corrections_learned", "as_of_moved", "policy")


class Step(NamedTuple):
    """One cause, and the runs before and after it."""

    name: str
    before: Replay
    after: Replay


def steps_between(first: Replay, last: Replay) -> list[Step]:
    """The steps from a replay to one that knew at least as much, each from the run before to its own."""
    known = [
        event for event in last.known if event.position <= first.moment.position or event.type not in CORRECTION_TYPES
    ]
    then = first.moment
    again = type(first)
    learned = again(first.subject, known, _known_as(then, last.moment), first.policies)
    corrected = again(first.subject, last.known, _known_as(then, last.moment), first.policies)
    moved = again(first.subject, last.known, last.moment, first.policies)
    runs = [first, learned, corrected, moved, last]
    return [Step(name, runs[index], runs[index + 1]) for index, name in enumerate(STEPS)]


def diff_json(start: Replay, end: Replay) -> dict[str, Any]:
    """What leads from one replay of a subject to another, by cause and event."""
    forwards = _rank(start) <= _rank(end)
    steps = steps_between(start, end) if forwards else [_turned(step) for step in steps_between(end, start)]
    moved = _total(end) - _total(start)
    assert moved == sum(_total(step.after) - _total(step.before) for step in steps), "the steps add up"
    return {
        "subject": start.subject,
        "scheme": start.scheme,
        "program": PROGRAM_VERSION,
        "from": asked_json(start) | start.standing_json(),
        "to": asked_json(end) | end.standing_json(),
        "points": _points(start, moved),
        "steps": [_step_json(step, min(start.moment.as_of, end.moment.as_of)) for step in steps],
        "assumed": sorted({*start.assumed, *end.assumed}),
    }


def _known_as(then: Moment, later: Moment) -> Moment:
    return Moment(then.as_of, later.known_at, later.position)


def _rank(replay: Replay) -> tuple[int, int, list[str]]:
    return replay.moment.position, replay.moment.as_of, _hashes(replay.policies)


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


def _step_json(step: Step, earlier_as_of: int) -> dict[str, Any]:
    moved = _total(step.after) - _total(step.before)
    events = _events_of(step, earlier_as_of)
    assert sum(tenths for _, tenths in events) == moved, "within a step, events add up"
    return {
        "step": step.name,
        "points": _points(step.before, moved),
        "before": step.before.standing_json(),
        "after": step.after.standing_json(),
        "events": [item for item, _ in events],
    }


def _events_of(step: Step, earlier_as_of: int) -> list[tuple[dict[str, Any], int]]:
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
            **known.event_json(position),
            "type": known.events[position].type,
            "before": was,
            "after": now,
            "points": _points(known, moved),
            # It had happened already at the earlier as_of: time alone brought its default credit.
            "by_time": step.name == "as_of_moved" and known.events[position].occurred_at <= earlier_as_of,
        }
        found.append((item, moved))
    return found


def _tenths(replay: Replay) -> dict[int, int]:
    return {judged.position: judged.tenths or 0 for judged in replay.judged}
