"""Deliveries of a ledger whose views move, by a clock of the test's own."""

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

from domain.limits import DAY_MICROS, HOUR_MICROS, SECOND_MICROS
from projections.delivering.couriers import Courier, CourierTurn, Happened
from projections.delivering.deliveries import Deliveries, open_deliveries
from projections.delivering.endpoints import WEBHOOK, Endpoint, Progress, new_endpoint
from projections.delivering.signing import new_secret
from projections.reading.reader import Reading
from projections.views.database import Views, open_views
from replay.store.base.store import Store
from tests.support.receiving import Receiver
from tests.support.views import empty_live

BEGIN = 1_800_000_000 * SECOND_MICROS


class Round:
    """Deliveries of a ledger by a clock that goes on when somebody has to wait."""

    def __init__(self, store: Store, reading: Reading, deliveries: Deliveries) -> None:
        self.store, self.reading, self.deliveries = store, reading, deliveries
        self.now = BEGIN
        self.told: list[Happened] = []
        self._couriers: list[Courier] = []

    def add(self, receiver: Receiver, *schemes: str, **progress: Any) -> str:
        made = new_endpoint(
            receiver.url,
            schemes,
            allow_private=True,
            allow_http=True,
            ca_file=None,
            properties=None,
            made_at=BEGIN + len(self.deliveries.all()),
        )
        return self.keep(made, **progress)

    def keep(self, made: Endpoint, **progress: Any) -> str:
        """Add an endpoint."""
        self.deliveries.add(made, Progress(made.id, **progress), new_secret() if made.kind == WEBHOOK else None)
        return made.id

    def courier(self, name: str, give_up_days: int = 5, **options: Any) -> Courier:
        made = Courier(
            name,
            self.deliveries,
            self.reading,
            give_up_days=give_up_days,
            random=Random(1),
            now=lambda: self.now,
            told=self.told.append,
            **options,
        )
        self._couriers.append(made)
        return made

    def close(self) -> None:
        """Let every courier go, and what they read from."""
        for courier in self._couriers:
            courier.close()
        self.reading.close()

    def bring_all(self, name: str) -> None:
        """Until the endpoint has everything; where it waits the clock goes on."""
        courier = self.courier(name)
        while (turn := courier.turn()) is not CourierTurn.CAUGHT_UP:
            assert turn in (CourierTurn.MORE, CourierTurn.FAILED, CourierTurn.WAITS), turn
            if turn is not CourierTurn.MORE:
                self.now += 2 * HOUR_MICROS
                assert self.now < BEGIN + 900 * DAY_MICROS


@contextmanager
def rounds(store: Store) -> Iterator[tuple[Round, Views]]:
    with open_views(store, make=True) as views:
        empty_live(views)
        with open_deliveries(store) as deliveries:
            here = Round(store, Reading(store.location), deliveries)
            try:
                yield here, views
            finally:
                here.close()
