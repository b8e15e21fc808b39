"""Merchant tiers: random histories against the independent oracle, and laws.

The oracle (tests/oracles/merchant_tier.py) is slow and was written from RULEBOOK §0 and §2 alone.
"""

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from domain.calendar import day_of, day_start, day_text, parse_day, parse_instant
from domain.events import (
    Event,
    MerchantOnboarded,
    MerchantTierSet,
    OrderPaid,
    ReviewPosted,
)
from domain.limits import DAY_MICROS
from domain.merchant_tier.facts import end_of
from domain.merchant_tier.running import run
from domain.merchant_tier.values import Cause, DayOpening, State
from domain.policy import Policy
from replay.answers.explain import explain_json
from replay.errors import UsageError
from replay.history.timeline import Moment
from replay.rendering.facet import standing_json
from replay.replaying.base import Part, Policies
from replay.schemes.merchant_tier.replay import TierReplay
from replay.schemes.registry import answer_of
from tests.conftest import SOAK
from tests.oracles.merchant_tier import tier
from tests.support.contributions import assert_contributions_add_up
from tests.worlds.merchant_reputation import as_the_oracle_reads, with_values
from tests.worlds.merchant_tier import POLICIES, SHIPPED, SMALL, SUBJECT, dated, world_of


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
    answer = answer_of(replay)
    found = answer.standing_json() | answer.own_json()
    for name in ("state", "level", "since", "day", "history"):
        assert found[name] == expected[name], name
    if found["indicators"] is None:
        assert found["state"] in ("not_onboarded", "out_of_scope")  # nobody keeps figures of these
        return
    indicators = {name: [item["numerator"], item["denominator"]] for name, item in found["indicators"].items()}
    assert indicators == expected["indicators"]


@pytest.mark.slow
@pytest.mark.parametrize("policy", POLICIES.values(), ids=list(POLICIES))
@settings(max_examples=200 * SOAK)
@given(seed=st.integers(0, 2**32))
def test_the_oracle_agrees(policy: Policy, seed: int) -> None:
    world = world_of(seed)
    assert_the_oracle_agrees(policy, world.ledger, world.as_of, world.position)
    assert_the_oracle_agrees(policy, world.ledger, world.earlier, len(world.ledger))


@pytest.mark.slow
def test_the_worlds_reach_every_state_tier_and_cause() -> None:
    seen: Counter[tuple[str, str]] = Counter()
    words = (*State, *map(str, Cause), *(f"LV{n}" for n in range(8)), "two down")
    wanted = {(name, word) for name in POLICIES for word in words} - {("shipped", str(Cause.FAST_UPGRADE))}
    for seed in range(1_500):
        world = world_of(seed)
        for name, policy in POLICIES.items():
            replay = replay_of(policy, world.ledger, world.as_of, world.position)
            seen[name, replay.standing().state] += 1
            seen.update((name, str(change.cause)) for change in replay.run.changes)
            seen.update((name, replay.code_of(change.after)) for change in replay.run.changes if change.after.open)
            for one, other in pairwise(replay.run.changes):
                seen[name, "two down"] += one.cause is other.cause is Cause.DOWNGRADE
        if not (wanted := wanted - (+seen).keys()):
            break
    assert wanted == set()


@pytest.mark.slow
@settings(max_examples=120 * SOAK)
@given(seed=st.integers(0, 2**32), policy=st.sampled_from(list(POLICIES.values())))
def test_an_earlier_as_of_is_a_prefix_of_a_later_one(seed: int, policy: Policy) -> None:
    world = world_of(seed)
    before, after = (replay_of(policy, world.ledger, at, world.position) for at in (world.earlier, world.as_of))
    assert before.run.changes == [change for change in after.run.changes if change.day <= before.day]


@pytest.mark.slow
@settings(max_examples=120 * SOAK)
@given(seed=st.integers(0, 2**32), policy=st.sampled_from(list(POLICIES.values())), data=st.data())
def test_days_chained_from_an_opening_equal_one_run(seed: int, policy: Policy, data: st.DataObject) -> None:
    world = world_of(seed)
    whole = replay_of(policy, world.ledger, world.as_of, world.position)
    begins = whole.spans[0].rules.start_day
    assume(whole.day >= begins)  # else no day has closed, and there is nothing to chain
    day = data.draw(st.integers(begins, whole.day))
    first = run(whole.history, whole.spans, day)
    rest = run(whole.history, whole.spans, whole.day, DayOpening(day, first.account))
    assert first.changes + rest.changes == whole.run.changes
    assert rest.account == whole.run.account


@pytest.mark.slow
@settings(max_examples=120 * SOAK)
@given(seed=st.integers(0, 2**32), policy=st.sampled_from(list(POLICIES.values())))
def test_an_explanation_says_which_rule_decided(seed: int, policy: Policy) -> None:
    """Of what was tried, the rule that moved the tier fired, and all that it asks was met."""
    world = world_of(seed)
    replay = replay_of(policy, world.ledger, world.as_of, world.position)
    moved = {day_text(change.day): str(change.cause) for change in replay.run.changes}
    for evaluation in answer_of(replay).explained_json(Part(), [])["evaluations"]:
        fired = [rule["rule"] for rule in evaluation["rules"] if rule["fired"]]
        at_close = ("upgrade", "downgrade", "fast_upgrade", "cleared_out")
        assert fired == [cause for cause in evaluation["decided"] if cause in at_close]
        assert evaluation["at"] in moved or evaluation["at"] == day_text(replay.day)
        for rule in evaluation["rules"]:
            waited, *met = (item["met"] for item in rule["compared"])
            if rule["rule"] == "cleared_out":
                assert rule["fired"] == waited and not met
                continue
            holds = any(met) if rule["rule"] == "downgrade" else bool(met) and all(met)
            upgraded = rule["rule"] == "downgrade" and "upgrade" in fired
            assert (waited and holds and not upgraded) == rule["fired"]
    assert day_start(replay.day + 1) <= world.as_of + 1


# --- several versions -------------------------------------------------------------------------------------------------


def replay_of_versions(policies: list[Policy], ledger: list[Event], as_of: int) -> TierReplay:
    return TierReplay(SUBJECT, ledger, Moment(as_of, 0, len(ledger)), Policies(policies))


@pytest.mark.slow
@settings(max_examples=120 * SOAK)
@given(seed=st.integers(0, 2**32), day=st.sampled_from(["2022-09-01", "2022-09-10", "2022-10-01"]))
def test_a_version_that_says_the_same_changes_nothing(seed: int, day: str) -> None:
    world = world_of(seed)
    ledger = [event for event in world.ledger if event.position <= world.position]
    for policy in (SMALL, SHIPPED):
        two = replay_of_versions([dated(policy, "v1", "2020-01-01"), dated(policy, "v2", day)], ledger, world.as_of)
        one = replay_of_versions([dated(policy, "v1", "2020-01-01")], ledger, world.as_of)
        assert (two.run[:2], two.standing()) == (one.run[:2], one.standing())


@settings(max_examples=120 * SOAK)
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


# --- contributions ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("policy", POLICIES.values(), ids=list(POLICIES))
def test_what_events_contribute_adds_up_to_the_indicators(policy: Policy) -> None:
    seen: Counter[str] = Counter()
    for seed in range(150 * SOAK):
        world = world_of(seed)
        replay = replay_of(policy, world.ledger, world.as_of, world.position)
        seen += assert_contributions_add_up(replay, day_of, replay.spans[-1].rules.window_days)
        found = answer_of(replay).own_json()["indicators"]
        if found is None:
            continue
        sums = {item.figure: item.value for item in replay.sums(Part()) if item.period == replay.day}
        assert {name: [item["numerator"], item["denominator"]] for name, item in found.items()} == {
            "complaint": [sums["complaints"], sums["orders"]],
            "product": [sums["product_good"], sums["reviews"]],
            "service": [sums["service_good"], sums["service_rated"]],
        }
    assert seen["in_period"] and seen["days_before"]


# --- any day ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@settings(max_examples=120 * SOAK)
@given(seed=st.integers(0, 2**32), policy=st.sampled_from(list(POLICIES.values())), data=st.data())
def test_any_day_is_explained_by_the_events_of_its_window(seed: int, policy: Policy, data: st.DataObject) -> None:
    """Its rows add up to its indicators, and it says why nothing changed, or what did."""
    world = world_of(seed)
    replay = replay_of(policy, world.ledger, world.as_of, world.position)
    begins = replay.spans[0].rules.start_day
    assume(replay.day >= begins)
    acted = [change.day for change in replay.run.changes]
    near = st.integers(max(begins, replay.day - 120), replay.day)
    day = data.draw(st.one_of(near, st.sampled_from(acted)) if acted else near)
    found = explain_json(replay, Part(day=day), "en")
    assert found["part"] == {"month": None, "day": day_text(day), "event": None, "standing": None}
    rows = Counter[str]()
    for item in found["verdicts"]:
        for added in item["contribution"]:
            rows[added["figure"]] += added["amount"]
    (sums,) = found["sums"]
    assert {item["figure"]: item["value"] for item in sums["figures"]} == {
        item["figure"]: rows[item["figure"]] for item in sums["figures"]
    }
    (evaluation,) = found["evaluations"]
    indicators = evaluation["indicators"]
    assert [indicators["complaint"]["numerator"], indicators["service"]["denominator"]] == [
        rows["complaints"],
        rows["service_rated"],
    ]
    moved = [change for change in replay.run.changes if change.day == day]
    assert evaluation["decided"] == [str(change.cause) for change in moved]
    assert bool(evaluation["unchanged"]) == (not moved)
    stepped = run(replay.history, replay.spans, day).account
    assert evaluation["after"] == standing_json(replay_of(policy, world.ledger, end_of(day), world.position).standing())
    if not moved:
        assert replay.evaluated(day) == stepped
        assert evaluation["before"] == evaluation["after"] or day == replay.first_opened, "one that is out of scope"


def test_a_day_says_why_nothing_changed() -> None:
    opening = parse_instant("2022-09-01T00:00:00+08:00")
    told: list[tuple[int, str, Any]] = [(opening, "merchant.onboarded", MerchantOnboarded(category="fresh"))]
    at = opening + 3 * DAY_MICROS
    told += [(at, "order.paid", OrderPaid(order="o", buyer="b", amount=500))]
    told += [(at, "review.posted", ReviewPosted(order="o", quality=5))]
    ledger = [
        Event(SUBJECT, n, n, when, n, "urn:a", f"e-{n}", kind, data) for n, (when, kind, data) in enumerate(told, 1)
    ]
    replay = replay_of(SHIPPED, ledger, opening + 90 * DAY_MICROS, 3)

    def asked(day: str) -> Any:
        (found,) = explain_json(replay, Part(day=parse_day(day)), "en")["evaluations"]
        return found

    early, late = asked("2022-09-10"), asked("2022-10-01")
    assert early["window"] == {"from": "2022-08-12", "to": "2022-09-10"}
    assert early["unchanged"] == [
        {"why": "waiting", "until": "2022-10-01", "indicators": []},
        {"why": "undefined", "until": None, "indicators": ["service_rate"]},
        {"why": "no_fast_day", "until": None, "indicators": []},
    ]
    assert early["indicators"]["product"] == {
        "numerator": 1,
        "denominator": 1,
        "value": "100.00",
        "up": {"relation": ">", "bound": "88.00", "met": True},
        "down": {"relation": "<", "bound": "80.00", "met": False},
    }
    assert [item["why"] for item in late["unchanged"]] == ["undefined", "not_worse"]
    assert (late["before"], late["lowest"]) == ({"state": "rated", "level": "LV1"}, None)
    with pytest.raises(UsageError, match=r"had not closed yet at 2022-11-30\S+; give an earlier day, or a later as_of"):
        asked("2022-12-01")
    with pytest.raises(UsageError, match="2020-05-31 is before 2020-06-01, when levels begin; give a later day"):
        asked("2020-05-31")
    with pytest.raises(UsageError, match="a month and a day were asked for"):
        explain_json(replay, Part(month=replay.day, day=replay.day), "en")


def test_clearing_out_shows_its_days_and_the_tier_before_and_after() -> None:
    opening = parse_instant("2022-07-01T10:00:00+08:00")
    told: list[tuple[int, str, Any]] = [
        (opening, "merchant.onboarded", MerchantOnboarded(category="fresh")),
        (opening, "merchant.tier_set", MerchantTierSet(level="LV0")),
    ]
    ledger = [
        Event(SUBJECT, n, n, when, n, "urn:a", f"e-{n}", kind, data) for n, (when, kind, data) in enumerate(told, 1)
    ]
    replay = replay_of(SHIPPED, ledger, opening + 90 * DAY_MICROS, 2)
    found = explain_json(replay, Part(), "en")
    cleared = next(item for item in found["evaluations"] if item["decided"] == ["cleared_out"])
    assert (cleared["at"], cleared["before"], cleared["after"]) == (
        "2022-08-30",
        {"state": "rated", "level": "LV0"},
        {"state": "cleared_out", "level": None},
    )
    assert cleared["lowest"] == {"level": "LV0", "since": "2022-07-01", "days": 60, "limit": 60}
    (rule,) = [item for item in cleared["rules"] if item["rule"] == "cleared_out"]
    assert rule["fired"] and rule["compared"][0]["value"] == rule["compared"][0]["bound"] == "60.00"
    assert found["effective"] == {"state": "cleared_out", "level": None, "since": "2022-08-30"}
    (waiting,) = explain_json(replay, Part(day=parse_day("2022-08-29")), "en")["evaluations"]
    assert waiting["lowest"]["days"] == 59 and waiting["after"] == {"state": "rated", "level": "LV0"}
