"""Ways to a merchant's next level: proved by laying their events over the replay, and minimal by trying all fewer.

What few events do is tried in every way: each set of up to three reviewed orders, at each instant at which something
can come of them, against the way that was found, in worlds whose levels and caps are within reach of a few orders.
"""

from collections.abc import Iterator, Sequence
from itertools import chain, combinations, combinations_with_replacement
from random import Random
from typing import Any, Final

import pytest

from domain.calendar import month_of, month_start, parse_instant
from domain.events import Event
from domain.limits import DAY_MICROS, HOUR_MICROS, MINUTE_MICROS
from domain.merchant_reputation.account import PENDING
from domain.policy import Policy
from replay.history.timeline import Moment
from replay.policies.reading import read_policy
from replay.replaying.base import Policies
from replay.replaying.hypothetical import TIME, Hypothetical, Way, Ways
from replay.schemes.merchant_reputation.replay import ReputationReplay
from replay.schemes.merchant_reputation.ways import GOOD_REVIEWS, REVIEWS_OF_WAITING, ways
from tests import ROOT
from tests.conftest import SOAK
from tests.oracles.merchant_reputation import reputation
from tests.support.hypothetical import laid, reaches
from tests.support.ways import assert_way_proved, first_reached, until
from tests.worlds.merchant_reputation import (
    NOV,
    OCT,
    SHIPPED,
    SMALL,
    STRANGE,
    SUBJECT,
    Told,
    as_the_oracle_reads,
    closed,
    flagged,
    levels,
    opened,
    paid,
    received,
    recorded,
    reviewed,
    with_values,
)

WORLDS: Final = 100 * SOAK
TAOBAO: Final = read_policy(ROOT / "fixtures/policies/taobao/seller-credit.toml")
FAR: Final = 400 * DAY_MICROS


def replay_of(policy: Policy, known: Sequence[Event], as_of: int) -> ReputationReplay:
    return ReputationReplay(SUBJECT, list(known), Moment(as_of, 0, 10**6), Policies([policy]))


def then(replay: ReputationReplay, events: Sequence[Hypothetical], as_of: int) -> ReputationReplay:
    return replay_of(replay.policy, laid(replay.known, events, as_of), as_of)


def ways_of(replay: ReputationReplay) -> Ways:
    return ways(replay, lambda events, as_of: then(replay, events, as_of))


def by_the_oracle(replay: ReputationReplay, events: Sequence[Hypothetical], as_of: int) -> str | None:
    """The level that the oracle comes to."""
    policy = replay.policy
    values = {name: item.value for name, item in policy.parameters.items()}
    values["statistics_from"] = parse_instant(values["statistics_from"])
    told = [as_the_oracle_reads(event) for event in laid(replay.known, events, as_of)]
    found = reputation(told, as_of=as_of, position=10**6, parameters=values, subject=SUBJECT)
    level: str | None = found["level"]
    return level


# --- worlds of merchants who have something before them ---------------------------------------------------------------


def policy_of(pick: Random) -> Policy:
    """Shipped, another platform's, or one of small numbers in which caps and levels are within reach."""
    if pick.random() < 0.25:
        return pick.choice((SHIPPED, TAOBAO, SMALL, STRANGE))
    bounds = sorted(pick.sample(range(1, 90), pick.randint(1, 6)))
    caps: list[dict[str, Any]] = [{"from": "", "tenths": pick.choice((9, 10, 17, 24, 27, 30, 34, 41, 200))}]
    if pick.random() < 0.5:
        caps.append({"from": "a", "tenths": pick.choice((12, 20, 27, 33, 44, 300))})
    good, default = pick.choice(((10, 7), (10, 7), (10, 3), (9, 6), (4, 7), (10, 0), (10, -3), (0, 7)))
    return with_values(
        SHIPPED,
        levels=levels(*bounds),
        growth_caps=caps,
        review_tenths={"good": good, "neutral": 0, "bad": -10},
        default_tenths=default,
        pair_cap_tenths=pick.choice((60, 60, 20, 14, 9)),
        review_hours=pick.choice((360, 360, 1_000)),
    )


def world_of(seed: int) -> ReputationReplay:
    """A merchant with some points, receipts that wait and, rarely, a shop that closed or orders that do not count."""
    pick = Random(seed)
    policy = policy_of(pick)
    as_of = pick.choice((NOV + 20 * DAY_MICROS, NOV + 25 * DAY_MICROS, month_start(month_of(NOV) + 1) - 1))
    told = [opened(OCT)] if pick.random() < 0.97 else []
    for number in range(pick.choice((0, 2, 4, 8, 12))):
        told += _order(pick, f"o-{number}", as_of)
    if pick.random() < 0.06:
        told.append(closed(NOV + pick.randrange(20) * DAY_MICROS))
    if pick.random() < 0.5:
        told.append(opened(NOV + pick.randrange(20) * DAY_MICROS))
    told.sort(key=lambda item: item.at)
    return replay_of(policy, until(recorded(enumerate(told)), as_of), as_of)


def _order(pick: Random, name: str, as_of: int) -> list[Told]:
    """An order: of long ago and rated, or received lately, some at the very same instant."""
    buyer, amount = f"b-{pick.randint(1, 5)}", pick.choice((500, 900, 900, 400))
    if pick.random() < 0.45:
        at = OCT + pick.randrange(45) * DAY_MICROS
        return [paid(name, at, buyer, amount), reviewed(name, at + HOUR_MICROS, pick.choice((5, 5, 4, 3, 1)))]
    at = as_of - pick.randrange(1, 15) * DAY_MICROS + pick.choice((0, 30_000_000, HOUR_MICROS))
    told = [paid(name, at - DAY_MICROS, buyer, amount), received(name, at)]
    return [*told, flagged(name, at)] if pick.random() < 0.08 else told


# --- proofs -----------------------------------------------------------------------------------------------------------


def assert_all_proved(replay: ReputationReplay, found: Ways) -> None:
    begins = replay.moment.as_of + MINUTE_MICROS
    for way in found.ways:
        assert way.level == found.next_level and not reaches(replay, way.level)
        assert_way_proved(way, lambda events, at: then(replay, events, at), begins, way.reached_at - 1)
        level = then(replay, way.events, way.reached_at).standing().level
        assert by_the_oracle(replay, way.events, way.reached_at) == level
        assert_effective(replay, way)


def assert_effective(replay: ReputationReplay, way: Way) -> None:
    """What counts towards the outside is the level or a higher one from its publication on, and not before."""
    assert way.effective_at is not None and way.effective_at > way.reached_at
    codes = list(replay.level_codes(replay.policy))
    found = [then(replay, way.events, at).effective().level for at in (way.effective_at - 1, way.effective_at)]
    reached = [level is not None and codes.index(level) >= codes.index(way.level) for level in found]
    assert reached == [False, True] or codes.index(replay.effective().level or codes[0]) >= codes.index(way.level)


def instants_of(replay: ReputationReplay) -> list[int]:
    """At which few reviews can matter: at once, as months begin, and about each credit that falls due."""
    begins = replay.moment.as_of + MINUTE_MICROS
    months = [month_start(month_of(begins) + number) for number in (1, 2, 3)]
    dues = [replay._dues[position] for position, note in replay.notes.items() if note == PENDING]
    about = [at + by for at in dues for by in (-1, 1)]
    return [begins, *sorted({at for at in (*months, *about) if at > begins})[:7]]


def tried(replay: ReputationReplay, reviews: int) -> Iterator[tuple[Hypothetical, ...]]:
    """Each way to place so many reviewed orders of new buyers."""
    rules = replay.spans[-1].rules
    stars = max(range(1, 6), key=lambda number: rules.tenths_of_stars[number])
    for places in combinations_with_replacement(instants_of(replay), reviews):
        yield tuple(
            chain.from_iterable(
                (
                    Hypothetical(at, SUBJECT, "order.paid", {"order": f"x-{n}", "buyer": f"x-{n}", "amount": 10**4}),
                    Hypothetical(at, SUBJECT, "review.posted", {"order": f"x-{n}", "quality": stars}),
                )
                for n, at in enumerate(places)
            )
        )


def reached_by(replay: ReputationReplay, events: Sequence[Hypothetical], level: str) -> int | None:
    as_of = replay.moment.as_of
    return first_reached(then(replay, events, as_of + FAR), level, as_of)


def assert_no_fewer(replay: ReputationReplay, found: Ways) -> None:
    """No way of up to three reviewed orders, which are six events, is earlier, or as early with fewer."""
    assert found.next_level is not None
    way = next((way for way in found.ways if way.kind == GOOD_REVIEWS), None)
    alone = next((way.reached_at for way in found.ways if way.kind == TIME), None)
    assert reached_by(replay, (), found.next_level) == alone
    best = way.reached_at if way is not None else alone
    if way is None and any(item.why == "credits_lower" for item in found.unreachable):
        return  # tried at once only, where the level would not hold
    for reviews in (1, 2, 3):
        for events in tried(replay, reviews):
            at = reached_by(replay, events, found.next_level)
            if at is None:
                continue
            assert best is not None, "where few reviews reach it, there is a way"
            assert at > best or (at == best and (way is None or reviews >= way.asks[0].amount))


def assert_no_fewer_waiting(replay: ReputationReplay, found: Ways) -> None:
    """Of the orders that wait, no six fewer reviews at once reach it at once."""
    assert found.next_level is not None
    way = next((way for way in found.ways if way.kind == REVIEWS_OF_WAITING), None)
    begins = replay.moment.as_of + MINUTE_MICROS
    waiting = [
        replay.events[at].data.order
        for at, note in replay.notes.items()
        if note == PENDING and replay._dues[at] > begins
    ]
    stars = max(range(1, 6), key=lambda number: replay.spans[-1].rules.tenths_of_stars[number])
    fewer = 6 if way is None else way.asks[0].amount - 1
    for count in range(min(fewer, 6) + 1):
        for orders in combinations(waiting, count):
            data = [{"order": order, "quality": stars} for order in orders]
            events = [Hypothetical(begins, SUBJECT, "review.posted", item) for item in data]
            if reaches(then(replay, events, begins), found.next_level):
                assert way is None
                why = next(item.why for item in found.unreachable if item.kind == REVIEWS_OF_WAITING)
                assert why in ("comes_by_itself", "credits_lower")


@pytest.mark.slow
@pytest.mark.parametrize("part", range(5))
def test_every_way_is_proved_and_none_is_smaller(part: int) -> None:
    for seed in range(part, WORLDS, 5):
        replay = world_of(seed)
        found = ways_of(replay)
        assert_all_proved(replay, found)
        if found.next_level is not None:
            assert_no_fewer(replay, found)
            assert_no_fewer_waiting(replay, found)
