"""What compiled loops read: columns without names, where each subject's rows begin, which are retracted; and months."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from domain.calendar import month_of, month_start
from replay.columnar.columns import Columns, positions_taken_out

NOT_SORTED: Final = "columns are not sorted by (subject, at, position)"
"""What loops say of rows that are in another order: raised, not asserted, which `python -O` would leave out."""


class Rows(NamedTuple):
    """Columns as they are, and beside them what is worked out once."""

    subject: NDArray[np.int32]
    at: NDArray[np.int64]
    position: NDArray[np.int64]
    what: NDArray[np.int8]
    key: NDArray[np.int32]
    amount: NDArray[np.int64]
    detail: NDArray[np.int16]
    extra: NDArray[np.int8]
    retracted: NDArray[np.bool_]
    """Whether a retraction takes the row out."""
    begins: NDArray[np.int64]
    """By subject, its first row; one more for the end."""
    judged: NDArray[np.bool_]
    """By subject, whether it is of the kind that is judged."""


def rows_of(columns: Columns, kind: str) -> Rows:
    """The rows of columns for a scheme that judges subjects of a kind such as "merchant"; all arrays read only.

    Read from files they are, and merged they are not: loops would be compiled for each.
    """
    subjects = np.arange(len(columns.subjects) + 1).astype(columns.subject.dtype)
    rows = Rows(
        columns.subject,
        columns.at,
        columns.position,
        columns.what,
        columns.key,
        columns.amount,
        columns.detail,
        columns.extra,
        retracted_rows(columns),
        np.searchsorted(columns.subject, subjects),
        np.array([subject.startswith(f"{kind}/") for subject in columns.subjects], np.bool_),
    )
    return Rows._make([_read_only(column) for column in rows])


def _read_only(column: NDArray[Any]) -> NDArray[Any]:
    view = column.view()
    view.flags.writeable = False
    return view


def retracted_rows(columns: Columns) -> NDArray[np.bool_]:
    """A mark for each row that an effective retraction takes out."""
    positions = positions_taken_out(columns)
    return np.isin(columns.position, positions) if len(positions) else np.zeros(len(columns.position), np.bool_)


def rows_of_subject(columns: Columns, subject: int, until: int, *whats: int) -> NDArray[np.int64]:
    """The rows of a subject of some types up to an instant that no retraction takes out."""
    low, high = np.searchsorted(columns.subject, np.array((subject, subject + 1), columns.subject.dtype))
    rows = low + np.flatnonzero(np.isin(columns.what[low:high], whats) & (columns.at[low:high] <= until))
    kept: NDArray[np.int64] = rows[~np.isin(columns.position[rows], positions_taken_out(columns))]
    return kept


def part_of(owners: NDArray[Any], owner: int) -> slice:
    """Where an owner's rows stand in a column that rises; by halving here, since numpy would copy the column."""
    low = bisect_left(owners, owner)
    return slice(low, bisect_left(owners, owner + 1, low))


def records_of(values: Sequence[Any]) -> NDArray[np.void]:
    """Named tuples of integers as an array of records with the same fields, which a rule reads by the same names."""
    return np.array([_plain(value) for value in values], _dtype(values[0]))


def _plain(value: Any) -> Any:
    """Named tuples as tuples, sequences of these as lists: what numpy takes for records and arrays of records."""
    if not isinstance(value, tuple):
        return value
    items = [_plain(item) for item in value]
    return tuple(items) if hasattr(value, "_fields") else items


def _dtype(value: Any) -> np.dtype[Any]:
    if not hasattr(value, "_fields"):
        return np.dtype(np.bool_ if isinstance(value, bool) else np.int64)
    fields: list[Any] = []
    for name, item in zip(value._fields, value, strict=True):
        many = isinstance(item, tuple) and not hasattr(item, "_fields")
        fields.append((name, _dtype(item[0]), (len(item),)) if many else (name, _dtype(item)))
    return np.dtype(fields, align=True)


class Months(NamedTuple):
    """Months one after another, as arrays: the calendar itself stays in `domain.calendar`."""

    first: int
    begins: NDArray[np.int64]
    """The instant at which each begins, and one more for the end."""


def months_between(first_at: int, last: int) -> Months:
    """The months from that of an instant to the one given, and one more."""
    first = min(month_of(first_at), last)
    return Months(first, np.array([month_start(month) for month in range(first, last + 3)]))


# --- in compiled loops ------------------------------------------------------------------------------------------------


def in_order(rows: Rows) -> bool:
    """Whether rows stand by (subject, at, position), which every loop relies on."""
    for row in range(1, len(rows.subject)):
        before = rows.subject[row - 1], rows.at[row - 1], rows.position[row - 1]
        if before >= (rows.subject[row], rows.at[row], rows.position[row]):
            return False
    return True


def place_of(months: Months, at: int) -> int:
    """The place of the month that holds an instant, found by halving; that after the last for what is later."""
    low, high = 0, len(months.begins)
    while low < high:
        middle = (low + high) // 2
        if months.begins[middle] <= at:
            low = middle + 1
        else:
            high = middle
    return low - 1
