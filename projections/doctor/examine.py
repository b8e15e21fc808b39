"""An installation looked at, part by part; what needs no open store also where it cannot be opened."""

from collections.abc import Callable
from functools import partial
from typing import Final

from projections.doctor.consuming import consuming_found
from projections.doctor.deliveries import deliveries_found
from projections.doctor.derived import segments_found, views_found
from projections.doctor.keys import buyer_key_found, signing_key_found
from projections.doctor.ledger import archived_found, checks_found, clock_found, policies_found, store_found
from projections.doctor.machine import disk_found, loops_found, versions_found, zones_found
from projections.doctor.observations import WARN, Observation, Observations, looked
from projections.doctor.working import working_found
from replay.objects.naming import FilesPlace
from replay.store.base.store import Store
from replay.store.opening import open_store

NOT_LOOKED: Final = "not_looked"
"""What is said of a part that only an open store tells of."""


def examine(location: str, segments: FilesPlace | None, clock: Callable[[], int]) -> list[Observation]:
    """Everything that was found of the installation of a ledger, in the order in which it was looked at.

    `clock` is the machine's: an instant. Nothing is written, and no error is handed on.
    """
    opened: list[Store] = []

    def open_it() -> Observations:
        opened.append(open_store(location, segments))
        yield from store_found(opened[0])

    try:
        found = list(looked("store", open_it))
        store = opened[0] if opened else None
        for check, look in _of_store(clock).items():
            if store is None:
                found.append(Observation(check, WARN, NOT_LOOKED, {}))
            else:
                found += looked(check, partial(look, store))
        for check, without in _of_machine(location, store).items():
            found += looked(check, without)
        return found
    finally:
        for store in opened:
            store.close()


def _of_store(clock: Callable[[], int]) -> dict[str, Callable[[Store], Observations]]:
    return {
        "clock": partial(clock_found, clock=clock),
        "buyer_key": buyer_key_found,
        "signing_key": signing_key_found,
        "policies": policies_found,
        "archived": partial(archived_found, clock=clock),
        "segments": partial(segments_found, clock=clock),
        "views": views_found,
        "consuming": consuming_found,
        "deliveries": deliveries_found,
        "working": working_found,
        "checks": checks_found,
    }


def _of_machine(location: str, store: Store | None) -> dict[str, Callable[[], Observations]]:
    """What is looked at without a store, too; where there is one, it says how much it needs."""
    return {
        "disk": partial(disk_found, location, store),
        "zones": zones_found,
        "versions": partial(versions_found, store),
        "loops": loops_found,
    }
