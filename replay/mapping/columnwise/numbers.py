"""Decimal numbers of a column, multiplied exactly, and whole ones as JSON has them."""

from typing import Final

import numpy as np
import pyarrow as pa

from replay.mapping.columnwise.values import Doubts, TextColumn, by_value, from_bytes
from replay.mapping.language.compiling import WHOLE
from replay.mapping.language.texts import scaled

_DIGITS_MAX: Final = 18
"""So many decimal digits are always within 64 bits."""
_ZERO: Final = ord("0")
_DOT: Final = ord(".")


def scaled_column(column: TextColumn, times: int, doubts: Doubts) -> TextColumn:
    """The numbers of a column, of whose texts none is empty, times a whole one; what is not exact is in doubt."""
    made = _scaled(column, times)
    return by_value(column, lambda text: _scaled_text(text, times), doubts) if made is None else made


def whole_column(column: TextColumn, doubts: Doubts) -> TextColumn:
    """The whole numbers of a column, of whose texts none is empty; what is none is in doubt."""
    if column.known("whole numbers", lambda: _are_canonical(column)):
        return column
    return by_value(column, lambda text: str(int(text)) if WHOLE.fullmatch(text) else None, doubts)


def _scaled_text(text: str, times: int) -> str | None:
    try:
        return str(scaled(text, times)) if text else text
    except ValueError:
        return None


def _scaled(column: TextColumn, times: int) -> TextColumn | None:
    """None where a text has another form than digits with one point among them, or the product is not exact."""
    dots = np.flatnonzero(column.data == _DOT)
    digits, starts = column.data, column.starts
    decimals = np.zeros(len(column), np.int64)
    if len(dots):
        row = np.searchsorted(column.starts, dots, "right") - 1
        before, behind = dots - column.starts[row], column.starts[row + 1] - dots - 1
        if not (np.diff(row) > 0).all() or not before.all() or not behind.all():
            return None
        decimals[row] = behind
        digits = column.data[column.data != _DOT]
        starts = column.starts - np.searchsorted(dots, column.starts).astype(np.int32)
    lengths = np.diff(starts)
    if not lengths.all() or lengths.max() > _DIGITS_MAX - len(str(times)) or not _are_digits(digits):
        return None
    plain = TextColumn(from_bytes(digits, starts))
    if (10**decimals == times).all() and _are_canonical(plain):
        return plain
    quotient, rest = np.divmod(plain.numbers * times, 10**decimals)
    return None if rest.any() else TextColumn(pa.array(quotient).cast(pa.string()))


def _are_digits(data: np.typing.NDArray[np.uint8]) -> bool:
    return bool(((data - np.uint8(_ZERO)) < 10).all())


def _are_canonical(column: TextColumn) -> bool:
    """Whether all texts are digits as JSON has them: up to eighteen, and no zero before others."""
    if not column.lengths.all() or column.lengths.max() > _DIGITS_MAX or not _are_digits(column.data):
        return False
    return not ((column.data[column.starts[:-1]] == _ZERO) & (column.lengths > 1)).any()
