"""The ways to a creator's next level: proved by laying their events over, least by trying less, and cases by hand."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations, islice, product
from math import comb
from random import Random

import msgspec
import pytest

from domain.calendar import day_of, day_start, day_text, month_of, month_start, parse_instant
from domain.events import CATALOGUE, Event
from domain.policy import Policy
from replay.history.timeline import Moment
from replay.replaying.base import Policies
from replay.replaying.hypothetical import TIME, TOGETHER, Hypothetical, NoWay, Overlay, Way, Ways
from replay.schemes.creator_level.replay import CreatorReplay
from replay.schemes.creator_level.ways import APPEALS, BEST_DAYS, GOOD_SALES, SALES, SCORE_EACH_DAY, sold, ways
from tests.conftest import SOAK
from tests.support.hypothetical import assert_no_part_reaches, assert_proved, laid, overlay, reaches
from tests.worlds.creator_level import SUBJECT, VERSIONS, by_the_oracle, candidates, open_month_of
from tests.worlds.creator_level import world_of as closed_months_of

Laying = Overlay[CreatorReplay]
SOME = 40
"""So many of the things that are less are tried, of each way."""


def laying(versions: Sequence[Policy], known: Sequence[Event]) -> Laying:
    def made(events: list[Event], moment: Moment, policies: Policies) -> CreatorReplay:
        return CreatorReplay(SUBJECT, events, moment, policies)

    return overlay(made, known, lambda as_of: candidates(versions, as_of))


@pytest.mark.parametrize("name", VERSIONS)
def test_every_way_is_proved_and_nothing_less_does(name: str) -> None:
    versions, kinds = VERSIONS[name], Counter[str]()
    for seed, world_of in product(range(20 * SOAK), (closed_months_of, open_month_of)):
        world = world_of(seed)
        known = world.ledger[: world.position]
        lay = laying(versions, known)
        found = ways(lay((), world.as_of), lay)
        assert_proved(found, lay, world.as_of)
        assert_confirmed_by_the_oracle(found, versions, known)
        for way in found.ways:
            assert_nothing_less_does(way, str(found.next_level), lay, world.as_of, Random(seed))
            if SCORE_EACH_DAY not in {
                need.figure for need in way.asks
            }:  # of which fewer days may do, at the same score
                assert_no_part_reaches(way, str(found.next_level), lay)
        assert_unreachable(found, lay, world.as_of)
        kinds.update({need.figure for way in found.ways for need in way.asks} | {way.kind for way in found.ways})
    assert kinds.keys() >= {SALES, GOOD_SALES, BEST_DAYS, SCORE_EACH_DAY, TOGETHER, TIME}, kinds


def assert_confirmed_by_the_oracle(found: Ways, versions: Sequence[Policy], known: list[Event]) -> None:
    for way in found.ways:
        events = laid(known, way.events, way.reached_at)
        assert by_the_oracle(versions, events, way.reached_at, len(events))["level"] == way.level
        for less in () if way.less is None else (way.less, *way.others_less):
            events = laid(known, less, way.reached_at)
            level = by_the_oracle(versions, events, way.reached_at, len(events))["level"]
            assert level is None or level < str(found.next_level)


def assert_nothing_less_does(way: Way, level: str, lay: Laying, as_of: int, pick: Random) -> None:
    """Of each thing that is asked, with all of the others, much less of it is tried: of few events every choice."""
    for need in way.asks:
        others = [event for event in way.events if FIGURES[event.type](event, way) != need.figure]
        for events in LESS.get(need.figure, nothing)(way, need.amount, lay, as_of, pick):
            assert not reaches(lay([*others, *events], way.reached_at), level), (way, events)


Less = Iterator[Sequence[Hypothetical]]


def assert_unreachable(found: Ways, lay: Laying, as_of: int) -> None:
    """What is said to be no way is none, though all else is done that can be."""
    at = month_start(month_of(as_of) + 1)
    best = [*best_on_each_day(at, lay, as_of), *appeals(as_of)]
    for no in found.unreachable:
        fens = [0, *(bound + by for bound in BOUNDS for by in (-1, 0, 1)), 10**13]
        of_good = [True] if no.kind == GOOD_SALES else [False] if no.kind == SALES else [True, False]
        for fen, good_goods in product(fens, of_good):
            done = [*best, *sold(SUBJECT, as_of, fen, good_goods=good_goods)]
            assert not reaches(lay(done, at), str(found.next_level)), (no, fen)


BOUNDS = (
    1,
    100,
    400,
    900,
    1_600,
    2_500,
    3_600,
    4_900,
    30_000,
    200_000,
    3 * 10**6,
    10**7,
    5 * 10**7,
    5 * 10**8,
    5 * 10**9,
)
"""Of settled money in these worlds' policies, and of one fen."""


def nothing(way: Way, amount: int, lay: Laying, as_of: int, pick: Random) -> Less:
    yield ()


FIGURES: dict[str, Callable[[Hypothetical, Way], str]] = {
    "sale.settled": lambda event, _: GOOD_SALES if event.data["good_goods"] else SALES,
    "creator.scored": lambda _, way: BEST_DAYS if BEST_DAYS in {need.figure for need in way.asks} else SCORE_EACH_DAY,
    "credit.restored": lambda *_: APPEALS,
    "creator.registered": lambda *_: "registration",
}
"""By type of event, for which figure it stands."""


def fewer_fen(way: Way, amount: int, lay: Laying, as_of: int, pick: Random) -> Less:
    """Those about every bound of money, and some others."""
    good_goods = any(event.data.get("good_goods") for event in way.events)
    at = next(event.occurred_at for event in way.events if event.type == "sale.settled")
    then = lay(way.events, way.reached_at).held
    assert then is not None
    settled = then.found.figures.settled_sum_fen - amount
    bounds = (1, *(band.begins for band in then.rules.sales_bands))
    about = {0, 1, amount - 1, *(bound - settled + by for bound in bounds for by in (-1, 0, 1))}
    about |= {pick.randrange(amount) for _ in range(SOME)}
    for fen in sorted(about):
        if 0 <= fen < amount:
            yield sold(SUBJECT, at, fen, good_goods=good_goods)


def fewer_days(way: Way, amount: int, lay: Laying, as_of: int, pick: Random) -> Less:
    """The best score on one day less, whichever of those that are left."""
    left = best_on_each_day(way.reached_at, lay, as_of)
    if comb(len(left), amount - 1) <= SOME:
        yield from combinations(left, amount - 1)
    else:
        yield from (pick.sample(left, amount - 1) for _ in range(SOME))


def best_on_each_day(evaluated_at: int, lay: Laying, as_of: int) -> list[Hypothetical]:
    """The best score at the close of every day that is left of the month that is evaluated then."""
    since = max(as_of, month_start(month_of(evaluated_at - 1)))
    data = {"score": "reputation", "value": "5"}
    days = range(day_of(since), day_of(evaluated_at))
    return [Hypothetical(day_start(day + 1) - 1, SUBJECT, "creator.scored", data) for day in days]


def fewer_appeals(way: Way, amount: int, lay: Laying, as_of: int, pick: Random) -> Less:
    """One appeal less, of whichever violations."""
    at = next(event.occurred_at for event in way.events if event.type == "credit.restored")
    yield from islice(combinations(appeals(at), amount - 1), SOME)


def appeals(at: int) -> list[Hypothetical]:
    """Of every violation of these worlds."""
    return [Hypothetical(at, SUBJECT, "credit.restored", {"violation": f"v-{number}"}) for number in range(5)]


def lower_scores(way: Way, amount: int, lay: Laying, as_of: int, pick: Random) -> Less:
    scores = [event for event in way.events if event.type == "creator.scored"]
    for value in {max(amount - 1, 0), 0, pick.randrange(amount)}:
        data = {"score": "reputation", "value": f"{value // 100}.{value % 100:02d}"}
        yield [event._replace(data=data) for event in scores]


LESS = {
    SALES: fewer_fen,
    GOOD_SALES: fewer_fen,
    BEST_DAYS: fewer_days,
    APPEALS: fewer_appeals,
    SCORE_EACH_DAY: lower_scores,
}


# --- cases by hand ----------------------------------------------------------------------------------------------------

YUAN = 100
LIKED = ("2022-07-10 creator.scored reputation 4.50", "2022-08-02 creator.scored reputation 4.50")


def asked(as_of: str, *lines: str) -> tuple[str | None, list[tuple[str, str, str]], list[NoWay]]:
    """The next level, of each way what is asked, which level it gives and on which day, and what is no way."""
    lay, at = laying(VERSIONS["shipped"], registered(*lines)), parse_instant(f"{as_of}T12:00:00+08:00")
    found = ways(lay((), at), lay)
    assert_proved(found, lay, at)
    told_ways = [
        (" ".join(f"{n.figure} {n.amount}" for n in way.asks), way.level, day_text(day_of(way.reached_at)))
        for way in found.ways
    ]
    return found.next_level, told_ways, list(found.unreachable)


def registered(*lines: str) -> list[Event]:
    """What lines tell of one who registered before."""
    return [told(place, line) for place, line in enumerate(("2022-05-01 creator.registered", *lines), 1)]


def told(place: int, line: str) -> Event:
    """An event from its day, its type and the values of its data in the order of their names here."""
    day, kind, *values = line.split()
    at = parse_instant(f"{day}T09:00:00+08:00")
    names = {
        "sale.settled": ("amount", "good_goods"),
        "sale.refunded": ("order", "amount"),
        "creator.scored": ("score", "value"),
        "credit.deducted": ("violation", "points"),
    }
    data = {"order": f"o-{place}", "channel": "live"} if kind == "sale.settled" else {}
    of_type = CATALOGUE[kind].data
    found = msgspec.convert({**data, **dict(zip(names.get(kind, ()), values, strict=True))}, of_type, strict=False)
    return Event(SUBJECT, place, place, at, place, "urn:a", f"e-{place}", kind, found)


def test_less_of_good_goods_is_needed_than_of_others() -> None:
    """300 yuan in July, L1; 300 in August so far. L2 is 4 S + B >= 8: S 2 from 2,000 yuan; or with S 1 B 4, 20 %: 75 of
    375 yuan.
    """
    found = asked("2022-08-15", "2022-07-02 sale.settled 30000 false", "2022-08-02 sale.settled 30000 false", *LIKED)
    found_ways = [("sales 170000", "L2", "2022-09-01"), ("good_sales 7500", "L2", "2022-09-01")]
    assert found == ("L2", found_ways, [])


def test_what_is_no_good_goods_lowers_their_share() -> None:
    """300 yuan, all good, is L2 (4 + 7 + 2 = 13). L3 needs 15: with others of 2,000 yuan 15 % are good, 8 + 3 + 2; of
    30,000 1 %, 12 + 0 + 2; of 100,000 none to speak of, 16 + 2. With good goods 8 + 7 + 2 does.
    """
    found = asked("2022-08-15", "2022-07-02 sale.settled 30000 true", "2022-08-02 sale.settled 30000 true", *LIKED)
    found_ways = [("sales 9970000", "L3", "2022-09-01"), ("good_sales 170000", "L3", "2022-09-01")]
    assert found == ("L3", found_ways, [])


def test_refunds_beyond_the_sales_of_the_month_are_made_up_for() -> None:
    """August: 10 yuan sold, 410 refunded; with 300 on top of these 400 yuan S is 1."""
    lines = ("2022-07-02 sale.settled 41000 false", "2022-08-02 sale.settled 1000 false")
    next_level, found_ways, _ = asked("2022-08-15", *lines, "2022-08-03 sale.refunded o-2 41000", *LIKED)
    assert (next_level, found_ways) == (
        "L2",
        [("sales 240000", "L2", "2022-09-01"), ("good_sales 70000", "L2", "2022-09-01")],
    )


def test_more_than_one_sale_can_be_makes_several() -> None:
    lines = ("2022-07-02 sale.settled 10000000000 true", "2022-08-03 sale.refunded o-2 10000000000")
    lay = laying(VERSIONS["shipped"], registered(*lines))
    at = parse_instant("2022-08-15T00:00:00+08:00")
    found = ways(lay((), at), lay)
    way = next(way for way in found.ways if way.asks[-1].figure == GOOD_SALES)
    assert [event.data["amount"] for event in way.events if event.type == "sale.settled"] == [10**10, 5 * 10**9]


def test_before_the_gates_sales_alone_are_asked_for() -> None:
    found = asked("2022-06-15", "2022-05-02 sale.settled 30000 false", "2022-06-02 sale.settled 50000 true")
    assert found == ("L2", [("sales 150000", "L2", "2022-07-01")], [])


def test_the_version_in_force_at_the_evaluation_judges_the_month_that_is_open() -> None:
    """On 15 July the old version is in force still; the evaluation of July has gates, and good goods count."""
    next_level, found_ways, _ = asked("2022-07-15", "2022-06-02 sale.settled 30000 false")
    assert next_level == "L2"
    assert found_ways == [
        ("score_each_day 420 sales 200000", "L2", "2022-08-01"),
        ("score_each_day 420 good_sales 30000", "L2", "2022-08-01"),
        ("best_days 1 sales 200000", "L2", "2022-08-01"),
        ("best_days 1 good_sales 30000", "L2", "2022-08-01"),
    ]


def test_a_mean_that_too_few_days_are_left_to_raise_waits_for_the_next_month() -> None:
    """29 days of August at 4.00: 4.20 needs 6 points more, and 31 August can bring 1. September stands alone:
    4.20 on each does, or 5.00 on one. One fen of good goods makes B 7, which is L1.
    """
    scores = [f"2022-08-{day:02d} creator.scored reputation 4.00" for day in range(2, 31)]
    next_level, found_ways, unreachable = asked("2022-08-31", "2022-07-10 creator.scored reputation 4.50", *scores)
    assert (next_level, unreachable) == ("L1", [NoWay(BEST_DAYS, "too_few_days")])
    assert found_ways == [
        (f"{scored} {sold}", "L1", "2022-10-01")
        for scored in ("score_each_day 420", "best_days 1")
        for sold in ("sales 30000", "good_sales 1")
    ]


def test_an_appeal_lifts_the_gate_of_the_evaluation_that_holds() -> None:
    """July had 300 yuan and 7 points deducted, 3 and 4: without the 4 it is L1 at once."""
    lines = ("2022-07-20 credit.deducted v-1 3", "2022-07-21 credit.deducted v-2 4")
    sales = ("2022-07-02 sale.settled 30000 false", "2022-08-02 sale.settled 30000 false")
    next_level, found_ways, _ = asked("2022-08-05", *sales, *lines, *LIKED)
    assert (next_level, found_ways) == ("L1", [("appeals 1", "L1", "2022-08-05"), ("", "L1", "2022-09-01")])


def test_an_appeal_at_the_close_of_a_month_reaches_its_evaluation_and_not_the_one_before() -> None:
    """Deducted on 30 January, which gates January and, over 30 days, February, too. At the last instant of February an
    appeal would lift January's gate an instant before February is evaluated: made with that, it is a way.
    """
    lines = ("2023-01-05 creator.scored reputation 4.50", "2023-01-30 credit.deducted v-1 5")
    known = registered(*lines, "2023-02-05 creator.scored reputation 4.50")
    lay, at = laying(VERSIONS["shipped"], known), month_start(month_of(parse_instant("2023-03-01T00:00:00+08:00")))
    found = ways(lay((), at - 1), lay)
    assert_proved(found, lay, at - 1)
    assert [(way.kind, way.level) for way in found.ways if way.reached_at == at] == [(APPEALS, "L0")]


def test_points_that_leave_the_window_are_waited_for() -> None:
    """Deducted in August: an appeal is needed for its evaluation, and none for that of September."""
    sales = ("2022-07-02 sale.settled 30000 false", "2022-08-02 sale.settled 200000 false")
    next_level, found_ways, _ = asked("2022-08-15", *sales, "2022-08-03 credit.deducted v-1 5", *LIKED)
    assert (next_level, found_ways[0]) == ("L2", ("appeals 1", "L2", "2022-09-01"))
    asked_later = {asks for asks, _, day in found_ways[1:] if day == "2022-10-01"}
    assert len(asked_later) == len(found_ways) - 1 > 0 and not any("appeals" in asks for asks in asked_later)


def test_who_is_not_registered_has_that_to_do_first_and_at_the_top_there_is_nothing() -> None:
    lay = laying(VERSIONS["shipped"], [])
    at = parse_instant("2022-06-15T00:00:00+08:00")
    found = ways(lay((), at), lay)
    assert [(way.kind, way.level) for way in found.ways] == [("registration", "L0")]
    top = ("2022-07-02 sale.settled 5000000000 true", *LIKED)
    assert asked("2022-08-15", *top) == (None, [], [])


def test_a_level_that_comes_by_itself_takes_time_alone() -> None:
    lines = ("2022-07-02 sale.settled 30000 false", "2022-08-02 sale.settled 200000 false", *LIKED)
    assert asked("2022-08-15", *lines) == ("L2", [("", "L2", "2022-09-01")], [])
