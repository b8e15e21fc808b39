"""The audit: each decision replayed at its own `as_of`, position and policy, and what became of it since.

The digests distinguish other facts from other arithmetic; beside each decision stands how it comes out as known
now, split by cause; and every announced level that is neither decided nor replayed so.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from domain.calendar import parse_day, parse_month, shanghai_text
from domain.events import BoardDecided, Event, LevelAnnounced, LevelDecided
from replay.answers.board import board_decisions, board_rows
from replay.answers.diff import STEPS, difference_of, moved_json
from replay.decisions.announced import when_announced
from replay.decisions.decide import decision_on, moment_of, period_of
from replay.decisions.digests import digests_of
from replay.decisions.unmoved import DecisionAt, unmoved
from replay.errors import UsageError
from replay.history.browse import is_retracted, list_subjects
from replay.history.readers import EVERYTHING_SHOWN
from replay.history.timeline import ANNOUNCED, Moment, decisions_on_many, has_subject
from replay.objects.naming import FilesPlace
from replay.rendering.facet import standing_json
from replay.replaying.base import Policies, Replay
from replay.replaying.outcomes import SubjectOutcome
from replay.replaying.values import Standing
from replay.schemes.registry import LEADERBOARD, SCHEMES, adopted_then, choose, ranking, scheme_of
from replay.schemes.replaying import lent, replay_of
from replay.store.base.store import Store
from replay.store.decode import read_record
from replay.store.queries import all_rows_of_type, chain_at, rows_of_types, tally
from replay.store.reading.row import Row

REPRODUCED: Final = "reproduced"
OTHER_FACTS: Final = "other_facts"
OTHER_ARITHMETIC: Final = "other_arithmetic"
OTHER_POLICY: Final = "other_policy"


class Selection(NamedTuple):
    """What to audit: None for all."""

    scheme: str | None = None
    period: str | None = None
    subject: str | None = None


def audit_json(
    store: Store,
    selection: Selection,
    progress: Callable[[int], None] = lambda _: None,
    segments: FilesPlace | None = None,
) -> dict[str, Any]:
    """Every decision of a selection audited, and every announced level held against it.

    `segments` is where sealed segments lie, if not beside the store.
    """
    if selection.scheme is not None and ranking(selection.scheme) is None:
        scheme_of(selection.scheme)
    if selection.subject is not None and not has_subject(store, selection.subject):
        raise UsageError(f"the ledger knows no {selection.subject}; 'levelbook subjects' lists the subjects")
    subjects = list(_subjects(store, selection))
    decided = _decisions(store, subjects, selection)
    still = unmoved(store, decided, segments)
    decisions: list[dict[str, Any]] = []
    for number, item in enumerate(decided, 1):
        outcome = still.get(item.position)
        decisions.append(audited(store, item) if outcome is None else _unmoved_json(item, outcome))
        progress(number)
    announced = list(_announced(store, subjects, selection))
    boards = list(_boards(store, selection, segments))
    return {
        "audited": len(decisions) + len(boards),
        "reproduced": sum(item["outcome"] == REPRODUCED for item in (*decisions, *boards)),
        "decisions": decisions,
        "boards": boards,
        "announced": announced,
    }


def _boards(store: Store, selection: Selection, segments: FilesPlace | None) -> Iterator[dict[str, Any]]:
    """The decided boards, each ranked again as its run knew the agencies."""
    ranked_by = ranking(selection.scheme or LEADERBOARD)
    if ranked_by is None:
        return
    for item in list_subjects(store, "board"):
        subject = item["subject"]
        if selection.subject not in (None, subject):
            continue
        for decision in board_decisions(store, subject.partition("/")[2], EVERYTHING_SHOWN):
            if selection.period not in (None, decision.period):
                continue
            moment = moment_of(decision)
            found = board_rows(store, decision.period, moment, adopted_then(store, ranked_by.replay, moment), segments)
            rows = {code: rows for code, _, rows in found}.get(decision.board)
            same = rows == decision.rows
            yield {
                "board": decision.board,
                "period": decision.period,
                "run": decision.run,
                "outcome": REPRODUCED if same else OTHER_ARITHMETIC if _has_chain(store, decision) else OTHER_FACTS,
            }


def _has_chain(store: Store, decision: LevelDecided | BoardDecided) -> bool:
    """Whether the ledger up to the decision's position is the one that it rests on."""
    chain = chain_at(store, decision.position)
    return chain is not None and chain.hex() == decision.chain


def _subjects(store: Store, selection: Selection) -> Iterator[str]:
    if selection.subject is not None:
        yield selection.subject
        return
    for kind in dict.fromkeys(item.kind for item in SCHEMES.values() if selection.scheme in (None, item.code)):
        for item in list_subjects(store, kind):
            yield item["subject"]


def _decisions(store: Store, subjects: list[str], selection: Selection) -> list[DecisionAt]:
    """Those on some subjects, by subject in the order given, and then as they were made."""
    places = {subject: place for place, subject in enumerate(subjects)}
    found = [
        DecisionAt(event.originator_id, event.position, event.data)
        for scheme in SCHEMES.values()
        if selection.scheme in (None, scheme.code)
        for event in decisions_on_many(store, subjects, scheme.code, selection.period)
    ]
    return sorted(found, key=lambda item: (places[item.subject], item.position))


def as_decided(store: Store, subject: str, decision: LevelDecided, moment: Moment | None = None) -> Replay:
    """A decision replayed at its own `as_of`, position and adopted policies, or at another run's moment."""
    judging = scheme_of(decision.scheme).replay
    moment = moment or moment_of(decision)
    policies = adopted_then(store, judging, moment)
    return replay_of(lent(store), judging, subject, moment, policies)


def as_known_now(store: Store, then: Replay) -> Replay:
    """The same `as_of` with everything that is known now, under the policies that count now."""
    head = store.head()
    moment = Moment(then.moment.as_of, head.recorded_at, head.position)
    judging = scheme_of(then.scheme).replay
    policies: Policies = choose(store, judging, moment)._replace(previewed=())
    return replay_of(lent(store), judging, then.subject, moment, policies)


def _decided_json(item: DecisionAt, outcome: str) -> dict[str, Any]:
    decision = item.decision
    return {
        "subject": item.subject,
        "scheme": decision.scheme,
        "period": decision.period,
        "run": decision.run,
        "position_of_decision": item.position,
        "outcome": outcome,
        "decided": {"state": decision.state, "level": decision.level, "score": decision.score},
    }


def _unmoved_json(item: DecisionAt, outcome: SubjectOutcome) -> dict[str, Any]:
    """A decision that comes out again, and now: what `audited` says of it."""
    standing = standing_json(outcome.standing)
    nothing = moved_json(scheme_of(item.decision.scheme).replay, 0)
    return {
        **_decided_json(item, REPRODUCED),
        "replayed": {**standing, "score": outcome.score},
        "digests": None,
        "now": {**standing, "score": outcome.score},
        "restated": False,
        "since": [{"step": step, "points": nothing, "after": standing, "events": 0} for step in STEPS],
    }


def audited(store: Store, item: DecisionAt) -> dict[str, Any]:
    """A decision replayed as its run knew the ledger, and how it comes out now."""
    decision = item.decision
    then = as_decided(store, item.subject, decision)
    outcome = outcome_of(store, decision, then)
    now = as_known_now(store, then)
    return {
        **_decided_json(item, outcome),
        "replayed": {**standing_json(then.standing()), "score": then.score},
        "digests": _digests(store, decision, then) if outcome != REPRODUCED else None,
        "now": {**standing_json(now.standing()), "score": now.score},
        "restated": now.standing() != then.standing(),
        "since": [
            {
                "step": step.name,
                "points": moved_json(step.before, step.tenths),
                "after": standing_json(step.after.standing()),
                "events": len(moved),
            }
            for step, moved in difference_of(then, now).steps
        ],
    }


def outcome_of(store: Store, decision: LevelDecided, then: Replay) -> str:
    """Whether a decision comes out again, and if not, whether policy, facts or arithmetic are others."""
    if (decision.policy, decision.policy_hash) != (then.policy.id, then.policy.hash):
        return OTHER_POLICY
    digests = digests_of(store, decision, then)
    if not _has_chain(store, decision) or digests.facts != decision.facts:
        return OTHER_FACTS
    standing = then.standing()
    same = (decision.state, decision.level, decision.score) == (standing.state, standing.level, then.score)
    return REPRODUCED if same and digests.findings == decision.findings else OTHER_ARITHMETIC


def _digests(store: Store, decision: LevelDecided, then: Replay) -> dict[str, Any]:
    """What was sealed beside what comes out. A decision keeps digests and not its verdicts, so the verdict that differs
    cannot be named from it; state, level and score of both sides stand beside this.
    """
    return {
        "decided": {"facts": decision.facts, "findings": decision.findings},
        "replayed": digests_of(store, decision, then)._asdict(),
    }


def _announced(store: Store, subjects: list[str], selection: Selection) -> Iterator[dict[str, Any]]:
    """The announced levels that are neither decided nor replayed so; what was retracted was never announced."""
    for row in _announcements(store, subjects, selection):
        event = read_record(row.type, row.record)
        announced: LevelAnnounced = event.data
        if selection.scheme not in (None, announced.scheme) or selection.period not in (None, announced.period):
            continue
        if is_retracted(store, row):
            continue
        subject = row.stream
        decision = decision_on(store, subject, announced.scheme, announced.period, EVERYTHING_SHOWN)
        if decision is not None and decision[0].level == announced.level:
            continue
        replayed = _standing_now(store, subject, announced)
        if replayed is None or replayed.level != announced.level:
            known = _standing_then(store, event)
            yield {
                "subject": subject,
                "scheme": announced.scheme,
                "period": announced.period,
                "announced": announced.level,
                "announced_at": shanghai_text(event.occurred_at),
                "decided": None if decision is None else decision[0].level,
                "decided_state": None if decision is None else decision[0].state,
                "can_be_replayed": replayed is not None,
                "replayed": replayed and replayed.level,
                "replayed_state": replayed and replayed.state,
                "as_known_then": known and standing_json(known),
            }


def _announcements(store: Store, subjects: list[str], selection: Selection) -> list[Row]:
    """Their records, by subject in the order given; the tally says whether the ledger need be walked through."""
    if not tally(store).get(ANNOUNCED):
        return []
    head = store.head().position
    if selection.subject is not None:
        return list(rows_of_types(store, selection.subject, (ANNOUNCED,), head))
    places = {subject: place for place, subject in enumerate(subjects)}
    rows = [row for row in all_rows_of_type(store, ANNOUNCED, head) if row.stream in places]
    return sorted(rows, key=lambda row: (places[row.stream], row.position))


def _standing_now(store: Store, subject: str, announced: LevelAnnounced) -> Standing | None:
    """Where a replay of the announced period ends, as known now; None where there is no such period of that scheme."""
    scheme = scheme_of(announced.scheme)
    judging = scheme.replay
    if not subject.startswith(f"{scheme.kind}/"):
        return None
    as_of = as_of_announced(store, announced)
    if as_of is None:
        return None
    head = store.head()
    moment = Moment(as_of, head.recorded_at, head.position)
    return replay_of(lent(store), judging, subject, moment, choose(store, judging, moment)).standing()


def _standing_then(store: Store, event: Event) -> Standing | None:
    """The same by what was known when it was announced; None where the period cannot be replayed."""
    announced: LevelAnnounced = event.data
    as_of = as_of_announced(store, announced)
    if as_of is None or not event.originator_id.startswith(f"{scheme_of(announced.scheme).kind}/"):
        return None
    announcement = (event.recorded_at, event.position)
    return when_announced(store, announced.scheme, event.originator_id, as_of, announcement).standing()


def as_of_announced(store: Store, announced: LevelAnnounced) -> int | None:
    """As of when the period is decided that an announcement names; None where there is no such period of its scheme."""
    return as_of_named(store, announced.scheme, announced.period)


def as_of_named(store: Store, scheme: str, period: str) -> int | None:
    """As of when a period is decided, by its text; None where the scheme has no such period yet."""
    try:
        return period_of(store, scheme, *_parsed(period)).as_of
    except (UsageError, ValueError):  # not due, or of the last year of the calendar
        return None


def _parsed(period: str) -> tuple[int | None, int | None]:
    return (parse_month(period), None) if len(period) == len("2022-11") else (None, parse_day(period))
