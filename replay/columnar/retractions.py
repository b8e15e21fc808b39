"""Which records known retractions take out, as `timeline.retracted_positions` says it of one subject's events."""

from typing import TYPE_CHECKING

from replay.columnar.columns import EVENT_RETRACTED, Columns

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def positions_taken_out(columns: Columns) -> "NDArray[np.int64]":
    """The positions, rising, that effective retractions name; retractions are rare, so that this is plain Python.

    Positions are those of the whole ledger, and a retraction names none of another subject: subjects need no telling
    apart.
    """
    import numpy as np

    rows = np.flatnonzero(columns.what == EVENT_RETRACTED)
    named = dict(zip(columns.position[rows].tolist(), columns.amount[rows].tolist(), strict=True))
    out: set[int] = set()
    for position in sorted(named, reverse=True):
        if position not in out and 0 < named[position] < position:
            out.add(named[position])
    return np.array(sorted(out), np.int64)
