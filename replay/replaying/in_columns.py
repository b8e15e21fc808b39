"""What a large replay holds, as sequences and mappings that make a value only of what is asked for."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, pairwise
from typing import Any, Final, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from replay.replaying.values import Instants, Judged, Made
from replay.replaying.verdicts import Verdicts

_STRETCH: Final = 65_536
Table = tuple[NDArray[Any], ...]
"""Columns of one length, the first of which rises."""


class Noted(NamedTuple):
    """Events with a note, rising by position."""

    position: NDArray[np.int64]
    at: NDArray[np.int64]
    """When they occurred."""
    note: NDArray[np.int8]
    """Index into the notes of the scheme's replay."""


def within(at: NDArray[np.int64], instants: Instants | None) -> NDArray[np.bool_]:
    if instants is None:
        return np.ones(len(at), np.bool_)
    return (at >= instants.begins) & (at < instants.ends)


class Ordered(NamedTuple):
    """Columns of one length, and the places of their rows by rising first column."""

    columns: Table
    order: NDArray[Any]

    def rows(self, begin: int, end: int) -> Table:
        """Some of the rows, as a table."""
        return tuple(column[self.order[begin:end]] for column in self.columns)

    def cuts(self, firsts: NDArray[np.int64]) -> list[int]:
        """The places in the order between which rows stand from one of some rising firsts up to the next."""
        places = np.searchsorted(self.columns[0], firsts, sorter=self.order).tolist()
        return [0, *places, len(self.order)]


def order_of(column: NDArray[np.int64]) -> NDArray[Any]:
    """The places of a column's numbers as they rise, in as few bytes as hold them."""
    return np.argsort(column, kind="stable").astype(np.min_scalar_type(len(column)))


def moved_in(was: Ordered, now: Ordered) -> NDArray[np.int64]:
    """The rising positions at which two tables, whose first columns they are, hold something else.

    A stretch after the other, so that little stands in memory twice.
    """
    firsts = was.columns[0][was.order[_STRETCH::_STRETCH]]
    places = [pairwise(table.cuts(firsts)) for table in (was, now)]
    return np.concatenate([_moved(was.rows(*before), now.rows(*after)) for before, after in zip(*places, strict=True)])


def _moved(was: Table, now: Table) -> NDArray[np.int64]:
    positions = merged(was[0], now[0])
    before, there_before = found_in(was[0], positions)
    later, there_later = found_in(now[0], positions)
    differs = there_before != there_later
    both = np.flatnonzero(~differs)
    for old, new in zip(was[1:], now[1:], strict=True):
        differs[both] |= old[before[both]] != new[later[both]]
    found: NDArray[np.int64] = positions[differs]
    return found


def merged(rising: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.int64]:
    """The numbers of two arrays that rise, each once. Two runs are merged where they are sorted so."""
    both = np.sort(np.concatenate([rising, others]), kind="stable")
    return both[np.append(True, both[1:] != both[:-1])] if len(both) else both


def found_in(rising: NDArray[np.int64], wanted: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Where each wanted number stands among rising ones, and whether it does."""
    if not len(rising):
        return np.zeros(len(wanted), np.int64), np.zeros(len(wanted), np.bool_)
    places = np.minimum(np.searchsorted(rising, wanted), len(rising) - 1)
    return places, rising[places] == wanted


class JudgedInColumns(Sequence[Judged]):
    """Every verdict of a fold, made into a value where it is asked for."""

    def __init__(self, verdicts: Verdicts, words: tuple[str, ...], *, has_points: bool) -> None:
        self.verdicts, self._words, self._has_points = verdicts, words, has_points

    def __len__(self) -> int:
        return len(self.verdicts.at)

    @overload
    def __getitem__(self, index: int) -> Judged: ...
    @overload
    def __getitem__(self, index: slice) -> list[Judged]: ...
    def __getitem__(self, index: int | slice) -> Judged | list[Judged]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        return next(self._made(slice(index, index + 1 or None)))

    def __iter__(self) -> Iterator[Judged]:
        stretches = (slice(begin, begin + _STRETCH) for begin in range(0, len(self), _STRETCH))
        return chain.from_iterable(map(self._made, stretches))

    def _made(self, stretch: slice) -> Iterator[Judged]:
        at, position, verdict, tenths = (column[stretch].tolist() for column in self.verdicts[1:])
        points: Sequence[Any] = tenths if self._has_points else [None] * len(at)
        words = map(self._words.__getitem__, verdict)
        return map(Judged._make, zip(at, position, words, points, strict=True))


class NotesInColumns(Mapping[int, str]):
    """By position, every note of a replay."""

    def __init__(self, noted: Noted, words: tuple[str, ...]) -> None:
        self.noted, self._words = noted, words

    def __len__(self) -> int:
        return len(self.noted.position)

    def __iter__(self) -> Iterator[int]:
        return iter(self.noted.position.tolist())

    def __getitem__(self, position: int) -> str:
        return self._words[int(self.noted.note[self._place(position)])]

    def occurred_at(self, position: int) -> int:
        """When the event with a note occurred."""
        return int(self.noted.at[self._place(position)])

    def _place(self, position: int) -> int:
        place = int(np.searchsorted(self.noted.position, position))
        if place == len(self) or self.noted.position[place] != position:
            raise KeyError(position)
        return place


class MadeInColumns(Mapping[int, Made]):
    """By position, what was made of an event."""

    def __init__(self, judged: JudgedInColumns, notes: NotesInColumns, order: NDArray[np.int64]) -> None:
        self._judged, self._notes, self._order = judged, notes, order
        self._position = judged.verdicts.position[order]

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __iter__(self) -> Iterator[int]:
        return iter(merged(self._position, self._notes.noted.position).tolist())

    def __getitem__(self, position: int) -> Made:
        place = int(np.searchsorted(self._position, position))
        if place < len(self._position) and self._position[place] == position:
            return self._judged[int(self._order[place])]
        return self._notes[position]
