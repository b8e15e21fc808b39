"""What an operator asks of a ledger and its views: where they stand, how far behind, what is set aside, a rebuild."""

from typing import Any

from projections.service.reading import Reading
from projections.status import status_beside
from replay.look import status


def operations_of(reading: Reading) -> dict[str, Any]:
    """The state of the ledger, and of its views where there are any."""
    with reading.store() as store:
        return {"ledger": status(store), "views": status_beside(store)}
