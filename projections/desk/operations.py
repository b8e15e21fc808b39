"""What an operator asks of a ledger and its views: where they stand, how far behind, what is set aside, a rebuild."""

from typing import Any

from projections.place import has_views
from projections.service.problems import unavailable
from projections.service.reading import Reading
from projections.status import views_status
from projections.views import open_views
from replay.errors import UsageError
from replay.look import status
from replay.store import Store


def operations_of(reading: Reading) -> dict[str, Any]:
    """The state of the ledger, and of its views where there are any."""
    with reading.store() as store:
        return {"ledger": status(store), "views": _views(store)}


def _views(store: Store) -> dict[str, Any] | None:
    if not has_views(store):
        return None
    try:
        with open_views(store) as views:
            return views_status(views)
    except UsageError as error:  # of another ledger or form: not the fault of whoever asks
        raise unavailable(error) from None
