"""What a replay says, as values: instants in microseconds, points in tenths, levels by their codes.

How they are written in answers is the business of `replay.rendering`.
"""

from typing import Final, Literal, NamedTuple

from domain.calendar import month_start


class Instants(NamedTuple):
    """From one instant on, up to another."""

    begins: int
    ends: int


def of_month(month: int) -> Instants:
    """The instants of a month."""
    return Instants(month_start(month), month_start(month + 1))


class Standing(NamedTuple):
    """Where a subject stands."""

    state: str
    level: str | None
    """The level's code; None without one."""
    points_tenths: int | None = None
    """None in schemes that have no points."""


class Effective(NamedTuple):
    """What counts towards the outside."""

    state: str
    level: str | None
    since: int | None
    """The instant since which it counts; None where it has not begun to."""


class Judged(NamedTuple):
    """The verdict on an event: when it was judged, and what it moved the points by, in schemes that have points."""

    at: int
    position: int
    verdict: str
    tenths: int | None = None


Made = Judged | str
"""What a scheme made of an event: a verdict, or a note that says why it has none."""


class Differing(NamedTuple):
    """An event of which two replays make something else; None where one knows nothing of it."""

    position: int
    before: Made | None
    after: Made | None


class LevelChange(NamedTuple):
    """A change of state or level, and what caused it."""

    at: int
    before: Standing
    after: Standing
    cause: str
    """In a word: the verdict or the rule that changed it, "opened", or "policy" for rules that began to count."""
    position: int | None = None
    """Of the event that caused it; None where none did."""
    judged: Judged | None = None
    """The verdict that caused it."""


class Measure(NamedTuple):
    """Which figures of a decision are held against a threshold: one, or a share of two, times a scale."""

    numerator: int
    """Its place among `decided_figures`; SCORE for what the scheme ranks by."""
    denominator: int | None = None
    scale: int = 1
    of_level: bool = False
    """Whether a threshold concerns only those who hold the level within which it stands."""


SCORE: Final = -1


class Figure(NamedTuple):
    """What was found, and the bound that it was held against; None where there is none."""

    what: str
    found: int | str | None
    bound: int | str | None
    unit: Literal["instant", "tenths", "plain"] = "plain"


class DecidingEvent(NamedTuple):
    """An event that decided."""

    what: str
    position: int


Compared = Figure | DecidingEvent
"""What decided a verdict or a note."""
