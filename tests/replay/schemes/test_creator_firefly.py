"""Firefly levels: random histories against the independent oracle, plain and compiled, and laws.

The oracle (tests/oracles/creator_firefly.py) is slow and was written from RULEBOOK §0 and §7 alone.
"""

from collections import Counter
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import given, settings

from domain.calendar import month_of, month_start, month_text, parse_month
from domain.creator_firefly.account import months, spans_of
from domain.creator_firefly.facts import run_of
from domain.creator_firefly.rule import State, Verdict
from domain.events import Event
from domain.policy import start_of_month, terms_of
from replay.columnar.columns import WHATS
from replay.history.timeline import Moment, taking_part
from replay.replaying.base import Part, Policies
from replay.replaying.verdicts import judged_of
from replay.schemes.creator_firefly.fold import BY_POLICY, fold_firefly
from replay.schemes.creator_firefly.folded import firefly_of
from replay.schemes.creator_firefly.replay import FireflyReplay
from replay.schemes.registry import SCHEMES, answer_of
from tests.conftest import SOAK
from tests.oracles.creator_firefly import decided, firefly
from tests.support.columns import columns_of
from tests.support.contributions import assert_contributions_add_up
from tests.worlds.creator_firefly import (
    BEGIN,
    OTHER,
    POLICIES,
    SHIPPED,
    SUBJECT,
    VERSIONS,
    WORLDS,
    World,
    as_the_oracle_reads,
    in_force,
    ledger_of,
    world_of,
)

AT_ONCE: Final = 15
"""Worlds that are judged over columns together."""


def replay_of(name: str, ledger: list[Event], as_of: int, position: int, subject: str = SUBJECT) -> FireflyReplay:
    known = [event for event in ledger if event.position <= position and event.originator_id == subject]
    return FireflyReplay(subject, known, Moment(as_of, 0, position), Policies(in_force(name, as_of)))


def assert_the_oracle_agrees(name: str, world: World, as_of: int, position: int) -> None:
    ledger, lines = ledger_of(world), as_the_oracle_reads(world.lines)
    expected = firefly(lines, as_of=as_of, position=position, versions=VERSIONS[name], subject=SUBJECT)
    replay = replay_of(name, ledger, as_of, position)
    answer = answer_of(replay)
    found = answer.standing_json() | answer.own_json()
    for key in ("state", "level", "score", "balance", "to_next"):
        assert found[key] == expected[key], key
    assert sorted(item["code"] for item in found["benefits"]["held"]) == expected["benefits"]
    assert replay.policy.id == expected["policy"] and replay.in_force == expected["in_force"]
    assert replay.effective()._asdict() == expected["effective"]
    assert [judged[:3] for judged in replay.judged] == [
        (item["at"], item["position"], item["verdict"]) for item in expected["verdicts"]
    ]
    moved = [
        (item.after.earned - item.before.earned, item.after.balance - item.before.balance)
        for item in replay.run.findings
    ]
    assert moved == [(item["earned"], item["balance"]) for item in expected["verdicts"]]
    changes = [
        (change.at, change.position, change.after.state, change.after.level, found.earned)
        for change, found in zip(replay.changes(), replay.level_changes, strict=True)
    ]
    assert changes == [
        (item["at"], item["position"], item["after"]["state"], item["after"]["level"], item["score"])
        for item in expected["changes"]
    ]
    if changes:
        last, benefits = expected["changes"][-1], found["benefits"]
        if month_of(as_of) == month_of(last["at"]):
            assert (sorted(benefits["won"]), sorted(benefits["lost"])) == (last["gained"], last["lost"])
    assert_months_agree(replay, expected["months"], as_of)


def assert_months_agree(replay: FireflyReplay, expected: list[dict[str, Any]], as_of: int) -> None:
    """Every month in which points were judged; the oracle gives each that is over."""
    found = {month_text(month.month): month for month in replay.months}
    over = {row["month"]: row for row in expected}
    for text, month in found.items():
        assert month.events > 0
        if text in over:
            row = over[text]
            assert (month.level, month.total, month.balance) == (row["level"], row["score"], row["balance"])
            assert (month.earned, month.redeemed) == (row["earned"], row["redeemed"])
            assert replay.policy_at(month_start(month.month)).id == row["policy"]
        else:
            assert month_start(month.month + 1) > as_of or month.month < parse_month("2020-06")
    for text, row in over.items():
        assert text in found or (row["earned"], row["redeemed"]) == (0, 0)


@pytest.mark.slow
@pytest.mark.parametrize("name", POLICIES)
@settings(max_examples=200 * SOAK)
@given(world=WORLDS)
def test_the_oracle_agrees(name: str, world: World) -> None:
    assert_the_oracle_agrees(name, world, world.as_of, world.position)
    assert_the_oracle_agrees(name, world, world.earlier, len(world.lines))


def test_the_worlds_reach_every_state_verdict_and_cause() -> None:
    seen: Counter[tuple[str, str]] = Counter()
    for seed in range(300):
        world = world_of(seed)
        ledger = ledger_of(world)
        for name in POLICIES:
            replay = replay_of(name, ledger, world.as_of, world.position)
            seen[name, replay.standing().state] += 1
            seen.update((name, judged.verdict) for judged in replay.judged)
            seen.update((name, change.cause) for change in replay.changes())
    for name, versions in POLICIES.items():
        assert all(seen[name, word] for word in (*State, *Verdict, "opened"))
        assert bool(seen[name, "policy"]) == (len(versions) > 1)


@pytest.mark.slow
@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("seed", range(4 * SOAK))
def test_many_at_once_equal_each_by_itself(name: str, seed: int) -> None:
    """The compiled rule over the columns of many creators, at moments before, within and after what they did."""
    worlds = [world_of(number) for number in range(seed * AT_ONCE, (seed + 1) * AT_ONCE)]
    ledger = [event for number, world in enumerate(worlds, 1) for event in ledger_of(world, number)]
    ledger = [event._replace(position=position) for position, event in enumerate(ledger, 1)]
    for world in worlds[:3]:
        for as_of in (world.as_of, world.earlier):
            terms = terms_of(in_force(name, as_of), start_of_month)
            columns = columns_of(ledger)
            folded = fold_firefly(columns, terms, as_of, judges=True)
            unjudged = fold_firefly(columns, terms, as_of)
            assert (unjudged.verdicts, unjudged.movements) == (None, None)
            for column in ("accounts", "months", "changes"):
                assert np.array_equal(getattr(folded, column), getattr(unjudged, column))
            assert folded.verdicts is not None
            for number, subject in enumerate(columns.subjects):
                replay = replay_of(name, ledger, as_of, len(ledger), subject)
                assert tuple(folded.accounts[number].tolist()) == replay.run.account
                rows = [row[1:] for row in folded.months.tolist() if row[0] == number]
                assert [(row[0], folded.codes[row[1]], *row[2:]) for row in rows] == replay.months
                changes = [row[1:] for row in folded.changes.tolist() if row[0] == number]
                assert [
                    (at, folded.codes[level], earned, None if position == BY_POLICY else position)
                    for at, level, earned, position in changes
                ] == [(item.at, item.after, item.earned, item.position) for item in replay.level_changes]
                assert judged_of(folded.verdicts, number, FireflyReplay) == replay.judged
                run, *others = firefly_of(folded, number)
                assert run._replace(findings=[*run.findings]) == replay.run
                assert others == [replay.months, replay.level_changes]


@pytest.mark.slow
def test_where_nothing_is_known_nothing_is_folded() -> None:
    folded = fold_firefly(columns_of([]), terms_of(POLICIES["small"], start_of_month), BEGIN, judges=True)
    assert folded.verdicts is not None
    assert [len(column) for column in (*folded[:3], *folded.verdicts)] == [0, 0, 0, 1, 0, 0, 0, 0]


@settings(max_examples=100 * SOAK)
@given(world=WORLDS)
def test_an_earlier_as_of_is_a_prefix_of_a_later_one(world: World) -> None:
    before, after = (replay_of("small", ledger_of(world), at, world.position) for at in (world.earlier, world.as_of))
    assert before.run.findings == [item for item in after.run.findings if item.at <= world.earlier]
    assert before.level_changes == [item for item in after.level_changes if item.at <= world.earlier]


@settings(max_examples=100 * SOAK)
@given(world=WORLDS)
def test_what_no_rule_reads_changes_nothing(world: World) -> None:
    """Nor does a second time: events that are left out are those that the rule does not name."""
    ledger = [event for event in ledger_of(world) if event.originator_id == SUBJECT]
    read = [event for event in taking_part(ledger, world.as_of) if event.type.startswith(("points.", "redemption."))]
    part = taking_part(ledger, world.as_of)
    assert {event.type for event in read} <= {*WHATS}
    only = [event for event in part if event in read or event.type == "creator.registered"]
    spans = spans_of(terms_of(POLICIES["small"], start_of_month))
    assert months(run_of(only), spans) == months(run_of(part), spans) and run_of(only) == run_of(part)


@pytest.mark.parametrize("name", POLICIES)
def test_decisions_are_of_the_first_instant_of_the_next_month(name: str) -> None:
    for seed in range(40 * SOAK):
        world = world_of(seed)
        lines, ledger = as_the_oracle_reads(world.lines), ledger_of(world)
        for text in ("2022-03", "2022-04", "2022-05"):
            month = parse_month(text)
            _, _, as_of, due = SCHEMES["creator-firefly"].periods.period(month, lambda *_: SHIPPED)
            assert as_of == due == month_start(month + 1)
            replay = replay_of(name, ledger, as_of, len(lines))
            expected = decided(lines, month=month, position=len(lines), versions=VERSIONS[name], subject=SUBJECT)
            found = (*replay.standing()[:2], replay.score, replay.run.account.balance, replay.policy.id)
            assert found == tuple(expected[key] for key in ("state", "level", "score", "balance", "policy"))


@settings(max_examples=50 * SOAK)
@given(world=WORLDS)
def test_each_verdict_says_what_decided_it(world: World) -> None:
    replay = replay_of("small", ledger_of(world), world.as_of, world.position)
    answer = answer_of(replay)
    for index, finding in enumerate(replay.run.findings):
        told = answer.compared_json(replay.compared(index))
        assert told is not None
        if finding.verdict in (Verdict.REDEEMED, Verdict.OVERDRAWN):
            assert (told["found"] >= told["bound"]) == (finding.verdict is Verdict.REDEEMED)
        if finding.decided_by is not None:
            kind = replay.events[finding.decided_by].type
            assert (kind == "redemption.cancelled") == (finding.verdict is Verdict.CANCELLED)
    assert answer.explained_json(Part(), []) == {}
    assert OTHER not in {event.originator_id for event in replay.took_part}


@pytest.mark.slow
@pytest.mark.parametrize("name", VERSIONS)
def test_what_events_contribute_adds_up_to_the_points(name: str) -> None:
    seen: Counter[str] = Counter()
    for seed in range(120 * SOAK):
        world = world_of(seed)
        replay = replay_of(name, ledger_of(world), world.as_of, world.position)
        seen += assert_contributions_add_up(replay, month_of)
        account = replay.run.account
        if replay.months:
            sums = {item.figure: item.value for item in replay.sums(Part())}
            assert sums == {"score": account.earned, "balance": account.balance}
    assert seen["in_period"] and seen["opening"]
