"""The verdicts that compiled folds give on the events of many subjects, and one subject's as its replay has them."""

from typing import TYPE_CHECKING, Any, Final, NamedTuple

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


class Room(NamedTuple):
    """Room for verdicts without points, where they are asked for."""

    wanted: bool
    verdicts: Verdicts


def room_for(subjects: int, rows: int, *, wanted: bool) -> Room:
    """Room for at most so many verdicts; what is not written takes no memory, and there is none for points."""
    import numpy as np

    count = rows if wanted else 0
    columns = np.empty(count, np.int64), np.empty(count, np.int64), np.empty(count, np.int8), np.empty(0, np.int64)
    return Room(wanted, Verdicts(np.zeros(subjects + 1, np.int64), *columns))


def written_in(room: Room, count: int) -> Verdicts | None:
    """What was written into room; None where nothing was asked for."""
    import numpy as np

    return written(room.verdicts, count)._replace(tenths=np.broadcast_to(np.int64(0), count)) if room.wanted else None


def written(verdicts: Verdicts, count: int) -> Verdicts:
    """The first so many of the columns' rows."""
    starts, at, position, verdict, tenths = verdicts
    return Verdicts(starts, at[:count], position[:count], verdict[:count], tenths[:count])


def verdicts_of(verdicts: Verdicts, subject: int) -> Verdicts:
    """The verdicts on one subject's events alone."""
    import numpy as np

    starts, at, position, verdict, tenths = verdicts
    part = slice(starts[subject], starts[subject + 1])
    own = np.array([0, part.stop - part.start], np.int64)
    return Verdicts(own, at[part], position[part], verdict[part], tenths[part])


def judged_of(verdicts: Verdicts, subject: int, scheme: type[Replay]) -> list[Judged]:
    """The verdicts on a subject's events, in the order of judgement."""
    part = slice(verdicts.starts[subject], verdicts.starts[subject + 1])
    at, position, verdict, tenths = (column[part].tolist() for column in verdicts[1:])
    points = tenths if scheme.has_points else [None] * len(at)
    return [Judged(*row) for row in zip(at, position, map(scheme.words.__getitem__, verdict), points, strict=True)]


# --- in compiled loops ------------------------------------------------------------------------------------------------


def write_verdict(verdicts: Any, row: int, at: int, position: int, verdict: int) -> int:
    """Write a verdict down but for its points, and say where the next goes."""
    verdicts.at[row] = at
    verdicts.position[row] = position
    verdicts.verdict[row] = verdict
    return row + 1


def write_wanted(room: Any, row: int, at: int, position: int, verdict: int) -> int:
    """The same where verdicts are asked for."""
    return write_verdict(room.verdicts, row, at, position, verdict) if room.wanted else row


def rewrite_wanted(room: Any, row: int, verdict: int) -> None:
    """Write another verdict in the place of one."""
    if room.wanted:
        room.verdicts.verdict[row] = verdict


WRITING: Final = (write_verdict, write_wanted, rewrite_wanted)
"""The functions that are compiled with every fold that gives verdicts."""
