"""Creator levels: random histories against the independent oracle, and laws.

The oracle (tests/oracles/creator.py) is slow and was written from RULEBOOK §0 and §3 alone.
"""

from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Any, Final, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.calendar import month_of, parse_instant
from domain.creator_level.rule import State
from domain.events import (
    ContentPublished,
    CreatorScored,
    CreditDeducted,
    CreditRestored,
    Event,
    EventRetracted,
    NoData,
    SaleRefunded,
    SaleSettled,
)
from domain.limits import DAY_MICROS
from domain.policy import Policy
from replay.history.timeline import Moment
from replay.policies.catalog import shipped
from replay.replaying.base import Part, Policies
from replay.schemes.creator_level.replay import CreatorReplay
from tests.conftest import SOAK
from tests.oracles.creator_level import creator
from tests.test_reputation import as_the_oracle_reads, with_values

SUBJECT: Final = "creator/c-1"
OLD, NEW = shipped("creator-level")
SMALL: Final = with_values(
    NEW,
    sales_bands=[{"from_fen": n * n * 100, "score": n} for n in range(8)],
    behaviour_bands=[{"from_percent": n * 12, "score": n} for n in range(8)],
    weights={"sales_percent": 50, "behaviour_percent": 50},
    gates={"days": 3, "reputation_hundredths_min": 300, "deducted_max": 2},
)
"""Bands within reach of a few sales, gates over three days."""
VERSIONS: Final = {
    "shipped": [OLD, NEW],
    "small": [SMALL],
    "at the 1st": [
        with_values(SMALL, id="v1", in_force_from="2022-01-01T00:00:00+08:00", preview_from=None, gates={"days": 5}),
        with_values(
            SMALL,
            id="v2",
            in_force_from="2022-08-01T00:00:00+08:00",
            preview_from="2022-07-31T00:00:00+08:00",
            weights={"sales_percent": 80, "behaviour_percent": 20},
        ),
    ],
}
BEGIN: Final = parse_instant("2022-01-25T00:00:00+08:00")
ANCHORS: Final = [
    parse_instant(f"{day}T00:00:00+08:00")
    for day in (
        "2022-01-30",
        "2022-02-28",
        "2022-03-01",
        "2022-04-11",
        "2022-07-19",
        "2022-08-01",
        "2022-09-01",
        "2024-02-29",
    )
]


class World(NamedTuple):
    """A ledger and what a replay of it is asked at."""

    ledger: list[Event]
    as_of: int
    earlier: int
    position: int


def world_of(seed: int) -> World:
    """A ledger of one creator: sales, refunds, scores and deductions about the ends of months."""
    pick = Random(seed)
    told: list[tuple[int, str, Any]] = []
    if pick.random() < 0.95:
        told.append((BEGIN + pick.choice((0, 0, 0, 40)) * DAY_MICROS, "creator.registered", NoData()))
    large = pick.random() < 0.5
    liked = pick.random() < 0.6
    for number in range(pick.randrange(3, 50)):
        at = _instant(pick)
        told.append((at, *_piece(pick, number, large=large, liked=liked)))
    if pick.random() < 0.7:
        told.sort(key=lambda item: item[0])
    ledger = [
        Event(SUBJECT, place, place, at, place, "urn:a", f"e-{place}", kind, data)
        for place, (at, kind, data) in enumerate(told, 1)
    ]
    for _ in range(pick.choice((0, 0, 1, 3))):
        place = len(ledger) + 1
        data = EventRetracted(source="urn:a", event=f"e-{pick.randrange(1, place + 1)}", reason="r")
        ledger.append(
            Event(SUBJECT, place, place, _instant(pick), place, "urn:a", f"e-{place}", "event.retracted", data)
        )
    earlier, as_of = sorted((_instant(pick), _instant(pick)))
    return World(ledger, as_of, earlier, pick.choice((len(ledger), len(ledger), pick.randrange(len(ledger) + 1))))


def _instant(pick: Random) -> int:
    if pick.random() < 0.6:
        return pick.choice(ANCHORS) + pick.choice(
            (0, 0, -1, 1, DAY_MICROS, -DAY_MICROS, 3 * DAY_MICROS, -3 * DAY_MICROS)
        )
    return BEGIN + pick.randrange(260) * DAY_MICROS + pick.choice((0, 1, DAY_MICROS // 2))


def _piece(pick: Random, number: int, *, large: bool, liked: bool) -> tuple[str, Any]:
    draw = pick.random()
    order = f"o-{pick.randrange(12)}" if draw < 0.5 else f"n-{number}"
    amounts = (30_000, 29_999, 200_000, 3_000_000, 10**7, 5 * 10**7, 5 * 10**8, 5 * 10**9, 10**10)
    amount = pick.choice(amounts if large else (0, 1, 99, 100, 400, 900, 1_600, 2_500, 3_600, 4_900))
    if pick.random() < 0.5:
        good = pick.random() < 0.5
        return "sale.settled", SaleSettled(order=order, amount=amount, good_goods=good, channel="live")
    if draw < 0.3:
        return "sale.refunded", SaleRefunded(order=f"o-{pick.randrange(12)}", amount=amount)
    if draw < 0.7:
        value = (
            pick.choice(("5", "4.8", "4.2", "4.19", "3")) if liked else pick.choice(("4.20", "2.99", "3.0", "0", "4.3"))
        )
        return "creator.scored", CreatorScored(score="reputation" if pick.random() < 0.9 else "fulfilment", value=value)
    if draw < 0.85:
        return "credit.deducted", CreditDeducted(violation=f"v-{pick.randrange(4)}", points=pick.choice((1, 2, 3, 5)))
    if draw < 0.95:
        return "credit.restored", CreditRestored(violation=f"v-{pick.randrange(4)}")
    return "content.published", ContentPublished(content="c", good=True)


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
    found = replay.standing_json() | replay.own_json()
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


@pytest.mark.parametrize("versions", VERSIONS.values(), ids=list(VERSIONS))
@settings(max_examples=600 * SOAK)
@given(seed=st.integers(0, 2**32))
def test_the_oracle_agrees(versions: list[Policy], seed: int) -> None:
    world = world_of(seed)
    assert_the_oracle_agrees(versions, world.ledger, world.as_of, world.position)
    assert_the_oracle_agrees(versions, world.ledger, world.earlier, len(world.ledger))


def test_the_worlds_reach_every_state_level_and_verdict() -> None:
    seen: Counter[tuple[str, str]] = Counter()
    for seed in range(1_500):
        world = world_of(seed)
        for name, versions in VERSIONS.items():
            replay = replay_of(versions, world.ledger, world.as_of, world.position)
            seen[name, replay.standing_json()["state"]] += 1
            seen.update((name, month.level or "none") for month in replay.months)
            seen.update((name, judged.verdict) for judged in replay.judged)
            seen[name, "preview"] += replay.own_json()["preview"] is not None
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
    for evaluation, month in zip(replay.explained_json(Part(), [])["evaluations"], replay.months, strict=True):
        rules = {rule["rule"]: rule for rule in evaluation["rules"]}
        gates = [rule for name, rule in rules.items() if name.startswith("gate_")]
        assert all(rule["fired"] == rule["compared"][0]["met"] for rule in gates)
        assert (evaluation["state"] == "rated") == all(rule["fired"] for rule in gates) == rules["level"]["fired"]
        assert rules["sales_score"]["compared"][0]["met"]
        assert rules["behaviour_score"]["compared"][0]["met"] == (month.found.settled_fen > 0)
