"""Tables of Parquet and Arrow files as rows of texts: what is null is empty, numbers are written exactly."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from replay.extras import need
from replay.mapping.language.document import Mapping
from replay.mapping.rows import Batch, RowTable, check_columns
from replay.parsing.strict_json import shown
from replay.parsing.unpacking import BrokenInput, Unpacked, copied, printable

if TYPE_CHECKING:
    import pyarrow as pa


def arrow_table(
    mapping: Mapping, name: str, source: Unpacked, size: int, stack: ExitStack, *, by_column: bool
) -> RowTable:
    """The table in a Parquet or Arrow file; only the columns that events are made of are read.

    Raises BrokenInput where it is no such file, or has other columns.
    """
    need(("pyarrow",), f"a table of the format {mapping.format}")
    import pyarrow as pa

    stream = source.stream if source.stream.seekable() else copied(name, source.stream, stack)
    try:
        columns, batches = (_parquet if mapping.format == "parquet" else _arrow)(mapping, name, stream, size)
    except (pa.ArrowInvalid, UnicodeError, OSError) as error:
        raise BrokenInput(f"{printable(name)} cannot be read as {mapping.format}: {error}") from None
    read = _columns_read if by_column else _rows_read
    return RowTable(columns, _batches_of(name, mapping.format, columns, batches, source, read))


def texts_of(file: str, name: str, column: Any) -> list[str]:
    """The values of a file's column as texts. A float is the shortest decimal that names it; a zoned time is in UTC.

    Raises BrokenInput for values that are no texts, and for texts that are not UTF-8.
    """
    import pyarrow as pa

    try:
        return _texts(column)
    except UnicodeError:
        told = "holds texts that are not UTF-8; write the file with texts in UTF-8"
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        told = f"holds values of the type {column.type}, which are no texts; write the file with a text in each"
    raise BrokenInput(f"{printable(file)}: column {shown(name)} {told}")


def _texts(column: Any) -> list[str]:
    found: list[str] = _strings(column).to_pylist()
    return found


def _strings(column: Any) -> Any:
    """Arrow's strings of a column's values, none of them null."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        column = column.cast(pa.timestamp(kind.unit, "UTC"))
    return pc.fill_null(column.cast(pa.string()), "")


def _parquet(mapping: Mapping, name: str, stream: Any, size: int) -> tuple[list[str], Iterator["pa.RecordBatch"]]:
    import pyarrow.parquet as pq

    file = pq.ParquetFile(stream)
    check_columns(mapping, file.schema_arrow.names, name)
    return mapping.columns, file.iter_batches(size, columns=mapping.columns)


def _arrow(mapping: Mapping, name: str, stream: Any, size: int) -> tuple[list[str], Iterator["pa.RecordBatch"]]:
    import pyarrow as pa

    start = stream.read(len(b"ARROW1"))
    stream.seek(0)
    if start == b"ARROW1":
        file = pa.ipc.open_file(stream)
        check_columns(mapping, file.schema.names, name)
        found = (file.get_batch(number) for number in range(file.num_record_batches))
    else:
        reader = pa.ipc.open_stream(stream)
        check_columns(mapping, reader.schema.names, name)
        found = iter(reader)
    parts = (batch.slice(at, size) for batch in found for at in range(0, batch.num_rows, size))
    return mapping.columns, parts


_Read = Callable[[str, list[str], list[Any], int], Batch]
"""Makes a batch of the columns of a file, their names and how many bytes were read."""


def _batches_of(
    name: str, form: str, columns: list[str], batches: Iterator["pa.RecordBatch"], source: Unpacked, read: _Read
) -> Iterator[Batch]:
    import pyarrow as pa

    try:
        for batch in batches:
            found = [batch.column(batch.schema.get_field_index(column)) for column in columns]
            yield read(name, columns, found, source.read_bytes())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        raise BrokenInput(f"{printable(name)} cannot be read as {form} to its end: {error}") from None


def _rows_read(name: str, columns: list[str], found: list[Any], read_bytes: int) -> Batch:
    texts = [texts_of(name, *both) for both in zip(columns, found, strict=True)]
    return Batch(list(zip(*texts, strict=True)), {}, read_bytes)


def _columns_read(name: str, columns: list[str], found: list[Any], read_bytes: int) -> Batch:
    """The same in columns, where there are any and their texts are such."""
    import pyarrow as pa

    from replay.mapping.columnwise.text_rows import TextRows
    from replay.mapping.columnwise.values import TextColumn

    try:
        strings = [_strings(column) for column in found]
        for column in strings:
            column.validate(full=True)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return _rows_read(name, columns, found, read_bytes)
    if not strings or not len(strings[0]):
        return _rows_read(name, columns, found, read_bytes)
    rows = TextRows(
        columns, {name: TextColumn(texts) for name, texts in zip(columns, strings, strict=True)}, len(strings[0])
    )
    return Batch(rows, {}, read_bytes, rows.columns)
