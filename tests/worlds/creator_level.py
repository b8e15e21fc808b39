"""Random ledgers of creator_level, its policies, and what the oracle makes of them."""

from random import Random
from typing import Any, Final, NamedTuple

from domain.calendar import parse_instant
from domain.events import (
    ContentPublished,
    CreatorScored,
    CreditDeducted,
    CreditRestored,
    Event,
    EventRetracted,
    NoData,
    SaleRefunded,
    SaleSettled,
)
from domain.limits import DAY_MICROS
from replay.policies.catalog import shipped
from tests.worlds.merchant_reputation import with_values

SUBJECT: Final = "creator/c-1"


OLD, NEW = shipped("creator-level")


SMALL: Final = with_values(
    NEW,
    sales_bands=[{"from_fen": n * n * 100, "score": n} for n in range(8)],
    behaviour_bands=[{"from_percent": n * 12, "score": n} for n in range(8)],
    weights={"sales_percent": 50, "behaviour_percent": 50},
    gates={"days": 3, "reputation_hundredths_min": 300, "deducted_max": 2},
)
"""Bands within reach of a few sales, gates over three days."""


VERSIONS: Final = {
    "shipped": [OLD, NEW],
    "small": [SMALL],
    "at the 1st": [
        with_values(SMALL, id="v1", in_force_from="2022-01-01T00:00:00+08:00", preview_from=None, gates={"days": 5}),
        with_values(
            SMALL,
            id="v2",
            in_force_from="2022-08-01T00:00:00+08:00",
            preview_from="2022-07-31T00:00:00+08:00",
            weights={"sales_percent": 80, "behaviour_percent": 20},
        ),
    ],
}


BEGIN: Final = parse_instant("2022-01-25T00:00:00+08:00")


ANCHORS: Final = [
    parse_instant(f"{day}T00:00:00+08:00")
    for day in (
        "2022-01-30",
        "2022-02-28",
        "2022-03-01",
        "2022-04-11",
        "2022-07-19",
        "2022-08-01",
        "2022-09-01",
        "2024-02-29",
    )
]


class World(NamedTuple):
    """A ledger and what a replay of it is asked at."""

    ledger: list[Event]
    as_of: int
    earlier: int
    position: int


def world_of(seed: int) -> World:
    """A ledger of one creator: sales, refunds, scores and deductions about the ends of months."""
    pick = Random(seed)
    told: list[tuple[int, str, Any]] = []
    if pick.random() < 0.95:
        told.append((BEGIN + pick.choice((0, 0, 0, 40)) * DAY_MICROS, "creator.registered", NoData()))
    large = pick.random() < 0.5
    liked = pick.random() < 0.6
    for number in range(pick.randrange(3, 50)):
        at = _instant(pick)
        told.append((at, *_piece(pick, number, large=large, liked=liked)))
    if pick.random() < 0.7:
        told.sort(key=lambda item: item[0])
    ledger = [
        Event(SUBJECT, place, place, at, place, "urn:a", f"e-{place}", kind, data)
        for place, (at, kind, data) in enumerate(told, 1)
    ]
    for _ in range(pick.choice((0, 0, 1, 3))):
        place = len(ledger) + 1
        data = EventRetracted(source="urn:a", event=f"e-{pick.randrange(1, place + 1)}", reason="r")
        ledger.append(
            Event(SUBJECT, place, place, _instant(pick), place, "urn:a", f"e-{place}", "event.retracted", data)
        )
    earlier, as_of = sorted((_instant(pick), _instant(pick)))
    return World(ledger, as_of, earlier, pick.choice((len(ledger), len(ledger), pick.randrange(len(ledger) + 1))))


def _instant(pick: Random) -> int:
    if pick.random() < 0.6:
        return pick.choice(ANCHORS) + pick.choice(
            (0, 0, -1, 1, DAY_MICROS, -DAY_MICROS, 3 * DAY_MICROS, -3 * DAY_MICROS)
        )
    return BEGIN + pick.randrange(260) * DAY_MICROS + pick.choice((0, 1, DAY_MICROS // 2))


def _piece(pick: Random, number: int, *, large: bool, liked: bool) -> tuple[str, Any]:
    draw = pick.random()
    order = f"o-{pick.randrange(12)}" if draw < 0.5 else f"n-{number}"
    amounts = (30_000, 29_999, 200_000, 3_000_000, 10**7, 5 * 10**7, 5 * 10**8, 5 * 10**9, 10**10)
    amount = pick.choice(amounts if large else (0, 1, 99, 100, 400, 900, 1_600, 2_500, 3_600, 4_900))
    if pick.random() < 0.5:
        good = pick.random() < 0.5
        return "sale.settled", SaleSettled(order=order, amount=amount, good_goods=good, channel="live")
    if draw < 0.3:
        return "sale.refunded", SaleRefunded(order=f"o-{pick.randrange(12)}", amount=amount)
    if draw < 0.7:
        value = (
            pick.choice(("5", "4.8", "4.2", "4.19", "3")) if liked else pick.choice(("4.20", "2.99", "3.0", "0", "4.3"))
        )
        return "creator.scored", CreatorScored(score="reputation" if pick.random() < 0.9 else "fulfilment", value=value)
    if draw < 0.85:
        return "credit.deducted", CreditDeducted(violation=f"v-{pick.randrange(4)}", points=pick.choice((1, 2, 3, 5)))
    if draw < 0.95:
        return "credit.restored", CreditRestored(violation=f"v-{pick.randrange(4)}")
    return "content.published", ContentPublished(content="c", good=True)
