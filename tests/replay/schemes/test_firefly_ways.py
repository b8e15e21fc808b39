"""The way to a creator's next Firefly level: proved by laying events over, least by trying less, and cases by hand."""

from collections import Counter
from collections.abc import Sequence
from functools import partial
from random import Random

import pytest

from domain.calendar import parse_instant
from domain.events import Event
from domain.limits import POINTS_MAX
from replay.history.timeline import Moment
from replay.replaying.base import Policies
from replay.replaying.hypothetical import REGISTRATION, TIME, Hypothetical, Overlay, Ways
from replay.schemes.creator_firefly.replay import FireflyReplay
from replay.schemes.creator_firefly.ways import NEW_TASKS, ways
from tests.conftest import SOAK
from tests.oracles.creator_firefly import firefly
from tests.support.hypothetical import assert_no_part_reaches, assert_proved, laid, overlay, reaches
from tests.worlds.creator_firefly import POLICIES, SHIPPED, SUBJECT, VERSIONS, in_force, ledger_of, world_of
from tests.worlds.merchant_reputation import with_values

AS_OF = parse_instant("2022-04-15T00:00:00+08:00")


def laying(name: str, known: Sequence[Event]) -> Overlay[FireflyReplay]:
    def made(events: list[Event], moment: Moment, policies: Policies) -> FireflyReplay:
        return FireflyReplay(SUBJECT, events, moment, policies)

    return overlay(made, known, lambda as_of: Policies(in_force(name, as_of)))


@pytest.mark.parametrize("name", POLICIES)
def test_the_way_is_proved_and_nothing_less_does(name: str) -> None:
    kinds = Counter[str]()
    for seed in range(20 * SOAK):
        world, pick = world_of(seed), Random(seed)
        for as_of in (world.as_of, world.earlier):
            known = [event for event in ledger_of(world)[: world.position] if event.originator_id == SUBJECT]
            lay = laying(name, known)
            found = ways(lay((), as_of), lay)
            assert_proved(found, lay, as_of)
            for way in found.ways:
                assert_no_part_reaches(way, str(found.next_level), lay)
                assert by_the_oracle(name, known, way.events, way.reached_at) == way.level
                for less in [] if way.less is None else [way.less, *way.others_less]:
                    assert by_the_oracle(name, known, less, way.reached_at) != way.level
                kinds[way.kind] += 1
                if way.kind == NEW_TASKS:
                    (event, *_), missing = way.events, way.asks[0].amount
                    for points in {1, missing // 2, pick.randrange(missing)} - {0, missing}:
                        some = [event._replace(data={"task": "t", "points": points})]
                        assert not reaches(lay(some, way.reached_at), str(found.next_level))
    assert kinds.keys() >= {REGISTRATION, NEW_TASKS}, kinds


def by_the_oracle(name: str, known: list[Event], events: Sequence[Hypothetical], as_of: int) -> str | None:
    told = [
        {
            **{name: getattr(event, name) for name in ("position", "occurred_at", "source", "id", "type")},
            "subject": event.originator_id,
            "data": {field: getattr(event.data, field) for field in event.data.__struct_fields__},
        }
        for event in laid(known, events, as_of)
    ]
    last = max((event["position"] for event in told), default=0)
    level = firefly(told, as_of=as_of, position=last, versions=VERSIONS[name], subject=SUBJECT)["level"]
    return None if level is None else str(level)


def test_who_is_registered_needs_points_and_who_is_not_registers() -> None:
    lay = laying("shipped", [])
    found = ways(lay((), AS_OF), lay)
    assert [(way.kind, way.level, way.reached_at, way.less) for way in found.ways] == [
        (REGISTRATION, "firefly-1", AS_OF + 1, ())
    ]
    registered = laid([], found.ways[0].events, AS_OF + 1)
    lay = laying("shipped", registered)
    found = ways(lay((), AS_OF + 1), lay)
    assert [(way.kind, way.asks[0].amount, way.level) for way in found.ways] == [(NEW_TASKS, 100, "firefly-2")]
    earned = laid(registered, found.ways[0].events, AS_OF + 2)
    lay = laying("shipped", earned)
    assert ways(lay((), AS_OF + 2), lay).ways[0].asks[0].amount == 400


def test_more_than_a_task_can_bring_makes_several() -> None:
    bounds = [{"code": "low", "from_points": 0}, {"code": "high", "from_points": 2_500_000}]
    policy = with_values(SHIPPED, levels=bounds)
    lay = overlay(partial(FireflyReplay, SUBJECT), begun(1), lambda _: Policies([policy]))
    (way,) = ways(lay((), AS_OF), lay).ways
    assert [event.data["points"] for event in way.events] == [POINTS_MAX, POINTS_MAX, 499_999]
    assert_proved(ways(lay((), AS_OF), lay), lay, AS_OF)


def test_at_the_top_there_is_no_way() -> None:
    lay = laying("shipped", begun(10_000))
    assert ways(lay((), AS_OF), lay) == Ways(None, (), ())
    lay = laying("shipped", begun(9_999))
    assert [way.asks[0].amount for way in ways(lay((), AS_OF), lay).ways] == [1]


def test_the_version_that_judges_the_next_instant_says_what_is_missing() -> None:
    """6 points are firefly-2 until the end of April, where 8 are asked, and firefly-3 from the first instant of May."""
    as_of = parse_instant("2022-05-01T00:00:00+08:00") - 1
    lay = laying("at a month's start", begun(6))
    found = ways(lay((), as_of), lay)
    assert_proved(found, lay, as_of)
    assert [(way.kind, way.level, way.reached_at) for way in found.ways] == [(TIME, "firefly-3", as_of + 1)]
    assert [(way.kind, way.asks[0].amount) for way in ways(lay((), as_of - 1), lay).ways] == [(NEW_TASKS, 2)]


def test_what_is_known_of_the_next_instant_comes_by_itself_and_may_go_beyond_the_next_level() -> None:
    known = begun(200)
    later = Hypothetical(AS_OF + 1, SUBJECT, "points.earned", {"task": "later", "points": 5_000})
    lay = laying("shipped", laid(known, [later], AS_OF + 1))
    found = ways(lay((), AS_OF), lay)
    assert_proved(found, lay, AS_OF)
    assert (found.next_level, [(way.kind, way.level) for way in found.ways]) == ("firefly-3", [(TIME, "firefly-4")])


def begun(points: int) -> list[Event]:
    """A creator who registered and earned points before."""
    registered = Hypothetical(AS_OF - 2, SUBJECT, "creator.registered", {})
    return laid(
        [], [registered, Hypothetical(AS_OF - 1, SUBJECT, "points.earned", {"task": "t", "points": points})], AS_OF
    )
