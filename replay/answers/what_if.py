"""A replay beside the one with what did not happen, as JSON. All of it is marked hypothetical."""

from typing import Any

from replay.answers.replay import asked_json, common_json
from replay.policies.benefits import beside_json
from replay.replaying.base import Replay
from replay.schemes.registry import answer_of


def what_if_json(now: Replay, found: Replay, taken: int, later: int, language: str) -> dict[str, Any]:
    """What a replay comes to, and what it would: `taken` events were laid over it, and `later` ones were left out."""
    changes = answer_of(now).changes_json()
    before, after = _end_json(now, language), _end_json(found, language)
    return {
        "hypothetical": True,
        **common_json(now),
        "events": taken,
        "events_later": later,
        "now": before,
        "then": after,
        "changes": [change for change in answer_of(found).changes_json() if change not in changes],
        "benefits": _benefits_json(before.pop("benefits"), after.pop("benefits")),
    }


def _end_json(replay: Replay, language: str) -> dict[str, Any]:
    answer, names = answer_of(replay), replay.level_names(language)
    own = answer.own_json()
    return {
        **asked_json(replay),
        **answer.standing_json(),
        "level_name": names.get(replay.standing().level or ""),
        "effective": answer.effective_json(),
        "score": replay.score,
        "figures": {name: value for name, value in answer.figures_json().items() if name != "months"},
        "next_level": own["next_level"],
        "next_level_name": names.get(own["next_level"] or ""),
        "next_dates": own["next_dates"],
        "benefits": own.get("benefits"),
    }


def _benefits_json(now: dict[str, Any] | None, then: dict[str, Any] | None) -> dict[str, Any] | None:
    """Those held now beside those that would be; None in schemes that have none."""
    return None if now is None or then is None else beside_json(now["held"], then["held"])
