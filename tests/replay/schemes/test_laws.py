"""Laws that hold of every replay of a reputation, on random worlds under one policy and several versions."""

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.calendar import month_of, month_start
from domain.events import CORRECTION_TYPES, Event
from domain.merchant_reputation.account import changes
from domain.merchant_reputation.rule import Account, History
from domain.merchant_reputation.running import run
from domain.policy import Policy
from replay.answers.diff import STEPS, diff_json, steps_between
from replay.answers.explain import explain_json
from replay.answers.history import history_json
from replay.history.timeline import Moment
from replay.rendering.facet import standing_json
from replay.replaying.base import Part, Policies
from replay.schemes.merchant_reputation.replay import ReputationReplay as Replay
from tests.conftest import SOAK
from tests.support.contributions import assert_contributions_add_up
from tests.support.replays import INSTANTS, VERSION_LISTS, candidates, replay_of
from tests.worlds.merchant_reputation import LONG_AFTER, NOV, OCT, SUBJECT, World, flagged, known_of, worlds

EXAMPLES = 150 * SOAK


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Replay, Replay]:
    """Two replays of one world, at two moments under two lists of versions; corrections come at its end."""
    ledger = draw(worlds()).ledger
    orders = sorted({event.data.order for event in ledger if event.originator_id == SUBJECT and _names_order(event)})
    for number, order in enumerate(draw(st.lists(st.sampled_from(orders), max_size=4)) if orders else []):
        told = flagged(order, NOV + number)
        position = len(ledger) + 1
        ledger = [
            *ledger,
            Event(SUBJECT, position, position, told.at, LONG_AFTER, "urn:late", str(number), told.type, told.data),
        ]
    head = len(ledger)
    first, last = (
        replay_of(draw(VERSION_LISTS), ledger, draw(INSTANTS), draw(st.integers(head // 3, head))) for _ in range(2)
    )
    return first, last


def _names_order(event: Event) -> bool:
    return hasattr(event.data, "order")


# --- months from their openings ---------------------------------------------------------------------------------------


def since(history: History, opening: Account, window_micros: int) -> History:
    """What a run from an opening needs: what happened since, in the window before, and those orders' earlier facts."""
    near = [fact for fact in history.facts if fact.at >= opening.month_end - window_micros]
    orders = {fact.order for fact in near if fact.what > 1}
    facts = [fact for fact in history.facts if fact.at >= opening.month_end or (fact.what > 1 and fact.order in orders)]
    positions = {fact.position for fact in facts}
    return history._replace(facts=facts, credits=[due for due in history.credits if due.position in positions])


@pytest.mark.slow
@settings(max_examples=EXAMPLES)
@given(world=worlds(), versions=VERSION_LISTS)
def test_months_chained_from_their_openings_equal_one_run(world: World, versions: list[Policy]) -> None:
    replay = replay_of(versions, world.ledger, world.as_of, world.position)
    window_micros = max(span.rules.window_micros for span in replay.spans)
    for number, month in enumerate(replay.run.months):
        opening = month.closing
        chained = run(since(replay.history, opening, window_micros), replay.spans, opening)
        assert chained.findings == replay.findings[month.findings.stop :]
        assert [later._replace(findings=range(0)) for later in chained.months] == [
            later._replace(findings=range(0)) for later in replay.run.months[number + 1 :]
        ]
        assert chained.account == replay.run.account


# --- time and knowledge -----------------------------------------------------------------------------------------------


@pytest.mark.slow
@settings(max_examples=EXAMPLES)
@given(world=worlds(), versions=VERSION_LISTS)
def test_an_earlier_as_of_is_a_prefix_of_a_later_one(world: World, versions: list[Policy]) -> None:
    policies = candidates(versions, world.as_of)
    known = known_of(world.ledger, world.position)
    before, after = (
        Replay(SUBJECT, known, Moment(at, 0, world.position), Policies(policies)) for at in (world.earlier, world.as_of)
    )
    assert before.findings == [finding for finding in after.findings if finding.at <= world.earlier]


@pytest.mark.slow
@settings(max_examples=EXAMPLES)
@given(world=worlds(), versions=VERSION_LISTS, instant=INSTANTS)
def test_history_says_where_the_merchant_stood_at_every_moment(
    world: World, versions: list[Policy], instant: int
) -> None:
    replay = replay_of(versions, world.ledger, world.as_of, world.position)
    found = list(changes(replay.history, replay.run, replay.spans, replay.moment.as_of))
    for at in {min(instant, world.as_of), world.earlier, world.as_of, *(change.at for change in found)}:
        then = Replay(SUBJECT, list(replay.known), Moment(at, 0, world.position), replay.policies)
        earlier = [change.after for change in found if change.at <= at]
        expected = earlier[-1][:2] if earlier else ("not_onboarded", None)
        assert then.shown[:2] == expected
    for change, later in pairwise(found):
        assert change.after[:2] == later.before[:2] and change.at <= later.at
    assert [item["at"] for item in history_json(replay)["changes"]] == sorted(
        item["at"] for item in history_json(replay)["changes"]
    )


@pytest.mark.slow
@settings(max_examples=EXAMPLES)
@given(world=worlds(), versions=VERSION_LISTS)
def test_the_standing_of_a_month_is_that_of_its_close(world: World, versions: list[Policy]) -> None:
    replay = replay_of(versions, world.ledger, world.as_of, world.position)
    for month in range(month_of(OCT), month_of(world.as_of) + 1):
        at = min(month_start(month + 1) - 1, world.as_of)
        then = Replay(SUBJECT, list(replay.known), Moment(at, 0, world.position), replay.policies)
        found = replay.month_standing(month)
        begun = [item for item in then.run.months if item.findings] or replay.run.account.opened_at <= at
        assert found == then.standing() if found is not None else not begun
        told = explain_json(replay, Part(month), "en")["part"]["standing"]
        assert told == (None if found is None else standing_json(then.standing()))


@pytest.mark.slow
@settings(max_examples=EXAMPLES)
@given(world=worlds(), versions=VERSION_LISTS, data=st.data())
def test_unrelated_subjects_may_be_recorded_in_any_order(
    world: World, versions: list[Policy], data: st.DataObject
) -> None:
    """Records of others between those of a merchant move its positions and nothing else."""
    known = known_of(world.ledger, len(world.ledger))
    steps = data.draw(st.lists(st.integers(1, 5), min_size=len(known), max_size=len(known)))
    moved, position = [], 0
    for event, step in zip(known, steps, strict=True):
        position += step
        moved.append(event._replace(position=position))
    policies = candidates(versions, world.as_of)
    here, there = (
        Replay(SUBJECT, events, Moment(world.as_of, 0, events[-1].position if events else 0), Policies(policies))
        for events in (known, moved)
    )
    assert _without_positions(explain_json(here, Part(), "en")) == _without_positions(explain_json(there, Part(), "en"))


def _without_positions(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_positions(item) for key, item in value.items() if key != "position"}
    return [_without_positions(item) for item in value] if isinstance(value, list) else value


# --- explanations -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
@settings(max_examples=EXAMPLES)
@given(world=worlds(), versions=VERSION_LISTS)
def test_an_explanation_adds_up_and_leaves_nothing_out(world: World, versions: list[Policy]) -> None:
    replay = replay_of(versions, world.ledger, world.as_of, world.position)
    whole = explain_json(replay, Part(), "en")
    assert whole["adds_up"]["closing"] == whole["points"]
    assert_contributions_add_up(replay, month_of)
    by_month = [explain_json(replay, Part(month.month), "en") for month in replay.run.months if month.findings]
    assert [verdict for part in by_month for verdict in part["verdicts"]] == whole["verdicts"]
    for part, month in zip(by_month, whole["months"], strict=True):
        assert (part["adds_up"]["opening"], part["adds_up"]["closing"]) == (month["opening"], month["closing"])
        assert part["verdicts"][-1]["balance"] == month["closing"]
    judged = {verdict["position"] for verdict in whole["verdicts"]}
    noted = {note["position"] for note in whole["notes"]}
    assert len(judged) == len(whole["verdicts"]) and not judged & noted, "one verdict or note an event"
    must = {event.position for event in replay.took_part if event.type in ("order.received", "review.posted")}
    assert must <= judged | noted
    assert set(replay.made) == judged | noted
    assert {clause["name"] for clause in whole["clauses"]} == {
        *(verdict["verdict"] for verdict in whole["verdicts"]),
        *(note["note"] for note in whole["notes"]),
    }


@pytest.mark.slow
@settings(max_examples=EXAMPLES)
@given(world=worlds(), versions=VERSION_LISTS)
def test_the_figures_compared_say_why(world: World, versions: list[Policy]) -> None:
    """Where a bound decided, what was found lies on the wrong side of it."""
    replay = replay_of(versions, world.ledger, world.as_of, world.position)
    for finding, verdict in zip(replay.findings, explain_json(replay, Part(), "en")["verdicts"], strict=True):
        compared = verdict["compared"]
        if verdict["verdict"] == "pair_cap":
            assert abs(finding.figure) > finding.bound
        elif verdict["verdict"] == "growth_cap":
            assert finding.figure > finding.bound
        elif verdict["verdict"] == "low_amount":
            assert compared["found"] < compared["bound"]
        elif verdict["verdict"] == "late_review":
            assert finding.figure == finding.at >= finding.bound
        elif verdict["verdict"] == "flagged":
            flag = replay.events[compared["position"]]
            assert flag.type == "order.flagged" and flag.data.order == verdict["order"]
        elif verdict["verdict"] == "closed":
            assert replay.events[compared["position"]].type == "merchant.closed"


# --- differences ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@settings(max_examples=EXAMPLES)
@given(pair=pairs())
def test_a_difference_adds_up_step_by_step_and_event_by_event(pair: tuple[Replay, Replay]) -> None:
    start, end = pair
    found = diff_json(start, end)
    assert [step["step"] for step in found["steps"]] == list(STEPS)
    assert _tenths(found["points"]) == sum(_tenths(step["points"]) for step in found["steps"])
    assert _tenths(found["to"]["points"]) - _tenths(found["from"]["points"]) == _tenths(found["points"])
    for step in found["steps"]:
        assert _tenths(step["points"]) == sum(_tenths(item["points"]) for item in step["events"])
        assert _tenths(step["after"]["points"]) - _tenths(step["before"]["points"]) == _tenths(step["points"])


@pytest.mark.slow
@settings(max_examples=EXAMPLES)
@given(pair=pairs())
def test_a_difference_the_other_way_round_is_the_negative(pair: tuple[Replay, Replay]) -> None:
    start, end = pair
    there, back = diff_json(start, end), diff_json(end, start)
    assert (there["from"], there["to"]) == (back["to"], back["from"])
    assert _tenths(there["points"]) == -_tenths(back["points"])
    for one, other in zip(there["steps"], back["steps"], strict=True):
        assert _tenths(one["points"]) == -_tenths(other["points"])
        if start.moment != end.moment:
            assert (one["before"], one["after"]) == (other["after"], other["before"])
        assert [(item["position"], item["before"], item["after"]) for item in one["events"]] == [
            (item["position"], item["after"], item["before"]) for item in other["events"]
        ]


@pytest.mark.slow
@settings(max_examples=EXAMPLES)
@given(pair=pairs())
def test_each_step_has_one_cause(pair: tuple[Replay, Replay]) -> None:
    first, last = sorted(pair, key=lambda replay: replay.moment.position)
    steps = steps_between(first, last)
    assert steps[0].before is first and steps[-1].after is last
    assert all(one.after is other.before for one, other in pairwise(steps))
    learned, corrected, moved, policy = steps
    assert all(event.position > first.moment.position for event in _events_only_in(learned))
    assert not any(event.type in CORRECTION_TYPES for event in _events_only_in(learned))
    assert all(event.type in CORRECTION_TYPES for event in _events_only_in(corrected))
    assert moved.before.known == moved.after.known and _hashes(moved.before) == _hashes(moved.after)
    assert policy.before.moment == policy.after.moment and policy.before.known == policy.after.known
    if first.moment.position == last.moment.position:
        assert learned.after.judged == first.judged == corrected.after.judged
    if first.moment.as_of == last.moment.as_of:
        assert moved.before.judged == moved.after.judged
    if first.policies == last.policies:
        assert policy.before.judged == policy.after.judged


@pytest.mark.slow
@settings(max_examples=EXAMPLES)
@given(pair=pairs())
def test_what_time_alone_brings_are_default_credits(pair: tuple[Replay, Replay]) -> None:
    """Under the same knowledge and rules, what had happened before changes with time only as a credit falls due."""
    first = pair[0]
    last = Replay(SUBJECT, first.known, first.moment._replace(as_of=max(r.moment.as_of for r in pair)), first.policies)
    for item in diff_json(first, last)["steps"][2]["events"]:
        if item["by_time"]:
            assert (item["type"], item["before"]) == ("order.received", {"note": "pending"})
            assert item["after"]["at"] != ""  # a verdict of its own
        elif item["type"] == "order.received" and item["before"] == {"note": "pending"}:
            assert item["after"] == {"note": "reviewed"}


@pytest.mark.slow
def test_each_step_is_reached() -> None:
    """A difference whose steps never moved anything would prove nothing."""
    seen: Counter[str] = Counter()

    @settings(max_examples=1_500, derandomize=True, database=None)
    @given(pair=pairs())
    def collect(pair: tuple[Replay, Replay]) -> None:
        seen.update(step["step"] for step in diff_json(*pair)["steps"] if _tenths(step["points"]))

    collect()
    assert all(seen[name] > 10 for name in STEPS), seen


def _hashes(replay: Any) -> list[str]:
    return [policy.hash for policy in replay.policies.own]


def _events_only_in(step: Any) -> Iterator[Event]:
    before = {event.position for event in step.before.known}
    return (event for event in step.after.known if event.position not in before)


def _tenths(text: str) -> int:
    whole, _, tenth = text.lstrip("+-").partition(".")
    return (int(whole) * 10 + int(tenth)) * (-1 if text.startswith("-") else 1)
