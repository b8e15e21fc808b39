"""The audit: each decision replayed at its own `as_of`, position and policy, and what became of it since.

The digests distinguish other facts from other arithmetic; beside each decision stands how it comes out as known
now, split by cause; and every announced level that is neither decided nor replayed so.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from domain.calendar import parse_day, parse_month, shanghai_text
from domain.events import BoardDecided, LevelAnnounced, LevelDecided
from replay.answers.board import board_decisions, board_rows
from replay.answers.diff import difference_of, moved_json
from replay.decisions.decide import decided_events, decision_on, moment_of, period_of
from replay.decisions.digests import digests_of
from replay.errors import UsageError
from replay.history.browse import list_subjects
from replay.history.readers import EVERYTHING_SHOWN
from replay.history.timeline import Moment, events_of, has_subject, retracted_positions
from replay.rendering.facet import standing_json
from replay.replaying.base import Policies, Replay
from replay.replaying.values import Standing
from replay.schemes.registry import LEADERBOARD, SCHEMES, adopted_then, choose, lent, ranking, replay_of, scheme_of
from replay.store.base import Store
from replay.store.queries import chain_at

REPRODUCED: Final = "reproduced"
OTHER_FACTS: Final = "other_facts"
OTHER_ARITHMETIC: Final = "other_arithmetic"
OTHER_POLICY: Final = "other_policy"


class Selection(NamedTuple):
    """What to audit: None for all."""

    scheme: str | None = None
    period: str | None = None
    subject: str | None = None


def audit_json(store: Store, selection: Selection, progress: Callable[[int], None] = lambda _: None) -> dict[str, Any]:
    """Every decision of a selection audited, and every announced level held against it."""
    if selection.scheme is not None and ranking(selection.scheme) is None:
        scheme_of(selection.scheme)
    if selection.subject is not None and not has_subject(store, selection.subject):
        raise UsageError(f"the ledger knows no {selection.subject}; 'levelbook subjects' lists the subjects")
    decisions: list[dict[str, Any]] = []
    announced: list[dict[str, Any]] = []
    for number, subject in enumerate(_subjects(store, selection), 1):
        decisions += (_audited(store, subject, *found) for found in _decisions(store, subject, selection))
        announced += _announced(store, subject, selection)
        progress(number)
    boards = list(_boards(store, selection))
    return {
        "audited": len(decisions) + len(boards),
        "reproduced": sum(item["outcome"] == REPRODUCED for item in (*decisions, *boards)),
        "decisions": decisions,
        "boards": boards,
        "announced": announced,
    }


def _boards(store: Store, selection: Selection) -> Iterator[dict[str, Any]]:
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
            found = board_rows(store, decision.period, moment, adopted_then(store, ranked_by.replay, moment))
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


def _decisions(store: Store, subject: str, selection: Selection) -> Iterator[tuple[int, LevelDecided]]:
    for position, decision in decided_events(store, subject, EVERYTHING_SHOWN):
        if selection.scheme in (None, decision.scheme) and selection.period in (None, decision.period):
            yield position, decision


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


def _audited(store: Store, subject: str, position: int, decision: LevelDecided) -> dict[str, Any]:
    then = as_decided(store, subject, decision)
    outcome = outcome_of(store, decision, then)
    now = as_known_now(store, then)
    return {
        "subject": subject,
        "scheme": decision.scheme,
        "period": decision.period,
        "run": decision.run,
        "position_of_decision": position,
        "outcome": outcome,
        "decided": {"state": decision.state, "level": decision.level, "score": decision.score},
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


def _announced(store: Store, subject: str, selection: Selection) -> Iterator[dict[str, Any]]:
    """The announced levels that are neither decided nor replayed so; what was retracted was never announced."""
    known = list(events_of(store, subject, store.head().position))
    retracted = retracted_positions(known)
    for event in known:
        if event.type != "level.announced" or event.position in retracted:
            continue
        announced: LevelAnnounced = event.data
        if selection.scheme not in (None, announced.scheme) or selection.period not in (None, announced.period):
            continue
        decision = decision_on(store, subject, announced.scheme, announced.period, EVERYTHING_SHOWN)
        if decision is not None and decision[0].level == announced.level:
            continue
        replayed = _standing_now(store, subject, announced)
        if replayed is None or replayed.level != announced.level:
            yield {
                "subject": subject,
                "scheme": announced.scheme,
                "period": announced.period,
                "announced": announced.level,
                "announced_at": shanghai_text(event.occurred_at),
                "decided": None if decision is None else decision[0].level,
                "can_be_replayed": replayed is not None,
                "replayed": replayed and replayed.level,
            }


def _standing_now(store: Store, subject: str, announced: LevelAnnounced) -> Standing | None:
    """Where a replay of the announced period ends, as known now; None where there is no such period of that scheme."""
    scheme = scheme_of(announced.scheme)
    judging = scheme.replay
    if not subject.startswith(f"{scheme.kind}/"):
        return None
    try:
        as_of = period_of(store, announced.scheme, *_parsed(announced.period)).as_of
    except (UsageError, ValueError):  # not due, or of the last year of the calendar
        return None
    head = store.head()
    moment = Moment(as_of, head.recorded_at, head.position)
    return replay_of(lent(store), judging, subject, moment, choose(store, judging, moment)).standing()


def _parsed(period: str) -> tuple[int | None, int | None]:
    return (parse_month(period), None) if len(period) == len("2022-11") else (None, parse_day(period))
