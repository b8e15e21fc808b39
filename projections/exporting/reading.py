"""The rows of a view as Arrow tables, made of lines that the database itself writes.

A row that comes through Python as a tuple costs several microseconds, most of them for objects that nobody keeps. So
the database is asked for blocks of lines, and Arrow reads these, in a thread of its own while the next block is made.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import Connection

from projections.exporting.columns import FileColumn, file_columns, order_of
from projections.exporting.lines import COPIED, EDGE, JSON_ARRAYS, LineForm, table_of
from projections.views.tables import CONTRACT, TABLE_NAMES

if TYPE_CHECKING:
    import pyarrow as pa

BLOCK_ROWS: Final = 20_000
AHEAD: Final = 2
"""So many blocks wait at most to be read by Arrow: memory is bounded."""
_LEAST_NUMBER: Final = -(2**63)
_ROWID: Final = "rowid"
_DRIFT: Final = "shadow_drift"


class RowsAsked(NamedTuple):
    """Which rows are asked for, and how blocks of them are told apart."""

    source: str
    """A table or view, or a statement in brackets."""
    columns: Sequence[FileColumn]
    order: Sequence[str]
    """Columns by which they are ordered, as far as the database orders them (`ViewReader.rows`)."""
    key: str
    """What rises from block to block: `rowid`, or a column."""
    first: Any
    """The least value of the key that is asked for."""
    before: Any = None
    """The value of the key before which it ends; None where there is no such."""


class ViewReader:
    """Reads the views of a build through one connection, and so at one moment."""

    def __init__(self, connection: Connection, schema: str | None, build: int) -> None:
        self._driver: Any = connection.connection.driver_connection
        self._schema = schema
        self._build = build

    def named(self, view: str) -> str:
        """A view or table as statements name it."""
        return view if self._schema is None else f"{self._schema}.{view}"

    def of_build(self, table: str) -> str:
        """A table of the build as statements name it."""
        return self.named(f"b{self._build}_{table}")

    def rows(self, view: str, subjects: tuple[str, str | None] | None = None) -> Iterator["pa.Table"]:
        """The rows of a view in tables of some; of subjects from one up to before another where they are named.

        Subjects rise from table to table where some are named. Nothing else is promised of the order: SQLite gives rows
        as they lie, which is half as dear as by their keys.
        """
        columns, order = file_columns(view), order_of(view)
        if subjects is not None:
            yield from self.asked(RowsAsked(self.named(view), columns, order, "subject", *subjects), view)
            return
        source, key, first = self._whole(view)
        yield from self.asked(RowsAsked(source, columns, order, key, first), view)

    def asked(self, rows: RowsAsked, view: str) -> Iterator["pa.Table"]:
        """Rows in tables of some. Raises DamagedViews for what a column cannot hold; `view` says where."""
        blocks, form = (self._json_blocks(rows), JSON_ARRAYS) if self._schema is None else (self._copied(rows), COPIED)
        yield from _read_beside(blocks, form, rows.columns, view)

    def _whole(self, view: str) -> tuple[str, str, Any]:
        """Out of what all rows of a view are read, by which key and from where on.

        A view that shows every row of one table is read from that table, whose rows have a place.
        """
        name = view.removeprefix(f"{CONTRACT}_")
        if name == _DRIFT:
            return self.named("drift"), _ROWID, _LEAST_NUMBER
        if name in TABLE_NAMES and name != "levels":
            return self.of_build(name), _ROWID, _LEAST_NUMBER
        if name == "standing":
            return self.named(view), "position", _LEAST_NUMBER
        return self.named(view), "subject", ""

    def _json_blocks(self, rows: RowsAsked) -> Iterator[bytes]:
        """Blocks of JSON arrays, a line each, made by SQLite while Python waits."""
        key, source = rows.key, rows.source
        cells = ", ".join((EDGE, *(item.name for item in rows.columns), EDGE))
        before, values = ("", ()) if rows.before is None else (f" AND {key} < ?", (rows.before,))
        begin, sign = rows.first, ">="
        while True:
            some = f"SELECT {key} AS k FROM {source} WHERE {key} {sign} ?{before} ORDER BY k LIMIT {BLOCK_ROWS}"
            (end,) = self._driver.execute(f"SELECT max(k) FROM ({some})", (begin, *values)).fetchone()
            if end is None:
                return
            (block,) = self._driver.execute(
                f"SELECT CAST(group_concat(json_array({cells}), char(10)) AS BLOB) FROM {source}"
                f" WHERE {key} {sign} ? AND {key} <= ?",
                (begin, end),
            ).fetchone()
            yield block
            begin, sign = end, ">"

    def _copied(self, rows: RowsAsked) -> Iterator[bytes]:
        """Blocks of lines of CSV, which PostgreSQL's server writes."""
        key, values = rows.key, [rows.first] if rows.before is None else [rows.first, rows.before]
        before = "" if rows.before is None else f" AND {key} < %s"
        where, values = ("", []) if key == _ROWID else (f" WHERE {key} >= %s{before}", values)
        ordered = f" ORDER BY {', '.join(rows.order)}" if rows.order else ""
        cells = ", ".join((EDGE, *(item.name for item in rows.columns), EDGE))
        sql = f"COPY (SELECT {cells} FROM {rows.source}{where}{ordered}) TO STDOUT (FORMAT csv)"
        with self._driver.cursor() as cursor, cursor.copy(sql, values) as copy:
            lines = iter(copy)
            while some := list(islice(lines, BLOCK_ROWS)):
                yield b"".join(some)


def _read_beside(
    blocks: Iterable[bytes], form: LineForm, columns: Sequence[FileColumn], view: str
) -> Iterator["pa.Table"]:
    """Blocks as tables, in their order, read by a thread while the next ones are made."""
    waiting: deque[Future[pa.Table]] = deque()
    with ThreadPoolExecutor(1) as thread:
        for block in blocks:
            waiting.append(thread.submit(table_of, block, form, columns, view))
            if len(waiting) > AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
