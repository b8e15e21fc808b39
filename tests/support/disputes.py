"""A disputed level, recorded in the order in which it came about: announced and decided first, corrected afterwards."""

from pathlib import Path
from typing import Final

from domain.calendar import parse_month
from fixtures.demo import PERIOD, told
from projections.projector.rebuild import Asked, rebuild
from projections.views.database import open_views
from replay.decisions.decide import decide, period_of
from replay.store.base.store import Store
from replay.store.opening import create_store, open_store
from tests.support.making import ingest_events

_LATER: Final = {"creator-level": "2023-04", "mcn-level": "2023-04"}


def disputed_ledger(location: str, folder: Path) -> None:
    """The demo's story, with the level of November announced and decided before the ring came to light, and views."""
    known, later = told()
    create_store(location)
    with open_store(location) as store:
        ingest_events(store, known, folder, backfill=True)
        _decide(store, "merchant-reputation", PERIOD)
        ingest_events(store, later, folder)
        for scheme, month in _LATER.items():
            _decide(store, scheme, month)
        with open_views(store, make=True) as views:
            rebuild(views, Asked(sample=0))


def _decide(store: Store, scheme: str, month: str) -> None:
    decide(store, scheme, period_of(store, scheme, parse_month(month), None))
