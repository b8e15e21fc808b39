"""Agency levels and boards: random ledgers against the independent oracle, and laws.

The oracle (tests/oracles/mcn_level.py) is slow and was written from RULEBOOK §0, §3 and §4 alone.
"""

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.calendar import month_of, month_text
from domain.events import (
    Event,
)
from domain.mcn_level.facts import evaluated_at, rules_of
from domain.mcn_level.rule import State
from domain.policy import Policy
from replay.history.timeline import Moment
from replay.replaying.base import Part, Policies
from replay.schemes.mcn_level.replay import JudgedAgency, McnReplay, ranked
from replay.schemes.registry import answer_of
from tests.conftest import SOAK
from tests.oracles.mcn_level import board, mcn
from tests.support.contributions import assert_contributions_add_up
from tests.worlds.creator_level import SMALL as SMALL_CREATORS
from tests.worlds.mcn_level import AGENCIES, BEGIN, POLICIES, SMALL, creator_level_of, values_of, world_of
from tests.worlds.merchant_reputation import as_the_oracle_reads


def replay_of(policy: Policy, ledger: list[Event], subject: str, as_of: int, position: int) -> McnReplay:
    known = [event for event in ledger if event.position <= position]
    return McnReplay(subject, known, Moment(as_of, 0, position), Policies([policy], [SMALL_CREATORS]))


def assert_the_oracle_agrees(policy: Policy, ledger: list[Event], as_of: int, position: int) -> None:
    events = [as_the_oracle_reads(event) for event in ledger]
    for subject in AGENCIES:
        replay = replay_of(policy, ledger, subject, as_of, position)
        expected = mcn(
            events,
            as_of=as_of,
            position=position,
            parameters=values_of(policy),
            subject=subject,
            creator_level_of=creator_level_of(ledger, position),
        )
        answer = answer_of(replay)
        found = answer.standing_json() | answer.own_json()
        names = ("month", "state", "level", "credit", "operating", "growth", "service", "bonus", "total")
        for name in (*names, "to_next"):
            assert found[name] == expected[name], name
        if replay.held is not None:
            figures = found["figures"] | {"reputation_mean": None}
            assert figures == expected["figures"] | {"reputation_mean": None}
            judged = replay.held.found.figures
            mean = [judged.reputation_sum, judged.reputation_creators] if judged.reputation_creators else None
            assert mean == (expected["figures"]["reputation_mean"] and list(expected["figures"]["reputation_mean"]))
        assert [[month[name] for name in names] for month in found["months"]] == [
            [month[name] for name in names] for month in expected["months"]
        ]
        unbound = [f"urn:a e-{judged.position}" for judged in replay.judged if judged.verdict == "not_bound"]
        assert unbound == list(expected["not_bound"])


@pytest.mark.slow
@pytest.mark.parametrize("policy", POLICIES.values(), ids=list(POLICIES))
@settings(max_examples=150 * SOAK)
@given(seed=st.integers(0, 2**32))
def test_the_oracle_agrees(policy: Policy, seed: int) -> None:
    world = world_of(seed)
    assert_the_oracle_agrees(policy, world.ledger, world.as_of, world.position)


@pytest.mark.slow
@settings(max_examples=100 * SOAK)
@given(seed=st.integers(0, 2**32), ranks_by=st.sampled_from(["total", "growth"]))
def test_the_boards_agree(seed: int, ranks_by: str) -> None:
    world = world_of(seed)
    code = {"total": "comprehensive", "growth": "growth"}[ranks_by]
    for month in range(month_of(BEGIN), month_of(BEGIN) + 4):
        replays = [
            replay_of(SMALL, world.ledger, subject, evaluated_at(month, replay_rules()), world.position)
            for subject in AGENCIES
        ]
        expected = board(
            [as_the_oracle_reads(event) for event in world.ledger],
            month=month_text(month),
            position=world.position,
            parameters=values_of(SMALL),
            board=code,
            creator_level_of=creator_level_of(world.ledger, world.position),
        )
        found = ranked([JudgedAgency(replay.subject, replay.months) for replay in replays], month, ranks_by)
        assert [(subject, item.found.settled_fen) for subject, item in found] == [
            (row["subject"], row["settled"]) for row in expected
        ]


def replay_rules() -> Any:
    return rules_of(SMALL)


@pytest.mark.slow
def test_the_worlds_reach_every_state_level_and_verdict() -> None:
    seen: Counter[tuple[str, str]] = Counter()
    verdicts = ("counted", "not_bound", "lifted", "unknown_order", "duplicate_order", "not_held")
    wanted = {(name, word) for name in POLICIES for word in (*State, *verdicts)}
    wanted |= {("small", word) for word in (*(f"V{n}" for n in range(1, 6)), "by two")}
    for seed in range(700):
        world = world_of(seed)
        for name, policy in POLICIES.items():
            for subject in AGENCIES:
                replay = replay_of(policy, world.ledger, subject, world.as_of, world.position)
                seen[name, replay.standing().state] += 1
                seen.update((name, month.level or "none") for month in replay.months)
                seen.update((name, judged.verdict) for judged in replay.judged)
                ranks = [month.found.level for month in replay.months if month.level]
                seen[name, "by two"] += any(abs(one - other) > 1 for one, other in pairwise(ranks))
        if not (wanted := wanted - (+seen).keys()):
            break
    assert wanted == set()


@settings(max_examples=150 * SOAK)
@given(seed=st.integers(0, 2**32), policy=st.sampled_from(list(POLICIES.values())))
def test_an_earlier_as_of_is_a_prefix_of_a_later_one(seed: int, policy: Policy) -> None:
    world = world_of(seed)
    for subject in AGENCIES:
        before, after = (
            replay_of(policy, world.ledger, subject, at, world.position) for at in (world.earlier, world.as_of)
        )
        assert before.months == after.months[: len(before.months)]


@settings(max_examples=150 * SOAK)
@given(seed=st.integers(0, 2**32), policy=st.sampled_from(list(POLICIES.values())))
def test_an_explanation_adds_up_to_the_total_and_names_the_creators(seed: int, policy: Policy) -> None:
    world = world_of(seed)
    replay = replay_of(policy, world.ledger, AGENCIES[0], world.as_of, world.position)
    for evaluation, month in zip(
        answer_of(replay).explained_json(Part(), [])["evaluations"], replay.months, strict=True
    ):
        *rows, level = evaluation["rules"][2:]
        assert sum(rule["points"] for rule in rows) == month.found.total
        reached = level["reached"] and level["reached"]["level"]
        assert (evaluation["level"], level["withheld_by"]) == (
            (reached, []) if evaluation["state"] == "rated" else (None, [evaluation["state"]])
        )
        for rule in rows:
            (item,) = rule["compared"]
            below = 0 if rule["reached"] is None else rule["reached"]["points"]
            assert (rule["kind"], rule["points"], item["met"]) == ("band", below, rule["reached"] is not None)
            assert rule["next"] is None or rule["next"]["points"] > below
        assert sum(item["counted"] for item in evaluation["creators"]) == month.found.figures.top_creators
        for item in evaluation["creators"]:
            own = replay.creator(item["creator"].partition("/")[2])
            assert item["level"] == next((m.level for m in own.months if m.month == month.month), None)


@pytest.mark.slow
@pytest.mark.parametrize("policy", POLICIES.values(), ids=list(POLICIES))
def test_what_events_contribute_adds_up_to_the_figures_and_the_scores(policy: Policy) -> None:
    seen: Counter[str] = Counter()
    for seed in range(100 * SOAK):
        world = world_of(seed)
        for subject in AGENCIES:
            replay = replay_of(policy, world.ledger, subject, world.as_of, world.position)
            seen += assert_contributions_add_up(replay, month_of)
            sums = {(item.period, item.figure): item.value for item in replay.sums(Part())}
            for month in replay.months:
                found, figures = month.found, month.found.figures
                expected = {
                    "settled": found.settled_fen,
                    "showcase": found.showcase_fen,
                    "good": found.good_fen,
                    **{name: getattr(figures, name) for name in ("orders", "worry_free", "credit", "live_minutes")},
                    **{name: getattr(figures, name) for name in ("showcase_creators", "top_creators")},
                    "reputation": figures.reputation_sum,
                    "reputation_creators": figures.reputation_creators,
                    "creators": len(month.creators),
                    **{name: getattr(found, name) for name in ("operating", "growth", "service", "bonus", "total")},
                }
                assert {name: sums[month.month, name] for name in expected} == expected
    lines = {
        *("in_period", "opening", "not_under_zero", "within_settled", "once_a_creator", "credit_max"),
        *("taken_by_others", "level_too_low", "without_value", "last_values", "operating", "growth", "service"),
    }
    assert seen.keys() >= lines, lines - seen.keys()
