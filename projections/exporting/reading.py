"""The rows of a view as Arrow tables, made of lines that the database itself writes.

A row that comes through Python as a tuple costs several microseconds, most of them for objects that nobody keeps. So
the database is asked for blocks of lines, and Arrow reads these: blocks of SQLite by two connections in two threads,
those of PostgreSQL in threads beside the one connection.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import islice
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import Connection

from projections.exporting.columns import FileColumn, file_columns, order_of
from projections.exporting.lines import COPIED, EDGE, JSON_ARRAYS, table_of
from projections.views.tables import CONTRACT, TABLE_NAMES

if TYPE_CHECKING:
    import pyarrow as pa

    Making = Callable[[], pa.Table]

BLOCK_ROWS: Final = 20_000
THREADS: Final = 2
AHEAD: Final = 2
"""So many blocks wait at most to be taken: memory is bounded."""
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
    """Reads the views of a build through connections that all read one snapshot."""

    def __init__(self, connections: Sequence[Connection], schema: str | None, build: int) -> None:
        self._idle: SimpleQueue[Any] = SimpleQueue()
        """Connections of the driver that nobody is using."""
        for connection in connections:
            self._idle.put(connection.connection.driver_connection)
        self._schema = schema
        self._build = build
        self._threads = ThreadPoolExecutor(THREADS)
        self._begun: Generator[Making, None, None] | None = None
        """What is being read, or was read last."""

    def __enter__(self) -> "ViewReader":
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing goes on behind it, whatever ended it: the connections are free."""
        self._threads.shutdown(cancel_futures=True)
        if self._begun is not None:
            self._begun.close()

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
        """Rows in tables of some, in their order, each made by a thread while the next ones are begun.

        One statement at a time is read. Raises DamagedViews for what a column cannot hold; `view` says where.
        """
        self._begun = self._made_by_sqlite(rows, view) if self._schema is None else self._copied(rows, view)
        waiting: deque[Future[pa.Table]] = deque()
        for making in self._begun:
            waiting.append(self._threads.submit(making))
            if len(waiting) > AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def _whole(self, view: str) -> tuple[str, str, Any]:
        """Out of what all rows of a view are read, by which key and from where on.

        With SQLite, a view that shows every row of one table is read from that table, whose rows have a place. With
        PostgreSQL a role may have the right to read views alone, and nothing is read by a key.
        """
        if self._schema is not None:
            return self.named(view), _ROWID, _LEAST_NUMBER
        name = view.removeprefix(f"{CONTRACT}_")
        if name == _DRIFT:
            return self.named("drift"), _ROWID, _LEAST_NUMBER
        if name in TABLE_NAMES and name != "levels":
            return self.of_build(name), _ROWID, _LEAST_NUMBER
        if name == "standing":
            return self.named(view), "position", _LEAST_NUMBER
        return self.named(view), "subject", ""

    def _made_by_sqlite(self, rows: RowsAsked, view: str) -> Generator["Making", None, None]:
        """Tables of blocks of JSON arrays, a line each."""
        key, source = rows.key, rows.source
        cells = ", ".join((EDGE, *(item.name for item in rows.columns), EDGE))
        before, values = ("", ()) if rows.before is None else (f" AND {key} < ?", (rows.before,))
        begin, sign = rows.first, ">="
        while True:
            some = f"SELECT {key} AS k FROM {source} WHERE {key} {sign} ?{before} ORDER BY k LIMIT {BLOCK_ROWS}"
            end = self._value(f"SELECT max(k) FROM ({some})", (begin, *values))
            if end is None:
                return
            block = (
                f"SELECT CAST(group_concat(json_array({cells}), char(10)) AS BLOB) FROM {source}"
                f" WHERE {key} {sign} ? AND {key} <= ?"
            )
            yield partial(self._read, block, (begin, end), rows.columns, view)
            begin, sign = end, ">"

    def _read(self, sql: str, values: tuple[Any, ...], columns: Sequence[FileColumn], view: str) -> "pa.Table":
        return table_of(self._value(sql, values), JSON_ARRAYS, columns, view)

    def _value(self, sql: str, values: tuple[Any, ...]) -> Any:
        """The one value that a statement of SQLite gives; Python waits without holding up its other threads."""
        with self._lent() as driver:
            return driver.execute(sql, values).fetchone()[0]

    def _copied(self, rows: RowsAsked, view: str) -> Generator["Making", None, None]:
        """Tables of blocks of lines of CSV, which PostgreSQL's server writes."""
        key, values = rows.key, [rows.first] if rows.before is None else [rows.first, rows.before]
        before = "" if rows.before is None else f" AND {key} < %s"
        where, values = ("", []) if key == _ROWID else (f" WHERE {key} >= %s{before}", values)
        ordered = f" ORDER BY {', '.join(rows.order)}" if rows.order else ""
        cells = ", ".join((EDGE, *(item.name for item in rows.columns), EDGE))
        sql = f"COPY (SELECT {cells} FROM {rows.source}{where}{ordered}) TO STDOUT (FORMAT csv)"
        with self._lent() as driver, driver.cursor() as cursor, cursor.copy(sql, values) as copy:
            lines = iter(copy)
            while some := list(islice(lines, BLOCK_ROWS)):
                yield partial(table_of, b"".join(some), COPIED, rows.columns, view)

    @contextmanager
    def _lent(self) -> Iterator[Any]:
        """A connection of the driver; where all are in use, the first that is given back."""
        driver = self._idle.get()
        try:
            yield driver
        finally:
            self._idle.put(driver)
