"""Events of a whole platform, of any number: merchants of very different sizes, creators, and agencies that hold them.

They come in chunks that are made each by itself, so that a run which broke off goes on at the chunk where it stood.
"""

import json
import random
from bisect import bisect
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Final, NamedTuple

DAYS: Final = 400
CREATORS_EACH: Final = 20
"""Creators that an agency holds."""
MERCHANTS_SHARE: Final = 0.85
"""Of all events."""
_ORDERS_OPEN: Final = 20_000


class Platform(NamedTuple):
    """How many events there are in all, over the days up to an instant, and whose they are."""

    events: int
    ends: datetime

    @property
    def merchants(self) -> int:
        return max(10, self.events // 2_000)

    @property
    def creators(self) -> int:
        return max(CREATORS_EACH, self.events // 5_000)

    @property
    def buyers(self) -> int:
        return max(100, self.events // 10)


def platform_of(events: int) -> Platform:
    """Its days end with the last one that is over."""
    return Platform(events, datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0))


def openings(platform: Platform) -> Iterator[bytes]:
    """A line for everyone: they open, register and are bound before the first day."""
    begin = platform.ends - timedelta(days=DAYS + 1)
    for rank in range(platform.merchants):
        category = "fresh" if rank % 5 == 0 else "tea"
        yield _line(f"m-{rank}", begin, f"merchant/m-{rank}", "merchant.onboarded", f'{{"category":"{category}"}}')
    for creator in range(platform.creators):
        agency = creator // CREATORS_EACH
        if creator % CREATORS_EACH == 0:
            yield _line(f"a-{agency}", begin, f"mcn/a-{agency}", "mcn.onboarded", "{}")
        yield _line(f"c-{creator}", begin, f"creator/c-{creator}", "creator.registered", "{}")
        bound = f'{{"creator":"c-{creator}"}}'
        yield _line(f"b-{creator}", begin, f"mcn/a-{agency}", "creator.bound", bound)


def subject_of(platform: Platform, records: int) -> str:
    """The largest merchant of no more than about so many records; the smallest where all have more."""
    weights = list(_weights(platform.merchants))
    most = records / (platform.events * MERCHANTS_SHARE) * sum(weights)
    return f"merchant/m-{next((rank for rank, weight in enumerate(weights) if weight <= most), len(weights) - 1)}"


def chunk(platform: Platform, first: int, end: int) -> Iterator[bytes]:
    """The events numbered from one on and before another, in the order in which they occur; whose largest merchant has
    some hundredths of all.
    """
    chance = random.Random(first)
    whose = _Whose(platform.merchants)
    begin, each = platform.ends - timedelta(days=DAYS), timedelta(days=DAYS) / platform.events
    orders: list[tuple[str, int]] = []
    sales: list[tuple[str, int]] = []
    for number in range(first, end):
        at, draw = begin + number * each, chance.random()
        if draw < MERCHANTS_SHARE:
            yield _of_merchant(platform, number, at, chance, whose, orders)
        else:
            yield _of_creator(platform, number, at, chance, sales)


class _Whose:
    """Merchants drawn so that their sizes fall like 1 / rank^0.8."""

    def __init__(self, merchants: int) -> None:
        self._weights = list(accumulate(_weights(merchants)))

    def draw(self, chance: random.Random) -> int:
        return bisect(self._weights, chance.random() * self._weights[-1], hi=len(self._weights) - 1)


def _weights(merchants: int) -> Iterator[float]:
    return ((rank + 1) ** -0.8 for rank in range(merchants))


def _of_merchant(
    platform: Platform,
    number: int,
    at: datetime,
    chance: random.Random,
    whose: _Whose,
    orders: list[tuple[str, int]],
) -> bytes:
    draw = chance.random()
    if draw < 0.4 or not orders:
        order, rank = f"o-{number}", whose.draw(chance)
        orders.append((order, rank))
        data = f'{{"order":"{order}","buyer":"b-{chance.randrange(platform.buyers)}","amount":9900}}'
        return _line(f"e-{number}", at, f"merchant/m-{rank}", "order.paid", data)
    order, rank = orders[chance.randrange(max(0, len(orders) - _ORDERS_OPEN), len(orders))]
    name, data = "order.received", f'{{"order":"{order}"}}'
    if draw >= 0.99:
        name, data = "order.flagged", f'{{"order":"{order}","reason":"fake_trade"}}'
    elif draw >= 0.7:
        name, data = "review.posted", f'{{"order":"{order}","quality":{chance.randrange(1, 6)}}}'
    return _line(f"e-{number}", at, f"merchant/m-{rank}", name, data)


def _of_creator(
    platform: Platform, number: int, at: datetime, chance: random.Random, sales: list[tuple[str, int]]
) -> bytes:
    draw, creator = chance.random(), chance.randrange(platform.creators)
    name, data = "creator.scored", '{"score":"reputation","value":"4.7"}'
    if draw < 0.5 or not sales:
        order, good = f"s-{number}", json.dumps(chance.random() < 0.4)
        sales.append((order, creator))
        amount = chance.randrange(100, 90_000)
        name = "sale.settled"
        data = f'{{"order":"{order}","amount":{amount},"channel":"live","good_goods":{good}}}'
    elif draw < 0.55:
        order, creator = sales[chance.randrange(max(0, len(sales) - _ORDERS_OPEN), len(sales))]
        name, data = "sale.refunded", f'{{"order":"{order}","amount":100}}'
    elif draw < 0.62:
        name, data = "live.held", '{"minutes":90}'
    elif draw < 0.75:
        name, data = "points.earned", f'{{"task":"t-{number}","points":3}}'
    elif draw < 0.76:
        name, data = "credit.deducted", f'{{"violation":"v-{number}","points":1}}'
    return _line(f"e-{number}", at, f"creator/c-{creator}", name, data)


def _line(event_id: str, at: datetime, subject: str, name: str, data: str) -> bytes:
    return (
        f'{{"specversion":"1.0","id":"{event_id}","source":"urn:example:platform","type":"{name}",'
        f'"subject":"{subject}","time":"{at.isoformat()}","data":{data}}}\n'
    ).encode()
