"""From which instant on records bear on points, as `late.bearings_of` says: of many merchants, from columns."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from replay.columnar.columns import (
    EVENT_RETRACTED,
    MERCHANT_CLOSED,
    MERCHANT_ONBOARDED,
    ORDER_CLEARED,
    ORDER_FLAGGED,
    ORDER_PAID,
    ORDER_RECEIVED,
    REVIEW_POSTED,
    Columns,
)

NEVER_BEARS: Final = 2**62
_OF_ORDERS: Final = (ORDER_PAID, ORDER_RECEIVED, REVIEW_POSTED)
_READ: Final = (*_OF_ORDERS, MERCHANT_ONBOARDED, MERCHANT_CLOSED)


def bearing_from(columns: Columns) -> NDArray[np.int64]:
    """By row, from which instant on it bears; of what no rule reads, NEVER_BEARS."""
    begins = np.where(np.isin(columns.what, _READ), columns.at, NEVER_BEARS)
    flags = np.flatnonzero((columns.what == ORDER_FLAGGED) | (columns.what == ORDER_CLEARED))
    if len(flags):
        _flags_bear(columns, flags, begins)
    retractions = np.flatnonzero(columns.what == EVENT_RETRACTED)
    if len(retractions):
        _retractions_bear(columns, retractions, begins)
    return begins


def _flags_bear(columns: Columns, flags: NDArray[np.int64], begins: NDArray[np.int64]) -> None:
    """From the first event of its order on."""
    of_orders = np.flatnonzero(np.isin(columns.what, _OF_ORDERS))
    wanted = _orders(columns, flags)
    of_orders = of_orders[np.isin(_orders(columns, of_orders), wanted)]
    orders, first = np.unique(_orders(columns, of_orders), return_index=True)
    places = np.searchsorted(orders, wanted)
    there = places < len(orders)
    there[there] = orders[places[there]] == wanted[there]
    begins[flags[there]] = columns.at[of_orders[first[places[there]]]]


def _orders(columns: Columns, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """By row, a number for its order that no other order of any subject has."""
    return (columns.subject[rows].astype(np.int64) << 32) + columns.key[rows]


def _retractions_bear(columns: Columns, retractions: NDArray[np.int64], begins: NDArray[np.int64]) -> None:
    """From where that bears which it names; what names nothing, never."""
    named = np.flatnonzero(np.isin(columns.position, columns.amount[retractions]))
    places = dict(zip(columns.position[named].tolist(), named.tolist(), strict=True))
    for row in retractions[np.argsort(columns.position[retractions])].tolist():
        place = places.get(int(columns.amount[row]))
        if place is not None and columns.position[place] < columns.position[row]:
            begins[row] = begins[place]
