"""The texts of a mapping over columns: what stands in them, looked up and multiplied, between fixed texts."""

from typing import Final, NamedTuple

import numpy as np

from replay.mapping.columnwise.numbers import scaled_column
from replay.mapping.columnwise.values import (
    CodedColumn,
    Doubts,
    Flags,
    Piece,
    TextColumn,
    by_value,
    joined,
    of_filled,
    replaced,
)
from replay.mapping.language.compiling import encoded_text
from replay.mapping.language.texts import Placeholder, Template

Columns = dict[str, TextColumn]
"""By name."""
_TO_ESCAPE: Final = np.array([byte < ord(" ") or byte in b'"\\' for byte in range(256)])


class Composed(NamedTuple):
    """A template over the columns of some rows."""

    pieces: list[Piece]
    empty: Flags | None
    """Rows of which all columns are empty: there the text is, too."""
    rows: int

    @property
    def fixed(self) -> str | None:
        """The text where it is the same whatever the row."""
        return None if any(isinstance(piece, TextColumn) for piece in self.pieces) else "".join(map(str, self.pieces))

    def whole(self) -> TextColumn:
        return replaced(joined(self.pieces, self.rows), self.empty, "")

    def in_json(self) -> list[Piece]:
        """The same as strings of JSON, the quotes about them included; of rows that are empty nothing is meant."""
        return ['"', *map(_escaped, self.pieces), '"']


def composed(
    template: Template, columns: Columns, tables: dict[str, dict[str, str]], count: int, doubts: Doubts
) -> Composed:
    """The text of each row; those are in doubt of whose columns some are empty, and not all."""
    pieces: list[Piece] = []
    for part in template.parts:
        pieces.append(part if isinstance(part, str) else _placeholder(part, columns[part.column], tables, doubts))
    empties = [piece.empty for piece in pieces if isinstance(piece, TextColumn)]
    if all(empty is None for empty in empties):
        return Composed(pieces, None, count)
    flags = [np.zeros(count, bool) if empty is None else empty for empty in empties]
    every = np.logical_and.reduce(flags)
    doubts.add(np.logical_or.reduce(flags) & ~every)
    return Composed(pieces, every if every.any() else None, count)


def _placeholder(
    placeholder: Placeholder, column: TextColumn, tables: dict[str, dict[str, str]], doubts: Doubts
) -> TextColumn:
    if placeholder.table is not None:
        table = {"": ""} | tables[placeholder.table]
        return by_value(column, table.get, doubts)
    times = placeholder.times
    if times is None:
        return column
    return of_filled(column, column.empty, lambda filled, inner: scaled_column(filled, times, inner), doubts)


def _escaped(piece: Piece) -> Piece:
    if isinstance(piece, str):
        return encoded_text(piece)
    if isinstance(piece, CodedColumn):
        return piece.each(encoded_text)
    if piece.known("without escapes", lambda: not _TO_ESCAPE[piece.data].any()):
        return piece
    return by_value(piece, encoded_text, Doubts(len(piece)))
