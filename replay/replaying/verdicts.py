"""The verdicts that compiled folds give on the events of many subjects, and one subject's as its replay has them."""

from typing import TYPE_CHECKING, Any, NamedTuple

from replay.replaying.base import Replay
from replay.replaying.values import Judged

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Verdicts(NamedTuple):
    """Every verdict, by subject and within a subject in the order of judgement; columns of one length but the first."""

    starts: "NDArray[np.int64]"
    """By subject, where its verdicts begin; they end where those of the next subject begin. One more than subjects."""
    at: "NDArray[np.int64]"
    """When it was judged, in microseconds."""
    position: "NDArray[np.int64]"
    """Of the event that was judged."""
    verdict: "NDArray[np.int8]"
    """Index into the `words` of the scheme's replay."""
    tenths: "NDArray[np.int64]"
    """What it moved the points by; 0 in schemes that have none."""


def room_for(subjects: int, rows: int) -> Verdicts:
    """Room for so many verdicts without points; what is not written takes no memory."""
    import numpy as np

    nothing = np.broadcast_to(np.int64(0), rows)
    return Verdicts(
        np.zeros(subjects + 1, np.int64),
        np.empty(rows, np.int64),
        np.empty(rows, np.int64),
        np.empty(rows, np.int8),
        nothing,
    )


def written(room: Verdicts, count: int) -> Verdicts:
    """What was written into room."""
    starts, at, position, verdict, tenths = room
    return Verdicts(starts, at[:count], position[:count], verdict[:count], tenths[:count])


def judged_of(verdicts: Verdicts, subject: int, scheme: type[Replay]) -> list[Judged]:
    """The verdicts on a subject's events, in the order of judgement."""
    part = slice(verdicts.starts[subject], verdicts.starts[subject + 1])
    at, position, verdict, tenths = (column[part].tolist() for column in verdicts[1:])
    points = tenths if scheme.has_points else [None] * len(at)
    return [Judged(*row) for row in zip(at, position, map(scheme.words.__getitem__, verdict), points, strict=True)]


# --- in compiled loops ------------------------------------------------------------------------------------------------


def write_verdict(room: Any, row: int, at: int, position: int, verdict: int) -> int:
    """Write a verdict down but for its points, and say where the next goes."""
    room.at[row] = at
    room.position[row] = position
    room.verdict[row] = verdict
    return row + 1
