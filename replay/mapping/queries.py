"""Rows of a SQL query: of a PostgreSQL database, of an SQLite file, or of files that are read as its tables.

SQLite is asked in a process of its own, so that no file of another's is opened and closed beside a ledger's locks.
"""

import csv
import io
import marshal
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import date, datetime
from decimal import Decimal
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from replay.errors import UsageError
from replay.mapping.language.compiling import Row
from replay.mapping.language.document import Mapping
from replay.mapping.rows import Batch, RowTable, Unreadable, check_columns
from replay.parsing.refusals import Reason, Refusal
from replay.parsing.strict_json import shown
from replay.parsing.unpacking import BrokenInput, opened, printable
from replay.processes import second_core
from replay.store.location import is_postgres, masked

QUERY_BYTES_MAX: Final = 1 << 20
_CURSOR: Final = "levelbook_rows"


class RowQuery(NamedTuple):
    """What rows are asked of."""

    file: str
    """Where the query stands; rows are named by it."""
    url: str | None
    """A PostgreSQL URL or an SQLite file; none where files are the tables."""
    tables: tuple[str, ...] = ()
    """Files of separated values, each a table of texts, named as the file is up to its first dot."""


def query_table(mapping: Mapping, query: RowQuery, rows: int, stack: ExitStack) -> RowTable:
    """The rows of a query in batches of so many. Raises BrokenInput where it fails, or gives other columns."""
    text = _text_of(query.file)
    if query.url is not None and is_postgres(query.url):
        columns, batches = _of_postgres(query.url, text, rows, stack)
    else:
        columns, batches = _of_sqlite(mapping, query, text, rows, stack)
    check_columns(mapping, columns, query.file)
    return RowTable(columns, (_batch(columns, found) for found in batches))


def _text_of(file: str) -> str:
    with Path(file).open("rb") as stream:
        content = stream.read(QUERY_BYTES_MAX + 1)
    if len(content) > QUERY_BYTES_MAX:
        raise UsageError(f"the query {printable(file)} is longer than {QUERY_BYTES_MAX} bytes; make it shorter")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise UsageError(f"the query {printable(file)} is not UTF-8; save it as UTF-8") from None


_Found = list[tuple[Any, ...]]


def _batch(columns: list[str], found: _Found) -> Batch:
    rows: list[Row | None] = []
    unreadable = {}
    for index, values in enumerate(found):
        try:
            rows.append([value if type(value) is str else _value_text(value) for value in values])
        except TypeError:
            rows.append(None)
            unreadable[index] = _no_texts(columns, values)
    return Batch(rows, unreadable, 0)


def _value_text(value: Any) -> str:
    """A value of a database as text: nothing is empty, a float is the shortest decimal that names it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | Decimal | float | str | datetime | date):
        return str(value)
    raise TypeError


def _no_texts(columns: list[str], values: tuple[Any, ...]) -> Unreadable:
    for column, value in zip(columns, values, strict=True):
        try:
            _value_text(value)
        except TypeError:
            text = (
                f"column {column}: found {shown(repr(value))}, which is no single value; cast it to text in the query"
            )
            break
    kept = {column: repr(value) for column, value in zip(columns, values, strict=True)}
    return Unreadable(Refusal(Reason.ROW_SHAPE, text), msgspec.json.encode(kept))


def _of_postgres(url: str, text: str, size: int, stack: ExitStack) -> tuple[list[str], Iterator[_Found]]:
    import psycopg

    try:
        connection = stack.enter_context(psycopg.connect(url))
        connection.read_only = True
        cursor = stack.enter_context(connection.cursor(_CURSOR))
        cursor.execute(text.encode())
        columns = [column.name for column in cursor.description or ()]
    except psycopg.Error as error:
        raise BrokenInput(f"the query fails at {masked(url)}: {str(error).strip()}") from None
    return columns, _fetched(cursor, size, masked(url))


def _fetched(cursor: Any, size: int, where: str) -> Iterator[_Found]:
    import psycopg

    try:
        while found := cursor.fetchmany(size):
            yield found
    except psycopg.Error as error:
        raise BrokenInput(f"the query breaks off at {where}: {str(error).strip()}") from None


def _of_sqlite(
    mapping: Mapping, query: RowQuery, text: str, size: int, stack: ExitStack
) -> tuple[list[str], Iterator[_Found]]:
    process = stack.enter_context(second_core(_serve))
    tables = [(_table_name(name), name) for name in query.tables]
    process.send_bytes(marshal.dumps((query.url, tables, mapping.encoding, mapping.delimiter, text, size)))
    batches = _received(process, query.file)
    columns = [str(name) for name in next(batches)]
    return columns, batches


def _received(process: Connection, name: str) -> Iterator[Any]:
    """What the process says: the columns, batches of rows, and at the end nothing."""
    while True:
        try:
            fault, found = marshal.loads(process.recv_bytes())
        except (EOFError, OSError):
            raise BrokenInput(f"{printable(name)}: the process that asks SQLite was ended from outside") from None
        if fault:
            raise BrokenInput(f"{printable(name)}: {fault}")
        if found is None:
            return
        yield found


def _table_name(file: str) -> str:
    return Path(file).name.partition(".")[0]


def _serve(connection: Connection) -> None:
    """Ask SQLite, in the process of its own."""
    url, tables, encoding, delimiter, text, size = marshal.loads(connection.recv_bytes())
    try:
        with closing(_database(url)) as database:
            for table, file in tables:
                _load(database, table, file, encoding, delimiter)
            database.execute("PRAGMA query_only = 1")
            found = database.execute(text)
            connection.send_bytes(marshal.dumps(("", [column[0] for column in found.description or ()])))
            while rows := found.fetchmany(size):
                connection.send_bytes(marshal.dumps(("", rows)))
            connection.send_bytes(marshal.dumps(("", None)))
    except (sqlite3.Error, sqlite3.Warning, BrokenInput, UnicodeError, csv.Error, OSError) as error:
        connection.send_bytes(marshal.dumps((f"the query fails: {error}", None)))


def _database(url: str | None) -> sqlite3.Connection:
    if url is None:
        return sqlite3.connect("")
    if not Path(url).is_file():
        raise BrokenInput(f"there is no database {printable(url)}")
    return sqlite3.connect(f"{Path(url).resolve().as_uri()}?mode=ro", uri=True)


def _load(database: sqlite3.Connection, table: str, file: str, encoding: str, delimiter: str) -> None:
    """A file of separated values as a table of texts."""
    with ExitStack() as stack:
        text = io.TextIOWrapper(
            opened(file, stack).stream, "utf-8-sig" if encoding == "utf-8" else encoding, newline=""
        )
        stack.callback(text.detach)
        reader = csv.reader(text, delimiter=delimiter, strict=True)
        columns = next(reader, [])
        if not columns:
            raise BrokenInput(f"{printable(file)} has no header; its first line names the columns")
        database.execute(
            f"CREATE TABLE {_quoted(table)} ({', '.join(f'{_quoted(column)} TEXT' for column in columns)})"
        )
        marks = ", ".join("?" * len(columns))
        rows = (_whole(row, len(columns), number, file) for number, row in enumerate(reader, 1) if row)
        database.executemany(f"INSERT INTO {_quoted(table)} VALUES ({marks})", rows)


def _whole(row: list[str], width: int, number: int, file: str) -> list[str]:
    if len(row) != width:
        raise BrokenInput(f"{printable(file)}:row:{number}: found {len(row)} values in a row of {width} columns")
    return row


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
