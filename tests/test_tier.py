"""Merchant tiers: random histories against the independent oracle, and laws.

The oracle (tests/oracles/tier.py) is slow and was written from RULEBOOK §0 and §2 alone.
"""

from collections import Counter
from itertools import pairwise
from random import Random
from typing import Any, Final, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.calendar import day_start, day_text, parse_day, parse_instant
from domain.events import (
    Event,
    EventRetracted,
    MerchantOnboarded,
    MerchantTierSet,
    NoData,
    OrderCorrected,
    OrderNamed,
    OrderPaid,
    ReviewPosted,
)
from domain.limits import DAY_MICROS
from domain.merchant_tier.rule import Cause, Opening, State, run
from domain.policy import Policy
from replay.history.timeline import Moment
from replay.policies.catalog import shipped
from replay.replaying.base import Part, Policies
from replay.schemes.merchant_tier.replay import TierReplay
from tests.conftest import SOAK
from tests.oracles.merchant_tier import tier
from tests.test_reputation import as_the_oracle_reads, with_values

SUBJECT: Final = "merchant/m-1"
(SHIPPED,) = shipped("merchant-tier")
LEVELS: Final = SHIPPED.parameters["tiers"].value
SMALL: Final = with_values(
    SHIPPED,
    window_days=4,
    wait_days=3,
    clear_out_days=5,
    tiers=[level | {"orders_limit": 2, "gmv_limit_fen": 1_000} if "up" in level else level for level in LEVELS],
)
"""Windows and waits of a few days, limits of a few orders."""
ODD: Final = with_values(
    SMALL,
    statistics_from="2022-09-05T00:00:00+08:00",
    initial_tier="LV2",
    window_days=2,
    wait_days=5,
    clear_out_days=2,
    good_stars=5,
    fast_upgrade={"limit_share_percent": 50, "reviews_share_percent": 60},
    scope={"category": "fresh", "joined_before": "2022-09-15T00:00:00+08:00"},
)
POLICIES: Final = {"shipped": SHIPPED, "small": SMALL, "odd": ODD}
BEGIN: Final = parse_instant("2022-08-25T00:00:00+08:00")


class World(NamedTuple):
    """A ledger and what a replay of it is asked at."""

    ledger: list[Event]
    as_of: int
    earlier: int
    position: int


def world_of(seed: int) -> World:
    """A ledger of one merchant: days that are good or bad, notices, closings, retractions, late arrivals."""
    pick = Random(seed)
    span = pick.choice((12, 40, 100, 200))
    quality = pick.choice((0.0, 0.5, 0.9, 1.0, 1.0))
    told: list[tuple[int, str, Any]] = []
    opening = BEGIN if pick.random() < 0.85 else BEGIN + pick.randrange(span) * DAY_MICROS
    category = "fresh" if pick.random() < 0.93 else "tea"
    if pick.random() < 0.96:
        told.append((opening, "merchant.onboarded", MerchantOnboarded(category=category)))
    for number in range(pick.randrange(5, 60)):
        at = BEGIN + pick.randrange(span) * DAY_MICROS + pick.choice((0, 0, 1, DAY_MICROS - 1, DAY_MICROS // 2))
        told += _piece(pick, at, f"o-{pick.randrange(30)}" if pick.random() < 0.2 else f"n-{number}", quality)
    if pick.random() < 0.7:
        told.sort(key=lambda item: item[0])
    ledger = [
        Event(SUBJECT, place, place, at, place, "urn:a", f"e-{place}", kind, data)
        for place, (at, kind, data) in enumerate(told, 1)
    ]
    for _ in range(pick.choice((0, 0, 1, 3))):
        place = len(ledger) + 1
        gone = EventRetracted(source="urn:a", event=f"e-{pick.randrange(1, place)}" if place > 1 else "e-0", reason="r")
        ledger.append(
            Event(
                SUBJECT,
                place,
                place,
                BEGIN + pick.randrange(span) * DAY_MICROS,
                place,
                "urn:a",
                f"e-{place}",
                "event.retracted",
                gone,
            )
        )
    earlier, as_of = sorted(BEGIN + pick.randrange(span + 70) * DAY_MICROS + pick.choice((0, -1, 1)) for _ in range(2))
    return World(ledger, as_of, earlier, pick.choice((len(ledger), len(ledger), pick.randrange(len(ledger) + 1))))


def _piece(pick: Random, at: int, order: str, quality: float) -> list[tuple[int, str, Any]]:
    """One thing that happens at a time, or a day's worth of orders with their reviews."""
    draw = pick.random()
    if draw < 0.04:
        return [(at, "merchant.closed", NoData())]
    if draw < 0.08:
        return [(at, "merchant.onboarded", MerchantOnboarded(category="fresh"))]
    if draw < 0.16:
        return [(at, "merchant.tier_set", MerchantTierSet(level=f"LV{pick.choice((0, 0, 1, 3, 6, 7))}"))]  # type: ignore[arg-type]
    if draw < 0.2:
        return [(at, "order.complained", OrderNamed(order=order))]
    if draw < 0.24:
        return [(at, "complaint.dismissed", OrderCorrected(order=order))]
    told: list[tuple[int, str, Any]] = []
    for n in range(pick.choice((1, 2, 3, 6))):
        name = f"{order}-{n}" if n else order
        told.append((at, "order.paid", OrderPaid(order=name, buyer="b", amount=pick.choice((100, 400, 800, 10**6)))))
        if pick.random() < 0.8:
            stars = 5 if pick.random() < quality else pick.randint(1, 5)
            rated = {"service": 5 if pick.random() < quality else pick.randint(1, 5)} if pick.random() < 0.9 else {}
            told.append(
                (
                    at + pick.choice((0, 1, DAY_MICROS)),
                    "review.posted",
                    ReviewPosted(order=name, quality=stars, **rated),
                )
            )
        if pick.random() < 0.1 * (1 - quality):
            told.append((at + 1, "order.complained", OrderNamed(order=name)))
    return told


def replay_of(policy: Policy, ledger: list[Event], as_of: int, position: int) -> TierReplay:
    known = [event for event in ledger if event.position <= position]
    return TierReplay(SUBJECT, known, Moment(as_of, 0, position), Policies([policy]))


def by_the_oracle(policy: Policy, ledger: list[Event], as_of: int, position: int) -> dict[str, Any]:
    values = {name: item.value for name, item in policy.parameters.items()}
    values["statistics_from"] = parse_instant(values["statistics_from"])
    values["scope"] = values["scope"] | {"joined_before": parse_instant(values["scope"]["joined_before"])}
    events = [as_the_oracle_reads(event) for event in ledger]
    return tier(events, as_of=as_of, position=position, parameters=values, subject=SUBJECT)


def assert_the_oracle_agrees(policy: Policy, ledger: list[Event], as_of: int, position: int) -> None:
    replay = replay_of(policy, ledger, as_of, position)
    expected = by_the_oracle(policy, ledger, as_of, position)
    found = replay.standing_json() | replay.own_json()
    for name in ("state", "level", "since", "day", "history"):
        assert found[name] == expected[name], name
    assert {name: [item["numerator"], item["denominator"]] for name, item in found["indicators"].items()} == expected[
        "indicators"
    ]


@pytest.mark.parametrize("policy", POLICIES.values(), ids=list(POLICIES))
@settings(max_examples=500 * SOAK)
@given(seed=st.integers(0, 2**32))
def test_the_oracle_agrees(policy: Policy, seed: int) -> None:
    world = world_of(seed)
    assert_the_oracle_agrees(policy, world.ledger, world.as_of, world.position)
    assert_the_oracle_agrees(policy, world.ledger, world.earlier, len(world.ledger))


def test_the_worlds_reach_every_state_tier_and_cause() -> None:
    seen: Counter[tuple[str, str]] = Counter()
    for seed in range(1_500):
        world = world_of(seed)
        for name, policy in POLICIES.items():
            replay = replay_of(policy, world.ledger, world.as_of, world.position)
            seen[name, replay.standing_json()["state"]] += 1
            seen.update((name, str(change.cause)) for change in replay.run.changes)
            seen.update((name, replay._code(change.after)) for change in replay.run.changes if change.after.open)
            for one, other in pairwise(replay.run.changes):
                seen[name, "two down"] += one.cause is other.cause is Cause.DOWNGRADE
    for name in POLICIES:
        assert {state for state in State if not seen[name, state]} == set(), name
        assert {cause for cause in Cause if not seen[name, cause]} <= (
            {Cause.FAST_UPGRADE} if name == "shipped" else set()
        )
        assert {f"LV{n}" for n in range(8) if not seen[name, f"LV{n}"]} == set(), name
        assert seen[name, "two down"], name


@settings(max_examples=300 * SOAK)
@given(seed=st.integers(0, 2**32), policy=st.sampled_from(list(POLICIES.values())))
def test_an_earlier_as_of_is_a_prefix_of_a_later_one(seed: int, policy: Policy) -> None:
    world = world_of(seed)
    before, after = (replay_of(policy, world.ledger, at, world.position) for at in (world.earlier, world.as_of))
    assert before.run.changes == [change for change in after.run.changes if change.day <= before.day]


@settings(max_examples=300 * SOAK)
@given(seed=st.integers(0, 2**32), policy=st.sampled_from(list(POLICIES.values())), data=st.data())
def test_days_chained_from_an_opening_equal_one_run(seed: int, policy: Policy, data: st.DataObject) -> None:
    world = world_of(seed)
    whole = replay_of(policy, world.ledger, world.as_of, world.position)
    begins = whole.spans[0].rules.start_day
    day = data.draw(st.integers(begins, max(begins, whole.day)))
    first = run(whole.history, whole.spans, day)
    rest = run(whole.history, whole.spans, whole.day, Opening(day, first.account))
    assert first.changes + rest.changes == whole.run.changes
    assert rest.account == whole.run.account or whole.day < begins


@settings(max_examples=300 * SOAK)
@given(seed=st.integers(0, 2**32), policy=st.sampled_from(list(POLICIES.values())))
def test_an_explanation_says_which_rule_decided(seed: int, policy: Policy) -> None:
    """Of what was tried, the rule that moved the tier fired, and all that it asks was met."""
    world = world_of(seed)
    replay = replay_of(policy, world.ledger, world.as_of, world.position)
    moved = {day_text(change.day): str(change.cause) for change in replay.run.changes}
    for evaluation in replay.explained_json(Part(), [])["evaluations"]:
        fired = [rule["rule"] for rule in evaluation["rules"] if rule["fired"]]
        assert fired == [cause for cause in evaluation["decided"] if cause in ("upgrade", "downgrade", "fast_upgrade")]
        assert evaluation["at"] in moved or evaluation["at"] == day_text(replay.day)
        for rule in evaluation["rules"]:
            waited, *met = (item["met"] for item in rule["compared"])
            holds = any(met) if rule["rule"] == "downgrade" else bool(met) and all(met)
            upgraded = rule["rule"] == "downgrade" and "upgrade" in fired
            assert (waited and holds and not upgraded) == rule["fired"]
    assert day_start(replay.day + 1) <= world.as_of + 1


# --- several versions -------------------------------------------------------------------------------------------------


def dated(policy: Policy, policy_id: str, day: str) -> Policy:
    return with_values(policy, id=policy_id, in_force_from=f"{day}T00:00:00+08:00", recalculates_from=None)


def replay_of_versions(policies: list[Policy], ledger: list[Event], as_of: int) -> TierReplay:
    return TierReplay(SUBJECT, ledger, Moment(as_of, 0, len(ledger)), Policies(policies))


@settings(max_examples=300 * SOAK)
@given(seed=st.integers(0, 2**32), day=st.sampled_from(["2022-09-01", "2022-09-10", "2022-10-01"]))
def test_a_version_that_says_the_same_changes_nothing(seed: int, day: str) -> None:
    world = world_of(seed)
    ledger = [event for event in world.ledger if event.position <= world.position]
    for policy in (SMALL, SHIPPED):
        two = replay_of_versions([dated(policy, "v1", "2020-01-01"), dated(policy, "v2", day)], ledger, world.as_of)
        one = replay_of_versions([dated(policy, "v1", "2020-01-01")], ledger, world.as_of)
        assert (two.run[:2], two.standing_json()) == (one.run[:2], one.standing_json())


@settings(max_examples=300 * SOAK)
@given(seed=st.integers(0, 2**32))
def test_days_before_a_version_stay_as_they_were_judged(seed: int) -> None:
    world = world_of(seed)
    begins = day_start(parse_day("2022-09-20"))
    other = with_values(SHIPPED, good_stars=5, scope={"category": "tea", "joined_before": "2021-01-01T00:00:00+08:00"})
    versions = [dated(SMALL, "v1", "2020-01-01"), dated(other, "v2", "2022-09-20")]
    both = replay_of_versions(versions, world.ledger, world.as_of)
    before = replay_of_versions(versions[:1], world.ledger, min(world.as_of, begins - 1))
    assert [change for change in both.run.changes if change.day <= before.day] == before.run.changes


def test_a_version_looks_again_at_the_days_since_the_last_change() -> None:
    """A day that was not enough for a fast upgrade under the old limits is enough under the new ones."""
    strict = with_values(SMALL, window_days=30, wait_days=30)
    lax = with_values(strict, fast_upgrade={"limit_share_percent": 10, "reviews_share_percent": 10})
    opening = parse_instant("2022-09-01T00:00:00+08:00")
    told: list[tuple[int, str, Any]] = [(opening, "merchant.onboarded", MerchantOnboarded(category="fresh"))]
    at = opening + 3 * DAY_MICROS
    told += [(at, "order.paid", OrderPaid(order="o", buyer="b", amount=500))]
    told += [(at, "review.posted", ReviewPosted(order="o", quality=5, service=5))]
    ledger = [
        Event(SUBJECT, n, n, when, n, "urn:a", f"e-{n}", kind, data) for n, (when, kind, data) in enumerate(told, 1)
    ]
    versions = [dated(strict, "v1", "2020-01-01"), dated(lax, "v2", "2022-09-10")]
    as_of = opening + 20 * DAY_MICROS
    assert [str(change.cause) for change in replay_of_versions(versions[:1], ledger, as_of).run.changes] == ["opened"]
    found = replay_of_versions(versions, ledger, as_of).run.changes
    assert [(str(change.cause), day_text(change.day)) for change in found] == [
        ("opened", "2022-09-01"),
        ("fast_upgrade", "2022-09-10"),
    ]
