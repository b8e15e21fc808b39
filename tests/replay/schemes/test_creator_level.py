"""Creator levels: random histories against the independent oracle, and laws.

The oracle (tests/oracles/creator_level.py) is slow and was written from RULEBOOK §0 and §3 alone.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.calendar import month_of, parse_instant
from domain.creator_level import contributions as creator_contributions
from domain.creator_level.rule import State
from domain.events import CreatorScored, CreditDeducted, Event, NoData, SaleRefunded, SaleSettled
from domain.policy import Policy
from replay.answers.explain import explain_json
from replay.errors import UsageError
from replay.history.timeline import Moment
from replay.replaying.base import Part
from replay.schemes.creator_level.replay import CreatorReplay
from replay.schemes.registry import answer_of
from tests.conftest import SOAK
from tests.support.contributions import assert_contributions_add_up
from tests.worlds.creator_level import SUBJECT, VERSIONS, by_the_oracle, candidates, world_of


def replay_of(versions: Sequence[Policy], ledger: list[Event], as_of: int, position: int) -> CreatorReplay:
    known = [event for event in ledger if event.position <= position]
    return CreatorReplay(SUBJECT, known, Moment(as_of, 0, position), candidates(versions, as_of))


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
@settings(max_examples=250 * SOAK)
@given(seed=st.integers(0, 2**32))
def test_the_oracle_agrees(versions: list[Policy], seed: int) -> None:
    world = world_of(seed)
    assert_the_oracle_agrees(versions, world.ledger, world.as_of, world.position)
    assert_the_oracle_agrees(versions, world.ledger, world.earlier, len(world.ledger))


@pytest.mark.slow
def test_the_worlds_reach_every_state_level_and_verdict() -> None:
    seen: Counter[tuple[str, str]] = Counter()
    verdicts = ("counted", "unknown_order", "duplicate_order", "replaced", "lifted", "not_used")
    wanted = {(name, word) for name in VERSIONS for word in (*State, *(f"L{n}" for n in range(8)), *verdicts)}
    wanted |= {(name, "preview") for name in VERSIONS if name != "small"}
    for seed in range(1_500):
        world = world_of(seed)
        for name, versions in VERSIONS.items():
            replay = replay_of(versions, world.ledger, world.as_of, world.position)
            seen[name, replay.standing().state] += 1
            seen.update((name, month.level or "none") for month in replay.months)
            seen.update((name, judged.verdict) for judged in replay.judged)
            seen[name, "preview"] += answer_of(replay).own_json()["preview"] is not None
        if not (wanted := wanted - (+seen).keys()):
            break
    assert wanted == set()


@settings(max_examples=120 * SOAK)
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


@settings(max_examples=120 * SOAK)
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
        level = rules["level"]
        withheld = [rule["rule"] for rule in gates if not rule["fired"]]
        assert (level["reached"]["level"], level["withheld_by"]) == (month.rules.levels[month.found.level], withheld)
        assert level["compared"][0]["met"] and (level["next"] is None) == (
            month.found.level + 1 == len(month.rules.levels)
        )
        assert {rule["kind"] for rule in gates} <= {"gate"}
        for name, score in (("sales_score", month.found.sales_score), ("behaviour_score", month.found.behaviour_score)):
            assert (rules[name]["kind"], rules[name]["points"]) == ("band", score)
            assert rules[name]["next"] is None or rules[name]["next"]["points"] > score


@pytest.mark.slow
@pytest.mark.parametrize("versions", VERSIONS.values(), ids=list(VERSIONS))
def test_what_events_contribute_adds_up_to_the_figures_and_the_score(versions: list[Policy]) -> None:
    seen: Counter[str] = Counter()
    for seed in range(200 * SOAK):
        world = world_of(seed)
        replay = replay_of(versions, world.ledger, world.as_of, world.position)
        seen += assert_contributions_add_up(replay, month_of)
        sums = {(item.period, item.figure): item.value for item in replay.sums(Part())}
        for month in replay.months:
            found, figures = month.found, month.found.figures
            assert [sums.pop((month.month, name)) for name in creator_contributions.UNITS] == [
                *(found.settled_fen, found.good_fen, figures.reputation_sum, figures.reputation_days, figures.deducted),
                month.rules.sales_percent * found.sales_score + month.rules.behaviour_percent * found.behaviour_score,
            ]
        assert not sums
    lines = {"in_period", "days_before", "not_under_zero", "within_settled", "sales_score", "behaviour_score"}
    assert seen.keys() >= lines - (set() if versions == VERSIONS["shipped"] else {"days_before"}), seen


def test_a_bound_that_cuts_a_sum_is_a_line_of_its_own() -> None:
    """More is refunded than was sold, of good goods more than of all."""
    at = parse_instant("2022-08-02T00:00:00+08:00")
    told: list[tuple[str, Any]] = [
        ("creator.registered", NoData()),
        ("sale.settled", SaleSettled(order="o-1", amount=500, good_goods=False, channel="live")),
        ("sale.refunded", SaleRefunded(order="o-1", amount=800)),
        ("sale.settled", SaleSettled(order="o-2", amount=100, good_goods=True, channel="live")),
    ]
    ledger = [Event(SUBJECT, n, n, at, n, "urn:a", f"e-{n}", kind, data) for n, (kind, data) in enumerate(told, 1)]
    replay = replay_of(VERSIONS["shipped"], ledger, parse_instant("2022-09-01T00:00:00+08:00"), 4)
    answer = explain_json(replay, Part(), "en")
    (sums,) = answer["sums"]
    assert sums["period"] == "2022-08"
    assert sums["figures"][:2] == [
        {
            "figure": "settled",
            "unit": "fen",
            "lines": [{"what": "in_period", "amount": -200}, {"what": "not_under_zero", "amount": 200}],
            "value": 0,
        },
        {
            "figure": "good",
            "unit": "fen",
            "lines": [{"what": "in_period", "amount": 100}, {"what": "within_settled", "amount": -100}],
            "value": 0,
        },
    ]
    own = {"unit": "fen", "periods": ["2022-08"]}
    assert [item["contribution"] for item in answer["verdicts"]] == [
        [own | {"figure": "settled", "amount": 500}],
        [own | {"figure": "settled", "amount": -800}],
        [own | {"figure": "settled", "amount": 100}, own | {"figure": "good", "amount": 100}],
    ]


def test_a_score_late_in_a_month_counts_for_the_next_where_its_days_reach_back() -> None:
    """The thirty days that end with February begin in January; of what no month will ask for nothing is said."""
    told: list[tuple[str, str, Any]] = [
        ("2021-12-31", "credit.deducted", CreditDeducted(violation="v-0", points=9)),
        ("2022-01-25", "creator.registered", NoData()),
        ("2022-01-31", "creator.scored", CreatorScored(score="reputation", value="4.6")),
        ("2022-03-01", "creator.scored", CreatorScored(score="reputation", value="4.2")),
        ("2022-03-02", "credit.deducted", CreditDeducted(violation="v-1", points=3)),
    ]
    ledger = [
        Event(SUBJECT, n, n, parse_instant(f"{day}T12:00:00+08:00"), n, "urn:a", f"e-{n}", kind, data)
        for n, (day, kind, data) in enumerate(told, 1)
    ]
    replay = replay_of(VERSIONS["shipped"], ledger, parse_instant("2022-04-01T00:00:00+08:00"), 5)
    months = [
        [(item["figure"], item["amount"], item["periods"]) for item in verdict["contribution"]]
        for verdict in explain_json(replay, Part(), "en")["verdicts"]
    ]
    assert months == [
        [],
        [("reputation", 460, ["2022-01", "2022-02"]), ("reputation_days", 1, ["2022-01", "2022-02"])],
        [],
        [("credit_deducted", 3, ["2022-03"])],
    ]


def test_a_day_of_a_scheme_of_months_is_refused() -> None:
    replay = replay_of(VERSIONS["shipped"], [], parse_instant("2022-09-01T00:00:00+08:00"), 0)
    with pytest.raises(UsageError, match="creator-level is not evaluated by the day; give a month, or another scheme"):
        explain_json(replay, Part(day=19_230), "en")
