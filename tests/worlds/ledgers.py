"""Random ledgers of every kind of subject, for tests of the views: late events, corrections, retractions, policies."""

from collections.abc import Iterator
from random import Random
from typing import Any

from domain.calendar import instant_text, parse_instant
from domain.limits import DAY_MICROS, HOUR_MICROS
from domain.policy import Policy
from replay.policies.catalog import shipped
from replay.schemes import registry
from tests.support.making import Event, event
from tests.worlds.merchant_reputation import levels, with_values

BEGIN = parse_instant("2022-09-01T00:00:00+08:00")
END = parse_instant("2023-07-10T00:00:00+08:00")
MERCHANTS = ("merchant/m-1", "merchant/m-2", "merchant/m-3")
CREATORS = ("creator/c-1", "creator/c-2", "creator/c-3", "creator/c-4")
AGENCIES = ("mcn/a-1", "mcn/a-2")
SCHEMES = tuple(registry.SCHEMES)


class World:
    """Makes events of a random ledger, one after another; the same seed makes the same ones."""

    def __init__(self, seed: int, *, days: int = 312) -> None:
        self.random, self.points = Random(seed), Random(seed + 1)
        self.days = days
        self.now: int | None = None
        """Where set, most events have just occurred, and the others at any time before."""
        self._made: list[Event] = []

    def events(self, count: int) -> list[Event]:
        """The next events of the ledger, in the order in which it learns of them."""
        return [self._one() for _ in range(count)]

    def _one(self) -> Event:
        chance = self.random.random()
        if self._made and chance < 0.06:
            made = self._retraction()
        elif chance < 0.55:
            made = self._of_merchant(self.random.choice(MERCHANTS))
        elif chance < 0.85:
            made = self._of_creator(self.random.choice(CREATORS))
            if made["type"] != "creator.registered" and self.points.random() < 0.25:
                made = self._points_in_place_of(made)
        else:
            made = self._of_agency(self.random.choice(AGENCIES))
        self._made.append(made)
        return made

    def _at(self) -> str:
        if self.now is not None and self.random.random() < 0.97:
            return instant_text(self.now - self.random.choice((0, 0, 1, 1_000_000)))
        day = self.random.randrange(self.days if self.now is None else 1 + (self.now - BEGIN) // DAY_MICROS)
        hour = self.random.choice((0, 0, 1, 12, 23))
        micros = self.random.choice((0, 0, HOUR_MICROS - 1))
        return instant_text(BEGIN + day * DAY_MICROS + hour * HOUR_MICROS + micros)

    def _event(self, event_type: str, subject: str, **data: Any) -> Event:
        return event(event_type, f"e-{len(self._made)}", self._at(), subject=subject, **data)

    def _retraction(self) -> Event:
        named = self.random.choice(self._made[-40:])
        made = self._event("event.retracted", named["subject"], event=named["id"], reason="a mistake")
        made["data"]["source"] = named["source"]
        return made

    def _of_merchant(self, subject: str) -> Event:
        chance, order = self.random.random(), f"o-{self.random.randrange(25)}"
        amount = self.random.choice((100, 5_000, 12_900))
        if chance < 0.06:
            category = self.random.choice(("fresh", "fresh", "fresh", "toys"))
            made = self._event("merchant.onboarded", subject, category=category)
            if self.random.random() < 0.7:  # early enough to be in the scope of tiers
                made["time"] = instant_text(BEGIN + self.random.randrange(7) * DAY_MICROS)
            return made
        if chance < 0.08:
            return self._event("merchant.closed", subject)
        if chance < 0.11:
            return self._event("merchant.tier_set", subject, level=f"LV{self.random.randrange(8)}")
        if chance < 0.35:
            kind = self.random.choice(("normal", "normal", "normal", "gift"))
            buyer = f"b-{self.random.randrange(4)}"
            return self._event("order.paid", subject, order=order, buyer=buyer, amount=amount, kind=kind)
        if chance < 0.55:
            return self._event("order.received", subject, order=order)
        if chance < 0.8:
            stars = {"quality": self.random.choice((1, 3, 5, 5, 5))}
            if self.random.random() < 0.7:
                stars["service"] = self.random.choice((2, 5, 5))
            return self._event("review.posted", subject, order=order, **stars)
        if chance < 0.86:
            return self._event("order.flagged", subject, order=order, reason="fake_trade")
        if chance < 0.9:
            return self._event("order.cleared", subject, order=order)
        if chance < 0.95:
            return self._event("order.complained", subject, order=order)
        if chance < 0.97:
            return self._event("complaint.dismissed", subject, order=order)
        return self._event("level.announced", subject, scheme="merchant-tier", period="2022-11", level="LV1")

    def _of_creator(self, subject: str) -> Event:
        chance, order = self.random.random(), f"s-{self.random.randrange(20)}"
        amount = self.random.choice((0, 50_000, 400_000, 30_000_000, 700_000_000))
        if chance < 0.07:
            return self._event("creator.registered", subject)
        if chance < 0.4:
            return self._event(
                "sale.settled",
                subject,
                order=order,
                amount=amount,
                good_goods=self.random.random() < 0.5,
                channel=self.random.choice(("showcase", "live", "video")),
                worry_free=self.random.random() < 0.3,
            )
        if chance < 0.5:
            return self._event("sale.refunded", subject, order=order, amount=amount // 2)
        if chance < 0.75:
            score = self.random.choice(("reputation", "reputation", "reputation", "fulfilment"))
            return self._event(
                "creator.scored", subject, score=score, value=self.random.choice(("4.9", "4.5", "3.0", "5"))
            )
        if chance < 0.83:
            violation = f"v-{self.random.randrange(4)}"
            return self._event("credit.deducted", subject, violation=violation, points=self.random.choice((1, 3, 5)))
        if chance < 0.87:
            return self._event("credit.restored", subject, violation=f"v-{self.random.randrange(4)}")
        if chance < 0.97:
            return self._event("live.held", subject, minutes=self.random.choice((30, 600, 1_440)))
        return self._event("content.published", subject, content="x", good=True)

    def _points_in_place_of(self, made: Event) -> Event:
        """Points earned or redeemed by a creator, where and when something else would have happened to it."""
        pick = self.points
        about = {"task": f"t-{pick.randrange(15)}"}, {"redemption": f"r-{pick.randrange(12)}"}
        chance, points = pick.random(), pick.choice((1, 3, 5))
        if chance < 0.6:
            return made | {"type": "points.earned", "data": about[0] | {"points": points}}
        if chance < 0.9:
            return made | {"type": "points.redeemed", "data": about[1] | {"points": 2 * points}}
        return made | {"type": "redemption.cancelled", "data": about[1]}

    def _of_agency(self, subject: str) -> Event:
        chance, creator = self.random.random(), self.random.choice(CREATORS).partition("/")[2]
        if chance < 0.15:
            made = self._event("mcn.onboarded", subject)
            if self.random.random() < 0.6:
                made["time"] = instant_text(BEGIN + self.random.randrange(60) * DAY_MICROS)
            return made
        if chance < 0.6:
            return self._event("creator.bound", subject, creator=creator)
        if chance < 0.75:
            return self._event("creator.unbound", subject, creator=creator)
        if chance < 0.85:
            return self._event("credit.granted", subject, points=self.random.choice((5, 40)))
        if chance < 0.95:
            violation = f"v-{self.random.randrange(3)}"
            return self._event("credit.deducted", subject, violation=violation, points=self.random.choice((10, 60)))
        return self._event("credit.restored", subject, violation=f"v-{self.random.randrange(3)}")


def recorded_as_they_came(seed: int) -> Iterator[dict[str, Any]]:
    """Most events of a random ledger are learned of on their day, others late; corrections whenever."""
    world, clock = World(seed), BEGIN
    for day in range(0, 300, 2):
        clock = max(clock + 1, BEGIN + (day + 1) * DAY_MICROS - 1)
        world.now = clock if day % 3 else None
        for made in world.events(3):
            clock += 1
            at = min(parse_instant(made["time"]), clock)
            yield made | {"time": instant_text(at), "recordedtime": instant_text(clock)}


def revised(scheme: str, number: int) -> Policy:
    """A revision of a scheme's last version with small numbers, under which a small world sees many levels."""
    policy = shipped(scheme)[-1]
    value = {name: item.value for name, item in policy.parameters.items()}
    return with_values(policy, **_SMALL[scheme](value, number))


def _small_reputation(_: dict[str, Any], number: int) -> dict[str, Any]:
    return {
        "levels": levels(5 + number, 12, 30, 50),
        "growth_caps": [{"from": "", "tenths": 25}, {"from": "b", "tenths": 40 + number}],
        "pair_cap_tenths": 20,
        "review_hours": 360 - 24 * (number % 3),
    }


def _small_tier(_: dict[str, Any], number: int) -> dict[str, Any]:
    return {"window_days": 8 + number % 4, "wait_days": 6, "clear_out_days": 20 + number}


def _small_creator(value: dict[str, Any], number: int) -> dict[str, Any]:
    return {"gates": value["gates"] | {"days": 30 + 5 * (number % 3), "reputation_hundredths_min": 400 + number}}


def _small_mcn(value: dict[str, Any], number: int) -> dict[str, Any]:
    return {
        "observation": {"service_min": 40, "credit_min": 80 + number},
        "novice_months": 1,
        "top_creators": value["top_creators"] | {"level": f"L{1 + number % 4}"},
    }


def _small_firefly(_: dict[str, Any], number: int) -> dict[str, Any]:
    bounds = (0, 2 + number, 8 + number, 15 + number)
    return {"levels": [{"code": f"firefly-{rank}", "from_points": begins} for rank, begins in enumerate(bounds, 1)]}


_SMALL = {
    "merchant-reputation": _small_reputation,
    "merchant-tier": _small_tier,
    "creator-level": _small_creator,
    "creator-firefly": _small_firefly,
    "mcn-level": _small_mcn,
}
"""By scheme, a last version's values and a number → the small values."""
