"""Making events, lines and ledgers for tests."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from replay.intake.ingest import Ingest
from replay.intake.outcomes import Counts
from replay.intake.rejects import Rejects
from replay.intake.targets import LedgerTarget
from replay.parsing.refusals import Refusal
from replay.policies.catalog import shipped, shipped_schemes
from replay.recording.append import Appender
from replay.store.base.identity import Head
from replay.store.base.store import Store
from replay.store.buyers import key_of

Event = dict[str, Any]
ADOPTED = sum(len(shipped(scheme)) for scheme in shipped_schemes())
"""How many records views add to a ledger that holds no policy, before they first judge by them."""


def event(event_type: str, event_id: str, time: str = "2022-11-01T10:00:00+08:00", **rest: Any) -> Event:
    """A CloudEvent of `merchant/m-1`; keywords that are no attributes become its data."""
    attributes = ("subject", "source", "recordedtime", "actor", "correlationid", "causationid", "dataschema")
    made = {
        "specversion": "1.0",
        "id": event_id,
        "source": "urn:test",
        "type": event_type,
        "subject": "merchant/m-1",
        "time": time,
    }
    made |= {name: rest.pop(name) for name in attributes if name in rest}
    return {**made, "data": rest}


def paid(order: str, time: str = "2022-11-01T10:00:00+08:00", **rest: Any) -> Event:
    return event("order.paid", f"pay-{order}", time, **{"order": order, "buyer": "b-1", "amount": 12_900, **rest})


def line(made: Event) -> bytes:
    return json.dumps(made).encode()


def write_lines(path: Path, events: Iterable[Event]) -> str:
    path.write_bytes(b"".join(line(made) + b"\n" for made in events))
    return str(path)


class Silent:
    """Watches an ingest and remembers what it was told."""

    def __init__(self) -> None:
        self.refusals: list[tuple[str, Refusal]] = []
        self.heads: list[Head] = []

    def made(self, where: str) -> None:
        raise AssertionError("there is a ledger")

    def refused(self, where: str, refusal: Refusal) -> None:
        self.refusals.append((where, refusal))

    def acknowledged(self, where: str, head: Head, counts: Counts) -> None:
        self.heads.append(head)

    def read(self, name: str, read_bytes: int) -> None:
        pass


def ingest_files(store: Store, names: list[str], rejects: Path, **options: Any) -> tuple[Counts, Silent]:
    """Ingest files as the command does; `backfill`, `late` and `skip_refused` choose how."""
    watch = Silent()
    refused = Rejects(rejects)
    backfill, late, skip = (options.pop(name, False) for name in ("backfill", "late", "skip_refused"))
    target = LedgerTarget(store, Appender(store.identity.id, key_of(store)))
    run = Ingest(target, refused, watch, **options)
    counts = run.backfill(names, late=late, skip_refused=skip) if backfill else run.run(names)
    refused.close()
    return counts, watch


def ingest_events(store: Store, events: Iterable[Event], folder: Path, **options: Any) -> tuple[Counts, Silent]:
    """Ingest events through a file in `folder`."""
    return ingest_files(store, [write_lines(folder / "events.jsonl", events)], folder / "rejects.jsonl", **options)


def records(store: Store) -> list[bytes]:
    """The stored bytes of every record, in order."""
    return [bytes(record) for (record,) in store._query("SELECT record FROM records ORDER BY position")]
