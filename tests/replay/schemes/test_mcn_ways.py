"""The ways to an agency's next level: proved by laying events over, least by trying less, and cases by hand."""

from collections import Counter
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

import pytest

from domain.calendar import day_of, day_text, parse_instant, parse_month
from domain.events import CreatorNamed, CreatorScored, CreditDeducted, Event, NoData, SaleSettled
from domain.limits import AMOUNT_FEN_MAX
from domain.mcn_level.facts import rules_of
from domain.mcn_level.reaching import CREDIT, REPUTATION, SOLD, fewest
from domain.mcn_level.rule import Figures, Rules, evaluate
from domain.policy import Policy
from replay.history.timeline import Moment
from replay.policies.catalog import shipped
from replay.replaying.base import Policies
from replay.replaying.hypothetical import TIME, TOGETHER, Hypothetical, Need, NoWay, Overlay, Way, Ways
from replay.schemes.mcn_level import ways as mcn_ways
from replay.schemes.mcn_level.replay import McnReplay
from replay.schemes.mcn_level.ways import ONBOARDING, ways
from tests.conftest import SOAK
from tests.oracles.mcn_level import mcn
from tests.support.hypothetical import assert_no_part_reaches, assert_proved, laid, overlay, reaches
from tests.worlds.creator_level import SMALL as SMALL_CREATORS
from tests.worlds.mcn_level import AGENCIES, POLICIES, creator_level_of, values_of, world_of
from tests.worlds.merchant_reputation import as_the_oracle_reads

FEW = 300
"""Ways of more events than these are proved, and nothing else: the oracle is slow."""


def laying(policy: Policy, subject: str, known: Sequence[Event]) -> Overlay[McnReplay]:
    def made(events: list[Event], moment: Moment, policies: Policies) -> McnReplay:
        return McnReplay(subject, events, moment, policies)

    return overlay(made, known, lambda as_of: Policies([policy], [SMALL_CREATORS]))


@pytest.mark.parametrize("name", POLICIES)
def test_every_way_is_proved_and_nothing_less_does(name: str) -> None:
    kinds = Counter[str]()
    for seed in range(20 * SOAK):
        world, pick = world_of(seed), Random(seed)
        known = world.ledger[: world.position]
        for subject in AGENCIES:
            lay = laying(POLICIES[name], subject, known)
            found = ways(lay((), world.as_of), lay)
            assert_proved(found, lay, world.as_of)
            for way in found.ways:
                kinds.update({way.kind, *(need.figure for need in way.asks)})
                assert_no_part_reaches(way, str(found.next_level), lay)
                if len(way.events) <= FEW:
                    assert_confirmed_by_the_oracle(found, way, POLICIES[name], subject, known)
                    for events in less_sold(way, pick):
                        assert not reaches(lay(events, way.reached_at), str(found.next_level)), (way, events)
    assert kinds.keys() >= {TIME, TOGETHER, ONBOARDING, CREDIT, REPUTATION, *SOLD}, kinds


def assert_confirmed_by_the_oracle(found: Ways, way: Way, policy: Policy, subject: str, known: list[Event]) -> None:
    """That it reaches what it says, and what asks one unit less of something does not."""

    def level(events: Sequence[Hypothetical]) -> str | None:
        ledger = laid(known, events, way.reached_at)
        position = max((event.position for event in ledger), default=0)
        told = mcn(
            [as_the_oracle_reads(event) for event in ledger],
            as_of=way.reached_at,
            position=position,
            parameters=values_of(policy),
            subject=subject,
            creator_level_of=creator_level_of(ledger, position),
        )
        return None if told["level"] is None else str(told["level"])

    assert level(way.events) == way.level
    for less in () if way.less is None else (way.less, *way.others_less):
        assert (level(less) or "") < str(found.next_level)


def less_sold(way: Way, pick: Random) -> Iterator[list[Hypothetical]]:
    """The same with much less settled, where it is asked for: of the last sale, of which few others are full."""
    sales = [event for event in way.events if event.type == "sale.settled" and event.data["amount"]]
    others = [event for event in way.events if event not in sales]
    fen = sum(event.data["amount"] for event in sales)
    for some in {1, fen // 2, *(pick.randrange(fen) for _ in range(20))} - {0, fen} if fen else ():
        amounts = [min(AMOUNT_FEN_MAX, some - begun) for begun in range(0, some, AMOUNT_FEN_MAX)]
        yield [
            *others,
            *(sale._replace(data={**sale.data, "amount": a}) for sale, a in zip(sales, amounts, strict=False)),
        ]


# --- cases by hand ----------------------------------------------------------------------------------------------------

YUAN = 100
ONE = ("mcn/one", "creator/c-1")


def event(subject: str, day: str, kind: str, data: Any) -> tuple[str, int, str, Any]:
    return subject, parse_instant(f"{day}T09:00:00+08:00"), kind, data


def asked(as_of: str, *told: tuple[str, int, str, Any], score: str = "4.20") -> tuple[str | None, dict[str, str], Ways]:
    """The next level, by kind of way what is asked, what it gives and when; of an agency that joined in April
    with one creator of that reputation.
    """
    agency, creator = ONE
    begun = (
        event(agency, "2023-04-20", "mcn.onboarded", NoData()),
        event(agency, "2023-04-20", "creator.bound", CreatorNamed(creator="c-1")),
        event(creator, "2023-04-21", "creator.scored", CreatorScored(score="reputation", value=score)),
    )
    known = [
        Event(subject, place, place, at, place, "urn:a", f"e-{place}", kind, data)
        for place, (subject, at, kind, data) in enumerate((*begun, *told), 1)
    ]
    policies = Policies(shipped("mcn-level"), shipped("creator-level"))
    at = parse_instant(f"{as_of}T12:00:00+08:00")

    def made(events: list[Event], moment: Moment, _: Policies) -> McnReplay:
        return McnReplay(agency, events, moment, policies)

    lay = overlay(made, known, lambda _: policies)
    found = ways(lay((), at), lay)
    assert_proved(found, lay, at)
    return found.next_level, {way.kind: shown(way) for way in found.ways}, found


def shown(way: Way) -> str:
    needs = " ".join(f"{need.figure} {need.amount}" for need in way.asks)
    return f"{needs} -> {way.level} {day_text(day_of(way.reached_at))}".lstrip()


def sold(day: str, order: str, yuan: int, channel: Any = "live", *, good: bool = False) -> tuple[str, int, str, Any]:
    data = SaleSettled(order=order, amount=yuan * YUAN, channel=channel, good_goods=good)
    return event(ONE[1], day, "sale.settled", data)


def test_who_has_no_level_waits_for_the_end_of_the_novice_phase() -> None:
    """April and May are the two novice months; June is evaluated on 3 July: service 140, credit 120, V1 from 0."""
    assert asked("2023-05-10")[:2] == ("V1", {TIME: "-> V1 2023-07-03"})


def test_a_month_that_is_closed_and_not_evaluated_yet_brings_its_level_by_itself() -> None:
    assert asked("2023-07-02")[:2] == ("V1", {TIME: "-> V1 2023-07-03"})


def test_without_enough_service_the_reputation_is_asked_for() -> None:
    """4.05 is 120 points; 140 from 4.20."""
    assert asked("2023-06-10", score="4.05")[:2] == ("V1", {REPUTATION: "reputation 15 -> V1 2023-07-03"})


def test_scores_are_counted_before_they_are_laid(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one creator's score is one event."""
    for most in (0, 1):
        monkeypatch.setattr(mcn_ways, "PROVED_EVENTS_MAX", most)
        told = asked("2023-06-10", score="4.05")[2]
        assert len(told.ways) == most
    monkeypatch.setattr(mcn_ways, "PROVED_EVENTS_MAX", 0)
    needs = (Need(REPUTATION, 15, "hundredths"),)
    assert asked("2023-06-10", score="4.05")[2].unreachable == (NoWay(REPUTATION, "too_many_to_prove", needs),)


def test_without_enough_credit_it_is_granted() -> None:
    """120 - 45 = 75; 80 is needed."""
    lost = event(ONE[0], "2023-06-05", "credit.deducted", CreditDeducted(violation="v", points=45))
    assert asked("2023-06-10", lost)[:2] == ("V1", {CREDIT: "credit 5 -> V1 2023-07-03"})
    both = asked("2023-06-10", lost, score="4.05")[1]
    assert both == {TOGETHER: "credit 5 reputation 15 -> V1 2023-07-03"}


def test_each_row_that_alone_brings_the_next_level_is_told_with_the_least_of_it() -> None:
    """June, 100,000 yuan by showcase: 50 + 120 + 16 for one such creator + 140 for the service is V2. July, 2,000,000:
    150 + 120 + 16 + 140 = 426, and V3 is from 500. 74 are missing:

    30 % of good goods are 80: 3/7 of what there is. By showcase 50,000,000 yuan in all are 100 more; otherwise sold
    they take the showcase's share with them. 5,000 worry-free orders are 50, and 40 as orders; with 1,000 it is 50,
    with 4,999 30 + 40. 100 creators with a showcase sale are 64 more, and with 1,000 orders there are 20 beside.
    100,000 orders are 80, but nobody lays so many over; 30 creators of L5 are 80. Live minutes bring 50 at most, a
    better service 60.
    """
    lines = [sold("2023-06-05", "o-1", 100_000, "showcase"), sold("2023-07-05", "o-2", 2_000_000, "showcase")]
    next_level, found_ways, found = asked("2023-07-10", *lines)
    assert next_level == "V3"
    assert found_ways == {
        "showcase_sales": f"showcase_sales {48_000_000 * YUAN} -> V3 2023-08-03",
        "good_sales": "good_sales 85714286 -> V3 2023-08-03",
        "worry_free_orders": "worry_free_orders 5000 -> V3 2023-08-03",
        "showcase_creators": "showcase_creators 999 -> V3 2023-08-03",
    }
    assert found.unreachable == (
        NoWay("orders", "too_many_to_prove", (Need("orders", 99_999, "orders"),)),
        NoWay("live_minutes", "not_enough_points"),
        NoWay("reputation", "not_enough_points"),
        NoWay("top_creators", "by_their_own_ways", (Need("top_creators", 30, "creators"),)),
    )


def test_the_fewest_ask_for_nothing_that_the_others_do_without() -> None:
    """The July of above: good sales by showcase and orders would do it together, and 100,000 orders alone."""
    fen = 2_000_000 * YUAN
    july = Figures(parse_month("2023-07"), 4, 120, fen, fen, 0, 1, 0, 1, 0, 0, 420, 1)
    rules = rules_of(POLICIES["shipped"])
    assert evaluate(july, rules).total == 426
    assert fewest(july, rules, rules.level_codes.index("V3")) == {"orders": 99_999}


@pytest.mark.parametrize("together", [None, {"orders": 99_999}])
def test_where_one_row_does_it_that_nobody_can_prove_nothing_is_told_of_several(
    monkeypatch: pytest.MonkeyPatch, together: dict[str, int] | None
) -> None:
    """What can be proved of several is looked for once: it is nothing, or what one does."""
    looked = list[int]()

    def found(figures: Figures, rules: Rules, wanted: int, count_max: int = -1) -> dict[str, int] | None:
        looked.append(count_max)
        return together

    monkeypatch.setattr(mcn_ways, "fewest", found)
    monkeypatch.setattr(mcn_ways, "PROVED_EVENTS_MAX", 0)
    lines = [sold("2023-06-05", "o-1", 100_000, "showcase"), sold("2023-07-05", "o-2", 2_000_000, "showcase")]
    told = asked("2023-07-10", *lines)[2]
    assert told.ways == () and TOGETHER not in {item.kind for item in told.unreachable}
    assert sum(item.why == "too_many_to_prove" for item in told.unreachable) == 5
    assert looked == [0]


def test_where_no_row_does_it_the_fewest_do_together() -> None:
    """July and August, 2,000,000 yuan each, all good and by showcase: 150 + 120 + 16 + 100 + 140 = 526, V3; V4 is from
    700, 174 more. 50,000,000 yuan bring 100, and 5,000 orders 40; worry-free ones 90, which are enough. 1,000 of these
    are 50, and 4,998 make the 5,000th order, 70.
    """
    days = (("2023-07-05", "o-1"), ("2023-08-05", "o-2"))
    lines = [sold(day, order, 2_000_000, "showcase", good=True) for day, order in days]
    next_level, found_ways, found = asked("2023-08-10", *lines)
    needs = f"good_showcase_sales {48_000_000 * YUAN} worry_free_orders 5000"
    assert (next_level, found_ways) == ("V4", {TOGETHER: f"{needs} -> V4 2023-09-03"})
    assert found.unreachable[0] == NoWay(
        "worry_free_orders", "too_many_to_prove", (Need("worry_free_orders", 100_000, "orders"),)
    )


def test_an_agency_of_which_nothing_is_known_joins_first() -> None:
    lay = laying(POLICIES["shipped"], "mcn/new", [])
    at = parse_instant("2023-05-10T00:00:00+08:00")
    found = ways(lay((), at), lay)
    assert_proved(found, lay, at)
    (way,) = found.ways
    assert shown(way) == "onboarding 1 reputation 420 -> V1 2023-08-03"
    since = parse_instant("2023-07-01T00:00:00+08:00")
    assert [event.data["creator"] for event in way.events if event.type == "creator.bound"] == [
        f"hypothetical-{since}-reputation"
    ]
