"""An explanation: the verdict or note on every event that bears on a level, and how they add up to it."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from domain.calendar import day_text, month_text, shanghai_text
from domain.events import CORRECTION_TYPES, Event
from domain.policy import Policy
from replay.answers.replay import replay_json
from replay.errors import UsageError
from replay.rendering.clauses import clause_json, points_text
from replay.rendering.contributions import contribution_json, sums_json
from replay.rendering.facet import standing_json, verdict_json
from replay.replaying.base import NAMED_IN_VAIN, Part, Replay
from replay.replaying.values import Judged, Made
from replay.schemes.registry import answer_of


class ListedStretch(NamedTuple):
    """Which verdicts and notes of an explanation are listed: so many, from one on, in the order of the answer."""

    start: int
    length: int
    verdict: str | None = None
    """Only verdicts of this name, and no notes."""


ALL: Final = ListedStretch(0, 2**62)


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
    """The same with a stretch of the verdicts and then the notes; and how many of these there are in all."""
    whole = replay_json(replay, language)
    found, listed = part_stretch(replay, part, language, stretch)
    return {**whole, **found}, listed


def part_stretch(replay: Replay, part: Part, language: str, stretch: ListedStretch) -> tuple[dict[str, Any], int]:
    """What of it tells of the part, without the replay itself.

    Figures such as `adds_up` are of the whole part, whatever is listed of it.
    """
    of_part, noted = bearing_on(replay, part)
    listed, noted_listed = of_part, noted
    if stretch.verdict is not None:
        listed, noted_listed = bearing_on(replay, part, stretch.verdict).verdicts, []
    end = stretch.start + stretch.length
    shown = listed[stretch.start : end]
    noted_shown = noted_listed[max(stretch.start - len(listed), 0) : max(end - len(listed), 0)]
    verdicts = [_verdict_json(replay, index) for index in shown]
    notes = [_note_json(replay, position) for position in noted_shown]
    return {
        "part": _part_json(replay, part),
        **answer_of(replay).explained_json(part, of_part),
        "sums": [] if part.event_id is not None else sums_json(replay.sums(part), answer_of(replay).period_text),
        "verdicts": verdicts,
        "notes": notes,
        "clauses": _clauses(replay, part, verdicts, notes, language),
    }, len(listed) + len(noted_listed)


def _part_json(replay: Replay, part: Part) -> dict[str, Any]:
    standing = None if part.month is None else replay.month_standing(part.month)
    return {
        "month": None if part.month is None else month_text(part.month),
        "day": None if part.day is None else day_text(part.day),
        "event": part.event_id,
        "standing": None if standing is None else standing_json(standing),
    }


def bearing_on(replay: Replay, part: Part, verdict: str | None = None) -> Bearing:
    """What bears on a part, with its verdicts of one name or of all. Raises UsageError when the subject has no such
    event, and for a day that the scheme does not evaluate or that has not closed.
    """
    if part.month is not None and part.day is not None:
        raise UsageError("a month and a day were asked for; leave one of them out")
    answer_of(replay).check_part(part)
    instants = replay.instants_of(part)
    positions = None if part.event_id is None else _positions_of(replay, part.event_id)
    return Bearing(replay.verdicts_in(instants, positions, verdict), replay.notes_in(instants, positions))


def made_json(made: Made) -> dict[str, Any]:
    return verdict_json(made) if isinstance(made, Judged) else {"note": made}


def made_beside(replay: Replay) -> dict[int, dict[str, Any]]:
    """What the scheme made of each event, with the policy that it was made under: to stand alone beside the event."""
    made = {position: made_json(item) for position, item in replay.made.items()}
    for index, judged in enumerate(replay.judged):
        told, place = replay.teller(index)
        made[judged.position] = made[judged.position] | _policy_json(told.policy_of(place))
    for position in replay.notes.keys() - {judged.position for judged in replay.judged}:
        made[position] = made[position] | _policy_json(replay.teller_of_note(position).policy_of_note(position))
    return made


def made_at(replay: Replay, position: int) -> dict[str, Any] | None:
    """The same of the event at one position; None where the scheme made nothing of it."""
    if position not in replay.made:
        return None
    judged = replay.verdicts_in(None, {position})
    if judged:
        told, place = replay.teller(judged[0])
        return made_json(replay.made[position]) | _policy_json(told.policy_of(place))
    told = replay.teller_of_note(position)
    return made_json(replay.made[position]) | _policy_json(told.policy_of_note(position))


def _positions_of(replay: Replay, event_id: str) -> set[int]:
    """The positions at which something is shown of an event; of one id under several sources, of each."""
    named = replay.named(event_id)
    if not named:
        raise UsageError(
            f"{replay.subject} has no event {event_id} that was known; 'levelbook events {replay.subject}' lists them"
        )
    return {position for event in named for position in _shown_of(replay, event)}


def _shown_of(replay: Replay, event: Event) -> set[int]:
    """The event itself, or for one that is not judged itself what it bears on: its order, or what it retracts."""
    is_shown = event.position in replay.made
    if is_shown and replay.notes.get(event.position) != NAMED_IN_VAIN:
        return {event.position}
    if event.occurred_at > replay.moment.as_of and event.type not in CORRECTION_TYPES:
        raise UsageError(
            f"{event.id} had not happened yet at {shanghai_text(replay.moment.as_of)}; give a later --as-of"
        )
    about = replay.about(event) | ({event.position} if is_shown else set())
    if not any(position in replay.made for position in about):
        raise UsageError(
            f"{event.id} is {event.type}: this replay has no verdict on it, nor on anything that it is about"
        )
    return about


def _verdict_json(whole: Replay, number: int) -> dict[str, Any]:
    replay, index = whole.teller(number)
    judged, answer, balance = replay.judged[index], answer_of(replay), replay.balance(index)
    order = getattr(replay.events[judged.position].data, "order", None)
    return {
        **answer.event_json(judged.position),
        **verdict_json(judged),
        **_policy_json(replay.policy_of(index)),
        "balance": None if balance is None else points_text(balance),
        "contribution": contribution_json(replay.contribution(index), answer.period_text),
        "order": None if order is None else str(order),
        "compared": answer.compared_json(replay.compared(index)),
        **_remarks_json(replay, judged.position, judged.verdict, judged.at),
    }


def _note_json(whole: Replay, position: int) -> dict[str, Any]:
    replay = whole.teller_of_note(position)
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
    replay: Replay,
    part: Part,
    verdicts: Sequence[dict[str, Any]],
    notes: Sequence[dict[str, Any]],
    language: str,
) -> list[dict[str, Any]]:
    """The clauses that the rules, verdicts and notes rest on, once for each policy that judged by them."""
    judging = {policy.hash: policy for policy in (*replay.policies.own, *replay.policies.beside)}
    used = {(name, policy.hash): policy for name, policy in replay.rules_shown(part)}
    for key, told in (("verdict", verdicts), ("note", notes)):
        used |= {(item[key], item["policy_hash"]): judging[item["policy_hash"]] for item in told}
    return [clause_json(policy, name, language) for (name, _), policy in used.items()]
