"""Ledgers to lay hypothetical events over, and how these are read, for tests."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from domain.calendar import parse_instant
from replay.history.timeline import Moment
from replay.hypothetical.laid import Supposed, read_supposed
from replay.policies.catalog import DEFAULT
from replay.replaying.base import Replay
from replay.schemes.registry import Scheme, choose
from replay.schemes.replaying import lent, replay_of
from replay.store.base.store import Store
from replay.store.queries import link_at
from tests.support.making import Event, event, ingest_events, line, paid, records

OPENED = event("merchant.onboarded", "opening", "2022-01-02T10:00:00+08:00", category="tea")
AS_OF = parse_instant("2023-01-31T23:59:59+08:00")


def reviews(count: int, prefix: str = "o", buyer: str | None = None) -> list[Event]:
    return [
        made
        for n in range(count)
        for made in (
            paid(f"{prefix}-{n}", buyer=buyer or f"{prefix}-buyer-{n}"),
            event("review.posted", f"rev-{prefix}-{n}", "2022-11-03T10:00:00+08:00", order=f"{prefix}-{n}", quality=5),
        )
    ]


def read(events: Iterable[Event]) -> list[Supposed]:
    return [read_supposed(line(made), made["id"]) for made in events]


def grow(store: Store, folder: Path, events: list[Event]) -> None:
    _, watch = ingest_events(store, events, folder)
    assert not watch.refusals


def replayed(store: Store, scheme: Scheme, subject: str, at: Moment) -> Replay:
    return replay_of(lent(store), scheme.replay, subject, at, choose(store, scheme.replay, at, DEFAULT))


def moment(store: Store, as_of: int, position: int | None = None) -> Moment:
    link = link_at(store, position or store.head().position)
    assert link is not None
    return Moment(as_of, link.recorded_at, link.position)


def fingerprint(store: Store) -> Any:
    return store.head(), records(store)
