"""The file of one disputed level: as announced, as known when it was, as decided, as known now, and all that leads from
one to the other.
"""

from typing import Any, NamedTuple

from domain.calendar import parse_month, shanghai_text
from domain.events import LevelDecided
from domain.version import PROGRAM_VERSION
from replay.answers.diff import difference_json, difference_of
from replay.answers.explain import bearing_on, explain_json
from replay.decisions.announced import announced_of
from replay.decisions.audit import as_decided, as_known_now, outcome_of
from replay.decisions.decide import decided_events, decision_on, moment_of
from replay.errors import UsageError
from replay.history.browse import events_at
from replay.history.readers import Reader
from replay.history.timeline import Moment, event_at, has_subject
from replay.rendering.clauses import points_text
from replay.replaying.base import Part, Replay
from replay.replaying.periods import Period
from replay.schemes.registry import choose, scheme_of
from replay.schemes.replaying import lent, replay_of
from replay.store.base.store import Store
from replay.store.queries import chain_at


class Appeal(NamedTuple):
    """The file of one disputed level."""

    found: dict[str, Any]
    """What it holds, as JSON."""
    now: Replay
    """As known now, without what its reader may not see."""


def appeal_of(
    store: Store, subject: str, scheme: str, period: Period, run: str | None, language: str, reader: Reader
) -> Appeal:
    """The file of one period's level. `run` names a run of decisions; None is the latest.

    For a reader who may not see decisions it is made as if nothing had been decided, with `decided` and `difference`
    left out. Raises UsageError for a subject that the scheme does not judge or the ledger does not know, and for a run
    that decided nothing here; HiddenError for a run where the reader may see none.
    """
    kind, judging = scheme_of(scheme).kind, scheme_of(scheme).replay
    if not subject.startswith(f"{kind}/"):
        raise UsageError(f"{scheme} does not judge {subject}; it judges {kind}/<id>")
    if not has_subject(store, subject):
        raise UsageError(f"the ledger knows no {subject}; 'levelbook subjects {kind}' lists them")
    decision, moment = _decision(store, subject, scheme, period.text, run, reader)
    then = None if decision is None else as_decided(store, subject, decision, moment)
    known_now = _now(store, judging, subject, period) if then is None else as_known_now(store, then)
    now = known_now.shown_to(reader)
    part = Part(parse_month(period.text)) if len(period.text) == len("2022-11") else Part(None)
    verdicts, notes = bearing_on(now, part)
    bearing = {now.judged[index].position for index in verdicts}.union(notes)
    decided = None if decision is None or then is None else _decided_json(store, decision, then, reader)
    announced = announced_of(store, now, then if reader.sees_decisions else None, period.text)
    difference = None if then is None else difference_of(announced.later_than(then), now)
    for told in (announced.difference, difference):
        bearing |= {item.position for _, moved in (told.steps if told else ()) for item in moved}
    found = {
        "subject": subject,
        "scheme": scheme,
        "period": period.text,
        "program": PROGRAM_VERSION,
        "ledger": _ledger_json(store, now.moment),
        "level_names": now.level_names(language),
        **announced.json(),
        **({"decided": decided} if reader.sees_decisions else {}),
        "now": explain_json(now, part, language),
        **({"difference": difference and difference_json(difference)} if reader.sees_decisions else {}),
        "events": _events(store, now, bearing, reader),
    }
    return Appeal(found, now)


def _ledger_json(store: Store, moment: Moment) -> dict[str, Any]:
    """Which ledger, and its head when the file was made; of evidence the chain is not known, and empty."""
    chain = chain_at(store, moment.position)
    return {
        "id": store.identity.id,
        "position": moment.position,
        "known_at": shanghai_text(moment.known_at),
        "chain": (chain or b"").hex(),
    }


def _decision(
    store: Store, subject: str, scheme: str, period: str, run: str | None, reader: Reader
) -> tuple[LevelDecided | None, Moment | None]:
    if run is None and not reader.sees_decisions:
        return None, None
    if run is None:
        return decision_on(store, subject, scheme, period, reader) or (None, None)
    named = [decision for _, decision in decided_events(store, subject, reader) if decision.run == run]
    if not named or (named[-1].scheme, named[-1].period) != (scheme, period):
        raise UsageError(
            f"the run {run} decided nothing of {subject} for {period}; 'levelbook decided {subject}' lists runs"
        )
    return named[-1], moment_of(named[-1])


def _now(store: Store, judging: type[Replay], subject: str, period: Period) -> Replay:
    head = store.head()
    moment = Moment(period.as_of, head.recorded_at, head.position)
    return replay_of(lent(store), judging, subject, moment, choose(store, judging, moment))


def _decided_json(store: Store, decision: LevelDecided, then: Replay, reader: Reader) -> dict[str, Any]:
    made = decided_events(store, then.subject, reader)
    position = next(position for position, each in made if each == decision)
    return {
        "run": decision.run,
        "decided_at": shanghai_text(event_at(store, position).recorded_at),
        "position_of_decision": position,
        "period": decision.period,
        "state": decision.state,
        "level": decision.level,
        "score": decision.score,
        "policy": decision.policy,
        "policy_hash": decision.policy_hash,
        "as_of": shanghai_text(then.moment.as_of),
        "known_at": shanghai_text(then.moment.known_at),
        "position": decision.position,
        **({"points": points_text(decision.score or 0)} if then.has_points else {}),
        "outcome": outcome_of(store, decision, _at_its_own_moment(store, decision, then)),
    }


def _at_its_own_moment(store: Store, decision: LevelDecided, then: Replay) -> Replay:
    """The replay that a decision was made by: of a daily scheme it may be one of an earlier day."""
    return then if then.moment == moment_of(decision) else as_decided(store, then.subject, decision)


def _events(store: Store, now: Replay, bearing: set[int], reader: Reader) -> list[dict[str, Any]]:
    """The records that bear on the level, whole, with their hashes: also those of the same orders and violations, which
    have no verdict of their own, and what retracts them.
    """
    positions = bearing | now.beside(bearing)
    moment = now.moment._replace(as_of=max(now.moment.as_of, store.now()))
    subjects = sorted({now.events[position].originator_id for position in positions})
    listed = (item for subject in subjects for item in events_at(store, subject, positions, moment, reader))
    return sorted(listed, key=lambda item: item["position"])
