"""What there is to see of a level over time: scores, bands, states, marks."""

from typing import Final, NamedTuple

from projections.desk.schemes.facet import Band, Mark, Point

SHADED: Final = ("gated", "novice", "observation", "closed", "cleared_out")
"""The states of a subject that is judged and has no ordinary level."""


class StateStretch(NamedTuple):
    """A stretch of time in one of those states."""

    state: str
    begins: int
    ends: int | None
    """None where it goes on."""


class Timeline(NamedTuple):
    """All that is drawn and tabulated."""

    points: list[Point]
    is_stepped: bool
    """Whether a score holds until the next; else it grew on the way there."""
    is_ranked: bool
    """Whether a score is the rank of the level itself."""
    bands: list[Band]
    stretches: list[StateStretch]
    marks: list[Mark]
    as_of: int
    are_marks_whole: bool
    """False where the stream is too long to be walked for announcements, corrections and what was published then."""
