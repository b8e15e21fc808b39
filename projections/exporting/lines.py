"""Lines that a database makes of rows, many at a time, as Arrow tables.

SQLite writes each row as a JSON array, PostgreSQL as a line of CSV; Arrow's reader of CSV takes both. Where a JSON
array has an escape, which that reader would not undo, the whole block is read as JSON. Each line begins and ends with
a cell that bears nothing: thus the brackets of a JSON array stand in cells of their own.
"""

from collections.abc import Sequence
from types import GenericAlias
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import msgspec

from projections.exporting.columns import FileColumn, Kind, arrow_array, arrow_schema, read_type
from projections.views.database import DamagedViews

if TYPE_CHECKING:
    import pyarrow as pa

EDGE: Final = "0"
"""What bears nothing, at both ends of a line."""
_ESCAPE: Final = b"\\"

_JSON_TYPES: Final = {Kind.TEXT: str | None, Kind.DAY: str | None, Kind.TRUTH: Literal[0, 1] | None}
"""What a value is in a JSON array; of all other kinds it is a whole number."""


class LineForm(NamedTuple):
    """How a database writes what is no text."""

    null: str
    true: str
    false: str
    escapes: bool
    """Whether it is JSON, with escapes in texts; else CSV, with quotes doubled and ends of lines in texts."""


JSON_ARRAYS: Final = LineForm("null", "1", "0", True)
COPIED: Final = LineForm("", "t", "f", False)


def table_of(block: bytes, form: LineForm, columns: Sequence[FileColumn], view: str) -> "pa.Table":
    """Whole lines as a table of files' columns. Raises DamagedViews for what a column cannot hold."""
    import pyarrow as pa

    try:
        is_plain = not form.escapes or _ESCAPE not in block
        arrays = _by_csv(block, form, columns) if is_plain else _by_json(block, columns)
        filed = [arrow_array(item.kind, array) for item, array in zip(columns, arrays, strict=True)]
        return pa.table(filed, schema=arrow_schema(columns))
    except (pa.ArrowException, msgspec.MsgspecError, UnicodeDecodeError) as error:
        said = " ".join(str(error).split())
        raise DamagedViews(
            f"{view} holds what is no value of its column ({said}): nothing was exported; 'levelbook rebuild' makes the"
            " views anew from the ledger"
        ) from error


def _by_csv(block: bytes, form: LineForm, columns: Sequence[FileColumn]) -> "list[pa.Array]":
    import pyarrow as pa
    from pyarrow import csv

    names = [item.name for item in columns]
    found = csv.read_csv(
        pa.BufferReader(block),
        csv.ReadOptions(use_threads=False, block_size=len(block) + 1, column_names=["[", *names, "]"]),
        csv.ParseOptions(double_quote=not form.escapes, newlines_in_values=not form.escapes),
        csv.ConvertOptions(
            include_columns=names,
            column_types={item.name: read_type(item.kind) for item in columns},
            null_values=[form.null],
            true_values=[form.true],
            false_values=[form.false],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    return [column.combine_chunks() for column in found.columns]


def _by_json(block: bytes, columns: Sequence[FileColumn]) -> "list[pa.Array]":
    import pyarrow as pa

    line = GenericAlias(tuple, (Any, *(_JSON_TYPES.get(item.kind, int | None) for item in columns), Any))
    rows = msgspec.json.Decoder(line).decode_lines(block)
    _, *by_column, _ = zip(*rows, strict=True)
    by_kind = [(item.kind, values) for item, values in zip(columns, by_column, strict=True)]
    return [pa.array(_truths(values) if kind is Kind.TRUTH else values, read_type(kind)) for kind, values in by_kind]


def _truths(values: Sequence[int | None]) -> list[bool | None]:
    return [None if value is None else bool(value) for value in values]
