"""Random ledgers of creator_level, its policies, and what the oracle makes of them."""

from collections.abc import Sequence
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
from domain.policy import Policy
from replay.policies.catalog import shipped
from replay.replaying.base import Policies
from tests.oracles.creator_level import creator
from tests.worlds.merchant_reputation import as_the_oracle_reads, with_values

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


def candidates(versions: Sequence[Policy], as_of: int) -> Policies:
    own = [policy for policy in versions if policy.in_force_from <= as_of] or list(versions[:1])
    previewed = [p for p in versions if p.preview_from is not None and p.preview_from <= as_of < p.in_force_from]
    return Policies(own, (), previewed)


def by_the_oracle(versions: Sequence[Policy], ledger: list[Event], as_of: int, position: int) -> dict[str, Any]:
    return creator(
        [as_the_oracle_reads(event) for event in ledger],
        as_of=as_of,
        position=position,
        versions=[
            {
                "id": policy.id,
                "in_force_from": policy.in_force_from,
                "preview_from": policy.preview_from,
                "parameters": {name: item.value for name, item in policy.parameters.items()},
            }
            for policy in versions
        ],
        subject=SUBJECT,
    )


def open_month_of(seed: int) -> World:
    """A ledger of one creator in the midst of a month: money about bounds, scores and deductions about gates."""
    pick = Random(seed)
    begins = parse_instant(f"{pick.choice(('2022-02', '2022-06', '2022-07', '2022-08', '2024-02'))}-01T00:00:00+08:00")
    as_of = begins + pick.choice((0, 3, 9, 14, 20, 26, 27)) * DAY_MICROS + pick.choice((0, 1, DAY_MICROS - 1))
    told: list[tuple[int, str, Any]] = [(begins - 40 * DAY_MICROS, "creator.registered", NoData())]
    large, liked = pick.random() < 0.5, pick.choice(((3, 4), (4, 5), (5, 5)))
    for number in range(pick.randrange(1, 14)):
        at = begins + pick.randrange(-31, 28) * DAY_MICROS + pick.choice((0, DAY_MICROS // 2))
        told.append((at, *_trade(pick, number, large=large)))
    for day in range(-31, pick.choice((0, 27, 27))):
        if pick.random() < 0.5:
            value = f"{pick.choice(liked)}.00" if pick.random() < 0.5 else pick.choice(("4.19", "4.20", "4.21", "2.99"))
            told.append((begins + day * DAY_MICROS, "creator.scored", CreatorScored(score="reputation", value=value)))
    for _ in range(pick.choice((0, 0, 1, 3, 5))):
        at = begins + pick.randrange(-31, 27) * DAY_MICROS
        data = CreditDeducted(violation=f"v-{pick.randrange(5)}", points=pick.choice((1, 2, 3, 5)))
        told.append((at, "credit.deducted", data))
    if pick.random() < 0.3:
        told.append((as_of, "credit.restored", CreditRestored(violation=f"v-{pick.randrange(5)}")))
    if pick.random() < 0.8:
        told = [item for item in told if item[0] <= as_of]
    ledger = [
        Event(SUBJECT, place, place, at, place, "urn:a", f"e-{place}", kind, data)
        for place, (at, kind, data) in enumerate(told, 1)
    ]
    return World(ledger, as_of, as_of, len(ledger))


def _trade(pick: Random, number: int, *, large: bool) -> tuple[str, Any]:
    amounts = (1, 29_999, 200_000, 3_000_000, 10**7, 5 * 10**8, 10**10) if large else (1, 99, 400, 900, 2_500, 4_900)
    amount = pick.choice(amounts)
    if pick.random() < 0.75:
        good = pick.random() < 0.4
        return "sale.settled", SaleSettled(order=f"o-{number}", amount=amount, good_goods=good, channel="live")
    return "sale.refunded", SaleRefunded(order=f"o-{pick.randrange(number + 1)}", amount=amount)
