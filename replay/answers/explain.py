"""An explanation: the verdict or note on every event that bears on a level, and how they add up to it."""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from domain.calendar import month_of, month_text, shanghai_text
from domain.events import CORRECTION_TYPES, Event
from domain.policy import Policy
from replay.answers.replay import replay_json
from replay.errors import UsageError
from replay.history.timeline import RETRACTED
from replay.rendering.clauses import clause_json, points_text
from replay.rendering.facet import verdict_json
from replay.replaying.base import NAMED_IN_VAIN, Part, Replay, about_of
from replay.replaying.values import Judged
from replay.schemes.registry import answer_of


class ListedStretch(NamedTuple):
    """Which verdicts and notes of an explanation are listed: so many, from one on, in the order of the answer."""

    start: int
    length: int
    verdict: str | None = None
    """Only verdicts of this name, and no notes."""


ALL: Final = ListedStretch(0, 2**62)
Made = Judged | str
"""What a scheme made of an event: a verdict, or a note."""


class Bearing(NamedTuple):
    """What bears on a part of a replay."""

    verdicts: list[int]
    """Their places in `judged`."""
    notes: list[int]
    """Positions, in the order of the ledger."""


def explain_json(replay: Replay, part: Part, language: str) -> dict[str, Any]:
    """A replay with a verdict or note for each event of the part that is wanted.

    Raises UsageError when the subject has no such event.
    """
    return explain_stretch(replay, part, language, ALL)[0]


def explain_stretch(replay: Replay, part: Part, language: str, stretch: ListedStretch) -> tuple[dict[str, Any], int]:
    """The same with a stretch of the verdicts and then the notes; and how many of these there are in all.

    Figures such as `adds_up` are of the whole part, whatever is listed of it.
    """
    of_part, noted = bearing_on(replay, part)
    if stretch.verdict is None:
        listed, noted_listed = of_part, noted
    else:
        listed, noted_listed = [index for index in of_part if replay.judged[index].verdict == stretch.verdict], []
    end = stretch.start + stretch.length
    shown = listed[stretch.start : end]
    notes = noted_listed[max(stretch.start - len(listed), 0) : max(end - len(listed), 0)]
    return {
        **replay_json(replay, language),
        "part": {"month": None if part.month is None else month_text(part.month), "event": part.event_id},
        **answer_of(replay).explained_json(part, of_part),
        "verdicts": [_verdict_json(replay, index) for index in shown],
        "notes": [_note_json(replay, position) for position in notes],
        "clauses": _clauses(replay, part, shown, notes, language),
    }, len(listed) + len(noted_listed)


def bearing_on(replay: Replay, part: Part) -> Bearing:
    """What bears on a part. Raises UsageError when the subject has no such event."""
    wanted = _wanted(replay, part)
    return Bearing(
        [index for index, judged in enumerate(replay.judged) if wanted(judged.at, judged.position)],
        sorted(position for position in replay.notes if wanted(replay.events[position].occurred_at, position)),
    )


def made_of(replay: Replay) -> dict[int, Made]:
    """By position, what the scheme made of an event."""
    made: dict[int, Made] = dict(replay.notes)
    return made | {judged.position: judged for judged in replay.judged}


def made_json(made: Made) -> dict[str, Any]:
    return verdict_json(made) if isinstance(made, Judged) else {"note": made}


def made_beside(replay: Replay) -> dict[int, dict[str, Any]]:
    """What the scheme made of each event, with the policy that it was made under: to stand alone beside the event."""
    made = {position: made_json(item) for position, item in made_of(replay).items()}
    for index, judged in enumerate(replay.judged):
        made[judged.position] = made[judged.position] | _policy_json(replay.policy_of(index))
    for position in replay.notes.keys() - {judged.position for judged in replay.judged}:
        made[position] = made[position] | _policy_json(replay.policy_of_note(position))
    return made


def _wanted(replay: Replay, part: Part) -> Callable[[int, int], bool]:
    """Whether what is judged at an instant of the event at a position belongs to the part."""
    positions = None if part.event_id is None else _positions_of(replay, part.event_id)

    def wanted(at: int, position: int) -> bool:
        in_month = part.month is None or month_of(at) == part.month
        return in_month and (positions is None or position in positions)

    return wanted


def _positions_of(replay: Replay, event_id: str) -> set[int]:
    """The positions at which something is shown of an event; of one id under several sources, of each."""
    named = [event for event in replay.known if event.id == event_id]
    if not named:
        raise UsageError(
            f"{replay.subject} has no event {event_id} that was known; 'levelbook events {replay.subject}' lists them"
        )
    shown = {judged.position for judged in replay.judged} | replay.notes.keys()
    return {position for event in named for position in _shown_of(replay, event, shown)}


def _shown_of(replay: Replay, event: Event, shown: set[int]) -> set[int]:
    """The event itself, or for one that is not judged itself what it bears on: its order, or what it retracts."""
    if event.position in shown and replay.notes.get(event.position) != NAMED_IN_VAIN:
        return {event.position}
    if event.occurred_at > replay.moment.as_of and event.type not in CORRECTION_TYPES:
        raise UsageError(
            f"{event.id} had not happened yet at {shanghai_text(replay.moment.as_of)}; give a later --as-of"
        )
    if event.type == RETRACTED:
        name = (event.data.source, event.data.event)
        about = {other.position for other in replay.known if (other.source, other.id) == name}
    else:
        about = {
            other.position
            for other in replay.known
            if about_of(event) is not None and about_of(other) == about_of(event)
        }
    if event.position in shown:
        about.add(event.position)
    if not about & shown:
        raise UsageError(
            f"{event.id} is {event.type}: this replay has no verdict on it, nor on anything that it is about"
        )
    return about


def _verdict_json(replay: Replay, index: int) -> dict[str, Any]:
    judged, answer, balance = replay.judged[index], answer_of(replay), replay.balance(index)
    order = getattr(replay.events[judged.position].data, "order", None)
    return {
        **answer.event_json(judged.position),
        **verdict_json(judged),
        **_policy_json(replay.policy_of(index)),
        "balance": None if balance is None else points_text(balance),
        "order": None if order is None else str(order),
        "compared": answer.compared_json(replay.compared(index)),
        **_remarks_json(replay, judged.position, judged.verdict, judged.at),
    }


def _note_json(replay: Replay, position: int) -> dict[str, Any]:
    note, occurred_at, answer = replay.notes[position], replay.events[position].occurred_at, answer_of(replay)
    return {
        **answer.event_json(position),
        "note": note,
        "at": shanghai_text(occurred_at),
        **_policy_json(replay.policy_of_note(position)),
        "compared": answer.compared_json(replay.compared_of_note(position)),
        **_remarks_json(replay, position, note, occurred_at),
    }


def _remarks_json(replay: Replay, position: int, made: str, at: int) -> dict[str, Any]:
    """What may surprise about an event beside what was made of it: order within its instant, retractions in vain."""
    cause = replay.same_instant(position, made, at)
    named = replay.named_in_vain.get(position, ())
    return {
        "same_instant": None if cause is None else _learned_json(replay, cause),
        "retracted_in_vain_by": [_learned_json(replay, retraction) for retraction in named],
    }


def _learned_json(replay: Replay, position: int) -> dict[str, Any]:
    event = replay.events[position]
    return answer_of(replay).typed_event_json(position) | {"learned_at": shanghai_text(event.recorded_at)}


def _policy_json(policy: Policy) -> dict[str, Any]:
    return {"policy": policy.id, "policy_hash": policy.hash}


def _clauses(
    replay: Replay, part: Part, shown: Sequence[int], noted: Sequence[int], language: str
) -> list[dict[str, Any]]:
    """The clauses that the rules, verdicts and notes rest on, once for each policy that judged by them."""
    named = [
        *replay.rules_shown(part),
        *((replay.judged[index].verdict, replay.policy_of(index)) for index in shown),
        *((replay.notes[position], replay.policy_of_note(position)) for position in noted),
    ]
    used = {(name, policy.hash): policy for name, policy in named}
    return [clause_json(policy, name, language) for (name, _), policy in used.items()]
