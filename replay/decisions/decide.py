"""Decisions: a run fixes one scheme's levels for one period, and can be resumed with its own values (RULEBOOK §0).

First the policies that it uses are adopted, then the run itself is recorded with its `as_of`, `known_at` and position;
all that follows is computed from these, so that a killed run goes on as if nothing had happened.
"""

import secrets
from collections.abc import Callable, Sequence
from itertools import islice
from operator import itemgetter
from typing import Any, Final, NamedTuple

import msgspec
from eventsourcing.persistence import IntegrityError

from domain.calendar import (
    LEDGER_START,
    instant_text,
    parse_instant,
    shanghai_text,
)
from domain.events import BoardDecided, DecisionsRun, Event, LevelDecided
from domain.policy import Policy, start_of_month, term_at, terms_of
from replay.answers.board import board_rows
from replay.decisions.adopt import adopt_all
from replay.decisions.application import Ledger
from replay.decisions.digests import DIGEST_V, facts_of
from replay.decisions.outcomes import outcomes
from replay.errors import StoreError, UsageError
from replay.history.browse import list_subjects
from replay.history.readers import Reader
from replay.history.timeline import Moment, decisions_on, has_subject
from replay.objects.naming import FilesPlace
from replay.recording.own import check_reason, own_source
from replay.replaying.outcomes import SubjectOutcome
from replay.replaying.periods import Period
from replay.schemes.registry import (
    Scheme,
    adopted_then,
    check_holds_all,
    check_whole,
    choose,
    ranking,
    scheme_of,
    schemes_of,
)
from replay.store.base.store import Store
from replay.store.reading.asked import EVERYTHING

DECISIONS_AT_ONCE: Final = 1_000
"""So many are recorded in one transaction."""
LOOKED_AT: Final = 100
"""Among so many subjects the one is sought that is judged before a run begins."""
TRIES: Final = 5
Progress = Callable[[int], None]
"""Called with how many subjects were looked at."""


class RunOutcome(NamedTuple):
    """What a run has done."""

    run: DecisionsRun
    decided: int
    resumed: bool
    already_finished: bool


class _Target(NamedTuple):
    """What a run decides: the levels of a scheme, or the boards that are ranked by it."""

    scheme: Scheme
    decide: "Callable[[Ledger, DecisionsRun, Scheme, Progress, FilesPlace | None], int]"


def _target(name: str) -> _Target:
    """What a run of a name decides. Raises UsageError where there is no such scheme or board."""
    ranked_by = ranking(name)
    return _Target(scheme_of(name), _decide_all) if ranked_by is None else _Target(ranked_by, _decide_boards)


def subjects_of(store: Store, name: str) -> int:
    """How many subjects a run of a scheme, or of boards, looks at."""
    return sum(1 for _ in list_subjects(store, _target(name).scheme.kind))


_PERIODS: Final = {"month": "2022-11", "day": "2022-11-05"}


def period_of(store: Store, name: str, month: int | None, day: int | None) -> Period:
    """A period of a scheme, or of boards, under the policy that judges it.

    Raises UsageError for a month of a daily scheme, a day of a monthly one, and a period that is not due yet;
    LevelbookError for a scheme that is not whole.
    """
    scheme = _target(name).scheme
    check_whole(scheme)
    unit, asked = scheme.periods.unit, {"month": month, "day": day}
    number = asked[unit]
    if number is None:
        raise UsageError(f"{name} is decided by the {unit}; give a period such as {_PERIODS[unit]}")
    head = store.head()

    def policy_at(begins: int, last: int) -> Policy:
        own = choose(store, scheme.replay, Moment(last, head.recorded_at, head.position)).own
        return term_at(terms_of(own, start_of_month), begins).policy

    found = scheme.periods.period(number, policy_at)
    if found.begins < LEDGER_START:
        raise UsageError(f"{found.text} is before 2020-06-01, when levels begin")
    if found.due > store.now():
        raise UsageError(f"{found.text} of {name} is not due before {shanghai_text(found.due)}; decide it then")
    return found


def decide(
    store: Store,
    name: str,
    period: Period,
    again: str | None = None,
    progress: Progress = lambda _: None,
    *,
    clock_behind: bool = False,
    segments: FilesPlace | None = None,
) -> RunOutcome:
    """Decide a period of a scheme, or of boards: begin a run, or resume one that was killed.

    `again` is the reason of a further run.

    `clock_behind` goes on although the last record bears a later time than the clock. `segments` is where sealed
    segments lie, if not beside the store.

    Raises UsageError for a reason without a run before it, LevelbookError for a scheme that is not whole, and
    StoreError when streams move on too fast.
    """
    if again is not None:
        check_reason(again)
    try:
        return _decide(Ledger(store, clock_behind=clock_behind), name, period, again, progress, segments)
    except IntegrityError:
        raise StoreError("another run is deciding at the same time; decide again: it resumes, or reports") from None


def _decide(
    ledger: Ledger, name: str, period: Period, again: str | None, progress: Progress, segments: FilesPlace | None
) -> RunOutcome:
    store, target = ledger.store, _target(name)
    check_whole(target.scheme)
    check_holds_all(store, target.scheme)
    book = ledger.decision_book()
    begun = book.latest(name, period.text)
    finished = begun is not None and begun.run in book.finished
    if begun is not None and finished and again is None:
        return RunOutcome(begun, book.finished[begun.run], resumed=False, already_finished=True)
    if begun is None and again is not None:
        raise UsageError(f"--again asks for a further run, but {period.text} of {name} has none before it")
    # A further run may also be asked for when the last one cannot be finished: what that decided stands until then.
    resumed = begun is not None and not finished and again in (None, begun.reason)
    run = begun if begun is not None and resumed else _begin(ledger, name, target.scheme, period, again, begun)
    decided = target.decide(ledger, run, target.scheme, progress, segments)
    book = ledger.decision_book()
    if run.run not in book.finished:  # another process may have resumed the same run, and finished it first
        done = msgspec.structs.replace(run, phase="finished", decided=decided)
        book.record(done, source=own_source(store), at=store.now())
        ledger.save(book)
    return RunOutcome(run, decided, resumed=resumed, already_finished=False)


def _begin(
    ledger: Ledger, name: str, scheme: Scheme, period: Period, again: str | None, before: DecisionsRun | None
) -> DecisionsRun:
    """Adopt what the run will use, then record the run with all that it decides by.

    Raises IntegrityError where another process has begun one after the last one `before` it.
    """
    store, judging = ledger.store, scheme.replay
    head = store.head()
    if head.position == 0:
        raise UsageError(f"{store.name} holds no record; there is nothing to decide")
    moment = Moment(period.as_of, head.recorded_at, head.position)
    policies = choose(store, judging, moment)
    # What cannot judge one must not begin a run that never ends: of some, the one of whom least is known.
    smallest = min(islice(list_subjects(store, scheme.kind), LOOKED_AT), key=itemgetter("events"), default=None)
    if smallest is not None:
        subject = smallest["subject"]
        judging(subject, judging.load(store, subject, head.position), moment, policies).standing()
    adopt_all(ledger, (*policies.own, *policies.beside))
    head = store.head()
    book = ledger.decision_book()
    if book.latest(name, period.text) != before:
        raise IntegrityError(f"a run of {name} for {period.text} was begun meanwhile")
    run = DecisionsRun(
        as_of=instant_text(period.as_of),
        chain=head.chain.hex(),
        decided=None,
        known_at=instant_text(head.recorded_at),
        period=period.text,
        phase="begun",
        position=head.position,
        reason=again,
        run=f"run-{secrets.token_hex(8)}",
        scheme=name,
    )
    book.record(run, source=own_source(store), at=store.now())
    ledger.save(book)
    return run


def moment_of(run: DecisionsRun | LevelDecided | BoardDecided) -> Moment:
    """The moment that a run or decision names."""
    return Moment(parse_instant(run.as_of), parse_instant(run.known_at), run.position)


def _decide_all(
    ledger: Ledger, run: DecisionsRun, scheme: Scheme, progress: Progress, segments: FilesPlace | None
) -> int:
    store, moment = ledger.store, moment_of(run)
    policies = adopted_then(store, scheme.replay, moment)
    decided = done = 0
    for found in outcomes(store, scheme, moment, policies, segments):
        for begin in range(0, len(found), DECISIONS_AT_ONCE):
            some = found[begin : begin + DECISIONS_AT_ONCE]
            decided += _save_some(ledger, run, scheme, some)
            done += len(some)
            progress(done)
    return decided


def _save_some(ledger: Ledger, run: DecisionsRun, scheme: Scheme, found: Sequence[SubjectOutcome]) -> int:
    """Append the decisions on some subjects in one transaction; again when a stream has moved on meanwhile."""
    store, by_subject = ledger.store, {outcome.subject: outcome for outcome in found}
    for _ in range(TRIES):
        aggregates = {
            aggregate.id: aggregate for aggregate in ledger.subjects(list(by_subject), run.scheme, run.period)
        }
        last = {subject: aggregate.last_up_to(run.scheme, run.period) for subject, aggregate in aggregates.items()}
        done = {subject for subject, decision in last.items() if decision is not None and decision.run == run.run}
        needed = [
            outcome
            for subject, outcome in by_subject.items()
            if subject not in done and _is_needed(scheme, outcome, last[subject])
        ]
        for subject, decision in decisions_of(store, run, needed).items():
            aggregates[subject].decide_level(decision, source=f"{own_source(store)}:{run.run}", decided_at=store.now())
        try:
            if needed:
                ledger.save(*(aggregates[outcome.subject] for outcome in needed))
            return len(done) + len(needed)
        except IntegrityError:
            continue
    raise StoreError(f"the streams of {run.scheme} move on faster than they are decided; decide again, it resumes")


def _is_needed(scheme: Scheme, outcome: SubjectOutcome, last: LevelDecided | None) -> bool:
    """A daily scheme decides what differs from the last decision; none decides what was never onboarded."""
    standing = outcome.standing
    if last is None:
        return standing.state not in scheme.undecided
    return scheme.periods.unit != "day" or (standing.state, standing.level) != (last.state, last.level)


def decisions_of(store: Store, run: DecisionsRun, found: Sequence[SubjectOutcome]) -> dict[str, LevelDecided]:
    """By subject, what a run decides: the level, and digests of the facts and findings that led to it."""
    facts = facts_of(store, run.scheme, found, run.position)
    return {outcome.subject: decision_of(run, outcome, digest) for outcome, digest in zip(found, facts, strict=True)}


def decision_of(run: DecisionsRun, outcome: SubjectOutcome, facts: str) -> LevelDecided:
    """What a run decides of a subject."""
    return LevelDecided(
        as_of=run.as_of,
        chain=run.chain,
        digest_v=DIGEST_V,
        facts=facts,
        findings=outcome.findings,
        known_at=run.known_at,
        level=outcome.standing.level,
        period=run.period,
        policy=outcome.policy.id,
        policy_hash=outcome.policy.hash,
        position=run.position,
        run=run.run,
        scheme=run.scheme,  # type: ignore[arg-type]
        score=outcome.score,
        state=outcome.standing.state,
    )


def _decide_boards(ledger: Ledger, run: DecisionsRun, scheme: Scheme, _: Progress, segments: FilesPlace | None) -> int:
    store, moment = ledger.store, moment_of(run)
    policies = adopted_then(store, scheme.replay, moment)
    boards = 0
    for code, policy, rows in board_rows(store, run.period, moment, policies, segments):
        board = ledger.board(code)
        decision = BoardDecided(
            as_of=run.as_of,
            board=code,
            chain=run.chain,
            known_at=run.known_at,
            period=run.period,
            policy=policy.id,
            policy_hash=policy.hash,
            position=run.position,
            rows=rows,
            run=run.run,
        )
        board.decide(decision, source=f"{own_source(store)}:{run.run}", at=store.now())
        ledger.save(board)
        boards += 1
    return boards


def decision_on(
    store: Store, subject: str, scheme: str, period: str, reader: Reader
) -> tuple[LevelDecided, Moment] | None:
    """As decided: the latest decision on a period, and the moment that its run knew.

    A daily scheme decides what differs: of a day whose run is finished, the last decision before it stands, as it was
    decided when that run was made.
    """
    found = [decision for _, decision in decided_events(store, subject, reader) if decision.scheme == scheme]
    exact = [decision for decision in found if decision.period == period]
    if exact:
        return exact[-1], moment_of(exact[-1])
    book = Ledger(store).decision_book()
    run = book.latest(scheme, period)
    if scheme_of(scheme).periods.unit != "day" or run is None or run.run not in book.finished:
        return None
    by_then = [decision for decision in found if decision.period < period and decision.position <= run.position]
    if not by_then:
        return None
    last = max(decision.period for decision in by_then)
    return [decision for decision in by_then if decision.period == last][-1], moment_of(run)


def decisions_json(store: Store, subject: str, scheme: str | None, reader: Reader) -> list[dict[str, Any]]:
    """Every decision on a subject, in the order in which they were made; which is the latest of its period.

    Raises UsageError for a scheme that there is not and a subject that the ledger does not know.
    """
    if scheme is not None:
        scheme_of(scheme)
    if not has_subject(store, subject):
        raise UsageError(f"the ledger knows no {subject}; 'levelbook subjects' lists the subjects")
    found = [event for event in _decision_events(store, subject, reader) if scheme in (None, event.data.scheme)]
    latest = {(event.data.scheme, event.data.period): event.position for event in found}
    return [
        _decision_json(event, as_decided=latest[event.data.scheme, event.data.period] == event.position)
        for event in found
    ]


def _decision_json(event: Event, *, as_decided: bool) -> dict[str, Any]:
    decision: LevelDecided = event.data
    return {
        "position_of_decision": event.position,
        "recorded_at": shanghai_text(event.recorded_at),
        "scheme": decision.scheme,
        "period": decision.period,
        "run": decision.run,
        "state": decision.state,
        "level": decision.level,
        "score": decision.score,
        "policy": decision.policy,
        "policy_hash": decision.policy_hash,
        "as_of": shanghai_text(parse_instant(decision.as_of)),
        "known_at": shanghai_text(parse_instant(decision.known_at)),
        "position": decision.position,
        "chain": decision.chain,
        "facts": decision.facts,
        "findings": decision.findings,
        "as_decided": as_decided,
    }


def decided_events(store: Store, subject: str, reader: Reader) -> list[tuple[int, LevelDecided]]:
    """The decisions in a subject's stream with their positions, in their order.

    Raises HiddenError for a reader who may not see them.
    """
    return [(event.position, event.data) for event in _decision_events(store, subject, reader)]


def _decision_events(store: Store, subject: str, reader: Reader) -> list[Event]:
    """The same as they were recorded, read by their index: a stream is never loaded whole."""
    reader.check("level.decided")
    found = [
        event
        for scheme in schemes_of(subject.partition("/")[0])
        for event in decisions_on(store, subject, scheme.code, EVERYTHING)
    ]
    return sorted(found, key=lambda event: event.position)
