"""A merchant's reputation replayed from the ledger: points, level and a verdict for every entry."""

from collections import Counter
from typing import Any, Final, NamedTuple

from domain import reputation
from domain import reputation_account as account
from domain.calendar import month_text, shanghai_text
from domain.events import Event
from domain.policy import Policy
from replay.errors import UsageError
from replay.policies import policy_at
from replay.store import Store
from replay.timeline import Moment, events_of, has_subject, retracted_positions, taking_part

RETRACTED_NOTE: Final = "retracted"


class Replay(NamedTuple):
    """One replay: what was asked, by which policy, and what came out."""

    subject: str
    moment: Moment
    policy: Policy
    standing: reputation.Standing
    findings: list[reputation.Finding]
    months: list[account.Month]
    published: account.Publication | None
    notes: dict[int, str]
    """By position, why an event without a verdict has none."""
    events: dict[int, Event]
    """The merchant's events that were known, by position."""

    @property
    def level(self) -> dict[str, Any] | None:
        """The level's entry in the policy, or None when the merchant is not rated."""
        return self.level_entry(self.standing.level) if self.standing.state is reputation.State.RATED else None

    def level_entry(self, bounds_reached: int) -> dict[str, Any] | None:
        """The policy's entry of the level that has so many bounds; None for 0."""
        if bounds_reached == 0:
            return None
        level: dict[str, Any] = self.policy.parameters["levels"].value[bounds_reached - 1]
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
    known = list(events_of(store, subject, moment.position))
    events = taking_part(known, moment.as_of)
    history, rules = reputation.history_of(events), reputation.rules_of(policy)
    standing, findings = reputation.run(history, rules, moment.as_of)
    lives = account.lives_of(history)
    timetable = account.Timetable(**policy.parameters["publication"].value)
    retracted = dict.fromkeys(retracted_positions(known), RETRACTED_NOTE)
    return Replay(
        subject=subject,
        moment=moment,
        policy=policy,
        standing=standing,
        findings=findings,
        months=account.months_of(findings, lives, rules),
        published=account.publication_at(findings, lives, rules, timetable, moment.as_of),
        notes=account.notes_of(events, history, findings) | retracted,
        events={event.position: event for event in known},
    )


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
        "published": _published_json(replay),
        "months": [_month_json(replay, month) for month in replay.months],
        "verdicts": [_verdict_json(replay, finding) for finding in replay.findings],
        "notes": [_note_json(replay, position) for position in sorted(replay.notes)],
    }


def _published_json(replay: Replay) -> dict[str, Any] | None:
    found = replay.published
    if found is None:
        return None
    return {
        "month": month_text(found.month),
        "points": points_text(found.points_tenths),
        "level": _code(replay, found.level),
        "at": shanghai_text(found.at),
        "in_force": found.at >= replay.policy.in_force_from,
    }


def _month_json(replay: Replay, month: account.Month) -> dict[str, Any]:
    return {
        "month": month_text(month.month),
        "opening": points_text(month.opening_tenths),
        "growth": points_text(month.growth_tenths, signed=True),
        "cap": None if month.cap_tenths is None else points_text(month.cap_tenths),
        "closing": points_text(month.closing_tenths),
        "level": _code(replay, month.level),
        "verdicts": {str(verdict): count for verdict, count in sorted(month.verdicts.items())},
    }


def _note_json(replay: Replay, position: int) -> dict[str, Any]:
    event = replay.events[position]
    return {"source": event.source, "event": event.id, "position": position, "note": replay.notes[position]}


def _code(replay: Replay, bounds_reached: int) -> str | None:
    entry = replay.level_entry(bounds_reached)
    return None if entry is None else str(entry["code"])


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


def _verdict_or_note(replay: Replay, findings: dict[int, reputation.Finding], position: int) -> str:
    if position in findings:
        return str(findings[position].verdict)
    return replay.notes.get(position, "not judged")


def why_they_differ(before: Replay, after: Replay) -> str:
    """The difference in points between two replays of one merchant in one line, by change of verdict."""
    changes: Counter[tuple[str, str]] = Counter()
    moved: Counter[tuple[str, str]] = Counter()
    old, new = ({finding.position: finding for finding in replay.findings} for replay in (before, after))
    for position in sorted(old.keys() | new.keys()):
        change = (_verdict_or_note(before, old, position), _verdict_or_note(after, new, position))
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
