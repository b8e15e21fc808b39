"""Ways of a merchant's reputation that a person can check, under the shipped policy and one of small numbers."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import pytest

from domain.calendar import parse_instant
from domain.limits import DAY_MICROS, MINUTE_MICROS
from domain.policy import Policy
from replay.history.timeline import Moment
from replay.replaying.base import Policies
from replay.replaying.hypothetical import Hypothetical, Ways
from replay.schemes.merchant_reputation.replay import ReputationReplay
from replay.schemes.merchant_reputation.ways import ways
from tests.support.hypothetical import laid
from tests.worlds.merchant_reputation import (
    OCT,
    SHIPPED,
    SUBJECT,
    Told,
    closed,
    day,
    levels,
    opened,
    orders,
    paid,
    received,
    recorded,
    with_values,
)

AS_OF: Final = day("2022-11-20")
SOON: Final = AS_OF + MINUTE_MICROS
CAPPED: Final = with_values(SHIPPED, levels=levels(10, 50), growth_caps=[{"from": "", "tenths": 24}])
"""Levels from 1 and 5 points, and 2.4 points a month at most."""


def waiting(number: int, due: str) -> list[Told]:
    """An order whose default credit falls due at the beginning of a day."""
    at = day(due) - 15 * DAY_MICROS
    return [paid(f"w-{number}", at - 1, f"w-{number}", 900), received(f"w-{number}", at)]


def good(count: int) -> list[Told]:
    """So many points in October."""
    return orders([5] * count, day("2022-10-10"), [f"g-{number}" for number in range(count)] or ["g"])


Found = tuple[str, int, str, str] | tuple[str, str]
"""A kind with how many, when reached and when effective; or with why not."""
NEXT: Final = "2022-12-16T12:00:00+08:00"
YEAR: Final = "2023-01-16T12:00:00+08:00"
AT_ONCE: Final = "2022-11-20T00:01:00+08:00"


class Case(NamedTuple):
    told: list[Told]
    found: Sequence[Found]
    policy: Policy = SHIPPED


CASES: Final = {
    "one review is the first point": Case(
        [],
        [
            ("time_alone", "nothing_comes"),
            ("good_reviews", 1, AT_ONCE, NEXT),
            ("reviews_of_waiting_orders", "none_wait"),
        ],
    ),
    "two credits are 1.4": Case(
        [*waiting(1, "2022-11-25"), *waiting(2, "2022-12-01")],
        [
            ("time_alone", 0, "2022-12-01T00:00:00+08:00", YEAR),
            ("good_reviews", 1, AT_ONCE, NEXT),
            ("reviews_of_waiting_orders", 1, AT_ONCE, NEXT),
        ],
    ),
    "49 points lack two": Case(
        [*good(49), *waiting(1, "2022-11-25")],
        [
            ("time_alone", "too_little_comes"),
            ("good_reviews", 2, AT_ONCE, NEXT),
            ("reviews_of_waiting_orders", "too_few_wait"),
        ],
    ),
    "what falls due within the minute comes by itself": Case(
        [*waiting(1, "2022-11-20"), *[told._replace(at=told.at + 1) for told in waiting(2, "2022-11-20")]],
        [
            ("time_alone", 0, "2022-11-20T00:00:00.000001+08:00", NEXT),
            ("good_reviews", "comes_by_itself"),
            ("reviews_of_waiting_orders", "comes_by_itself"),
        ],
    ),
    "the cap spills three reviews over two months": Case(
        good(2),
        [
            ("time_alone", "nothing_comes"),
            ("good_reviews", 3, "2022-12-01T00:00:00+08:00", YEAR),
            ("reviews_of_waiting_orders", "none_wait"),
        ],
        CAPPED,
    ),
    "a cap under one review": Case(
        [],
        [("time_alone", "nothing_comes"), ("good_reviews", "growth_cap"), ("reviews_of_waiting_orders", "none_wait")],
        with_values(CAPPED, growth_caps=[{"from": "", "tenths": 9}]),
    ),
    "good reviews that are worth nothing": Case(
        [],
        [
            ("time_alone", "nothing_comes"),
            ("good_reviews", "worth_nothing"),
            ("reviews_of_waiting_orders", "worth_nothing"),
        ],
        with_values(SHIPPED, review_tenths={"good": 0, "neutral": 0, "bad": -10}),
    ),
    "a shop that is closed": Case(
        [closed(day("2022-11-01"))],
        [("time_alone", "closed"), ("good_reviews", "closed"), ("reviews_of_waiting_orders", "closed")],
    ),
}


def found_ways(told: list[Told], *policies: Policy) -> Ways:
    known = recorded(enumerate(sorted([opened(OCT), *told], key=lambda item: item.at)))

    def lay(events: Sequence[Hypothetical], as_of: int) -> ReputationReplay:
        own = Policies([policy for policy in policies if policy.in_force_from <= as_of])
        return ReputationReplay(SUBJECT, laid(known, events, as_of), Moment(as_of, 0, 10**6), own)

    return ways(lay((), AS_OF), lay)


@pytest.mark.parametrize("name", CASES)
def test_a_case_by_hand(name: str) -> None:
    case = CASES[name]
    found = found_ways(case.told, case.policy)
    by_kind: dict[str, Found] = {item.kind: (item.kind, item.why) for item in found.unreachable}
    for way in found.ways:
        assert way.effective_at is not None
        by_kind[way.kind] = (
            *(way.kind, sum(need.amount for need in way.asks)),
            *(str(way.reached_at), str(way.effective_at)),
        )
    expected = {item[0]: (*item[:2], *(str(parse_instant(text)) for text in item[2:])) for item in case.found}
    assert by_kind == expected


@pytest.mark.parametrize(
    ("begins", "effective_at"),
    [("2022-12-10T00:00:00+08:00", None), (NEXT, None), ("2022-12-16T12:00:00.000001+08:00", NEXT)],
)
def test_of_a_publication_under_other_rules_no_date_is_given(begins: str, effective_at: str | None) -> None:
    """A review at once is the first point; November is published on 16 December, when ten points may be asked for."""
    later = with_values(SHIPPED, in_force_from=begins, levels=levels(100))
    (way,) = found_ways([], SHIPPED, later).ways
    assert (way.kind, way.reached_at) == ("good_reviews", SOON)
    assert way.effective_at == (None if effective_at is None else parse_instant(effective_at))


def test_a_level_far_above_is_reckoned_and_not_proved() -> None:
    """From nothing to 20,000 points takes more events than are laid over a replay."""
    policy = with_values(SHIPPED, levels=levels(200_000), growth_caps=[{"from": ""}])
    found = {item.kind: item for item in found_ways([], policy).unreachable}["good_reviews"]
    assert (found.why, [(need.amount, need.unit) for need in found.asks]) == (
        "too_many_to_prove",
        [(20_000, "reviews")],
    )


def test_the_top_has_no_next_level() -> None:
    assert found_ways(good(5), with_values(SHIPPED, levels=levels(10))) == Ways(None, (), ())
