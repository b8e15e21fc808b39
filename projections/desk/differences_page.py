"""Why two tellings of one level differ: announced, decided, known now; or known at one moment and at another."""

from typing import Any, NamedTuple

from domain.calendar import shanghai_text
from projections.desk.moment import Sight, replayed
from replay.answers.diff import diff_json, difference_json
from replay.answers.replay import asked_json
from replay.decisions.announced import announced_of
from replay.decisions.audit import as_decided, as_of_named, outcome_of
from replay.decisions.decide import decided_events, decision_on, moment_of
from replay.errors import UsageError
from replay.history.readers import Reader
from replay.history.timeline import Asked, Moment, resolve
from replay.rendering.facet import standing_json
from replay.schemes.registry import choose, scheme_of
from replay.schemes.replaying import lent, replay_of
from replay.store.base.store import Store


class Differences(NamedTuple):
    """Two replays and the steps between them, by cause and event."""

    period: str | None
    """Whose decision the first replay is; None where two moments were asked for."""
    announced: list[dict[str, Any]]
    """As in an appeal file: each with what the rules gave by what was known then."""
    announced_difference: dict[str, Any] | None
    """From what was known when it was announced last to what was decided, or back; None where nothing was announced."""
    decided: dict[str, Any] | None
    first: dict[str, Any]
    """The level as decided, or as it was known at the first of two moments."""
    found: dict[str, Any]
    """The steps to what is known at the last: from there, or from an announcement that knew more."""
    is_now: bool
    """Whether the later of the two knows all that is recorded."""
    level_names: dict[str, str]


class Decision(NamedTuple):
    """A decision that can be looked at."""

    scheme: str
    period: str
    run: str
    state: str
    level: str | None


def decisions_of(sight: Sight, subject: str, scheme: str) -> list[Decision] | None:
    """The decisions on a subject in a scheme, the latest first; None for a reader who may not see them."""
    if not sight.reader.sees_decisions:
        return None
    decided = decided_events(sight.store, subject, sight.reader)
    found = [decision for _, decision in decided if decision.scheme == scheme]
    return [Decision(scheme, item.period, item.run, item.state, item.level) for item in reversed(found)]


def of_decision(sight: Sight, subject: str, scheme: str, asked: dict[str, Any], language: str) -> Differences:
    """From a period's level as decided to the same as known now, or at `to_position`; where it was announced and never
    decided, from what was known when it was announced last.

    Raises UsageError where it was neither, and HiddenError for a reader who may not see decisions.
    """
    store, period = sight.store, asked["period"]
    judging = scheme_of(scheme).replay
    made = _decision(store, subject, scheme, period, asked.get("run"), sight.reader)
    if made is None:
        return _of_announcement(store, subject, scheme, asked, language)
    decision, moment = made
    then = as_decided(store, subject, decision, moment)
    later = resolve(store, Asked(position=asked.get("to_position")), None, "to-")
    end = Moment(then.moment.as_of, later.known_at, later.position)
    policies = choose(store, judging, end)._replace(previewed=())
    now = replay_of(lent(store), judging, subject, end, policies)
    own = then if then.moment == moment_of(decision) else as_decided(store, subject, decision)
    told = {
        "run": decision.run,
        "is_of_period": decision.period == period,
        "state": decision.state,
        "level": decision.level,
        "score": decision.score,
        "known_at": shanghai_text(then.moment.known_at),
        "position": decision.position,
        "outcome": outcome_of(store, decision, own),
    }
    announced = announced_of(store, now, then, period)
    first, hindsight = asked_json(then) | standing_json(then.standing()), diff_json(announced.later_than(then), now)
    is_now = end.position == store.head().position
    names = now.level_names(language)
    between = announced.difference and difference_json(announced.difference)
    return Differences(period, announced.told, between, told, first, hindsight, is_now, names)


def of_moments(sight: Sight, subject: str, scheme: str, asked: dict[str, Any], language: str) -> Differences:
    """From the moment that the page was asked for to the same `as_of` as known now, or at `to_position`."""
    start = replayed(sight, subject, scheme)
    later = resolve(sight.store, Asked(position=asked.get("to_position")), None, "to-")
    moment = Moment(sight.moment.as_of, later.known_at, later.position)
    end = sight.reading.replay(subject, scheme, moment, sight.reader, sight.choice)
    is_now = moment.position == sight.store.head().position
    found = diff_json(start, end)
    return Differences(None, [], None, None, found["from"], found, is_now, end.level_names(language))


def _decision(
    store: Store, subject: str, scheme: str, period: str, run: str | None, reader: Reader
) -> tuple[Any, Moment] | None:
    if run is not None:
        named = [decision for _, decision in decided_events(store, subject, reader) if decision.run == run]
        if named and (named[-1].scheme, named[-1].period) == (scheme, period):
            return named[-1], moment_of(named[-1])
        raise UsageError(f"run {run} decided nothing of {subject} for {period}; leave it out for the latest")
    return decision_on(store, subject, scheme, period, reader)


def _of_announcement(store: Store, subject: str, scheme: str, asked: dict[str, Any], language: str) -> Differences:
    """From what was known when a period's level was announced last to what is known now, or at `to_position`."""
    period, later = asked["period"], resolve(store, Asked(position=asked.get("to_position")), None, "to-")
    as_of = as_of_named(store, scheme, period)
    judging = scheme_of(scheme).replay
    if as_of is not None:
        end = Moment(as_of, later.known_at, later.position)
        now = replay_of(lent(store), judging, subject, end, choose(store, judging, end)._replace(previewed=()))
        announced = announced_of(store, now, None, period)
        if announced.difference is not None:
            found, is_now = difference_json(announced.difference), end.position == store.head().position
            names = now.level_names(language)
            return Differences(period, announced.told, None, None, found["from"], found, is_now, names)
    raise UsageError(
        f"period {period} of {scheme} was neither decided nor announced for {subject}; compare two moments instead"
    )
