"""Parts of whole subjects out of sorted runs: the files of a bucket handed over a stretch of subjects at a time.

A generation's file holds rows of every subject of its bucket, by subject. A part is all rows of some subjects that
follow one another, from every file, so that memory depends on the length of parts and not on that of the ledger.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from replay.columnar.columns import TYPES, Columns, in_order

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PART_ROWS: Final = 250_000
"""A part ends with the subject that brings it to so many rows."""
_BEHIND_ALL: Final = 2**31 - 1


class SubjectRange(NamedTuple):
    """All rows of the subjects from one number to before another; None where the last part has no such end."""

    first: int
    end: int | None
    columns: Columns
    """Their subjects numbered as in the bucket; lists of names are empty."""


class SortedRows:
    """Rows that are sorted, read a chunk at a time."""

    def __init__(self, chunks: Iterator[Columns]) -> None:
        self._chunks = chunks
        self._held: list[Columns] = []
        self.last = -1
        """The last subject read: more rows of it may follow. Behind all others once everything was read."""

    def grow(self) -> None:
        """Read one chunk more."""
        chunk = next(self._chunks, None)
        if chunk is None:
            self.last = _BEHIND_ALL
        elif len(chunk.subject):
            self.last = int(chunk.subject[-1])
            self._held.append(chunk)

    def rows_before(self, subject: int) -> int:
        """How many rows of subjects before one are held."""
        return sum(_first_of(chunk, subject) for chunk in self._held)

    def take_before(self, subject: int) -> list[Columns]:
        """Those rows, which are held no more."""
        taken, kept = [], []
        for chunk in self._held:
            place = _first_of(chunk, subject)
            taken += [_rows(chunk, slice(0, place))] if place else []
            if place < len(chunk.subject):
                rest = _rows(chunk, slice(place, None))
                # The rest of a chunk would hold all of it in memory.
                kept.append(_copy_of(rest) if place > len(rest.subject) else rest)
        self._held = kept
        return taken


def parts_of(runs: Sequence[SortedRows], rows: int | None) -> Iterator[SubjectRange]:
    """The rows of all runs in parts of about so many rows, in one where that is left out; at least one part.

    The run that has come least far is read on until enough rows stand before the subject that it has come to: of
    the subjects before that one every run has given all.
    """

    def held(end: int) -> int:
        return sum(run.rows_before(end) for run in runs)

    first = 0
    while True:
        end = min((run.last for run in runs), default=_BEHIND_ALL)
        if end < _BEHIND_ALL and (rows is None or held(end) < rows):
            min(runs, key=lambda run: run.last).grow()
            continue
        if rows is not None:
            end = bisect_left(range(end), rows, lo=min(first + 1, end), key=held)
        whole = end == _BEHIND_ALL
        # Nothing but what is handed over is held while others work on it.
        yield SubjectRange(first, None if whole else end, _merged([run.take_before(end) for run in runs], first))
        if whole:
            return
        first = end


def from_subject(columns: Columns, first: int, known: int | None = None) -> Columns:
    """Sorted rows of the subjects from one on, and up to a known position where that is given."""
    if first:
        columns = _rows(columns, slice(_first_of(columns, first), None))
    return columns if known is None else _rows(columns, columns.position <= known)


def last_of(columns: Columns) -> Columns:
    """The last row, which holds none of the others in memory."""
    return _copy_of(_rows(columns, slice(-1, None)))


def _copy_of(columns: Columns) -> Columns:
    return Columns._make([*(getattr(columns, name).copy() for name in TYPES), [], [], []])


def _merged(runs: list[list[Columns]], first: int) -> Columns:
    """Runs, each in order and given in chunks, as one that is in order; `runs` is used up.

    Column by column, so that never more than one is held twice.
    """
    held = [[getattr(chunk, name) for chunks in runs for chunk in chunks] for name in TYPES]
    alone = sum(map(bool, runs)) <= 1
    runs.clear()
    assert all(chunk[0] >= first for chunk in held[0]), "the rows of a subject are in one part"
    order = slice(None) if alone else in_order(_joined(held[0], "int32"), _joined(held[1], "int64"))
    columns = []
    for kind in TYPES.values():
        columns.append(_joined(held.pop(0), kind)[order])
    return Columns._make([*columns, [], [], []])


def _joined(chunks: "list[NDArray[Any]]", kind: str) -> "NDArray[Any]":
    import numpy as np

    return chunks[0] if len(chunks) == 1 else np.concatenate([np.zeros(0, kind), *chunks])


def _first_of(columns: Columns, subject: int) -> int:
    """The first row that is not of a subject before one; a number of another type would have all subjects copied."""
    return int(columns.subject.searchsorted(columns.subject.dtype.type(subject)))


def _rows(columns: Columns, rows: "slice | NDArray[np.bool_]") -> Columns:
    return Columns._make([*(getattr(columns, name)[rows] for name in TYPES), [], [], []])
