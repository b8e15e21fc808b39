"""Which publications may have come out otherwise by what was recorded behind them.

Most records concern a later month than any publication before them: those publications are as they were, and nothing
need be replayed to say so. Where it is not plain that a record does not bear on a month, it counts as if it did.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from domain.events import Event
from domain.merchant_reputation.facts import FLAG_TYPES, LIFE_TYPES, ORDER_TYPES
from replay.history.timeline import RETRACTED


class Issue(NamedTuple):
    """A publication, as far as it can be touched: the end of its month, and the last position known when it came."""

    month_end: int
    position: int


class Reach(NamedTuple):
    """A record, and the earliest instant of which it changes anything."""

    begins: int
    position: int


def touched(issues: Sequence[Issue], bearings: Iterable[Reach]) -> set[int]:
    """The places of the issues, the earliest first, on whose months something bears that was recorded behind them."""
    ends, positions = [issue.month_end for issue in issues], [issue.position for issue in issues]
    found: set[int] = set()
    for begins, position in bearings:
        first = bisect_right(ends, begins)
        if first < len(issues) and position > positions[first]:
            found.update(range(first, bisect_left(positions, position)))
    return found


def bearings_of(known: Sequence[Event]) -> list[Reach]:
    """From which instant on each event of a merchant bears on its points: a flag or clear from its order's first event,
    a retraction from where the event bore that it names.
    """
    orders: dict[str, int] = {}
    for event in known:
        if event.type in ORDER_TYPES:
            orders[event.data.order] = min(event.occurred_at, orders.get(event.data.order, event.occurred_at))
    named = {(event.source, event.id): event.position for event in known}
    begins: dict[int, int] = {}
    for event in known:
        if event.type in FLAG_TYPES and event.data.order in orders:
            begins[event.position] = orders[event.data.order]
        elif event.type in ORDER_TYPES or event.type in LIFE_TYPES:
            begins[event.position] = event.occurred_at
        elif event.type == RETRACTED:
            retracted = begins.get(named.get((event.data.source, event.data.event), 0))
            if retracted is not None:
                begins[event.position] = retracted
    return [Reach(instant, position) for position, instant in begins.items()]
