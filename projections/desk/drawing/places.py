"""A timeline as places on a drawing: pure arithmetic, for people's eyes alone, so that floats do no harm here."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from domain.calendar import month_of, month_start
from domain.limits import DAY_MICROS
from projections.desk.drawing.timeline import StateStretch, Timeline
from projections.desk.schemes.facet import Band, Mark, Point

TOP: Final = 14
PLOT: Final = 260
LANE: Final = 24
GAP: Final = 8
"""Between the plot and the lanes below it."""
AXIS: Final = 26
THEN: Final = "published_then"
"""The lane of publications by what was known when they came; below it the same as known at the moment of the page."""
KINDS: Final = (THEN, "published", "announced", "decided", "corrected")
DOTS_MAX: Final = 80
_STEPS_MONTHS: Final = (1, 2, 3, 6, 12, 24, 60)
Scale = Callable[[int], float]
"""From an instant or a score to a place."""
_QUIET_PARTS: Final = 8
"""Of a long quiet end this part of what came before is drawn, one such part in all."""

_QUIET_LEAST: Final = 10 * DAY_MICROS
_ROOM_LEAST: Final = 5


class Frame(NamedTuple):
    """How wide is drawn, in the pixels in which its letters can be read."""

    name: str
    width: int
    left: int
    right: int
    """The margins, in which scores and levels stand."""
    ticks_max: int


WIDE: Final = Frame("wide", 960, 88, 108, 9)
MEDIUM: Final = Frame("medium", 720, 88, 108, 6)
"""For windows beside others, and for tablets."""
SMALL: Final = Frame("small", 360, 82, 84, 4)
"""For phones: as wide as their screens, so that letters stay as large as those beside them."""
FRAMES: Final = (WIDE, MEDIUM, SMALL)
"""A page has each of these, of which its width shows one; paper is as wide as the second."""


class Box(NamedTuple):
    """The band of a level."""

    level: str
    y: float
    height: float
    is_even: bool


class Shade(NamedTuple):
    """A stretch of time in which there was no ordinary level."""

    state: str
    x: float
    width: float


class ChartPlace(NamedTuple):
    """Something to be seen at a place, and what it stands for."""

    x: float
    y: float
    point: Point


class Sign(NamedTuple):
    """A mark at its place."""

    x: float
    y: float
    mark: Mark
    more: int = 0
    """How many others of its kind stand so near that they would cover each other."""


class Lane(NamedTuple):
    """The marks of one kind, below the plot."""

    kind: str
    y: float
    signs: list[Sign]


class Tick(NamedTuple):
    """A place on an axis, with what stands there: a month of the calendar, or a score."""

    at: float
    value: int


class Drawing(NamedTuple):
    """Everything that a template draws."""

    frame: Frame
    height: float
    left: int
    right: int
    top: int
    """The edges of the plot."""
    plot: int
    """How high it is."""
    boxes: list[Box]
    shades: list[Shade]
    lines: list[str]
    """Polylines: one more wherever there was no score in between."""
    places: list[ChartPlace]
    lanes: list[Lane]
    decided: list[Sign]
    """The scores that were decided, where the line would be had nothing been learned since."""
    months: list[Tick]
    scores: list[Tick]
    as_of_x: float | None
    """Where `as_of` stands; None where the drawing ends before it."""
    ends_at: int
    """The instant at which the drawing ends; before `as_of` nothing more was to be seen."""


def drawing_of(timeline: Timeline, frame: Frame = WIDE) -> Drawing | None:
    """The places of a timeline; None where there is nothing to draw."""
    scored = [point for point in timeline.points if point.score is not None]
    if not scored:
        return None
    first, last = span_of(timeline)
    low, high = range_of(timeline)
    left, right = frame.left, frame.width - frame.right

    def x(at: int) -> float:
        return round(left + (min(max(at, first), last) - first) * (right - left) / max(last - first, 1), 1)

    def edge(score: int) -> float:
        return round(TOP + PLOT - (score - low) * PLOT / max(high - low, 1), 1)

    middle = PLOT / (2 * max(high - low, 1)) if timeline.is_ranked else 0

    def y(score: int) -> float:
        return round(edge(score) - middle, 1)

    lanes = _lanes(timeline.marks, x)
    decided = [mark for mark in timeline.marks if mark.kind == "decided" and mark.then and mark.then.score is not None]
    shown_until = min(last, timeline.as_of)
    return Drawing(
        frame=frame,
        height=TOP + PLOT + GAP + LANE * len(lanes) + AXIS,
        left=left,
        right=right,
        top=TOP,
        plot=PLOT,
        boxes=_boxes(timeline.bands, low, high, edge),
        shades=_shades(timeline.stretches, last, x),
        lines=_lines(timeline, shown_until, x, y),
        places=[ChartPlace(x(point.at), y(point.score or 0), point) for point in scored]
        if len(scored) <= DOTS_MAX
        else [],
        lanes=lanes,
        decided=[Sign(x(mark.concerns), y((mark.then and mark.then.score) or 0), mark) for mark in decided],
        months=months_between(first, last, x, frame.ticks_max),
        scores=[] if timeline.is_ranked else [Tick(y(value), value) for value in round_scores(low, high)],
        as_of_x=x(timeline.as_of) if timeline.as_of <= last else None,
        ends_at=last,
    )


def span_of(timeline: Timeline) -> tuple[int, int]:
    """From when to when is drawn. A quiet end is shortened; what was learned behind it stands at the edge."""
    points = timeline.points
    first, last = points[0].at, points[0].at
    for before, point in pairwise(points):
        if point.score != before.score:
            last = point.at
    stirred = [mark.concerns for mark in timeline.marks if mark.kind in ("announced", "decided")]
    stirred += [at for stretch in timeline.stretches for at in (stretch.begins, stretch.ends) if at is not None]
    last = max(last, *stirred, first)
    quiet = max((last - first) // _QUIET_PARTS, _QUIET_LEAST)
    return first, max(min(timeline.as_of, last + quiet), first)


def range_of(timeline: Timeline) -> tuple[int, int]:
    """The lowest and the highest score of the drawing: all that was reached or decided, with room above."""
    said = [said.score for mark in timeline.marks for said in (mark.then, mark.now) if said and said.score is not None]
    values = [*(point.score for point in timeline.points if point.score is not None), *said]
    low, high = min(0, *values), max(values)
    return low, high + 1 if timeline.is_ranked else high + max((high - low) // 8, _ROOM_LEAST)


def _shades(stretches: Sequence[StateStretch], last: int, x: Scale) -> list[Shade]:
    places = [(each.state, x(each.begins), x(last if each.ends is None else each.ends)) for each in stretches]
    return [Shade(state, begins, round(ends - begins, 1)) for state, begins, ends in places if begins < ends]


def _boxes(bands: Sequence[Band], low: int, high: int, y: Scale) -> list[Box]:
    boxes = []
    for number, band in enumerate(bands):
        end = bands[number + 1].begins if number + 1 < len(bands) else high
        begins, ends = max(band.begins, low), min(max(end, band.begins), high)
        if begins < ends:
            boxes.append(Box(band.level, y(ends), round(y(begins) - y(ends), 1), number % 2 == 0))
    return boxes


def _lines(timeline: Timeline, until: int, x: Scale, y: Scale) -> list[str]:
    lines: list[list[str]] = [[]]
    before: int | None = None
    for point in [*timeline.points, Point(until, timeline.points[-1].score)]:
        if before is not None and (timeline.is_stepped or point.score is None):
            lines[-1].append(f"{x(point.at)},{y(before)}")
        if point.score is None:
            lines.append([])
        else:
            lines[-1].append(f"{x(point.at)},{y(point.score)}")
        before = point.score
    return [" ".join(line) for line in lines if len(line) > 1]


def by_lane(marks: Sequence[Mark]) -> dict[str, list[Mark]]:
    """The marks of each lane that has any: a publication stands in two, by what was known then and by what is known."""
    found = {kind: [mark for mark in marks if mark.kind == kind] for kind in KINDS}
    found[THEN] = [mark for mark in found["published"] if mark.is_then_known and mark.then is not None]
    return {kind: marks for kind, marks in found.items() if marks}


def _lanes(marks: Sequence[Mark], x: Scale) -> list[Lane]:
    lanes = by_lane(marks)
    places = [TOP + PLOT + GAP + LANE * (number + 0.5) for number in range(len(lanes))]
    return [Lane(kind, y, _signs(lanes[kind], x, y)) for kind, y in zip(lanes, places, strict=True)]


def _signs(marks: Sequence[Mark], x: Scale, y: float) -> list[Sign]:
    """The marks of a lane, those of one place under the first of them."""
    found: dict[int, Sign] = {}
    for mark in marks:
        at = x(mark.at)
        before = found.get(round(at))
        found[round(at)] = Sign(at, y, mark) if before is None else before._replace(more=before.more + 1)
    return list(found.values())


def months_between(first: int, last: int, x: Scale, ticks_max: int) -> list[Tick]:
    """Beginnings of months, as many as can be read."""
    begins, ends = month_of(first) + 1, month_of(last)
    step = next((step for step in _STEPS_MONTHS if (ends - begins) // step < ticks_max), _STEPS_MONTHS[-1])
    if begins > ends:
        return [Tick(x(first), month_of(first))]
    return [Tick(x(month_start(month)), month) for month in range(begins, ends + 1) if month % step == 0 or step == 1]


def round_scores(low: int, high: int) -> list[int]:
    """Round scores from low to high: at most six steps of 1, 2 or 5 times a power of ten."""
    power = 1
    while True:
        for step in (power, 2 * power, 5 * power):
            if (high - low) // step <= 5:
                return list(range(-(-low // step) * step, high + 1, step))
        power *= 10
