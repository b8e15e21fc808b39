"""Which decisions come out again and would come out so now, of many at once: a fold for each run, and no replay.

Of what this says nothing, a single replay says what differs.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cache, partial
from typing import Final, NamedTuple

from domain.events import NEVER_READ, LevelDecided
from domain.keys import stream_key
from replay.columnar.size import are_many
from replay.decisions.decide import moment_of
from replay.decisions.digests import DIGEST_V, facts_of
from replay.history.browse import list_subjects
from replay.history.timeline import Moment
from replay.objects.naming import FilesPlace
from replay.replaying.base import Policies
from replay.replaying.outcomes import SubjectOutcome
from replay.schemes.registry import Scheme, adopted_then, choose, records_of, scheme_of
from replay.store.base.store import Store
from replay.store.key_chains import key_states
from replay.store.queries import chain_at, streams_behind

FACTS_AT_ONCE: Final = 1_000
"""Of so many outcomes the facts are asked for together."""


class DecisionAt(NamedTuple):
    """A decision and where it stands."""

    subject: str
    position: int
    decision: LevelDecided


_Run = tuple[str, str, str, str, int, str, str]
"""What all decisions of a run have in common."""


def unmoved(
    store: Store, decided: Sequence[DecisionAt], segments: FilesPlace | None = None
) -> dict[int, SubjectOutcome]:
    """By the position of a decision, what it comes to: of those that come out again, of which nothing that a rule reads
    was learned since, and of which the same policies count now.

    Only of runs whose decisions are worth a fold. `segments` is where sealed segments lie, if not beside the store.
    """
    if store.held is not None:
        return {}  # a fold reads the whole ledger
    runs: dict[_Run, list[DecisionAt]] = defaultdict(list)
    for item in decided:
        runs[_run_of(item.decision)].append(item)
    found: dict[int, SubjectOutcome] = {}
    share = cache(partial(_records_each, store))
    for items in runs.values():
        scheme = scheme_of(items[0].decision.scheme)
        if scheme.in_bulk and items[0].decision.digest_v == DIGEST_V and are_many(share(scheme) * len(items)):
            found |= _of_run(store, scheme, items, segments)
    return found


def _records_each(store: Store, scheme: Scheme) -> int:
    """On how many records a single replay rests, on the average."""
    return records_of(store, scheme) // max(1, sum(1 for _ in list_subjects(store, scheme.kind)))


def _run_of(decision: LevelDecided) -> _Run:
    return (
        decision.run,
        decision.scheme,
        decision.as_of,
        decision.known_at,
        decision.position,
        decision.chain,
        str(decision.digest_v),
    )


def _of_run(
    store: Store, scheme: Scheme, items: list[DecisionAt], segments: FilesPlace | None
) -> dict[int, SubjectOutcome]:
    from replay.columnar.ledger_columns import LedgerColumns
    from replay.decisions.bulk import outcomes_in_bulk

    first = items[0].decision
    moment = moment_of(first)
    policies = adopted_then(store, scheme.replay, moment)
    chain = chain_at(store, moment.position)
    if chain is None or chain.hex() != first.chain or not _count_now(store, scheme, policies, moment):
        return {}
    moved = {stream_key(stream) for stream in streams_behind(store, moment.position, NEVER_READ)}
    wanted = {item.subject: item for item in items}
    found: dict[int, SubjectOutcome] = {}
    for some in outcomes_in_bulk(LedgerColumns(store, moment.position, segments), scheme, moment, policies):
        outcomes = _still(store, moment, moved, [outcome for outcome in some if outcome.subject in wanted])
        for outcome, facts in _with_facts(store, scheme, outcomes, moment.position):
            item = wanted[outcome.subject]
            if _is_reproduced(item.decision, outcome, facts):
                found[item.position] = outcome
    return found


def _still(store: Store, moment: Moment, moved: set[str], outcomes: list[SubjectOutcome]) -> list[SubjectOutcome]:
    """Those with none of whose keys anything was learned since, in streams that is what some rule reads."""
    of_streams = stream_key("")
    others = {key for outcome in outcomes for key in outcome.keys if not key.startswith(of_streams)}
    then, now = (key_states(store, others, position) for position in (moment.position, store.head().position))
    moved = moved | {key for key in others if then[key] != now[key]}
    return [outcome for outcome in outcomes if moved.isdisjoint(outcome.keys)]


def _count_now(store: Store, scheme: Scheme, policies: Policies, moment: Moment) -> bool:
    """Whether the policies that counted then are those that count at the same `as_of` now."""
    head = store.head()
    now = choose(store, scheme.replay, Moment(moment.as_of, head.recorded_at, head.position))
    return _hashes(policies) == _hashes(now)


def _hashes(policies: Policies) -> list[str]:
    return [policy.hash for policy in (*policies.own, *policies.beside)]


def _with_facts(
    store: Store, scheme: Scheme, outcomes: list[SubjectOutcome], position: int
) -> Iterator[tuple[SubjectOutcome, str]]:
    for begin in range(0, len(outcomes), FACTS_AT_ONCE):
        some = outcomes[begin : begin + FACTS_AT_ONCE]
        yield from zip(some, facts_of(store, scheme.code, some, position), strict=True)


def _is_reproduced(decision: LevelDecided, outcome: SubjectOutcome, facts: str) -> bool:
    standing, policy = outcome.standing, outcome.policy
    return (decision.policy, decision.policy_hash, decision.facts, decision.findings) == (
        policy.id,
        policy.hash,
        facts,
        outcome.findings,
    ) and (decision.state, decision.level, decision.score) == (standing.state, standing.level, outcome.score)
