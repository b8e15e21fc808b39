"""How far topics are consumed: whether somebody still does where something waits."""

from typing import Final

from projections.doctor.observations import OK, WARN, Observation, Observations
from projections.upkeep.consumed import consumed_status
from replay.store.base.store import Store

SILENT_SECONDS: Final = 60
"""Whoever consumes notes how far it is every few seconds."""


def consuming_found(store: Store) -> Observations:
    """Partitions behind which messages wait while nobody notes anything. No broker is asked."""
    check, found = "consuming", consumed_status(store)
    if not found:
        yield Observation(check, OK, "none", {})
        return
    silent = [row for row in found if row["behind"] and row["noted_seconds_ago"] > SILENT_SECONDS]
    if silent:
        names = ", ".join(f"{row['group']} {row['topic']}/{row['partition']}" for row in silent)
        yield Observation(check, WARN, "silent", {"names": names, "count": sum(row["behind"] for row in silent)})
    else:
        yield Observation(check, OK, "go", {"count": len(found)})
