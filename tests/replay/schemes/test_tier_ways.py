"""Ways to a merchant's next tier: proved by laying their events over the replay, and minimal by trying all fewer."""

from collections.abc import Iterator, Sequence
from itertools import combinations_with_replacement
from random import Random
from typing import Final, NamedTuple

import pytest

from domain.calendar import day_of, day_start, parse_instant
from domain.events import Event, MerchantOnboarded
from domain.limits import AMOUNT_FEN_MAX, DAY_MICROS, MINUTE_MICROS
from domain.merchant_tier.facts import end_of
from domain.merchant_tier.running import run, span_on
from domain.merchant_tier.values import Day, DayOpening, History
from domain.policy import Policy
from replay.history.timeline import Moment
from replay.replaying.base import Policies
from replay.replaying.hypothetical import TIME, Hypothetical, Way, Ways
from replay.schemes.merchant_tier.replay import TierReplay
from replay.schemes.merchant_tier.ways import FAST_UPGRADE, ORDERS_AND_REVIEWS, ways
from tests.conftest import SOAK
from tests.oracles.merchant_tier import tier
from tests.support.hypothetical import laid, reaches
from tests.support.ways import assert_way_proved, until
from tests.worlds.merchant_reputation import as_the_oracle_reads, with_values
from tests.worlds.merchant_tier import BEGIN, LEVELS, ODD, SHIPPED, SMALL, SUBJECT, world_of

WORLDS: Final = 100 * SOAK
FAR_DAYS: Final = 40
OPENED: Final = MerchantOnboarded(category="fresh")


def replay_of(policy: Policy, known: Sequence[Event], as_of: int) -> TierReplay:
    return TierReplay(SUBJECT, list(known), Moment(as_of, 0, 10**6), Policies([policy]))


def then(replay: TierReplay, events: Sequence[Hypothetical], as_of: int) -> TierReplay:
    return replay_of(replay.policy, laid(replay.known, events, as_of), as_of)


def ways_of(replay: TierReplay) -> Ways:
    return ways(replay, lambda events, as_of: then(replay, events, as_of))


def by_the_oracle(replay: TierReplay, events: Sequence[Hypothetical], as_of: int) -> str | None:
    values = {name: item.value for name, item in replay.policy.parameters.items()}
    values["statistics_from"] = parse_instant(values["statistics_from"])
    values["scope"] = values["scope"] | {"joined_before": parse_instant(values["scope"]["joined_before"])}
    told = [as_the_oracle_reads(event) for event in laid(replay.known, events, as_of)]
    level: str | None = tier(told, as_of=as_of, position=10**6, parameters=values, subject=SUBJECT)["level"]
    return level


def policy_of(pick: Random) -> Policy:
    """Shipped, small, or with bounds and limits within reach of a few orders."""
    if pick.random() < 0.3:
        return pick.choice((SHIPPED, SMALL, ODD))
    up = {
        "complaint_below": pick.choice((0, 300, 3_000, 5_000, 10_000, 20_000)),
        "product_above": pick.choice((0, 5_000, 6_667, 8_800, 9_999, 10_000)),
        "service_above": pick.choice((0, 5_000, 6_667, 8_800)),
    }
    limits = {"orders_limit": pick.choice((1, 2, 3, 5)), "gmv_limit_fen": pick.choice((1, 999, 1_000, 10**11))}
    fast = {
        "limit_share_percent": pick.choice((0, 50, 80, 100)),
        "reviews_share_percent": pick.choice((0, 10, 60, 100, 120)),
    }
    tiers = [level | {"up": up} | limits if "up" in level else level for level in LEVELS]
    small = {
        "window_days": pick.choice((3, 4, 6)),
        "wait_days": pick.choice((2, 3, 5)),
        "clear_out_days": pick.choice((5, 60)),
    }
    return with_values(SMALL, tiers=tiers, fast_upgrade=fast, **small)


def case_of(seed: int) -> TierReplay:
    """A merchant at some instant of its life, soon after something happened."""
    pick = Random(seed)
    policy, world = policy_of(pick), world_of(seed)
    ends = ("merchant.closed", "merchant.onboarded") if pick.random() < 0.8 else ()
    told = [event for event in world.ledger if event.type not in ends]
    if ends:  # most of the merchants are open all along
        told.insert(0, Event(SUBJECT, 0, 0, BEGIN, 0, "urn:a", "opened", "merchant.onboarded", OPENED))
    times = [event.occurred_at for event in told]
    day = day_of(pick.choice(times) if times and pick.random() < 0.8 else world.as_of) + pick.randrange(3)
    as_of = pick.choice((end_of(day), end_of(day), day_start(day) + DAY_MICROS // 3, end_of(day) - MINUTE_MICROS // 2))
    return replay_of(policy, until(told, as_of), as_of)


def assert_all_proved(replay: TierReplay, found: Ways) -> None:
    begins = replay.moment.as_of + MINUTE_MICROS
    for way in found.ways:
        assert way.level == found.next_level and not reaches(replay, way.level)
        assert end_of(day_of(way.reached_at)) == way.reached_at
        assert_way_proved(way, lambda events, at: then(replay, events, at), begins, way.reached_at - DAY_MICROS)
        assert not reaches(then(replay, way.events, way.reached_at - 1), way.level)
        level = then(replay, way.events, way.reached_at).standing().level
        if len(way.events) < 200:
            assert by_the_oracle(replay, way.events, way.reached_at) == level
        assert way.kind == TIME or len(way.asks) == 1 + len(way.others_less)


class Tried(NamedTuple):
    """Orders of some days, as they are tried."""

    added: tuple[Day, ...]
    orders: int
    reviews: int
    gmv_fen: int


def tried(days: Sequence[int]) -> Iterator[Tried]:
    """Every way to place up to three orders on some days, each with a review or without, of one fen or of the most."""
    units = [(day, reviewed, amount) for day in days for reviewed in (0, 1) for amount in (1, AMOUNT_FEN_MAX)]
    for count in (1, 2, 3):
        for placed in combinations_with_replacement(units, count):
            added = tuple(Day(day, 1, amount, 0, *[reviewed] * 4) for day, reviewed, amount in placed)
            yield Tried(added, count, sum(day.reviews for day in added), sum(day.gmv_fen for day in added))


def reached_with(replay: TierReplay, base: History, added: Sequence[Day], level: str) -> int | None:
    """The day at whose close the rule first comes to a level, with further figures of some days."""
    figures = {day.day: day for day in base.days}
    for day in added:
        sums = zip(figures.get(day.day, Day(day.day)), day, strict=True)
        figures[day.day] = Day(*(one + other for one, other in sums))._replace(day=day.day)
    history = base._replace(days=[figures[day] for day in sorted(figures)])
    closed = DayOpening(replay.day, replay.account)
    rank = span_on(replay.spans, replay.day).codes.index(level)
    changes = run(history, replay.spans, replay.day + FAR_DAYS, closed).changes
    return next((c.day for c in changes if c.after.tier >= rank and not c.after.cleared_out), None)


def assert_no_less(replay: TierReplay, found: Ways) -> None:
    """What six events do is not earlier than the earliest way, nor as early as one by less of anything it asks."""
    assert found.next_level is not None
    base = then(replay, (), end_of(replay.day + FAR_DAYS)).history
    alone = next((day_of(way.reached_at) for way in found.ways if way.kind == TIME), None)
    assert reached_with(replay, base, (), found.next_level) == alone
    first = day_of(replay.moment.as_of + MINUTE_MICROS)
    ends = [day_of(way.reached_at) for way in found.ways]
    is_known = not any(item.why in ("moves_before", "too_many_to_prove") for item in found.unreachable)
    for one in tried(sorted({first, *ends})):
        day = reached_with(replay, base, one.added, found.next_level)
        if day is None:
            continue
        assert day >= min(ends) if ends else not is_known or day > first
        for way in found.ways:
            if way.kind in (ORDERS_AND_REVIEWS, FAST_UPGRADE) and day_of(way.reached_at) == day:
                _assert_asks_no_more(way, one)


def _assert_asks_no_more(way: Way, one: Tried) -> None:
    """Another that is as early does at least as much of everything."""
    asked = {need.figure: need.amount for need in way.asks}
    assert one.orders >= asked.get("new_orders", 0)
    assert one.reviews >= asked.get("good_reviews_of_them", 0)
    assert one.gmv_fen >= asked.get("gmv_of_them", 0)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(5))
def test_every_way_is_proved_and_none_is_smaller(part: int) -> None:
    for seed in range(part, WORLDS, 5):
        replay = case_of(seed)
        found = ways_of(replay)
        assert_all_proved(replay, found)
        if found.next_level is not None:
            assert_no_less(replay, found)
