"""What an operator asks of a ledger and its views: where they stand, how far behind, what is set aside, a rebuild."""

from typing import Any

from projections.service.problems import Problem
from projections.service.reading import Reading
from projections.status import views_status
from replay.look import status


def operations_of(reading: Reading) -> dict[str, Any]:
    """The state of the ledger, and of its views where there are any."""
    with reading.store() as store:
        ledger = status(store)
    try:
        views = views_status(reading.views())
    except Problem as problem:
        if problem.kind != "no-views":
            raise
        views = None
    return {"ledger": ledger, "views": views}
