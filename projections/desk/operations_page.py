"""What operators look up of a ledger and its views: where they stand, how far behind, what is set aside, a rebuild."""

from typing import Any

from projections.projector.status import status_beside
from projections.reading.reader import Reading
from replay.history.browse import status
from replay.store.base import Store


def operations_of(reading: Reading, *, needs_token: bool) -> dict[str, Any]:
    """The state of the ledger, and of its views where there are any; where a token is needed, not where they lie."""
    with reading.store() as store:
        views = status_beside(store)
        if views is not None and needs_token:
            views["problems"] = [_nameless(text, store) for text in views["problems"]]
            views["set_aside"] = [{**row, "reason": _nameless(row["reason"], store)} for row in views["set_aside"]]
        return {"ledger": status(store), "views": views}


def _nameless(text: str, store: Store) -> str:
    return text.replace(store.name, "the ledger")
