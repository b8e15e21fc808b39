"""The peer: the eventsourcing library used as its manual shows, on its own SQLite recorder."""

import json
from pathlib import Path
from typing import Any

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event

BATCH = 1_000


class Merchant(Aggregate):
    """A merchant that takes whatever happened to it as an event."""

    @event("Happened")
    def happen(self, what: str, time: str, data: dict[str, Any]) -> None:
        self.last = what


def save_all(lines: Path, database: Path) -> None:
    """Save the events of a file through `Application.save`, aggregates held in memory, 1,000 at a time."""
    application: Application[Any] = Application(
        env={"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": str(database)}
    )
    merchants: dict[str, Merchant] = {}
    changed: dict[str, Merchant] = {}
    pending = 0
    with lines.open() as file:
        for text in file:
            item = json.loads(text)
            merchant = merchants.get(item["subject"]) or merchants.setdefault(item["subject"], Merchant())
            merchant.happen(item["type"], item["time"], item["data"])
            changed[item["subject"]] = merchant
            pending += 1
            if pending == BATCH:
                application.save(*changed.values())
                changed.clear()
                pending = 0
    application.save(*changed.values())
    application.close()
