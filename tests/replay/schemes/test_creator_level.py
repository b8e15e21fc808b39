"""Creator levels: random histories against the independent oracle, and laws.

The oracle (tests/oracles/creator_level.py) is slow and was written from RULEBOOK §0 and §3 alone.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.calendar import month_of
from domain.creator_level.rule import State
from domain.events import (
    Event,
)
from domain.policy import Policy
from replay.history.timeline import Moment
from replay.replaying.base import Part, Policies
from replay.schemes.creator_level.replay import CreatorReplay
from replay.schemes.registry import answer_of
from tests.conftest import SOAK
from tests.oracles.creator_level import creator
from tests.worlds.creator_level import SUBJECT, VERSIONS, world_of
from tests.worlds.merchant_reputation import as_the_oracle_reads


def candidates(versions: Sequence[Policy], as_of: int) -> Policies:
    own = [policy for policy in versions if policy.in_force_from <= as_of] or list(versions[:1])
    previewed = [p for p in versions if p.preview_from is not None and p.preview_from <= as_of < p.in_force_from]
    return Policies(own, (), previewed)


def replay_of(versions: Sequence[Policy], ledger: list[Event], as_of: int, position: int) -> CreatorReplay:
    known = [event for event in ledger if event.position <= position]
    return CreatorReplay(SUBJECT, known, Moment(as_of, 0, position), candidates(versions, as_of))


def by_the_oracle(versions: Sequence[Policy], ledger: list[Event], as_of: int, position: int) -> dict[str, Any]:
    return creator(
        [as_the_oracle_reads(event) for event in ledger],
        as_of=as_of,
        position=position,
        versions=[
            {
                "id": policy.id,
                "in_force_from": policy.in_force_from,
                "preview_from": policy.preview_from,
                "parameters": {name: item.value for name, item in policy.parameters.items()},
            }
            for policy in versions
        ],
        subject=SUBJECT,
    )


def mean_of(replay: CreatorReplay) -> list[int] | None:
    held = replay.held
    if held is None or held.found.figures.reputation_days == 0:
        return None
    return [held.found.figures.reputation_sum, held.found.figures.reputation_days]


def assert_the_oracle_agrees(versions: Sequence[Policy], ledger: list[Event], as_of: int, position: int) -> None:
    replay = replay_of(versions, ledger, as_of, position)
    expected = by_the_oracle(versions, ledger, as_of, position)
    answer = answer_of(replay)
    found = answer.standing_json() | answer.own_json()
    for name in ("state", "level", "month", "settled", "good", "sales_score", "behaviour_score", "credit_deducted"):
        assert found[name] == expected[name], name
    assert mean_of(replay) == expected["reputation_mean"]
    assert (found["preview"] and {name: found["preview"][name] for name in ("state", "level")}) == expected["preview"]
    if expected["gates"] is None:
        assert found["gates"] is None
    else:
        gates = {name.split("_")[0]: gate["met"] for name, gate in found["gates"].items()}
        assert {"reputation": True, "credit": True} | gates == expected["gates"]
    diagnosis = found["diagnosis"]
    assert (diagnosis and {name: diagnosis[name] for name in ("settled_missing", "share_needed")}) == expected[
        "diagnosis"
    ]
    names = (
        "month",
        "policy",
        "state",
        "level",
        "settled",
        "good",
        "sales_score",
        "behaviour_score",
        "credit_deducted",
    )
    assert [[month[name] for name in names] for month in found["months"]] == [
        [month[name] for name in names] for month in expected["months"]
    ]
    verdicts = {f"urn:a e-{j.position}": j.verdict for j in replay.judged if j.verdict.endswith("_order")}
    assert verdicts == expected["verdicts"]


@pytest.mark.slow
@pytest.mark.parametrize("versions", VERSIONS.values(), ids=list(VERSIONS))
@settings(max_examples=600 * SOAK)
@given(seed=st.integers(0, 2**32))
def test_the_oracle_agrees(versions: list[Policy], seed: int) -> None:
    world = world_of(seed)
    assert_the_oracle_agrees(versions, world.ledger, world.as_of, world.position)
    assert_the_oracle_agrees(versions, world.ledger, world.earlier, len(world.ledger))


@pytest.mark.slow
def test_the_worlds_reach_every_state_level_and_verdict() -> None:
    seen: Counter[tuple[str, str]] = Counter()
    for seed in range(1_500):
        world = world_of(seed)
        for name, versions in VERSIONS.items():
            replay = replay_of(versions, world.ledger, world.as_of, world.position)
            seen[name, replay.standing().state] += 1
            seen.update((name, month.level or "none") for month in replay.months)
            seen.update((name, judged.verdict) for judged in replay.judged)
            seen[name, "preview"] += answer_of(replay).own_json()["preview"] is not None
    for name in VERSIONS:
        assert {state for state in State if not seen[name, state]} == set(), name
        assert {f"L{n}" for n in range(8) if not seen[name, f"L{n}"]} == set(), name
        assert seen[name, "preview"] or name == "small"
        for verdict in ("counted", "unknown_order", "duplicate_order", "replaced", "lifted", "not_used"):
            assert seen[name, verdict], (name, verdict)


@settings(max_examples=300 * SOAK)
@given(seed=st.integers(0, 2**32), versions=st.sampled_from(list(VERSIONS.values())))
def test_an_earlier_as_of_is_a_prefix_of_a_later_one(seed: int, versions: list[Policy]) -> None:
    """Under the same versions: months evaluated stay as they are, whatever comes later but corrections."""
    world = world_of(seed)
    known = [event for event in world.ledger if event.position <= world.position]
    policies = candidates(versions, world.as_of)
    before, after = (
        CreatorReplay(SUBJECT, known, Moment(at, 0, world.position), policies) for at in (world.earlier, world.as_of)
    )
    assert before.months == [month for month in after.months if month.month < month_of(world.earlier)]


@settings(max_examples=300 * SOAK)
@given(seed=st.integers(0, 2**32), versions=st.sampled_from(list(VERSIONS.values())))
def test_an_explanation_shows_the_gates_and_scores_that_decided(seed: int, versions: list[Policy]) -> None:
    world = world_of(seed)
    replay = replay_of(versions, world.ledger, world.as_of, world.position)
    for evaluation, month in zip(
        answer_of(replay).explained_json(Part(), [])["evaluations"], replay.months, strict=True
    ):
        rules = {rule["rule"]: rule for rule in evaluation["rules"]}
        gates = [rule for name, rule in rules.items() if name.startswith("gate_")]
        assert all(rule["fired"] == rule["compared"][0]["met"] for rule in gates)
        assert (evaluation["state"] == "rated") == all(rule["fired"] for rule in gates) == rules["level"]["fired"]
        assert rules["sales_score"]["compared"][0]["met"]
        assert rules["behaviour_score"]["compared"][0]["met"] == (month.found.settled_fen > 0)
