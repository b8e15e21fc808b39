"""Which views are exported, and of which Arrow type each of their columns is.

Names and meanings are those of the `v1_…` contract, but for what Arrow can say itself: an instant is a timestamp in
UTC, a day a date, and points, which views hold in tenths (`closing_tenths`), are decimals (`closing`). Money stays fen.
"""

from collections.abc import Sequence
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import Boolean, Column, Text

from projections.views.tables import CONTRACT, columns_of, tables_of, view_statements
from replay.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa

NEVER: Final = 2**62
"""In views, a day that does not come; it is null in files."""
INSTANTS: Final = ("as_of", "known_at", "at", "effective_since", "from_at", "to_at", "next_at", "ends_at")
NUMBERED_DAYS: Final = ("since_day", "lowest_since_day")
TENTHS: Final = "_tenths"
POINTS_DIGITS: Final = 19
"""As many as a whole number of 64 bits has."""


class Kind(StrEnum):
    """What a column holds."""

    TEXT = "text"
    WHOLE = "whole"
    TRUTH = "truth"
    INSTANT = "instant"
    DAY = "day"
    NUMBERED_DAY = "numbered day"
    POINTS = "points"


class FileColumn(NamedTuple):
    """A column of a view, and what it is in files."""

    name: str
    """In the view."""
    shown: str
    """In files."""
    kind: Kind
    is_nullable: bool


@cache
def exported_views() -> tuple[str, ...]:
    """The names of all views of the contract."""
    return tuple(name for name, _ in view_statements(1, None))


def views_asked(names: Sequence[str]) -> tuple[str, ...]:
    """The views that are named, with or without `v1_`, each once, in the contract's order; all where none is.

    Raises UsageError for a name that is none of a view.
    """
    known = exported_views()
    wanted = {name if name.startswith(f"{CONTRACT}_") else f"{CONTRACT}_{name}" for name in names}
    unknown = sorted(wanted - {*known})
    if unknown:
        raise UsageError(f"there is no view {unknown[0]!r} to export; there are {', '.join(known)}")
    return tuple(name for name in known if name in wanted) if wanted else known


@cache
def file_columns(view: str) -> tuple[FileColumn, ...]:
    """The columns of a view, in order."""
    return tuple(_file_column(name, column) for name, column in columns_of(view).items())


@cache
def table_columns(table: str) -> tuple[FileColumn, ...]:
    """All columns of a table of a build, in order, those that no view shows too."""
    return tuple(_file_column(column.name, column) for column in tables_of(0, None)[table].columns)


@cache
def order_of(view: str) -> tuple[str, ...]:
    """By which columns the rows of a view are ordered: those that no two rows have in common."""
    columns = columns_of(view)
    keys = tuple(name for name, column in columns.items() if column.primary_key)
    return keys or tuple(name for name in ("subject", "scheme") if name in columns)


def _file_column(name: str, column: Column[Any]) -> FileColumn:
    kind = _kind(name, column)
    shown = name.removesuffix(TENTHS) if name != f"points{TENTHS}" else "points"
    return FileColumn(name, shown, kind, bool(column.nullable) or kind is Kind.NUMBERED_DAY)


def _kind(name: str, column: Column[Any]) -> Kind:
    if isinstance(column.type, Boolean):
        return Kind.TRUTH
    if isinstance(column.type, Text):
        return Kind.DAY if name == "day" else Kind.TEXT
    if name in INSTANTS:
        return Kind.INSTANT
    if name in NUMBERED_DAYS or name == "day":
        return Kind.NUMBERED_DAY
    return Kind.POINTS if name.endswith(TENTHS) else Kind.WHOLE


def arrow_type(kind: Kind) -> "pa.DataType":
    import pyarrow as pa

    types = {
        Kind.TEXT: pa.string(),
        Kind.WHOLE: pa.int64(),
        Kind.TRUTH: pa.bool_(),
        Kind.INSTANT: pa.timestamp("us", "UTC"),
        Kind.DAY: pa.date32(),
        Kind.NUMBERED_DAY: pa.date32(),
        Kind.POINTS: pa.decimal128(POINTS_DIGITS, 1),
    }
    return types[kind]


def arrow_schema(columns: Sequence[FileColumn]) -> "pa.Schema":
    import pyarrow as pa

    return pa.schema([pa.field(item.shown, arrow_type(item.kind), item.is_nullable) for item in columns])


def read_type(kind: Kind) -> "pa.DataType":
    """As what a database's values are read, before they are what files hold."""
    import pyarrow as pa

    match kind:
        case Kind.TEXT | Kind.DAY:
            return pa.string()
        case Kind.TRUTH:
            return pa.bool_()
    return pa.int64()


def arrow_array(kind: Kind, read: "pa.Array") -> "pa.Array":
    """Values as they were read (`read_type`), as files hold them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    match kind:
        case Kind.DAY:
            return read.cast(pa.date32())
        case Kind.INSTANT:
            return read.view(arrow_type(kind))
        case Kind.NUMBERED_DAY:
            return pc.if_else(pc.less(read, NEVER), read, None).cast(pa.int32()).view(pa.date32())
        case Kind.POINTS:
            whole = read.cast(pa.decimal128(POINTS_DIGITS, 0))
            return pa.Array.from_buffers(arrow_type(kind), len(whole), whole.buffers())
    return read
