"""Agencies that share their creators: who moves, is taken back, comes late, or is named by mistake."""

from collections.abc import Iterator
from random import Random

from domain.calendar import instant_text
from domain.limits import DAY_MICROS, HOUR_MICROS
from tests.support.making import Event, event
from tests.worlds.ledgers import AGENCIES, BEGIN, CREATORS

DAYS = 200
OTHERS = ("mcn/a-3",)
"""Agencies that none but these events tell of."""
UNTOLD = "creator/c-9"
"""Bound, and nothing else is known of it."""


class AgencyMoves:
    """Makes such events, one after another; the same seed makes the same ones."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._made: list[Event] = []

    def events(self, count: int) -> list[Event]:
        """So many and a few more of the next events of the ledger, in the order in which it learns of them."""
        found: list[Event] = []
        while len(found) < count:
            some = list(self._some())
            self._made += some
            found += some
        return found

    def _some(self) -> Iterator[Event]:
        chance, at = self._random.random(), self._at()
        agency, creator = self._random.choice((*AGENCIES, *OTHERS)), self._random.choice((*CREATORS, UNTOLD))
        name = len(self._made)
        if chance < 0.35:
            yield self._bound(f"m-{name}", at, agency, creator)
        elif chance < 0.45:
            # One who lets go before it has bound, at one instant.
            yield event("creator.unbound", f"m-{name}", at, subject=agency, creator=creator.partition("/")[2])
            yield self._bound(f"m-{name}-after", at, agency, creator)
        elif chance < 0.55:
            order = f"m-{self._random.randrange(6)}"
            yield event("sale.refunded", f"m-{name}", at, subject=creator, order=order, amount=100)
            sale = {"order": order, "amount": 70_000, "good_goods": True, "channel": "showcase"}
            yield event("sale.settled", f"m-{name}-after", at, subject=creator, **sale)
        elif chance < 0.65:
            # Named before it is known.
            yield self._retraction(f"m-{name}", at, agency, f"m-{name}-after")
            if self._random.random() < 0.7:
                yield self._bound(f"m-{name}-after", at, agency, creator)
        elif chance < 0.7:
            announced = {"scheme": "mcn-level", "period": "2022-11", "level": None}
            yield event("level.announced", f"m-{name}", at, subject=self._random.choice((agency, creator)), **announced)
        elif self._made:
            named = self._random.choice(self._made[-30:])
            whose = named["subject"] if self._random.random() < 0.8 else agency
            yield self._retraction(f"m-{name}", at, whose, named["id"])

    def _at(self) -> str:
        day, hour = self._random.randrange(DAYS), self._random.choice((0, 0, 12))
        return instant_text(BEGIN + day * DAY_MICROS + hour * HOUR_MICROS)

    @staticmethod
    def _bound(name: str, at: str, agency: str, creator: str) -> Event:
        return event("creator.bound", name, at, subject=agency, creator=creator.partition("/")[2])

    @staticmethod
    def _retraction(name: str, at: str, whose: str, named: str) -> Event:
        made = event("event.retracted", name, at, subject=whose, event=named, reason="a mistake")
        made["data"]["source"] = made["source"]
        return made
