"""Texts of a column, all of them at once over Arrow's buffers; and what is done once for each of their values."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Flags = NDArray[np.bool_]
Numbers = NDArray[np.int64]
_TO_A_VALUE: Final = 8
"""So many rows to a value make a column one of few values."""


class TextColumn:
    """A text for each row, none of them null."""

    def __init__(self, array: Any) -> None:
        self._array = array
        self._known: dict[str, bool] = {}

    @property
    def array(self) -> Any:
        """As Arrow's strings."""
        return self._array

    def __len__(self) -> int:
        return len(self.array)

    @cached_property
    def starts(self) -> NDArray[np.int32]:
        """Where each text begins in `data`, and behind them where the last one ends."""
        found = np.frombuffer(self.array.buffers()[1], np.int32)[self.array.offset :][: len(self) + 1]
        starts: NDArray[np.int32] = found - found[0]
        return starts

    @cached_property
    def data(self) -> NDArray[np.uint8]:
        """The bytes of all texts, one behind the other."""
        buffer = self.array.buffers()[2]
        if buffer is None:
            return np.zeros(0, np.uint8)
        ends = np.frombuffer(self.array.buffers()[1], np.int32)[self.array.offset :]
        return np.frombuffer(buffer, np.uint8)[ends[0] : ends[len(self)]]

    @cached_property
    def lengths(self) -> NDArray[np.int32]:
        """Of each text, in bytes."""
        return np.diff(self.starts)

    @cached_property
    def empty(self) -> Flags | None:
        """Which texts are empty; None where none is."""
        found = self.lengths == 0
        return found if found.any() else None

    @cached_property
    def numbers(self) -> Numbers:
        """What the texts say, where they are whole numbers as JSON has them."""
        found: Numbers = self.array.cast(pa.int64()).to_numpy()
        return found

    @cached_property
    def coded(self) -> "Coded":
        encoded = self.array.dictionary_encode()
        return Coded(encoded.dictionary.to_pylist(), encoded.indices)

    def known(self, name: str, ask: Callable[[], bool]) -> bool:
        """Whether all texts are of some nature, asked once; where they are, so are those of some rows."""
        if name not in self._known:
            self._known[name] = ask()
        return self._known[name]

    def where(self, chosen: Flags) -> "TextColumn":
        """The texts of some rows."""
        found = TextColumn(self.array.filter(pa.array(chosen)))
        found._known = {name: True for name, is_known in self._known.items() if is_known}
        return found

    def between(self, before: str, after: str) -> "TextColumn | None":
        """With fixed texts about each, where that costs less than a part of a line more; else None."""
        return None


class Coded(NamedTuple):
    """Texts by their number."""

    values: list[str]
    codes: Any


class CodedColumn(TextColumn):
    """Texts of which there are few, or which were made one by one."""

    def __init__(self, coded: Coded) -> None:
        super().__init__(None)
        self.coded = coded

    @property
    def array(self) -> Any:
        if self._array is None:
            self._array = pa.array(self.coded.values, pa.string()).take(self.coded.codes)
        return self._array

    def __len__(self) -> int:
        return len(self.coded.codes)

    def each(self, make: Callable[[str], str]) -> "CodedColumn":
        return CodedColumn(Coded([make(value) for value in self.coded.values], self.coded.codes))

    def between(self, before: str, after: str) -> TextColumn | None:
        few = len(self.coded.values) * _TO_A_VALUE < len(self)
        return self.each(lambda value: f"{before}{value}{after}") if few else None


class EvenColumn(TextColumn):
    """Texts of as many bytes each: a row of a matrix."""

    def __init__(self, matrix: NDArray[np.uint8]) -> None:
        super().__init__(None)
        self._matrix = matrix

    @property
    def array(self) -> Any:
        if self._array is None:
            count, width = self._matrix.shape
            starts = np.arange(0, (count + 1) * width, width, dtype=np.int32)
            self._array = from_bytes(self._matrix.reshape(-1), starts)
        return self._array

    def __len__(self) -> int:
        return len(self._matrix)

    def between(self, before: str, after: str) -> TextColumn:
        start, end = before.encode(), after.encode()
        count, width = self._matrix.shape
        made = np.empty((count, len(start) + width + len(end)), np.uint8)
        made[:, : len(start)] = np.frombuffer(start, np.uint8)
        made[:, len(start) : len(start) + width] = self._matrix
        made[:, len(start) + width :] = np.frombuffer(end, np.uint8)
        return EvenColumn(made)


Piece = str | TextColumn
"""A part of a text: the same in all rows, or another in each."""


class Doubts:
    """Rows that are left to the way of rows."""

    def __init__(self, count: int) -> None:
        self._count = count
        self.found: Flags | None = None

    def add(self, doubtful: Flags | None) -> None:
        """Some rows more; None adds none."""
        if doubtful is not None and doubtful.any():
            self.found = doubtful if self.found is None else self.found | doubtful

    def add_all(self) -> None:
        self.found = np.ones(self._count, bool)


def joined(pieces: Sequence[Piece], count: int) -> TextColumn:
    """The pieces of each row as one text."""
    parts = _folded(_merged(pieces))
    if len(parts) == 1:
        part = parts[0]
        return part if isinstance(part, TextColumn) else TextColumn(pa.repeat(pa.scalar(part), count))
    arrays = [part.array if isinstance(part, TextColumn) else part for part in parts]
    return (
        TextColumn(pc.binary_join_element_wise(*arrays, "")) if parts else TextColumn(pa.repeat(pa.scalar(""), count))
    )


def _merged(pieces: Sequence[Piece]) -> list[Piece]:
    """Fixed texts that stand beside one another as one, and without empty ones."""
    merged: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, str) and merged and isinstance(merged[-1], str):
            merged[-1] += piece
        elif piece != "":
            merged.append(piece)
    return merged


def _folded(merged: list[Piece]) -> list[Piece]:
    """Fixed texts within columns beside them that can take them up: every part of a line costs as much as another."""
    parts: list[Piece] = []
    at = 0
    while at < len(merged):
        piece = merged[at]
        at += 1
        if isinstance(piece, TextColumn):
            before = parts[-1] if parts and isinstance(parts[-1], str) else ""
            behind = merged[at] if at < len(merged) else ""
            after = behind if isinstance(behind, str) else ""
            taken = piece.between(before, after) if before or after else None
            if taken is not None:
                if before:
                    parts.pop()
                at += bool(after)
                piece = taken
        parts.append(piece)
    return parts


def replaced(column: TextColumn, where: Flags | None, text: str) -> TextColumn:
    """The column with this text in the place of those of some rows."""
    if where is None:
        return column
    if isinstance(column, CodedColumn):
        values, codes = column.coded
        return CodedColumn(Coded([*values, text], pa.array(np.where(where, np.int32(len(values)), codes.to_numpy()))))
    return TextColumn(pc.if_else(pa.array(where), text, column.array))


def by_value(column: TextColumn, make: Callable[[str], str | None], doubts: Doubts) -> TextColumn:
    """What is made of each value, once for each; rows of whose value nothing is made are in doubt."""
    values, codes = column.coded
    made = [make(value) for value in values]
    if None in made:
        doubts.add(_of_rows(codes, [text is None for text in made]))
    return CodedColumn(Coded([text or "" for text in made], codes))


def of_values(column: TextColumn, holds: Callable[[str], bool | None], doubts: Doubts) -> Flags:
    """Whether something holds, asked once for each value; where there is no saying, rows are in doubt."""
    values, codes = column.coded
    found = [holds(value) for value in values]
    if None in found:
        doubts.add(_of_rows(codes, [one is None for one in found]))
    return _of_rows(codes, [bool(one) for one in found])


def _of_rows(codes: Any, found: list[bool]) -> Flags:
    flags: Flags = np.array(found, bool)[codes.to_numpy()]
    return flags


def of_filled(
    column: TextColumn, empty: Flags | None, make: Callable[[TextColumn, Doubts], TextColumn], doubts: Doubts
) -> TextColumn:
    """What is made of the texts of those rows that are not empty; the others stay so."""
    if empty is None:
        return make(column, doubts)
    if empty.all():
        return column
    filled = ~empty
    inner = Doubts(int(filled.sum()))
    made = make(column.where(filled), inner)
    if inner.found is not None:
        doubtful = np.zeros(len(column), bool)
        doubtful[filled] = inner.found
        doubts.add(doubtful)
    indices = pa.array(np.cumsum(filled) - 1, mask=empty)
    return TextColumn(made.array.take(indices).fill_null(""))


def from_bytes(data: NDArray[np.uint8], starts: NDArray[np.int32]) -> Any:
    """Arrow's strings over bytes that are UTF-8."""
    return pa.StringArray.from_buffers(len(starts) - 1, pa.py_buffer(starts), pa.py_buffer(data))
