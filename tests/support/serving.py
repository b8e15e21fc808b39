"""A service over a ledger, for tests."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from fixtures.demo import story
from projections.http.settings import Settings
from projections.projector.rebuild import Asked, rebuild
from projections.server.app import application
from projections.views.database import open_views
from replay.store.opening import create_store, open_store
from tests.support.making import ingest_events

BASE = "http://127.0.0.1:8020"
Copied = dict[tuple[str, str], dict[str, Any]]
"""Levels by subject and scheme, as a copy of them holds them."""


def demo_ledger(location: str, folder: Path, *, with_views: bool = True) -> None:
    """The demo's ledger, and views of it."""
    create_store(location)
    with open_store(location) as store:
        ingest_events(store, story(), folder, backfill=True)
        if with_views:
            with open_views(store, make=True) as views:
                rebuild(views, Asked(sample=0))


def form_of(address: str) -> tuple[str, ...]:
    """What makes two addresses one route with the same parameters, whatever their values and whichever the record."""
    place, _, query = address.partition("?")
    names = {item.partition("=")[0] for item in query.split("&")}
    return re.sub(r"/events/\d+", "/events/N", place), *sorted(names)


def one_of_each_form(addresses: Iterable[str]) -> list[str]:
    """Of thousands of links of pages those that are worth a request each."""
    return sorted({form_of(address): address for address in sorted(addresses)}.values())


@contextmanager
def serving(settings: Settings) -> Iterator[TestClient]:
    """A client of the service as one process runs it."""
    with TestClient(application(settings), base_url=BASE, follow_redirects=False) as client:
        yield client


def shown_levels(client: TestClient) -> Copied:
    """Every level that the service shows."""
    answer = client.get("/v1/levels?limit=1000")
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["next"] is None
    return {(row["subject"], row["scheme"]): row for row in found["levels"]}
