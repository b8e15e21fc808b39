"""Rows whose values lie in columns: read as rows where they have to be."""

from collections.abc import Iterator, Sequence
from typing import overload

from replay.mapping.columnwise.composed import Columns
from replay.mapping.columnwise.values import TextColumn
from replay.mapping.language.compiling import Row


class TextRows(Sequence[Row]):
    """Rows of so many columns, of which only some were read; the others are as if they were empty."""

    def __init__(self, names: Sequence[str], columns: Columns, count: int) -> None:
        self._names = names
        self.columns = columns
        self._count = count

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Row: ...

    @overload
    def __getitem__(self, index: slice) -> "TextRows": ...

    def __getitem__(self, index: "int | slice") -> "Row | TextRows":
        if isinstance(index, int):
            return [self.columns[name].array[index].as_py() if name in self.columns else "" for name in self._names]
        start, stop, _ = index.indices(self._count)
        parts = {name: TextColumn(column.array[start:stop]) for name, column in self.columns.items()}
        return TextRows(self._names, parts, stop - start)

    def __iter__(self) -> Iterator[Row]:
        nothing = [""] * self._count
        texts = [self.columns[name].array.to_pylist() if name in self.columns else nothing for name in self._names]
        return iter(zip(*texts, strict=True))
