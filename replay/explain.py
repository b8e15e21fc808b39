"""An explanation: the verdict or note on every event that bears on a level, and how they add up to it."""

from collections.abc import Callable, Sequence
from typing import Any

from domain.calendar import month_of, month_text, shanghai_text
from domain.policy import Policy
from replay.answers import replay_json, verdict_json
from replay.clauses import clause_json
from replay.errors import UsageError
from replay.replays import Judged, Part, Replay


def explain_json(replay: Replay, part: Part, language: str) -> dict[str, Any]:
    """A replay with a verdict or note for each event of the part that is wanted.

    Raises UsageError when the subject has no such event.
    """
    wanted = _wanted(replay, part)
    shown = [index for index, judged in enumerate(replay.judged) if wanted(judged.at, judged.position)]
    noted = sorted(at for at in replay.notes if wanted(replay.events[at].occurred_at, at))
    return {
        **replay_json(replay, language),
        "part": {"month": None if part.month is None else month_text(part.month), "event": part.event_id},
        **replay.explained_json(part, shown),
        "verdicts": [_verdict_json(replay, index) for index in shown],
        "notes": [_note_json(replay, position) for position in noted],
        "clauses": _clauses(replay, [replay.judged[index] for index in shown], noted, language),
    }


def made_of(replay: Replay) -> dict[int, dict[str, Any]]:
    """By position, what the scheme made of an event: a verdict with points and instant, or a note."""
    made: dict[int, dict[str, Any]] = {at: {"note": note} for at, note in replay.notes.items()}
    return made | {judged.position: verdict_json(judged) for judged in replay.judged}


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
    found = {event.position for event in named}
    if found & ({judged.position for judged in replay.judged} | replay.notes.keys()):
        return found
    orders = {getattr(event.data, "order", None) for event in named} - {None}
    return {event.position for event in replay.known if getattr(event.data, "order", None) in orders}


def _verdict_json(replay: Replay, index: int) -> dict[str, Any]:
    judged = replay.judged[index]
    order = getattr(replay.events[judged.position].data, "order", None)
    return {
        **replay.event_json(judged.position),
        **verdict_json(judged),
        "balance": replay.balance_json(index),
        "order": None if order is None else str(order),
        "compared": replay.compared(index),
    }


def _note_json(replay: Replay, position: int) -> dict[str, Any]:
    return {
        **replay.event_json(position),
        "note": replay.notes[position],
        "at": shanghai_text(replay.events[position].occurred_at),
        "compared": replay.compared_of_note(position),
    }


def _clauses(replay: Replay, shown: Sequence[Judged], noted: Sequence[int], language: str) -> list[dict[str, Any]]:
    """The clauses that the verdicts and notes rest on, once for each policy that judged by them."""
    used: dict[str, dict[str, Policy]] = {}
    for judged in shown:
        policy = replay.policy_at(judged.at)
        used.setdefault(judged.verdict, {})[policy.hash] = policy
    notes = sorted({replay.notes[position] for position in noted})
    named = [(name, policy) for name, policies in used.items() for policy in policies.values()]
    return [
        clause_json(policy, name, language) for name, policy in (*named, *((note, replay.policy) for note in notes))
    ]
