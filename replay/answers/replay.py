"""Replays as JSON: instants in RFC 3339, points as text with one decimal.

The keys are described by the schemas of `projections.contract.answers`; a test holds the two equal.
"""

from typing import Any

from domain.calendar import shanghai_text
from domain.version import PROGRAM_VERSION
from replay.answers.then import KnownThen
from replay.history.timeline import Moment
from replay.replaying.base import Replay
from replay.schemes.registry import answer_of


def replay_json(replay: Replay, language: str) -> dict[str, Any]:
    """A replay: what was asked, by which policy, and where the subject stands."""
    answer, names = answer_of(replay), replay.level_names(language)
    own = answer.own_json()
    return {
        **common_json(replay),
        **answer.standing_json(),
        "level_name": names.get(replay.standing().level or ""),
        "effective": answer.effective_json(),
        **own,
        **answer.then_json(KnownThen(replay)),
        "next_level_name": names.get(own["next_level"] or ""),
    }


def common_json(replay: Replay) -> dict[str, Any]:
    """What every answer about one replay says."""
    return {
        "subject": replay.subject,
        "scheme": replay.scheme,
        "program": PROGRAM_VERSION,
        **asked_json(replay),
        "assumed": replay.assumed,
    }


def asked_json(replay: Replay) -> dict[str, Any]:
    """What makes a replay the same for ever: as_of, position, and every policy that took part."""
    policies = [*replay.policies.own, *replay.policies.beside]
    return {
        "policy": replay.policy.id,
        "policy_hash": replay.policy.hash,
        "as_of": shanghai_text(replay.moment.as_of),
        "known_at": shanghai_text(replay.moment.known_at),
        "position": replay.moment.position,
        "asked_known_at": open_json(replay.moment),
        "in_force": replay.in_force,
        "policies": [{"scheme": policy.scheme, "id": policy.id, "hash": policy.hash} for policy in policies],
    }


def open_json(moment: Moment) -> str | None:
    """The known_at that was asked for, where it may still come to hold more; None where the answer stands for ever."""
    return None if moment.asked_known_at is None else shanghai_text(moment.asked_known_at)
