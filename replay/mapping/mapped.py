"""Rows by a mapping as blocks of lines, which the intake reads as it reads lines of a file."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

from domain.limits import BATCH_LINES_MAX
from replay.extras import missing_of
from replay.mapping.language.compiling import compiled
from replay.mapping.language.document import Mapping
from replay.mapping.mapped_rows import MappedRows
from replay.mapping.queries import RowQuery, query_table
from replay.mapping.rows import Batch, RowTable
from replay.mapping.tables import table_of
from replay.parsing.lines import Block
from replay.parsing.unpacking import BrokenInput, printable
from replay.processes import begun

if TYPE_CHECKING:
    from replay.mapping.mapped_columns import MappedColumns

BATCHES_AT_ONCE: Final = 4
"""Of what a transaction takes: each batch of columns has its own cost, of about a millisecond."""
BLOCKS_AHEAD: Final = 2
"""Blocks that are made at once, beside the reading of the next."""
BATCHES_BEFORE_COLUMNS: Final = 2
"""Batches of a table that is read as rows that are made into lines row by row: what columns take has to be loaded."""


def blocks_of(mapping: Mapping, name: str, *, proving: bool = False, by_column: bool = True) -> Iterator[Block]:
    """The events of a file's rows, in their order; rows count from 1, below the header where there is one.

    All events of a row are in one block. A row that gives none is a blank line there. With `proving`, lines that were
    made a column at a time are such as the intake's reader takes. Raises BrokenInput.
    """
    with ExitStack() as stack:
        table = table_of(
            mapping, name, _rows(mapping, proving=proving), stack, by_column=by_column and can_use_columns()
        )
        yield from mapped(mapping, name, table, proving=proving, by_column=by_column)


def blocks_of_query(
    mapping: Mapping, query: RowQuery, *, proving: bool = False, by_column: bool = True
) -> Iterator[Block]:
    """The same of the rows of a query, which count from 1."""
    with ExitStack() as stack:
        table = query_table(mapping, query, _rows(mapping, proving=proving), stack)
        yield from mapped(mapping, query.file, table, proving=proving, by_column=by_column)


def mapped(
    mapping: Mapping, name: str, table: RowTable, *, proving: bool = False, by_column: bool = True
) -> Iterator[Block]:
    """The events of a table's rows as blocks; those of its first rows, and all without `by_column`, row by row."""
    made = _made(mapping, name, table, proving=proving, by_column=by_column and can_use_columns())
    return _ahead(made) if proving else (make() for make in made)


def _made(
    mapping: Mapping, name: str, table: RowTable, *, proving: bool, by_column: bool
) -> Iterator[Callable[[], Block]]:
    """What makes the blocks, one behind the other; any of them may be made in another thread."""
    events = compiled(mapping, table.columns)
    in_columns: Callable[[Batch, int], MappedColumns | None] | None = None
    first = 1
    for number, batch in enumerate(table.batches):
        if in_columns is None and by_column and (batch.columns is not None or number >= BATCHES_BEFORE_COLUMNS):
            from replay.mapping.columnwise.events import column_events
            from replay.mapping.mapped_columns import ColumnWay

            way = ColumnWay(mapping.columns, table.columns, events, column_events(mapping, proving=proving))
            in_columns = way.mapped

        def make(batch: Batch = batch, first: int = first, in_columns: Any = in_columns) -> Block:
            found: MappedColumns | None = None if in_columns is None else in_columns(batch, first)
            origin = found or MappedRows(mapping.columns, table.columns, events, batch, first)
            return Block(f"{printable(name)}:row", first, [], batch.read_bytes, origin, found if proving else None)

        yield make
        first += len(batch.rows)


def _ahead(made: Iterator[Callable[[], Block]]) -> Iterator[Block]:
    """Blocks that threads make while those before them are written: Arrow works beside Python."""
    begun_blocks: deque[Future[Block]] = deque()
    broken: BrokenInput | None = None
    try:
        for make in made:
            begun_blocks.append(begun(make))
            if len(begun_blocks) > BLOCKS_AHEAD:
                yield begun_blocks.popleft().result()
    except BrokenInput as error:
        broken = error
    for block in begun_blocks:
        yield block.result()
    if broken is not None:
        raise broken


def can_use_columns() -> bool:
    """Whether this installation has what it takes to make lines a column at a time."""
    return not missing_of(("numpy", "pyarrow"))


def _rows(mapping: Mapping, *, proving: bool) -> int:
    """So many rows have at most as many events as a batch has lines; more at once where none is recorded."""
    return BATCH_LINES_MAX * (BATCHES_AT_ONCE if proving else 1) // len(mapping.events)
