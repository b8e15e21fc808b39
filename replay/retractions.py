"""Which rows of columns known retractions take out, as `timeline.retracted_positions` says it of events."""

from typing import TYPE_CHECKING

from replay.columns import EVENT_RETRACTED, Columns

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def rows_taken_out(columns: Columns, starts: "NDArray[np.int64]") -> "NDArray[np.bool_]":
    """By row, whether an effective retraction names it; of no length where there is no retraction at all.

    `starts` says where each subject's rows begin and, at its end, where the last one's end. Retractions are rare, so
    that what follows from them is plain Python.
    """
    import numpy as np

    retractions = np.flatnonzero((columns.what == EVENT_RETRACTED) & (columns.amount > 0))
    if not len(retractions):
        return np.zeros(0, np.bool_)
    named = dict(zip(columns.position[retractions].tolist(), columns.amount[retractions].tolist(), strict=True))
    out: set[int] = set()
    for position in sorted(named, reverse=True):
        if position not in out and named[position] < position:
            out.add(named[position])
    gone, positions = np.zeros(len(columns.at), np.bool_), np.array(sorted(out), np.int64)
    for subject in np.unique(columns.subject[retractions]).tolist():
        rows = slice(starts[subject], starts[subject + 1])
        gone[rows] = np.isin(columns.position[rows], positions)
    return gone
