"""What a store gets when records begin to leave it: a table of their segments, and guards that let bytes go.

Its version is said to be another one in the same transaction, so that a program which looks for records in the store
alone refuses it by name.
"""

from typing import Any, Final

from sqlalchemy import CheckConstraint, Column, LargeBinary, MetaData, Table
from sqlalchemy.engine import Dialect
from sqlalchemy.schema import CreateTable

from replay.schema.columns import BIG, TEXT
from replay.schema.triggers import (
    GUARD_OF_RECORDS,
    POSTGRES_GUARDS,
    POSTGRES_GUARDS_OF_ARCHIVED,
    POSTGRES_REFUSAL_BUT_OF_BYTES,
    REFUSE_BUT_OF_BYTES,
    SQLITE_GUARDS,
    SQLITE_GUARDS_OF_ARCHIVED,
    as_records_granted,
    postgres_guard_statements,
)
from replay.schema.versions import ARCHIVED, RECORD_SEGMENTS

record_segments: Final = Table(
    RECORD_SEGMENTS,
    MetaData(),
    Column("last", BIG, primary_key=True, autoincrement=False),
    Column("first", BIG, nullable=False),
    Column("blocks", BIG, nullable=False),
    Column("file_bytes", BIG, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("place", TEXT, nullable=False),
    CheckConstraint("first > 0"),
    sqlite_strict=True,
)
"""Of each file of records: the positions that it holds, its blocks and bytes, the hash of its directory, its folder."""
_NOW_ARCHIVED: Final = f"UPDATE ledger SET schema_version = {ARCHIVED}"
_FUNCTION: Final = (
    f"CREATE FUNCTION {REFUSE_BUT_OF_BYTES}() RETURNS trigger LANGUAGE plpgsql AS $${POSTGRES_REFUSAL_BUT_OF_BYTES}$$"
)
_LEDGER_GUARD: Final = "ledger_never_updated"
_RECORDS_GUARD: Final = "records_never_updated"


def archived_sqlite_statements() -> list[str]:
    """The statements by which records may begin to leave an SQLite store."""
    from sqlalchemy.dialects.sqlite.base import SQLiteDialect

    return [
        _table(SQLiteDialect()),
        f"DROP TRIGGER {_RECORDS_GUARD}",
        *SQLITE_GUARDS_OF_ARCHIVED.values(),
        f"DROP TRIGGER {_LEDGER_GUARD}",
        _NOW_ARCHIVED,
        SQLITE_GUARDS[_LEDGER_GUARD],
        f"PRAGMA user_version = {ARCHIVED}",
    ]


def archived_postgres_statements() -> list[str]:
    """The same on PostgreSQL; whoever may read the records may read what is kept of their segments."""
    from sqlalchemy.dialects.postgresql.base import PGDialect

    return [
        _table(PGDialect()),  # type: ignore[no-untyped-call]
        *postgres_guard_statements(POSTGRES_GUARDS_OF_ARCHIVED),
        _FUNCTION,
        f"DROP TRIGGER {GUARD_OF_RECORDS} ON records",
        *postgres_guard_statements({GUARD_OF_RECORDS: POSTGRES_GUARDS[GUARD_OF_RECORDS]}, REFUSE_BUT_OF_BYTES),
        "ALTER TABLE ledger DISABLE TRIGGER ledger_never_changed",
        _NOW_ARCHIVED,
        "ALTER TABLE ledger ENABLE ALWAYS TRIGGER ledger_never_changed",
        as_records_granted(RECORD_SEGMENTS, only_read=True),
    ]


def is_archived(rows: list[tuple[Any, ...]]) -> bool:
    """Whether the rows of SCHEMA_VERSION_SQL are those of a store from which records have left."""
    return rows == [(ARCHIVED,)]


SCHEMA_VERSION_SQL: Final = "SELECT schema_version FROM ledger"


def _table(dialect: Dialect) -> str:
    return str(CreateTable(record_segments).compile(dialect=dialect))
