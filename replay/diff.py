"""The difference of two replays of one subject, split by cause into steps that add up exactly.

From the replay that knew less to the one that knew more: ordinary events learned, corrections learned, `as_of`
moved, policy. Each step ends in a run of the scheme of its own, so that nothing is left over. Asked the other
way round, every figure is the negative.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from domain.events import CORRECTION_TYPES
from domain.policy import Policy
from domain.reputation import SCHEME
from domain.version import PROGRAM_VERSION
from replay.answers import asked_json, event_json, standing_json
from replay.clauses import points_text
from replay.explain import made_of
from replay.reputation_replay import Replay
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
    learned = Replay(first.subject, known, _known_as(then, last.moment), first.policies)
    corrected = Replay(first.subject, last.known, _known_as(then, last.moment), first.policies)
    moved = Replay(first.subject, last.known, last.moment, first.policies)
    runs = [first, learned, corrected, moved, last]
    return [Step(name, runs[index], runs[index + 1]) for index, name in enumerate(STEPS)]


def diff_json(start: Replay, end: Replay) -> dict[str, Any]:
    """What leads from one replay of a subject to another, by cause and event."""
    forwards = _rank(start) <= _rank(end)
    steps = steps_between(start, end) if forwards else [_turned(step) for step in steps_between(end, start)]
    total = end.shown.points_tenths - start.shown.points_tenths
    assert total == sum(step.after.shown.points_tenths - step.before.shown.points_tenths for step in steps)
    return {
        "subject": start.subject,
        "scheme": SCHEME,
        "program": PROGRAM_VERSION,
        "from": _end_json(start),
        "to": _end_json(end),
        "points": points_text(total, signed=True),
        "steps": [_step_json(step, start, end) for step in steps],
        "assumed": sorted({*start.assumed, *end.assumed}),
    }


def _known_as(then: Moment, later: Moment) -> Moment:
    return Moment(then.as_of, later.known_at, later.position)


def _rank(replay: Replay) -> tuple[int, int, list[str]]:
    return replay.moment.position, replay.moment.as_of, _hashes(replay.policies)


def _hashes(policies: Sequence[Policy]) -> list[str]:
    return [policy.hash for policy in policies]


def _turned(step: Step) -> Step:
    return Step(step.name, step.after, step.before)


def _end_json(replay: Replay) -> dict[str, Any]:
    return asked_json(replay) | {"in_force": replay.in_force} | standing_json(replay.shown)


def _step_json(step: Step, start: Replay, end: Replay) -> dict[str, Any]:
    moved = step.after.shown.points_tenths - step.before.shown.points_tenths
    events = _events_of(step, min(start.moment.as_of, end.moment.as_of))
    assert sum(tenths for _, tenths in events) == moved, "within a step, events add up"
    return {
        "step": step.name,
        "points": points_text(moved, signed=True),
        "before": standing_json(step.before.shown),
        "after": standing_json(step.after.shown),
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
        item = event_json(known, position) | {
            "type": known.events[position].type,
            "before": was,
            "after": now,
            "points": points_text(moved, signed=True),
            # It had happened already at the earlier as_of: time alone brought its default credit.
            "by_time": step.name == "as_of_moved" and known.events[position].occurred_at <= earlier_as_of,
        }
        found.append((item, moved))
    return found


def _tenths(replay: Replay) -> dict[int, int]:
    return {finding.position: finding.tenths for finding in replay.findings}
