"""The history of a level: each change of state or level with what caused it."""

from typing import Any

from domain.calendar import shanghai_text
from domain.reputation import SCHEME
from domain.reputation_account import Change, changes
from domain.version import PROGRAM_VERSION
from replay.answers import asked_json, event_json, finding_json, standing_json
from replay.reputation_replay import Replay


def history_json(replay: Replay) -> dict[str, Any]:
    """Every change up to `as_of`, the earliest first, as known at the replay's position."""
    found = changes(replay.history, replay.run, replay.spans, replay.moment.as_of)
    return {
        "subject": replay.subject,
        "scheme": SCHEME,
        "program": PROGRAM_VERSION,
        **asked_json(replay),
        "in_force": replay.in_force,
        "changes": [_change_json(replay, change) for change in found],
        "assumed": replay.assumed,
    }


def _change_json(replay: Replay, change: Change) -> dict[str, Any]:
    return {
        "at": shanghai_text(change.at),
        "before": standing_json(change.before),
        "after": standing_json(change.after),
        "cause": _cause_json(replay, change),
    }


def _cause_json(replay: Replay, change: Change) -> dict[str, Any]:
    """An event with its type and verdict, or the policy whose rules began to count."""
    if not change.position:
        policy = replay.policy_at(change.at)
        return {"policy": policy.id, "policy_hash": policy.hash}
    cause = {"type": replay.events[change.position].type}
    if change.finding is None:
        return event_json(replay, change.position) | cause
    return finding_json(replay, change.finding) | cause
