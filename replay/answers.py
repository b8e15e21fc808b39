"""Replays as JSON: instants in RFC 3339, points as text with one decimal.

The keys are described by the schemas of `projections.answer_schemas`; a test holds the two equal.
"""

from collections import Counter
from typing import Any

from domain.calendar import month_text, shanghai_text
from domain.reputation import NO_CAP, SCHEME, Finding, Month
from domain.reputation_account import Publication, Shown, shown
from domain.version import PROGRAM_VERSION
from replay.clauses import points_text
from replay.reputation_replay import Replay


def replay_json(replay: Replay, language: str) -> dict[str, Any]:
    """A replay: what was asked, by which policy, and where the merchant stands."""
    to_next = replay.shown.to_next_tenths
    effective = replay.effective
    return {
        "subject": replay.subject,
        "scheme": SCHEME,
        "program": PROGRAM_VERSION,
        **asked_json(replay),
        "policies": [{"id": policy.id, "hash": policy.hash} for policy in replay.policies],
        "in_force": replay.in_force,
        **standing_json(replay.shown),
        "level_name": replay.level_names(language).get(replay.shown.level or ""),
        "effective": {
            "state": str(effective.state),
            "level": effective.level,
            "since": None if effective.since is None else shanghai_text(effective.since),
        },
        "to_next": None if to_next is None else points_text(to_next),
        "published": None if replay.published is None else _published_json(replay, replay.published),
        "months": [_month_json(replay, month) for month in replay.run.months if month.findings],
        "assumed": replay.assumed,
    }


def asked_json(replay: Replay) -> dict[str, Any]:
    """What makes a replay the same for ever: as_of, position, policy id and hash."""
    return {
        "policy": replay.policy.id,
        "policy_hash": replay.policy.hash,
        "as_of": shanghai_text(replay.moment.as_of),
        "known_at": shanghai_text(replay.moment.known_at),
        "position": replay.moment.position,
    }


def standing_json(found: Shown) -> dict[str, Any]:
    """State, level and points."""
    return {"state": str(found.state), "level": found.level, "points": points_text(found.points_tenths)}


def event_json(replay: Replay, position: int) -> dict[str, Any]:
    """How an answer names an event."""
    event = replay.events[position]
    return {"source": event.source, "event": event.id, "position": position}


def finding_json(replay: Replay, finding: Finding) -> dict[str, Any]:
    """A verdict on an event."""
    return event_json(replay, finding.position) | {
        "verdict": finding.verdict.word,
        "points": points_text(finding.tenths, signed=True),
        "at": shanghai_text(finding.at),
    }


def _published_json(replay: Replay, found: Publication) -> dict[str, Any]:
    return {
        "month": month_text(found.month),
        "points": points_text(found.shown.points_tenths),
        "level": found.shown.level,
        "at": shanghai_text(found.at),
        "decided": _decided_json(replay, found),
        "in_force": found.at >= replay.policy.in_force_from,
    }


def _decided_json(replay: Replay, found: Publication) -> dict[str, Any] | None:
    """What was decided of the published month, and whether it would come out otherwise now."""
    decision = replay.decision(found.month)
    if decision is None:
        return None
    return {
        "run": decision.run,
        "points": None if decision.score is None else points_text(decision.score),
        "level": decision.level,
        "known_at": decision.known_at,
        "restated": (decision.score, decision.level) != (found.shown.points_tenths, found.shown.level),
    }


def _month_json(replay: Replay, month: Month) -> dict[str, Any]:
    findings = [replay.findings[index] for index in month.findings]
    cap = month.closing.cap
    counts = Counter(finding.verdict for finding in findings)
    return {
        "month": month_text(month.month),
        "opening": points_text(month.begun.points),
        "growth": points_text(month.closing.growth, signed=True),
        "cap": None if cap == NO_CAP else points_text(cap),
        "closing": points_text(month.closing.points),
        "level": shown(month.closing, replay.spans, month.begun.month_end - 1).level,
        "verdicts": {verdict.word: counts[verdict] for verdict in sorted(counts)},
    }
