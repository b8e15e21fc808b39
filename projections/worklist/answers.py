"""The lists as answers, the same for the command, the API and the desk."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from domain.calendar import month_of, month_text
from projections.http.cursors import cursor_of, values_of
from projections.reading.freshness import standing_json
from projections.reading.reader import Snapshot
from projections.worklist.changed import levels_changed, levels_set_aside
from projections.worklist.differing import announcements_differing, decisions_differing, decisions_made
from projections.worklist.looking import LOOKED_AT, Filters, Key, ListPage
from projections.worklist.totals import distribution, totals
from replay.store.base.store import Store


class WorkList(NamedTuple):
    """One list: what reads a page of it, what a cursor in it is made of, and whether it tells what was decided."""

    read: Callable[[Snapshot, Filters, Key | None, int], ListPage]
    key: tuple[type, ...]
    tells_decisions: bool
    of_month: bool = False
    """Whether it is of one period: where none is named, of the month in which the views stand."""


LISTS: Final = {
    "differing": WorkList(decisions_differing, (str, str, int), True),
    "announced": WorkList(announcements_differing, (str, str, int), True),
    "changed": WorkList(levels_changed, (int, str, str, int), False, of_month=True),
    "set-aside": WorkList(levels_set_aside, (str, str), False),
}
"""By the name that they are asked for by."""
_DECISIONS: Final = WorkList(decisions_made, (str, str, int), True)


def worklist_json(
    at: Snapshot, store: Store, name: str, filters: Filters, cursor: str | None, limit: int
) -> dict[str, Any]:
    """A page of a list. Raises Problem for a cursor of another one."""
    return {**standing_json(at.standing, store), "list": name, **_listed(at, LISTS[name], filters, cursor, limit)}


def decisions_page_json(at: Snapshot, store: Store, filters: Filters, cursor: str | None, limit: int) -> dict[str, Any]:
    """A page of all decisions, scheme by scheme from the latest period back."""
    return {**standing_json(at.standing, store), **_listed(at, _DECISIONS, filters, cursor, limit)}


def _listed(at: Snapshot, listed: WorkList, filters: Filters, cursor: str | None, limit: int) -> dict[str, Any]:
    if listed.of_month and filters.period is None:
        filters = filters._replace(period=month_text(month_of(at.standing.as_of)))
    after = None if cursor is None else tuple(values_of(cursor, *listed.key))
    found = listed.read(at, filters, after, limit)
    following = None if found.next is None else cursor_of(*found.next)
    return {"period": filters.period, "rows": list(found.rows), "next": following}


def distribution_json(at: Snapshot, store: Store, filters: Filters) -> dict[str, Any]:
    """How many subjects stand where, in all schemes or those that are asked for."""
    rows = distribution(at, filters)
    total = sum(row["subjects"] for row in rows)
    return {**standing_json(at.standing, store), "period": filters.period, "rows": rows, "total": total}


def totals_json(
    at: Snapshot,
    store: Store,
    filters: Filters,
    *,
    tells_decisions: bool = True,
    looked_at: int | None = LOOKED_AT,
) -> dict[str, Any]:
    """How many rows each list has; of no more than so many decisions of a scheme, or of all."""
    found = totals(at, filters, tells_decisions=tells_decisions, looked_at=looked_at)
    told = {"period": filters.period, "changed_in": found.changed_in, "rows": found.rows}
    return {**standing_json(at.standing, store), **told}
