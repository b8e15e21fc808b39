"""Decisions and audits in bulk: what compiled folds over columns come to is what plain replays come to."""

from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from domain.calendar import instant_text, parse_day, parse_month
from domain.events import DecisionsRun, LevelDecided
from domain.limits import DAY_MICROS
from replay.answers import board
from replay.columnar.ledger_columns import LedgerColumns
from replay.columnar.seal import seal
from replay.decisions import audit, decide, outcomes, unmoved
from replay.decisions.adopt import adopt_all
from replay.decisions.application import Ledger
from replay.decisions.bulk import outcomes_in_bulk
from replay.decisions.decide import decisions_of
from replay.decisions.digests import outcome_of
from replay.history.timeline import Moment
from replay.policies.catalog import shipped
from replay.replaying.outcomes import SubjectOutcome
from replay.schemes.registry import SCHEMES, Scheme, adopted_then
from replay.store.base.store import Store
from replay.store.queries import link_at
from tests.conftest import SOAK, by_turns
from tests.support.making import ingest_events
from tests.worlds.ledgers import BEGIN, World, revised

IN_BULK = [scheme for scheme in SCHEMES.values() if scheme.in_bulk]


@pytest.mark.slow
@pytest.mark.parametrize("scheme", IN_BULK, ids=[scheme.code for scheme in IN_BULK])
@pytest.mark.parametrize(("location", "seed"), by_turns(range(2 * SOAK)), indirect=["location"])
def test_decisions_in_bulk_are_those_of_plain_replays(seed: int, scheme: Scheme, store: Store, tmp_path: Path) -> None:
    """At random moments of a random ledger with a revision adopted in between, sealed to some position or not."""
    pick, world = Random(seed), World(seed)
    adopt_all(Ledger(store), [*shipped(scheme.code), *(item for code in scheme.rests_on for item in shipped(code))])
    for number in range(3):
        ingest_events(store, world.events(120), tmp_path)
        if number == 1:
            Ledger(store).adopt(revised(scheme.code, pick.randrange(9)))
        if pick.random() < 0.6:
            seal(store, tmp_path / "segments")
    seen: set[str] = set()
    for number in range(8):
        head = store.head().position
        position = pick.randrange(60, head + 1) if number % 2 else head
        moment = Moment(BEGIN + pick.randrange(312) * DAY_MICROS - pick.randrange(2), 0, position)
        decided = decided_by_both(store, scheme, moment, tmp_path / "segments")
        seen |= {decision.findings for decision in decided.values()}
    assert len(seen) > 8


def decided_by_both(store: Store, scheme: Scheme, moment: Moment, segments: Path) -> dict[str, LevelDecided]:
    policies = adopted_then(store, scheme.replay, moment)
    source = LedgerColumns(store, moment.position, segments)
    found = [item for some in outcomes_in_bulk(source, scheme, moment, policies) for item in some]
    assert len({item.subject for item in found}) == len(found) > 0
    judging = scheme.replay
    replays = [
        judging(item.subject, judging.load(store, item.subject, moment.position), moment, policies) for item in found
    ]
    decided = decisions_of(store, run_at(store, scheme, moment), found)
    assert decided == decisions_of(
        store, run_at(store, scheme, moment), [outcome_of(store, replay) for replay in replays]
    )
    return decided


def run_at(store: Store, scheme: Scheme, moment: Moment) -> DecisionsRun:
    link = link_at(store, moment.position)
    assert link is not None
    return DecisionsRun(
        as_of=instant_text(moment.as_of),
        chain=link.chain.hex(),
        decided=None,
        known_at=instant_text(link.recorded_at),
        period="2022-11",
        phase="begun",
        position=moment.position,
        reason=None,
        run="run-0",
        scheme=scheme.code,
    )


@pytest.mark.slow
@pytest.mark.parametrize("scheme", IN_BULK, ids=[scheme.code for scheme in IN_BULK])
def test_an_audit_in_bulk_says_what_single_replays_say(
    scheme: Scheme, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of decisions made in bulk, one of them wrong; after something was learned; and after a revision was adopted."""
    world = World(7)
    ingest_events(store, world.events(250), tmp_path)
    Ledger(store).adopt(revised(scheme.code, 1))
    right, made = decide.decision_of, 0

    def wrong_once(run: DecisionsRun, outcome: SubjectOutcome, facts: str) -> LevelDecided:
        nonlocal made
        made += 1
        return msgspec.structs.replace(right(run, outcome, facts), **({"score": 10**6} if made == 1 else {}))

    monkeypatch.setattr(decide, "decision_of", wrong_once)
    monkeypatch.setattr(outcomes, "are_many", lambda _: True)
    for name in ("2022-09", "2022-10", "2022-12", "2023-01", "2023-02"):
        month = (parse_month(name), None) if scheme.periods.unit == "month" else (None, parse_day(f"{name}-20"))
        decide.decide(store, scheme.code, decide.period_of(store, scheme.code, *month))
    assert made > 1
    at_once, found = audited_both_ways(store, monkeypatch)
    assert at_once > 0 and "other_arithmetic" in found
    ingest_events(store, [item for item in world.events(60) if item["subject"].endswith("-1")], tmp_path)
    assert audited_both_ways(store, monkeypatch)[0] <= at_once
    Ledger(store).adopt(revised(scheme.code, 2))
    assert audited_both_ways(store, monkeypatch)[0] == 0


def audited_both_ways(store: Store, monkeypatch: pytest.MonkeyPatch) -> tuple[int, list[str]]:
    """Of how many decisions no single replay was needed, and the outcomes, which are the same both ways."""
    folded: list[int] = []
    kept = unmoved.unmoved

    def counted(*asked: Any) -> dict[int, SubjectOutcome]:
        found = kept(*asked)
        folded.append(len(found))
        return found

    with monkeypatch.context() as patched:
        patched.setattr(audit, "unmoved", counted)
        singly = audit.audit_json(store, audit.Selection())
        patched.setattr(unmoved, "are_many", lambda _: True)
        assert audit.audit_json(store, audit.Selection()) == singly
    assert folded[0] == 0
    return folded[1], [item["outcome"] for item in singly["decisions"]]


@pytest.mark.slow
@pytest.mark.parametrize(("location", "seed"), by_turns(range(2 * SOAK)), indirect=["location"])
def test_boards_in_bulk_are_those_of_plain_replays(
    seed: int, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheme, world, ranked_agencies = SCHEMES["mcn-level"], World(seed), 0
    ingest_events(store, world.events(400), tmp_path)
    adopt_all(Ledger(store), [*shipped("creator-level"), *shipped(scheme.code)])
    Ledger(store).adopt(revised(scheme.code, seed))
    for name in ("2022-11", "2023-01", "2023-03", "2023-05"):
        period = decide.period_of(store, "leaderboard", parse_month(name), None)
        moment = Moment(period.as_of, 0, store.head().position)
        policies = adopted_then(store, scheme.replay, moment)
        plain = board.board_rows(store, name, moment, policies)
        with monkeypatch.context() as patched:
            patched.setattr(board, "are_many", lambda _: True)
            assert board.board_rows(store, name, moment, policies) == plain
        ranked_agencies += sum(len(rows) for _, _, rows in plain)
    assert ranked_agencies > 0
