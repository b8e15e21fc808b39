"""A merchant's reputation replayed from the ledger: points, level and a verdict for every entry."""

from collections import Counter
from typing import Any, NamedTuple

from domain import reputation
from domain.calendar import shanghai_text
from domain.events import Event
from domain.policy import Policy
from replay.errors import UsageError
from replay.policies import policy_at
from replay.store import Store
from replay.timeline import Moment, events_of, has_subject, taking_part


class Replay(NamedTuple):
    """One replay: what was asked, by which policy, and what came out."""

    subject: str
    moment: Moment
    policy: Policy
    standing: reputation.Standing
    findings: list[reputation.Finding]
    events: dict[int, Event]
    """The events that took part, by position."""

    @property
    def level(self) -> dict[str, Any] | None:
        """The level's entry in the policy, or None when the merchant is not rated."""
        if self.standing.state is not reputation.State.RATED:
            return None
        level: dict[str, Any] = self.policy.parameters["levels"].value[self.standing.level - 1]
        return level

    @property
    def summary(self) -> str:
        """The outcome in one line."""
        level = f"{self.level['en']} ({self.level['code']})" if self.level else "no level"
        return f"{self.standing.state}, {level}, {points_text(self.standing.points_tenths)} points"


def replay_reputation(store: Store, subject: str, moment: Moment) -> Replay:
    """Replay a merchant at a moment, under the policy in force at its `as_of`.

    Raises UsageError for a subject that is no merchant or that the ledger does not know.
    """
    if not subject.startswith("merchant/"):
        raise UsageError(f"{subject} is not a merchant; {reputation.SCHEME} judges merchant/<id>")
    if not has_subject(store, subject):
        raise UsageError(f"the ledger knows no {subject}; 'levelbook subjects merchant' lists them")
    policy = policy_at(reputation.SCHEME, moment.as_of)
    events = taking_part(list(events_of(store, subject, moment.position)), moment.as_of)
    history = reputation.history_of(events)
    standing, findings = reputation.run(history, reputation.rules_of(policy), moment.as_of)
    return Replay(subject, moment, policy, standing, findings, {event.position: event for event in events})


def replay_json(replay: Replay) -> dict[str, Any]:
    """A replay as JSON: instants in RFC 3339, points as text with one decimal."""
    standing, level = replay.standing, replay.level
    return {
        "subject": replay.subject,
        "scheme": reputation.SCHEME,
        "policy": replay.policy.id,
        "policy_hash": replay.policy.hash,
        "in_force": replay.moment.as_of >= replay.policy.in_force_from,
        "as_of": shanghai_text(replay.moment.as_of),
        "known_at": shanghai_text(replay.moment.known_at),
        "position": replay.moment.position,
        "state": str(standing.state),
        "level": level["code"] if level else None,
        "points": points_text(standing.points_tenths),
        "to_next": None if standing.to_next_tenths is None else points_text(standing.to_next_tenths),
        "assumed": replay.policy.assumed,
        "verdicts": [_verdict_json(replay, finding) for finding in replay.findings],
    }


def _verdict_json(replay: Replay, finding: reputation.Finding) -> dict[str, Any]:
    event = replay.events[finding.position]
    return {
        "source": event.source,
        "event": event.id,
        "position": finding.position,
        "verdict": str(finding.verdict),
        "points": points_text(finding.tenths, signed=True),
        "at": shanghai_text(finding.at),
    }


def points_text(tenths: int, *, signed: bool = False) -> str:
    """Tenths of a point as text with one decimal: -7 is "-0.7"."""
    sign = "-" if tenths < 0 else "+" if signed else ""
    return f"{sign}{abs(tenths) // 10}.{abs(tenths) % 10}"


def why_they_differ(before: Replay, after: Replay) -> str:
    """The difference in points between two replays of one merchant in one line, by change of verdict."""
    changes: Counter[tuple[str, str]] = Counter()
    moved: Counter[tuple[str, str]] = Counter()
    old, new = ({finding.position: finding for finding in replay.findings} for replay in (before, after))
    for position in sorted(old.keys() | new.keys()):
        change = tuple(str(found[position].verdict) if position in found else "no part" for found in (old, new))
        tenths = sum(sign * found[position].tenths for found, sign in ((old, -1), (new, 1)) if position in found)
        if change[0] != change[1] or tenths:
            changes[change[0], change[1]] += 1
            moved[change[0], change[1]] += tenths
    parts = [
        f"{count} {'entry' if count == 1 else 'entries'} {was} -> {now} ({points_text(moved[was, now], signed=True)})"
        for (was, now), count in sorted(changes.items())
    ]
    total = after.standing.points_tenths - before.standing.points_tenths
    assert sum(moved.values()) == total, "verdicts add up to the points"
    return f"{points_text(total, signed=True)} points: {'; '.join(parts) or 'no verdict changed'}"
