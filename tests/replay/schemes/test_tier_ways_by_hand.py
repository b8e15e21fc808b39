"""Ways of a merchant's tier that a person can check, under the shipped policy."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import pytest

from domain.calendar import parse_day, parse_instant
from domain.events import Event, MerchantOnboarded, MerchantTierSet, NoData, OrderNamed, OrderPaid, ReviewPosted
from domain.merchant_tier.facts import end_of
from replay.history.timeline import Moment
from replay.replaying.base import Policies
from replay.replaying.hypothetical import Hypothetical, Ways
from replay.schemes.merchant_tier.replay import TierReplay
from replay.schemes.merchant_tier.ways import ways
from tests.support.hypothetical import laid
from tests.worlds.merchant_tier import SHIPPED, SUBJECT

Told = tuple[str, str, Any]
OPENED: Final[Told] = ("2022-09-01", "merchant.onboarded", MerchantOnboarded(category="fresh"))


def orders(day: str, count: int, bad: int = 0, complaints: int = 0) -> Iterable[Told]:
    """So many orders of a day, all reviewed, some badly, some complained about."""
    for number in range(count):
        order = f"{day}-{number}"
        stars = 1 if number < bad else 5
        yield day, "order.paid", OrderPaid(order=order, buyer="b", amount=100)
        yield day, "review.posted", ReviewPosted(order=order, quality=stars, service=5)
        if number < complaints:
            yield day, "order.complained", OrderNamed(order=order)


def found_ways(told: Iterable[Told], day: str) -> Ways:
    known = [
        Event(SUBJECT, place, place, parse_instant(f"{at}T12:00:00+08:00"), 0, "urn:a", f"e-{place}", kind, data)
        for place, (at, kind, data) in enumerate(told, 1)
    ]

    def lay(events: Sequence[Hypothetical], as_of: int) -> TierReplay:
        return TierReplay(SUBJECT, laid(known, events, as_of), Moment(as_of, 0, 10**6), Policies([SHIPPED]))

    return ways(lay((), end_of(parse_day(day))), lay)


def by_kind(found: Ways) -> dict[str, Any]:
    """Of each kind what it asks and the day it is reached, or why it cannot be."""
    told: dict[str, Any] = {item.kind: item.why for item in found.unreachable}
    for way in found.ways:
        told[way.kind] = ([need.amount for need in way.asks], way.reached_at)
    return told


def close(day: str) -> int:
    return end_of(parse_day(day))


def test_a_shop_without_orders() -> None:
    """LV1 since 1 September: 30 days later one good order is enough; tomorrow it takes 80 % of 200 orders and of 20,000
    yuan, and reviews of 10 % of these orders.
    """
    assert by_kind(found_ways([OPENED], "2022-09-20")) == {
        "time_alone": "indicators_stay",
        "orders_and_reviews": ([1, 1], close("2022-10-01")),
        "fast_upgrade": ([160, 16, 1_600_000], close("2022-09-21")),
    }


def test_bad_reviews_and_complaints_are_outweighed() -> None:
    """100 orders with 3 complaints: under 2.5 % from 121 orders on. 80 of 100 good: (80 + r) / (100 + r) is over 88 %
    from r = 67 on.
    """
    found = found_ways([OPENED, *orders("2022-10-01", 100, 20, 3)], "2022-10-05")
    assert by_kind(found) == {
        "time_alone": "indicators_stay",
        "orders_and_reviews": ([67, 67], close("2022-10-06")),
        "fast_upgrade": "waiting_is_over",
    }
    way = found.ways[0]
    assert [(need.figure, need.amount) for need in way.each_alone] == [("complaint_rate", 21), ("product_rate", 67)]


def test_bad_days_leave_the_window() -> None:
    """LV1 anew on 5 October, evaluated from 4 November on: then 40 of 50 reviews are good, which is not under 80 % and
    not over 88 %; 34 more make it 74 of 84. Two days later the bad ones of 7 October have left the window.
    """
    anew: Told = ("2022-10-05", "merchant.tier_set", MerchantTierSet(level="LV1"))
    found = by_kind(found_ways([OPENED, anew, *orders("2022-10-07", 10, 10), *orders("2022-10-20", 40)], "2022-10-25"))
    assert found["orders_and_reviews"] == ([34, 34], close("2022-11-04"))
    assert found["time_alone"] == ([], close("2022-11-06"))


def test_the_way_out_of_the_lowest_tier_comes_before_the_clearing_out() -> None:
    """LV0 from 10 September: out at the earliest on 10 October, cleared out on 9 November."""
    lowest: Told = ("2022-09-10", "merchant.tier_set", MerchantTierSet(level="LV0"))
    assert by_kind(found_ways([OPENED, lowest], "2022-09-20"))["orders_and_reviews"] == ([1, 1], close("2022-10-10"))
    again: Told = ("2022-10-20", "merchant.tier_set", MerchantTierSet(level="LV0"))
    found = by_kind(found_ways([OPENED, lowest, again], "2022-10-25"))
    assert found["orders_and_reviews"] == "cleared_out_before"
    assert found["fast_upgrade"] == ([40, 4, 400_000], close("2022-10-26"))


@pytest.mark.parametrize(
    ("told", "state"),
    [
        ([], "not_onboarded"),
        ([("2022-09-01", "merchant.onboarded", MerchantOnboarded(category="tea"))], "out_of_scope"),
        ([OPENED, ("2022-09-02", "merchant.closed", NoData())], "closed"),
    ],
)
def test_who_has_no_tier_has_no_ways(told: list[Told], state: str) -> None:
    found = found_ways(told, "2022-09-20")
    assert found.next_level is None and found.ways == ()
    assert {item.why for item in found.unreachable} == {state}


def test_the_top_has_no_next_tier() -> None:
    top: Told = ("2022-09-10", "merchant.tier_set", MerchantTierSet(level="LV7"))
    assert found_ways([OPENED, top], "2022-09-20") == Ways(None, (), ())
