"""A timeline drawn with letters, for terminals: of Unicode where these have it, else of ASCII alone."""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from domain.calendar import month_text
from projections.desk.drawing.places import KINDS, by_lane, months_between, range_of, round_scores, span_of
from projections.desk.drawing.timeline import Timeline
from projections.desk.schemes.facet import Mark, Point
from projections.terminal.tables import cells

ROWS: Final = 12
COLUMNS_LEAST: Final = 24
"""Narrower than this nothing can be seen."""
_MONTH_CHARS: Final = len("2022-11")


class Labels(NamedTuple):
    """What stands beside a drawing."""

    score: Callable[[int], str]
    level: Callable[[str], str]
    """By its code."""
    mark: Callable[[str], str]
    """Of each kind."""
    state: Callable[[str], str]


class Letters(NamedTuple):
    """What a drawing is made of."""

    flat: str
    upright: str
    rise: str
    """Where a line leaves to rise, and where it arrives; then the same of a fall."""
    risen: str
    fall: str
    fallen: str
    bound: str
    shade: str
    axis: str
    tick: str
    corner: str
    signs: str
    """One for each kind of mark, in their order."""


UNICODE: Final = Letters("─", "│", "╯", "╭", "╮", "╰", "┈", "░", "─", "┬", "└", "○●▲◆✕")
ASCII: Final = Letters("-", "|", "+", "+", "+", "+", ".", ":", "-", "+", "+", "Oo^#x")


def letters_for(encoding: str) -> Letters:
    """Those that an encoding has."""
    try:
        "".join(UNICODE).encode(encoding)
    except UnicodeEncodeError:
        return ASCII
    return UNICODE


def chart_lines(timeline: Timeline, labels: Labels, letters: Letters, width: int) -> list[str]:
    """The lines of a drawing so wide; none where there is nothing to draw, or no room to draw it."""
    scored = [point for point in timeline.points if point.score is not None]
    if not scored:
        return []
    low, high = range_of(timeline)
    scores = [] if timeline.is_ranked else round_scores(low, high)
    lanes = by_lane(timeline.marks)
    names = [labels.mark(kind) for kind in lanes]
    left = max(map(cells, [*(labels.score(value) for value in scores), *names, ""])) + 1
    right = max((cells(labels.level(band.level)) for band in timeline.bands), default=0) + 1
    plot = Plot(timeline, letters, width - left - right, low, high)
    if plot.columns < COLUMNS_LEAST:
        return []
    beside = {plot.row(value): labels.score(value) for value in scores}
    levels = {plot.row(band.begins): labels.level(band.level) for band in timeline.bands if low <= band.begins < high}
    rows = plot.drawn()
    lines = [
        f"{_right(beside.get(row, ''), left - 1)} {''.join(rows[row])} {levels.get(row, '')}".rstrip()
        for row in reversed(range(ROWS))
    ]
    lines += [f"{' ' * (left - 1)}{line}" for line in plot.axis_lines()]
    lines += [
        f"{_right(name, left - 1)} {plot.lane(kind, lanes[kind])}".rstrip()
        for kind, name in zip(lanes, names, strict=True)
    ]
    shaded = list(dict.fromkeys(labels.state(stretch.state) for stretch in timeline.stretches))
    return [*lines, f"{' ' * left}{letters.shade} {', '.join(shaded)}"] if shaded else lines


class Plot:
    """The grid of letters between the axes."""

    def __init__(self, timeline: Timeline, letters: Letters, columns: int, low: int, high: int) -> None:
        self.columns = columns
        self._timeline, self._letters = timeline, letters
        self._first, self._last = span_of(timeline)
        self._low, self._high = low, high

    def row(self, score: int) -> int:
        """Counted from below."""
        span = max(self._high - self._low, 1)
        return (2 * (score - self._low) * (ROWS - 1) + span) // (2 * span)

    def column(self, at: int) -> int:
        within = min(max(at, self._first), self._last) - self._first
        return within * (self.columns - 1) // max(self._last - self._first, 1)

    def drawn(self) -> list[list[str]]:
        """Rows of letters, the lowest first."""
        grid = [[" "] * self.columns for _ in range(ROWS)]
        for band in self._timeline.bands:
            if self._low <= band.begins < self._high:
                grid[self.row(band.begins)] = [self._letters.bound] * self.columns
        for stretch in self._timeline.stretches:
            ends = self._last if stretch.ends is None else stretch.ends
            for column in range(self.column(stretch.begins), self.column(ends) + 1):
                for row in grid:
                    row[column] = self._letters.shade
        self._draw_line(grid)
        return grid

    def axis_lines(self) -> list[str]:
        """The axis of time, and the months below it."""
        axis, names = [self._letters.axis] * self.columns, [" "] * (self.columns + _MONTH_CHARS)
        free = 0
        for tick in months_between(self._first, self._last, self.column, self.columns // (_MONTH_CHARS + 2)):
            column = int(tick.at)
            if column >= free:
                axis[column] = self._letters.tick
                names[column : column + _MONTH_CHARS] = month_text(tick.value)
                free = column + _MONTH_CHARS + 1
        return [self._letters.corner + "".join(axis), " " + "".join(names).rstrip()]

    def lane(self, kind: str, marks: Sequence[Mark]) -> str:
        """The marks of a lane in a line of their own."""
        line, sign = [" "] * self.columns, self._letters.signs[KINDS.index(kind)]
        for mark in marks:
            line[self.column(mark.at)] = sign
        return "".join(line)

    def _draw_line(self, grid: list[list[str]]) -> None:
        letters = self._letters
        until = self.column(min(self._last, self._timeline.as_of))
        scores = _scores_at([self._instant(column) for column in range(until + 1)], self._timeline)
        rows = [None if score is None else self.row(score) for score in scores]
        before: int | None = None
        for column, row in enumerate(rows):
            if row is None or before is None or row == before:
                if row is not None:
                    grid[row][column] = letters.flat
            else:
                is_rise = row > before
                for between in range(min(row, before) + 1, max(row, before)):
                    grid[between][column] = letters.upright
                grid[before][column] = letters.rise if is_rise else letters.fall
                grid[row][column] = letters.risen if is_rise else letters.fallen
            before = row

    def _instant(self, column: int) -> int:
        """The last instant that stands in a column."""
        return self._first + ((column + 1) * max(self._last - self._first, 1) - 1) // max(self.columns - 1, 1)


def _scores_at(instants: Sequence[int], timeline: Timeline) -> list[int | None]:
    """The score at each of some rising instants: that of the last point before, or on the way to the next."""
    between: Callable[[Point, Point, int], int | None] = _held if timeline.is_stepped else _on_the_way
    points, place, found = timeline.points, 0, []
    ends = [*points, Point(max(instants[-1], points[-1].at) + 1, points[-1].score)]
    for at in instants:
        while place + 2 < len(ends) and ends[place + 1].at <= at:
            place += 1
        found.append(None if at < points[0].at else between(ends[place], ends[place + 1], at))
    return found


def _held(before: Point, _: Point, __: int) -> int | None:
    return before.score


def _on_the_way(before: Point, after: Point, at: int) -> int | None:
    if before.score is None or after.score is None or after.at == before.at:
        return before.score
    return before.score + (after.score - before.score) * (at - before.at) // (after.at - before.at)


def _right(text: str, width: int) -> str:
    return " " * (width - cells(text)) + text
