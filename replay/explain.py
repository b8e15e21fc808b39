"""An explanation: the verdict or note on every event that bears on a level, and how they add up to it."""

from collections.abc import Callable
from typing import Any, NamedTuple

from domain.calendar import month_of, month_text, shanghai_text
from domain.reputation import Finding, Verdict
from domain.reputation_account import PENDING, REVIEWED_NOTE, SUPERSEDED, balances
from replay.answers import event_json, finding_json, replay_json
from replay.clauses import clause_json, points_text
from replay.errors import UsageError
from replay.reputation_replay import Replay


class Part(NamedTuple):
    """Which part of an explanation is wanted: None for all of it."""

    month: int | None = None
    event_id: str | None = None


def explain_json(replay: Replay, part: Part, language: str) -> dict[str, Any]:
    """A replay with a verdict or note for each event of the part that is wanted.

    Raises UsageError when the merchant has no such event.
    """
    wanted = _wanted(replay, part)
    chosen = [index for index, finding in enumerate(replay.findings) if wanted(finding.at, finding.position)]
    notes = {at: note for at, note in replay.notes.items() if wanted(replay.events[at].occurred_at, at)}
    after = balances(replay.run)
    verdicts = [
        finding_json(replay, replay.findings[index])
        | {"balance": points_text(after[index]), "order": _order_of(replay, replay.findings[index].position)}
        | {"compared": _compared(replay, replay.findings[index])}
        for index in chosen
    ]
    return replay_json(replay, language) | {
        "part": {"month": None if part.month is None else month_text(part.month), "event": part.event_id},
        "adds_up": _adds_up(replay, after, chosen, part),
        "verdicts": verdicts,
        "notes": [
            event_json(replay, at)
            | {"note": notes[at], "at": shanghai_text(replay.events[at].occurred_at)}
            | {"compared": _compared_of_note(replay, at, notes[at])}
            for at in sorted(notes)
        ],
        "clauses": _clauses(
            replay, [replay.findings[index] for index in chosen], sorted(set(notes.values())), language
        ),
    }


def made_of(replay: Replay) -> dict[int, dict[str, Any]]:
    """By position, what the scheme made of an event: a verdict with points and instant, or a note."""
    made: dict[int, dict[str, Any]] = {at: {"note": note} for at, note in replay.notes.items()}
    for finding in replay.findings:
        verdict = finding_json(replay, finding)
        made[finding.position] = {name: verdict[name] for name in ("verdict", "points", "at")}
    return made


def _wanted(replay: Replay, part: Part) -> Callable[[int, int], bool]:
    """Whether what is judged at an instant of the event at a position belongs to the part."""
    positions = None if part.event_id is None else _positions_of(replay, part.event_id)

    def wanted(at: int, position: int) -> bool:
        in_month = part.month is None or month_of(at) == part.month
        return in_month and (positions is None or position in positions)

    return wanted


def _positions_of(replay: Replay, event_id: str) -> set[int]:
    """Where an event stands; for one that is not judged itself, such as a payment or a flag, all of its order."""
    named = [event for event in replay.known if event.id == event_id]
    if not named:
        raise UsageError(
            f"{replay.subject} has no event {event_id} that was known; 'levelbook events {replay.subject}' lists them"
        )
    judged = {finding.position for finding in replay.findings} | replay.notes.keys()
    found = {event.position for event in named}
    if found & judged:
        return found
    orders = {getattr(event.data, "order", None) for event in named} - {None}
    return {event.position for event in replay.known if getattr(event.data, "order", None) in orders}


def _adds_up(replay: Replay, after: list[int], chosen: list[int], part: Part) -> dict[str, Any]:
    """Opening, sum of the verdicts and closing; for single events there is no balance to close."""
    moved = sum(replay.findings[index].tenths for index in chosen)
    if part.event_id is not None:
        return {"opening": None, "verdicts": points_text(moved, signed=True), "closing": None}
    first, last = (chosen[0], chosen[-1]) if chosen else (0, -1)
    if not chosen and part.month is not None:
        first = sum(1 for finding in replay.findings if month_of(finding.at) < part.month)
        last = first - 1
    opening = after[first - 1] if first > 0 else 0
    closing = after[last] if last >= 0 else 0
    assert opening + moved == closing, "verdicts add up to the points"
    return {
        "opening": points_text(opening),
        "verdicts": points_text(moved, signed=True),
        "closing": points_text(closing),
    }


def _order_of(replay: Replay, position: int) -> str | None:
    order = getattr(replay.events[position].data, "order", None)
    return None if order is None else str(order)


def _compared(replay: Replay, finding: Finding) -> dict[str, Any] | None:
    """The figures that decided a verdict, or the event that did."""
    verdict = finding.verdict
    if verdict is Verdict.LOW_AMOUNT:
        return {"what": "amount_fen", "found": finding.figure, "bound": finding.bound}
    if verdict in (Verdict.PAIR_CAP, Verdict.GROWTH_CAP):
        what = "pair_net" if verdict is Verdict.PAIR_CAP else "month_growth"
        return {"what": what, "found": points_text(finding.figure, signed=True), "bound": points_text(finding.bound)}
    if verdict is Verdict.LATE_REVIEW:
        return _instants("reviewed_at", finding.figure, finding.bound)
    if verdict is Verdict.BEFORE_START and finding.figure < finding.bound:
        return _instants("entered_at", finding.figure, finding.bound)
    if verdict is Verdict.BEFORE_START:
        return {"what": "opened_at", "found": None, "bound": None}
    if verdict is Verdict.CLOSED:
        return _deciding("closing", replay, finding.bound)
    if verdict is Verdict.FLAGGED:
        return _deciding("flag", replay, replay.flags[replay.events[finding.position].data.order].position)
    if verdict in (Verdict.COUNTED, Verdict.NEUTRAL):
        return _worth(replay, finding)
    return None


def _worth(replay: Replay, finding: Finding) -> dict[str, Any]:
    """Why an entry is worth what it is: the stars and their class, or the receipt whose window has passed."""
    cause = replay.events[finding.position]
    if cause.type == "order.received":
        return _instants("default_credit", cause.occurred_at, finding.at)
    stars = cause.data.quality
    classes = replay.policy_at(finding.at).parameters["star_classes"].value
    return {"what": "stars", "found": stars, "bound": next(name for name in classes if stars in classes[name])}


def _compared_of_note(replay: Replay, position: int, note: str) -> dict[str, Any]:
    """The figure or the event that says why there is no verdict."""
    event = replay.events[position]
    if note == PENDING:
        return {"what": "due_at", "found": shanghai_text(replay.dues[position]), "bound": None}
    if note == REVIEWED_NOTE:
        return _deciding("review", replay, replay.reviews[event.data.order])
    if note == SUPERSEDED:
        return _deciding("flag", replay, replay.flags[event.data.order].position)
    return _deciding("retraction", replay, replay.retracted[position])


def _instants(what: str, found: int, bound: int) -> dict[str, Any]:
    return {"what": what, "found": shanghai_text(found), "bound": shanghai_text(bound)}


def _deciding(what: str, replay: Replay, position: int) -> dict[str, Any]:
    """An event that decided: which, when, learned when, and the case and reason that it names."""
    event = replay.events[position]
    named = {name: getattr(event.data, name, None) for name in ("reason", "case")}
    return {
        "what": what,
        **event_json(replay, position),
        "at": shanghai_text(event.occurred_at),
        "learned_at": shanghai_text(event.recorded_at),
        **{name: value if isinstance(value, str) else None for name, value in named.items()},
    }


def _clauses(replay: Replay, findings: list[Finding], notes: list[str], language: str) -> list[dict[str, Any]]:
    """The clauses that the verdicts and notes rest on, once for each policy that judged by them."""
    used = {(finding.verdict, replay.policy_at(finding.at)) for finding in findings}
    order = [policy.hash for policy in replay.policies]
    by_rank = sorted(used, key=lambda pair: (pair[0], order.index(pair[1].hash)))
    return [clause_json(policy, verdict.word, language) for verdict, policy in by_rank] + [
        clause_json(replay.policy, note, language) for note in notes
    ]
