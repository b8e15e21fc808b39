"""Random ledgers of merchant_tier, its policies, and what the oracle makes of them."""

from random import Random
from typing import Any, Final, NamedTuple

from domain.calendar import parse_instant
from domain.events import (
    Event,
    EventRetracted,
    MerchantOnboarded,
    MerchantTierSet,
    NoData,
    OrderCorrected,
    OrderNamed,
    OrderPaid,
    ReviewPosted,
)
from domain.limits import DAY_MICROS
from domain.policy import Policy
from replay.policies.catalog import shipped
from tests.worlds.merchant_reputation import with_values

SUBJECT: Final = "merchant/m-1"


(SHIPPED,) = shipped("merchant-tier")


LEVELS: Final = SHIPPED.parameters["tiers"].value


SMALL: Final = with_values(
    SHIPPED,
    window_days=4,
    wait_days=3,
    clear_out_days=5,
    tiers=[level | {"orders_limit": 2, "gmv_limit_fen": 1_000} if "up" in level else level for level in LEVELS],
)
"""Windows and waits of a few days, limits of a few orders."""


ODD: Final = with_values(
    SMALL,
    statistics_from="2022-09-05T00:00:00+08:00",
    initial_tier="LV2",
    window_days=2,
    wait_days=5,
    clear_out_days=2,
    good_stars=5,
    fast_upgrade={"limit_share_percent": 50, "reviews_share_percent": 60},
    scope={"category": "fresh", "joined_before": "2022-09-15T00:00:00+08:00"},
)


POLICIES: Final = {"shipped": SHIPPED, "small": SMALL, "odd": ODD}


BEGIN: Final = parse_instant("2022-08-25T00:00:00+08:00")


class World(NamedTuple):
    """A ledger and what a replay of it is asked at."""

    ledger: list[Event]
    as_of: int
    earlier: int
    position: int


def world_of(seed: int) -> World:
    """A ledger of one merchant: days that are good or bad, notices, closings, retractions, late arrivals."""
    pick = Random(seed)
    span = pick.choice((12, 40, 100, 200))
    quality = pick.choice((0.0, 0.5, 0.9, 1.0, 1.0))
    told: list[tuple[int, str, Any]] = []
    opening = BEGIN if pick.random() < 0.85 else BEGIN + pick.randrange(span) * DAY_MICROS
    category = "fresh" if pick.random() < 0.93 else "tea"
    if pick.random() < 0.96:
        told.append((opening, "merchant.onboarded", MerchantOnboarded(category=category)))
    for number in range(pick.randrange(5, 60)):
        at = BEGIN + pick.randrange(span) * DAY_MICROS + pick.choice((0, 0, 1, DAY_MICROS - 1, DAY_MICROS // 2))
        told += _piece(pick, at, f"o-{pick.randrange(30)}" if pick.random() < 0.2 else f"n-{number}", quality)
    if pick.random() < 0.7:
        told.sort(key=lambda item: item[0])
    ledger = [
        Event(SUBJECT, place, place, at, place, "urn:a", f"e-{place}", kind, data)
        for place, (at, kind, data) in enumerate(told, 1)
    ]
    for _ in range(pick.choice((0, 0, 1, 3))):
        place = len(ledger) + 1
        gone = EventRetracted(source="urn:a", event=f"e-{pick.randrange(1, place)}" if place > 1 else "e-0", reason="r")
        ledger.append(
            Event(
                SUBJECT,
                place,
                place,
                BEGIN + pick.randrange(span) * DAY_MICROS,
                place,
                "urn:a",
                f"e-{place}",
                "event.retracted",
                gone,
            )
        )
    earlier, as_of = sorted(BEGIN + pick.randrange(span + 70) * DAY_MICROS + pick.choice((0, -1, 1)) for _ in range(2))
    return World(ledger, as_of, earlier, pick.choice((len(ledger), len(ledger), pick.randrange(len(ledger) + 1))))


def _piece(pick: Random, at: int, order: str, quality: float) -> list[tuple[int, str, Any]]:
    """One thing that happens at a time, or a day's worth of orders with their reviews."""
    draw = pick.random()
    if draw < 0.04:
        return [(at, "merchant.closed", NoData())]
    if draw < 0.08:
        return [(at, "merchant.onboarded", MerchantOnboarded(category="fresh"))]
    if draw < 0.16:
        return [(at, "merchant.tier_set", MerchantTierSet(level=f"LV{pick.choice((0, 0, 1, 3, 6, 7))}"))]  # type: ignore[arg-type]
    if draw < 0.2:
        return [(at, "order.complained", OrderNamed(order=order))]
    if draw < 0.24:
        return [(at, "complaint.dismissed", OrderCorrected(order=order))]
    told: list[tuple[int, str, Any]] = []
    for n in range(pick.choice((1, 2, 3, 6))):
        name = f"{order}-{n}" if n else order
        told.append((at, "order.paid", OrderPaid(order=name, buyer="b", amount=pick.choice((100, 400, 800, 10**6)))))
        if pick.random() < 0.8:
            stars = 5 if pick.random() < quality else pick.randint(1, 5)
            rated = {"service": 5 if pick.random() < quality else pick.randint(1, 5)} if pick.random() < 0.9 else {}
            told.append(
                (
                    at + pick.choice((0, 1, DAY_MICROS)),
                    "review.posted",
                    ReviewPosted(order=name, quality=stars, **rated),
                )
            )
        if pick.random() < 0.1 * (1 - quality):
            told.append((at + 1, "order.complained", OrderNamed(order=name)))
    return told


def dated(policy: Policy, policy_id: str, day: str) -> Policy:
    return with_values(policy, id=policy_id, in_force_from=f"{day}T00:00:00+08:00", recalculates_from=None)
