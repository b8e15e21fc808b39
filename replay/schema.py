"""The tables of a store and the guards that keep records as they are, for both databases.

Only making a store imports this module: SQLAlchemy takes longer to import than most commands run.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    text,
)
from sqlalchemy import Text as AnyText
from sqlalchemy.engine import Dialect
from sqlalchemy.schema import CreateIndex, CreateTable

from domain.events import BINDING_TYPES

_BIG: Final = BigInteger().with_variant(Integer(), "sqlite")
# Code point order everywhere: no collation of a locale may order ids.
_TEXT: Final = AnyText().with_variant(AnyText(collation="C"), "postgresql")
_metadata: Final = MetaData()

records: Final = Table(
    "records",
    _metadata,
    Column("position", _BIG, primary_key=True, autoincrement=False),
    Column("stream", _TEXT, nullable=False),
    Column("version", _BIG, nullable=False),
    Column("type", _TEXT, nullable=False),
    Column("source", _TEXT, nullable=False),
    Column("event_id", _TEXT, nullable=False),
    Column("ref", _TEXT),
    Column("occurred_at", _BIG, nullable=False),
    Column("recorded_at", _BIG, nullable=False),
    Column("content_hash", LargeBinary, nullable=False),
    Column("chain", LargeBinary, nullable=False),
    Column("record", LargeBinary, nullable=False),
    CheckConstraint("position > 0"),
    CheckConstraint("version > 0"),
    sqlite_strict=True,
)
"""The ledger. Append only; every column but `chain` is computed from `record`."""

ledger: Final = Table(
    "ledger",
    _metadata,
    Column("one", Integer, primary_key=True, autoincrement=False),
    Column("id", _TEXT, nullable=False),
    Column("schema_version", Integer, nullable=False),
    Column("created_at", _BIG, nullable=False),
    Column("key_check", LargeBinary, nullable=False),
    CheckConstraint("one = 1"),
    sqlite_strict=True,
)
"""One row: which ledger this is, and a hash that tells whether a key for buyers is its own."""

buyers: Final = Table(
    "buyers",
    _metadata,
    Column("key", LargeBinary, primary_key=True),
    Column("alias", _TEXT, nullable=False),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
"""Keyed hash of a buyer → alias. Outside the chain: a row can be deleted, which changes no record."""

tally: Final = Table(
    "tally",
    _metadata,
    Column("type", _TEXT, primary_key=True),
    Column("count", _BIG, nullable=False),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
"""Records by type, moved in the transaction of the records; `verify` counts again."""

_bindings: Final = text("type IN ({})".format(", ".join(f"'{name}'" for name in BINDING_TYPES)))
_indexes: Final = (
    Index("records_by_stream", records.c.stream, records.c.version, unique=True),
    Index("records_by_key", records.c.source, records.c.event_id, unique=True),
    Index(
        "records_by_ref",
        records.c.stream,
        records.c.ref,
        sqlite_where=records.c.ref.is_not(None),
        postgresql_where=records.c.ref.is_not(None),
    ),
    Index("records_by_creator", records.c.ref, sqlite_where=_bindings, postgresql_where=_bindings),
    Index("buyers_by_alias", buyers.c.alias, unique=True),
)

_SQLITE_GUARDS: Final = (
    # INSERT OR REPLACE deletes without firing delete triggers, so the guard stands at the insert.
    """CREATE TRIGGER records_only_appended BEFORE INSERT ON records
    WHEN NEW.position <> (SELECT coalesce(max(position), 0) + 1 FROM records)
      OR EXISTS (SELECT 1 FROM records WHERE stream = NEW.stream AND version = NEW.version)
      OR EXISTS (SELECT 1 FROM records WHERE source = NEW.source AND event_id = NEW.event_id)
    BEGIN SELECT RAISE(ABORT, 'records are append only: this row does not follow the last one'); END""",
    """CREATE TRIGGER records_never_updated BEFORE UPDATE ON records
    BEGIN SELECT RAISE(ABORT, 'records are append only: UPDATE is refused'); END""",
    """CREATE TRIGGER records_never_deleted BEFORE DELETE ON records
    BEGIN SELECT RAISE(ABORT, 'records are append only: DELETE is refused'); END""",
    """CREATE TRIGGER ledger_only_once BEFORE INSERT ON ledger
    WHEN EXISTS (SELECT 1 FROM ledger)
    BEGIN SELECT RAISE(ABORT, 'a store holds one ledger'); END""",
    """CREATE TRIGGER ledger_never_updated BEFORE UPDATE ON ledger
    BEGIN SELECT RAISE(ABORT, 'a ledger keeps its identity: UPDATE is refused'); END""",
    """CREATE TRIGGER ledger_never_deleted BEFORE DELETE ON ledger
    BEGIN SELECT RAISE(ABORT, 'a ledger keeps its identity: DELETE is refused'); END""",
)
_POSTGRES_GUARDS: Final = (
    """CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION '% are append only: % is refused', TG_TABLE_NAME, TG_OP; END $$""",
    """CREATE TRIGGER records_never_changed BEFORE UPDATE OR DELETE ON records
    FOR EACH ROW EXECUTE FUNCTION refuse_change()""",
    """CREATE TRIGGER records_never_truncated BEFORE TRUNCATE ON records
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()""",
    """CREATE TRIGGER ledger_never_changed BEFORE UPDATE OR DELETE ON ledger
    FOR EACH ROW EXECUTE FUNCTION refuse_change()""",
    """CREATE TRIGGER ledger_never_truncated BEFORE TRUNCATE ON ledger
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()""",
    # ALWAYS: also in sessions that act as a replica, where ordinary triggers sleep.
    "ALTER TABLE records ENABLE ALWAYS TRIGGER records_never_changed",
    "ALTER TABLE records ENABLE ALWAYS TRIGGER records_never_truncated",
    "ALTER TABLE ledger ENABLE ALWAYS TRIGGER ledger_never_changed",
    "ALTER TABLE ledger ENABLE ALWAYS TRIGGER ledger_never_truncated",
)


def sqlite_statements() -> list[str]:
    """The statements that make an empty SQLite store."""
    from sqlalchemy.dialects.sqlite.base import SQLiteDialect

    return [*_tables(SQLiteDialect()), *_SQLITE_GUARDS]


def postgres_statements() -> list[str]:
    """The statements that make an empty PostgreSQL store in the schema that is searched first."""
    from sqlalchemy.dialects.postgresql.base import PGDialect

    return [*_tables(PGDialect()), *_POSTGRES_GUARDS]  # type: ignore[no-untyped-call]


def _tables(dialect: Dialect) -> list[str]:
    tables = [str(CreateTable(table).compile(dialect=dialect)) for table in _metadata.sorted_tables]
    return tables + [str(CreateIndex(index).compile(dialect=dialect)) for index in _indexes]
