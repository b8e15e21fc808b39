"""Random ledgers of mcn_level, its policies, and what the oracle makes of them."""

from random import Random
from typing import Any, Final, NamedTuple

from domain.calendar import parse_instant
from domain.events import (
    CreatorNamed,
    CreatorScored,
    CreditDeducted,
    CreditGranted,
    CreditRestored,
    Event,
    EventRetracted,
    LiveHeld,
    NoData,
    SaleRefunded,
    SaleSettled,
)
from domain.limits import DAY_MICROS
from domain.policy import Policy
from replay.policies.catalog import shipped
from tests.oracles.creator_level import creator
from tests.worlds.creator_level import SMALL as SMALL_CREATORS
from tests.worlds.merchant_reputation import as_the_oracle_reads, with_values

AGENCIES: Final = ("mcn/a", "mcn/b", "mcn/c")


CREATORS: Final = ("c-1", "c-2", "c-3", "c-4")


(SHIPPED,) = shipped("mcn-level")


def bands(*pairs: tuple[int, int]) -> list[dict[str, int]]:
    return [{"from": begins, "points": points} for begins, points in pairs]


SMALL: Final = with_values(
    SHIPPED,
    novice_months=1,
    settled_bands=bands((0, 0), (100, 60), (1_000, 120), (5_000, 250)),
    orders_bands=bands((0, 0), (1, 30), (2, 60), (4, 100)),
    top_creators={"level": "L2", "bands": bands((0, 0), (1, 50), (2, 100))},
    live_minutes_bands=bands((0, 0), (10, 25), (60, 50)),
    showcase_share_bands=bands((0, 0), (20, 60), (50, 120)),
    showcase_creators_bands=bands((0, 0), (1, 40), (2, 80)),
    good_share_bands=bands((0, 0), (30, 50), (60, 100)),
    worry_free_bands=bands((0, 0), (1, 50), (3, 100)),
)
"""Every band within reach of a few sales."""


POLICIES: Final = {"shipped": SHIPPED, "small": SMALL}


BEGIN: Final = parse_instant("2023-01-20T00:00:00+08:00")


ANCHORS: Final = [
    parse_instant(f"{day}T00:00:00+08:00")
    for day in ("2023-02-01", "2023-02-03", "2023-03-01", "2023-03-03", "2023-04-01", "2023-05-03")
]


class World(NamedTuple):
    """A ledger and what a replay of it is asked at."""

    ledger: list[Event]
    as_of: int
    earlier: int
    position: int


def world_of(seed: int) -> World:
    """A ledger of three agencies and four creators who move between them."""
    pick = Random(seed)
    liked = pick.random() < 0.7
    told: list[tuple[str, int, str, Any]] = []
    for agency in AGENCIES:
        if pick.random() < 0.9:
            told.append((agency, BEGIN + pick.choice((0, 0, 20)) * DAY_MICROS, "mcn.onboarded", NoData()))
    for name in CREATORS:
        if pick.random() < 0.8:
            told.append((f"creator/{name}", BEGIN, "creator.registered", NoData()))
        if pick.random() < 0.7:
            told.append((pick.choice(AGENCIES[:2]), BEGIN, "creator.bound", CreatorNamed(creator=name)))
        if liked:
            score = CreatorScored(score="reputation", value=pick.choice(("4.2", "4.6", "5")))
            told += [(f"creator/{name}", BEGIN + days * DAY_MICROS, "creator.scored", score) for days in (11, 38, 68)]
    for number in range(pick.randrange(5, 70)):
        subject, kind, data = _piece(pick, number, liked=liked)
        told.append((subject, _instant(pick), kind, data))
    if pick.random() < 0.7:
        told.sort(key=lambda item: item[1])
    ledger = [
        Event(subject, place, place, at, place, "urn:a", f"e-{place}", kind, data)
        for place, (subject, at, kind, data) in enumerate(told, 1)
    ]
    for _ in range(pick.choice((0, 0, 1, 3))):
        place, gone = len(ledger) + 1, pick.choice(ledger)
        subject = gone.originator_id if pick.random() < 0.9 else pick.choice(AGENCIES)
        data = EventRetracted(source="urn:a", event=gone.id, reason="r")
        ledger.append(
            Event(subject, place, place, _instant(pick), place, "urn:a", f"e-{place}", "event.retracted", data)
        )
    earlier, as_of = sorted((_instant(pick), _instant(pick) + pick.choice((0, 40)) * DAY_MICROS))
    return World(ledger, as_of, earlier, pick.choice((len(ledger), len(ledger), pick.randrange(len(ledger) + 1))))


def _instant(pick: Random) -> int:
    if pick.random() < 0.4:
        return pick.choice(ANCHORS) + pick.choice((0, 0, -1, 1, DAY_MICROS, -DAY_MICROS))
    return BEGIN + pick.randrange(100) * DAY_MICROS + pick.choice((0, 1, DAY_MICROS // 2))


def _piece(pick: Random, number: int, *, liked: bool) -> tuple[str, str, Any]:
    name, agency = pick.choice(CREATORS), pick.choice((*AGENCIES[:2], *AGENCIES))
    subject, draw = f"creator/{name}", pick.random()
    order = f"o-{pick.randrange(8)}" if pick.random() < 0.4 else f"n-{number}"
    amount = pick.choice((0, 100, 400, 900, 2_500, 5_000, 10**9))
    if draw < 0.45:
        data: Any = {"channel": pick.choice(("showcase", "live", "video")), "good_goods": pick.random() < 0.6}
        worry_free = pick.random() < 0.4
        return subject, "sale.settled", SaleSettled(order=order, amount=amount, worry_free=worry_free, **data)
    if draw < 0.55:
        return subject, "sale.refunded", SaleRefunded(order=order, amount=amount)
    if draw < 0.65:
        return subject, "live.held", LiveHeld(minutes=pick.choice((9, 10, 60, 1_440)))
    if draw < 0.72:
        value = pick.choice(("5", "4.8", "4.3")) if liked else pick.choice(("3.0", "2.99", "4.20"))
        return subject, "creator.scored", CreatorScored(score="reputation", value=value)
    if draw < 0.76:
        return subject, "credit.deducted", CreditDeducted(violation="v-1", points=3)
    if draw < 0.86:
        return agency, "creator.bound", CreatorNamed(creator=name)
    if draw < 0.91:
        return agency, "creator.unbound", CreatorNamed(creator=name)
    if draw < 0.94:
        return agency, "credit.granted", CreditGranted(points=pick.choice((10, 40)))
    if draw < 0.98:
        return (
            agency,
            "credit.deducted",
            CreditDeducted(violation=f"v-{pick.randrange(3)}", points=pick.choice((10, 39, 41))),
        )
    return agency, "credit.restored", CreditRestored(violation=f"v-{pick.randrange(3)}")


def creator_level_of(ledger: list[Event], position: int) -> Any:
    """What the creators' oracle says of a creator's month, as known at a position."""
    events = [as_the_oracle_reads(event) for event in ledger]
    parameters = {name: item.value for name, item in SMALL_CREATORS.parameters.items()}
    version = {
        "id": SMALL_CREATORS.id,
        "in_force_from": SMALL_CREATORS.in_force_from,
        "preview_from": None,
        "parameters": parameters,
    }
    found: dict[str, dict[str, str | None]] = {}

    def ask(subject: str, month: str) -> str | None:
        if subject not in found:
            far = parse_instant("2024-01-01T00:00:00+08:00")
            told = creator(events, as_of=far, position=position, versions=[version], subject=subject)
            found[subject] = {item["month"]: item["level"] for item in told["months"]}
        return found[subject].get(month)

    return ask


def values_of(policy: Policy) -> dict[str, Any]:
    return {name: item.value for name, item in policy.parameters.items() if not name.startswith("benefit_")}
