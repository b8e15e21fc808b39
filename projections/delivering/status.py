"""How deliveries go: for the command, for what is measured, and for the desk."""

from typing import Any, Final

from sqlalchemy import func, select

from domain.calendar import shanghai_text
from domain.limits import SECOND_MICROS
from projections.delivering.deliveries import find_deliveries
from projections.delivering.endpoints import Delivery
from projections.http.problems import Problem
from projections.reading.reader import Reading, Snapshot
from replay.errors import LevelbookError

STATES: Final = ("delivering", "failing", "disabled")


def deliveries_told(reading: Reading) -> dict[str, Any] | None:
    """The same for a page; None where nothing was ever to be delivered. What cannot be read is told as `problem`."""
    try:
        found = deliveries_status(reading)
    except (Problem, LevelbookError) as error:
        return {"endpoints": [], "problem": str(error)}
    return None if found is None else {"endpoints": found, "problem": None}


def deliveries_status(reading: Reading) -> list[dict[str, Any]] | None:
    """Every endpoint with its state and how far it is behind; None where nothing was ever to be delivered."""
    with reading.store() as store:
        now, deliveries = store.now(), find_deliveries(store)
    if deliveries is None:
        return None
    with deliveries:
        found = deliveries.all()
    try:
        with reading.snapshot() as at:
            return [_status(item, now, _behind(reading, at, item)) for item in found]
    except Problem:  # there are no views: nobody can say how far behind they are
        return [_status(item, now, None) for item in found]


def _behind(reading: Reading, at: Snapshot, delivery: Delivery) -> int:
    """Of how many levels the last change has not arrived."""
    changes = reading.changes
    begun = max(delivery.progress.number, 0) if delivery.progress.feed == at.feed else 0
    query = select(func.count()).select_from(changes).where(changes.c.number > begun)
    if delivery.endpoint.schemes:
        query = query.where(changes.c.scheme.in_(delivery.endpoint.schemes))
    return int(at.connection.execute(query).scalar_one())


def _status(delivery: Delivery, now: int, behind: int | None) -> dict[str, Any]:
    endpoint, progress = delivery
    disabled = progress.disabled_at is not None
    state = "disabled" if disabled else "failing" if progress.failures else "delivering"
    since = progress.failing_since
    return {
        "endpoint": endpoint.id,
        "kind": endpoint.kind,
        "place": endpoint.place,
        "schemes": list(endpoint.schemes),
        "state": state,
        "behind": behind,
        "delivered": progress.delivered,
        "delivered_at": _instant(progress.delivered_at),
        "failures": progress.failures,
        "failing_since": _instant(since),
        "failing_seconds": 0 if since is None else max(now - since, 0) // SECOND_MICROS,
        "next_attempt_at": None if disabled else _instant(progress.due_at),
        "disabled_at": _instant(progress.disabled_at),
        "problem": progress.problem,
        "begun_anew": progress.begun,
    }


def _instant(at: int | None) -> str | None:
    return None if at is None else shanghai_text(at)
