"""The tables of a store, for both databases.

Only making a store imports this module: SQLAlchemy takes longer to import than most commands run.
"""

from collections.abc import Collection, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    text,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.schema import CreateIndex, CreateTable

from domain.events import BINDING_TYPES
from replay.schema.columns import BIG, TEXT
from replay.schema.triggers import (
    POSTGRES_GUARD_FUNCTION,
    POSTGRES_GUARDS,
    SQLITE_GUARDS,
    as_records_granted,
    postgres_guard_statements,
)
from replay.schema.versions import (
    CHECKPOINTS,
    COSIGNATURES,
    HEAD_BUCKETS,
    HEADS,
    INDEX_OF_RETRACTIONS,
    KEY_CHAINS,
    LOG_TREE,
    ONE_ALIAS_EVERYWHERE,
    STREAM_CHAINS,
)

_metadata: Final = MetaData()

records: Final = Table(
    "records",
    _metadata,
    Column("position", BIG, primary_key=True, autoincrement=False),
    Column("stream", TEXT, nullable=False),
    Column("version", BIG, nullable=False),
    Column("type", TEXT, nullable=False),
    Column("source", TEXT, nullable=False),
    Column("event_id", TEXT, nullable=False),
    Column("ref", TEXT),
    Column("occurred_at", BIG, nullable=False),
    Column("recorded_at", BIG, nullable=False),
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
    Column("id", TEXT, nullable=False),
    Column("schema_version", Integer, nullable=False),
    Column("created_at", BIG, nullable=False),
    Column("key_check", LargeBinary, nullable=False),
    CheckConstraint("one = 1"),
    sqlite_strict=True,
)
"""One row: which ledger this is, and a hash that tells whether a key for buyers is its own."""


def _by_buyer(name: str, metadata: MetaData, *columns: Column[Any]) -> Table:
    """A table whose rows are found by the keyed hash of a buyer, and by what else of the columns is its key."""
    key = Column("key", LargeBinary, primary_key=True)
    return Table(name, metadata, key, *columns, sqlite_strict=True, sqlite_with_rowid=False)


buyers: Final = _by_buyer(
    "buyers",
    _metadata,
    Column("merchant", TEXT, primary_key=True),
    Column("alias", TEXT, nullable=False),
    Column("seal", LargeBinary, nullable=False),
)
"""Keyed hash of a buyer and merchant → alias. Outside the chain: rows can be deleted, which changes no record."""

erasures_due: Final = _by_buyer(
    "erasures_due",
    _metadata,
    Column("due_at", BIG, nullable=False),
    Column("asked_at", BIG, nullable=False),
    Column("reason", TEXT, nullable=False),
)
"""Keyed hash of a buyer → when the buyer is to be erased. A row goes in the transaction of the erasure."""

_one_alias_everywhere: Final = _by_buyer("buyers", MetaData(), Column("alias", TEXT, nullable=False))
"""The table `buyers` of stores of version 1, which backups of such stores have too."""
Index("buyers_by_alias", _one_alias_everywhere.c.alias, unique=True)

tally: Final = Table(
    "tally",
    _metadata,
    Column("type", TEXT, primary_key=True),
    Column("count", BIG, nullable=False),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
"""Records by type, moved in the transaction of the records; `verify` counts again."""

stream_chains: Final = Table(
    STREAM_CHAINS,
    _metadata,
    Column("position", BIG, primary_key=True, autoincrement=False),
    Column("chains", LargeBinary, nullable=False),
    CheckConstraint("position > 0"),
    sqlite_strict=True,
)
"""From the record at a position on, of some records that follow one another, the chains of their streams."""

key_chains: Final = Table(
    KEY_CHAINS,
    _metadata,
    Column("key", TEXT, primary_key=True),
    Column("count", BIG, primary_key=True, autoincrement=False),
    Column("position", BIG, nullable=False),
    Column("chain", LargeBinary, nullable=False),
    CheckConstraint("count > 0"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
"""A row for each record that has a key beside that of its stream: which one of the key it is, and the chain there."""

log_tree: Final = Table(
    LOG_TREE,
    _metadata,
    Column("level", BIG, primary_key=True, autoincrement=False),
    Column("number", BIG, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary, nullable=False),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
"""The hashes of whole subtrees of the log tree, from level 8 (256 records) on, numbered from 0 in each level."""

heads: Final = Table(
    HEADS,
    _metadata,
    Column("key_hash", LargeBinary, primary_key=True),
    Column("size", BIG, primary_key=True, autoincrement=False),
    Column("state", LargeBinary, nullable=False),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
"""The state of a key over the first `size` records, of those that had moved since the seal before."""

head_buckets: Final = Table(
    HEAD_BUCKETS,
    _metadata,
    Column("bucket", BIG, primary_key=True, autoincrement=False),
    Column("size", BIG, primary_key=True, autoincrement=False),
    Column("root", LargeBinary, nullable=False),
    Column("keys", BIG, nullable=False),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
"""The root over the heads of the keys whose hashes begin with the 12 bits of a bucket, and how many these are."""

checkpoints: Final = Table(
    CHECKPOINTS,
    _metadata,
    Column("size", BIG, primary_key=True, autoincrement=False),
    Column("note", LargeBinary, nullable=False),
    sqlite_strict=True,
)
"""The signed note of each checkpoint, by the size of the log tree that it is over."""

cosignatures: Final = Table(
    COSIGNATURES,
    _metadata,
    Column("size", BIG, primary_key=True, autoincrement=False),
    Column("signer", TEXT, primary_key=True),
    Column("line", TEXT, nullable=False),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
"""The signature line of each witness under a checkpoint, by its name and key id."""

_bindings: Final = text("type IN ({})".format(", ".join(f"'{name}'" for name in BINDING_TYPES)))
_retractions: Final = text("type = 'event.retracted'")
_indexes: Final = (
    Index("records_by_stream", records.c.stream, records.c.version, unique=True),
    Index("records_by_key", records.c.source, records.c.event_id, unique=True),
    Index("records_by_time", records.c.stream, records.c.occurred_at),
    Index(
        "records_by_ref",
        records.c.stream,
        records.c.ref,
        sqlite_where=records.c.ref.is_not(None),
        postgresql_where=records.c.ref.is_not(None),
    ),
    Index("records_by_creator", records.c.ref, sqlite_where=_bindings, postgresql_where=_bindings),
    Index(
        INDEX_OF_RETRACTIONS,
        records.c.recorded_at,
        records.c.position,
        sqlite_where=_retractions,
        postgresql_where=_retractions,
    ),
    Index("buyers_by_alias", buyers.c.alias, unique=True),
    Index("key_chains_by_position", key_chains.c.position),
)


class AccessPath(NamedTuple):
    """A way of reading rows of a table other than walking through it."""

    name: str
    table: str
    columns: tuple[str, ...]
    """The key; with the primary key of the table it makes an entry of the index."""
    condition: str
    """Which rows it holds."""


def paths() -> list[AccessPath]:
    """Every index that readers of a store use."""
    return [
        AccessPath(
            str(index.name), str(index.table.name), tuple(column.name for column in index.columns), _condition(index)
        )
        for index in _indexes
        if index.table is not None
    ]


def _condition(index: Index) -> str:
    where = index.dialect_options["sqlite"]["where"]
    return "true" if where is None else str(where)


def sqlite_statements(version: int) -> list[str]:
    """The statements that make an empty SQLite store of a schema version."""
    from sqlalchemy.dialects.sqlite.base import SQLiteDialect

    return [*made(SQLiteDialect(), tables(version)), *SQLITE_GUARDS.values()]


def postgres_statements(version: int) -> list[str]:
    """The statements that make an empty PostgreSQL store of a schema version in the schema that is searched first."""
    from sqlalchemy.dialects.postgresql.base import PGDialect

    return [
        *made(PGDialect(), tables(version)),  # type: ignore[no-untyped-call]
        POSTGRES_GUARD_FUNCTION,
        *postgres_guard_statements(POSTGRES_GUARDS),
    ]


def later_sqlite_statements(missing: Collection[str]) -> list[str]:
    """The statements that make tables which stores of earlier versions lack."""
    from sqlalchemy.dialects.sqlite.base import SQLiteDialect

    guards = [sql for sql in SQLITE_GUARDS.values() if any(f" ON {name}\n" in sql for name in missing)]
    return [*made(SQLiteDialect(), _named(missing)), *guards]


def later_postgres_statements(missing: Collection[str]) -> list[str]:
    """The same on PostgreSQL; whoever has rights on the records gets those on what is kept with them."""
    from sqlalchemy.dialects.postgresql.base import PGDialect

    guards = {name: guard for name, guard in POSTGRES_GUARDS.items() if guard[0] in missing}
    return [
        *made(PGDialect(), _named(missing)),  # type: ignore[no-untyped-call]
        *postgres_guard_statements(guards),
        *map(as_records_granted, missing),
    ]


def _named(names: Collection[str]) -> list[Table]:
    return [table for table in _metadata.sorted_tables if table.name in names]


def tables(version: int) -> list[Table]:
    """The tables of a store of a schema version."""
    made = list(_metadata.sorted_tables)
    if version == ONE_ALIAS_EVERYWHERE:
        return [_one_alias_everywhere if table is buyers else table for table in made if table is not erasures_due]
    return made


def made(dialect: Dialect, some: Sequence[Table]) -> list[str]:
    """The statements that make some tables, and then their indexes."""
    statements = [str(CreateTable(table).compile(dialect=dialect)) for table in some]
    names = {table.name for table in some}
    listed = [index for index in _indexes if index.table is not None and index.table.name in names]
    return statements + [str(CreateIndex(index).compile(dialect=dialect)) for index in listed]
