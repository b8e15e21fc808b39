"""What is delivered to others: whether it goes, and whether the secrets by which it is signed are hidden."""

from stat import S_IMODE

from projections.delivering.deliveries import HOME, find_deliveries
from projections.doctor.keys import OTHERS
from projections.doctor.observations import OK, WARN, Observation, Observations
from projections.http.own_tables import file_of
from replay.store.base.store import Store
from replay.store.sqlite import SqliteStore


def deliveries_found(store: Store) -> Observations:
    """The endpoints that fail or are tried no more. Nothing is sent to any."""
    check, kept = "deliveries", find_deliveries(store)
    if kept is None:
        yield Observation(check, OK, "none", {})
        return
    with kept:
        found = kept.all()
    disabled = [item.endpoint.id for item in found if item.progress.disabled_at is not None]
    failing = [item.endpoint.id for item in found if item.progress.failures and item.endpoint.id not in disabled]
    if disabled:
        yield Observation(check, WARN, "disabled", {"names": ", ".join(disabled)})
    if failing:
        yield Observation(check, WARN, "failing", {"names": ", ".join(failing)})
    if not disabled and not failing:
        yield Observation(check, OK, "go", {"count": len(found)})
    if isinstance(store, SqliteStore):
        path = file_of(HOME, store)
        if (mode := S_IMODE(path.stat().st_mode)) & OTHERS:
            yield Observation(check, WARN, "open", {"path": str(path), "mode": f"{mode:04o}"})
