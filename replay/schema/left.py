"""What a store gets when rows of records begin to leave it: tables by which they are found, guards that let them go.

The table of records gets another name in the same transaction. Who opened the store before, or is a program that looks
for all records there, finds no table, and is told so: a part of the records is never taken for the whole.
"""

from typing import Any, Final

from sqlalchemy import CheckConstraint, Column, Index, LargeBinary, MetaData, Table
from sqlalchemy.schema import CreateIndex

from domain.events import STAYING_TYPES
from replay.schema.archived import record_segments
from replay.schema.columns import BIG, TEXT
from replay.schema.tables import AccessPath, buyers, made, paths, records
from replay.schema.triggers import (
    GUARD_OF_RECORDS,
    POSTGRES_GUARDS,
    POSTGRES_GUARDS_OF_ARCHIVED,
    REFUSE_BUT_OF_BYTES,
    SQLITE_GUARDS,
    SQLITE_GUARDS_OF_ARCHIVED,
    appended_only,
    as_records_granted,
    postgres_guard_statements,
)
from replay.schema.versions import (
    BUYERS,
    LEFT_ALIASES,
    LEFT_LINKS,
    LEFT_NAMES,
    LEFT_STREAMS,
    LEFT_TABLES,
    RECORD_SEGMENTS,
    ROWS_LEFT,
    STILL_HERE,
    STREAM_CHAINS,
)

_metadata: Final = MetaData()
left_links: Final = Table(
    LEFT_LINKS,
    _metadata,
    Column("position", BIG, primary_key=True, autoincrement=False),
    Column("chain", LargeBinary, nullable=False),
    CheckConstraint("position > 0"),
    sqlite_strict=True,
)
"""The chain at some positions up to which rows have left, the last one among them."""
left_streams: Final = Table(
    LEFT_STREAMS,
    _metadata,
    Column("stream", TEXT, primary_key=True),
    Column("last", BIG, primary_key=True, autoincrement=False),
    Column("first_version", BIG, nullable=False),
    Column("first_position", BIG, nullable=False),
    Column("last_position", BIG, nullable=False),
    Column("first_time", BIG, nullable=False),
    Column("last_time", BIG, nullable=False),
    Column("count", BIG, nullable=False),
    Column("places", LargeBinary, nullable=False),
    Column("chain", LargeBinary, nullable=False),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
"""Where the records of a stream stand that left in a stretch which ends at `last` (`replay.store.reading.form`), and
its chain at the last of them."""
_by_last: Final = Index(f"{LEFT_STREAMS}_by_last", left_streams.c.last)
left_names: Final = Table(
    LEFT_NAMES,
    _metadata,
    Column("bucket", BIG, primary_key=True, autoincrement=False),
    Column("last", BIG, primary_key=True, autoincrement=False),
    Column("entries", LargeBinary, nullable=False),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
"""By the first bits of a hash, where records with ids and refs of such hashes stand, up to the end of a stretch."""

left_aliases: Final = Table(
    LEFT_ALIASES,
    _metadata,
    Column("first", BIG, primary_key=True, autoincrement=False),
    Column("entries", LargeBinary, nullable=False),
    sqlite_strict=True,
)
"""Rows that left the table of aliases, of buyers whose hashes begin with such bits or with later ones, up to the next
row (`replay.store.reading.alias_form`). As that table it stands outside the chain and has no guard: rows are erased.
"""

_LEFT_UP_TO: Final = f"(SELECT coalesce(max(position), 0) FROM {LEFT_LINKS})"
_STAYING: Final = ", ".join(f"'{name}'" for name in sorted(STAYING_TYPES))
_GUARDS_OF_LINKS: Final = appended_only(
    LEFT_LINKS,
    f"NEW.position <= {_LEFT_UP_TO}\n"
    f"      OR NEW.position > (SELECT coalesce(max(last), 0) FROM {RECORD_SEGMENTS})\n"
    f"      OR NEW.position >= (SELECT coalesce(max(position), 0) FROM {STILL_HERE})",
    "rows leave in their order and into segments: this position does not follow",
)
_NOTES_DO_NOT_CHANGE: Final = "where rows stand that left does not change"
_GUARDS_OF_STREAMS: Final = {
    # INSERT OR REPLACE deletes without firing delete triggers, so a guard stands at the insert.
    f"{LEFT_STREAMS}_only_ahead": f"""CREATE TRIGGER {LEFT_STREAMS}_only_ahead BEFORE INSERT ON {LEFT_STREAMS}
    WHEN NEW.last <= {_LEFT_UP_TO}
    BEGIN SELECT RAISE(ABORT, '{_NOTES_DO_NOT_CHANGE}: INSERT is refused'); END""",
    f"{LEFT_STREAMS}_never_updated": f"""CREATE TRIGGER {LEFT_STREAMS}_never_updated BEFORE UPDATE ON {LEFT_STREAMS}
    BEGIN SELECT RAISE(ABORT, '{_NOTES_DO_NOT_CHANGE}: UPDATE is refused'); END""",
    f"{LEFT_STREAMS}_never_deleted": f"""CREATE TRIGGER {LEFT_STREAMS}_never_deleted BEFORE DELETE ON {LEFT_STREAMS}
    WHEN OLD.last <= {_LEFT_UP_TO}
    BEGIN SELECT RAISE(ABORT, '{_NOTES_DO_NOT_CHANGE}: DELETE is refused'); END""",
}
_MAY_GO: Final = f"OLD.position <= {_LEFT_UP_TO} AND OLD.type NOT IN ({_STAYING})"
_GUARDS_OF_ROWS: Final = {
    name: SQLITE_GUARDS[name].replace(" records\n", f" {STILL_HERE}\n").replace("FROM records", f"FROM {STILL_HERE}")
    for name in ("records_only_appended", "records_never_updated")
} | {
    "records_never_deleted": f"""CREATE TRIGGER records_never_deleted BEFORE DELETE ON {STILL_HERE}
    WHEN NOT ({_MAY_GO})
    BEGIN SELECT RAISE(ABORT, 'records are append only: DELETE is refused'); END""",
}
_CHAINS_MAY_GO: Final = f"OLD.position + length(OLD.chains) / 32 - 1 <= {_LEFT_UP_TO}"
_GUARDS_OF_CHAINS: Final = {
    # Where all rows have gone, what is chained next follows what has left.
    f"{STREAM_CHAINS}_only_appended": SQLITE_GUARDS[f"{STREAM_CHAINS}_only_appended"].replace(
        "LIMIT 1), 1)", f"LIMIT 1), {_LEFT_UP_TO} + 1)"
    ),
    f"{STREAM_CHAINS}_never_deleted": f"""CREATE TRIGGER {STREAM_CHAINS}_never_deleted BEFORE DELETE ON {STREAM_CHAINS}
    WHEN NOT ({_CHAINS_MAY_GO})
    BEGIN SELECT RAISE(ABORT, 'chains are append only: DELETE is refused'); END""",
}
_GUARD_OF_SEGMENTS: Final = f"{RECORD_SEGMENTS}_only_appended"
SQLITE_GUARDS_OF_LEFT: Final = {
    **_GUARDS_OF_ROWS,
    _GUARD_OF_SEGMENTS: SQLITE_GUARDS_OF_ARCHIVED[_GUARD_OF_SEGMENTS].replace("FROM records", f"FROM {STILL_HERE}"),
    **_GUARDS_OF_LINKS,
    **_GUARDS_OF_STREAMS,
    **_GUARDS_OF_CHAINS,
}
"""In a store from which rows have left, the guards that are others than in an archived one, and more than these."""

REFUSE_BUT_OF_LEFT: Final = "refuse_change_but_of_left"
_MAY_GO_POSTGRES: Final = _MAY_GO.replace(f"FROM {LEFT_LINKS}", f"FROM levelbook.{LEFT_LINKS}")
POSTGRES_REFUSAL_BUT_OF_LEFT: Final = (
    f" BEGIN IF TG_OP = 'DELETE' THEN IF {_MAY_GO_POSTGRES} THEN RETURN OLD; END IF; END IF;"
    " RAISE EXCEPTION '% are append only: % is refused', TG_TABLE_NAME, TG_OP; END "
)
REFUSE_BUT_AHEAD: Final = "refuse_change_but_ahead"
_UP_TO_POSTGRES: Final = _LEFT_UP_TO.replace(f"FROM {LEFT_LINKS}", f"FROM levelbook.{LEFT_LINKS}")
POSTGRES_REFUSAL_BUT_AHEAD: Final = (
    f" BEGIN IF TG_OP = 'INSERT' THEN IF NEW.last > {_UP_TO_POSTGRES} THEN RETURN NEW; END IF; END IF;"
    f" IF TG_OP = 'DELETE' THEN IF OLD.last > {_UP_TO_POSTGRES} THEN RETURN OLD; END IF; END IF;"
    f" RAISE EXCEPTION '{_NOTES_DO_NOT_CHANGE}: % of % is refused', TG_OP, TG_TABLE_NAME; END "
)
GUARD_OF_CHAINS: Final = f"{STREAM_CHAINS}_never_changed"
REFUSE_BUT_CHAINS_OF_LEFT: Final = "refuse_change_but_of_chains_left"
_CHAINS_MAY_GO_POSTGRES: Final = _CHAINS_MAY_GO.replace(f"FROM {LEFT_LINKS}", f"FROM levelbook.{LEFT_LINKS}")
POSTGRES_REFUSAL_BUT_CHAINS_OF_LEFT: Final = (
    f" BEGIN IF TG_OP = 'DELETE' THEN IF {_CHAINS_MAY_GO_POSTGRES} THEN RETURN OLD; END IF; END IF;"
    " RAISE EXCEPTION '% are append only: % is refused', TG_TABLE_NAME, TG_OP; END "
)
POSTGRES_GUARDS_OF_NOTES: Final = {
    f"{LEFT_STREAMS}_only_ahead": (LEFT_STREAMS, "INSERT OR UPDATE OR DELETE", "ROW"),
}
POSTGRES_GUARDS_OF_LEFT: Final = {
    f"{LEFT_LINKS}_never_changed": (LEFT_LINKS, "UPDATE OR DELETE", "ROW"),
    f"{LEFT_LINKS}_never_truncated": (LEFT_LINKS, "TRUNCATE", "STATEMENT"),
    f"{LEFT_STREAMS}_never_truncated": (LEFT_STREAMS, "TRUNCATE", "STATEMENT"),
}
_NOW_LEFT: Final = f"UPDATE ledger SET schema_version = {ROWS_LEFT}"


_AS_BUYERS_GRANTED: Final = f"""DO $$ DECLARE given record; BEGIN
  FOR given IN SELECT a.grantee, a.privilege_type FROM pg_class AS c, aclexplode(c.relacl) AS a
    WHERE c.oid = '{BUYERS}'::regclass AND a.grantee <> c.relowner
    AND a.privilege_type IN ('SELECT', 'DELETE', 'MAINTAIN')
  LOOP EXECUTE format('GRANT %s ON {LEFT_ALIASES} TO %s',
    CASE given.privilege_type WHEN 'DELETE' THEN 'UPDATE, DELETE' ELSE given.privilege_type END,
    CASE given.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(given.grantee)) END);
  END LOOP; END $$"""
"""Who may read aliases or erase them may do so where they are once they left; an erasure takes a part out of a row."""


def left_tables() -> list[Table]:
    """The tables of what has left."""
    return list(_metadata.sorted_tables)


def left_sqlite_statements(*, archived: bool) -> list[str]:
    """The statements by which rows may begin to leave an SQLite store, which was archived before or not."""
    from sqlalchemy.dialects.sqlite.base import SQLiteDialect

    ledger_guard = "ledger_never_updated"
    segments = [] if archived else made(SQLiteDialect(), [record_segments])
    segment_guards = {name: sql for name, sql in SQLITE_GUARDS_OF_ARCHIVED.items() if f" ON {RECORD_SEGMENTS}\n" in sql}
    return [
        *segments,
        *made(SQLiteDialect(), left_tables()),
        str(CreateIndex(_by_last).compile(dialect=SQLiteDialect())),
        *(f"DROP TRIGGER {name}" for name in (*_GUARDS_OF_ROWS, *_GUARDS_OF_CHAINS)),
        *([f"DROP TRIGGER {_GUARD_OF_SEGMENTS}"] if archived else ()),
        f"ALTER TABLE records RENAME TO {STILL_HERE}",
        *SQLITE_GUARDS_OF_LEFT.values(),
        *([] if archived else [sql for name, sql in segment_guards.items() if name != _GUARD_OF_SEGMENTS]),
        f"DROP TRIGGER {ledger_guard}",
        _NOW_LEFT,
        SQLITE_GUARDS[ledger_guard],
        f"PRAGMA user_version = {ROWS_LEFT}",
    ]


def fewer_sqlite_statements() -> tuple[list[str], str, list[str]]:
    """The statements by which an SQLite store gets a new table of the rows that are still here: those before the rows
    are taken over, the one that does so, given a position up to which all but some types have left, those behind it.
    """
    from sqlalchemy.dialects.sqlite.base import SQLiteDialect

    guards = [*_GUARDS_OF_ROWS, _GUARD_OF_SEGMENTS, f"{LEFT_LINKS}_only_appended"]
    table, *indexes = made(SQLiteDialect(), [records])
    before = [
        *(f"DROP TRIGGER {name}" for name in guards),
        f"ALTER TABLE {STILL_HERE} RENAME TO {_GONE}",
        table,
    ]
    taken_over = f"INSERT INTO records SELECT * FROM {_GONE} WHERE position > ? OR type IN ({_STAYING})"
    behind = [
        f"DROP TABLE {_GONE}",
        *indexes,
        f"ALTER TABLE records RENAME TO {STILL_HERE}",
        *(SQLITE_GUARDS_OF_LEFT[name] for name in guards),
    ]
    return before, taken_over, behind


_GONE: Final = "records_gone"
ALIAS_INDEX: Final = "buyers_by_alias"


def alias_index_statement() -> str:
    """The statement that makes the index of aliases in SQLite."""
    from sqlalchemy.dialects.sqlite.base import SQLiteDialect

    (index,) = (index for index in buyers.indexes if index.name == ALIAS_INDEX)
    return str(CreateIndex(index).compile(dialect=SQLiteDialect()))


def left_postgres_statements(*, archived: bool) -> list[str]:
    """The same on PostgreSQL; whoever may read the records may read where those stand that left."""
    from sqlalchemy.dialects.postgresql.base import PGDialect

    dialect = PGDialect()  # type: ignore[no-untyped-call]
    segments = [*made(dialect, [record_segments]), *postgres_guard_statements(POSTGRES_GUARDS_OF_ARCHIVED)]
    table, events, each = POSTGRES_GUARDS[GUARD_OF_RECORDS]
    assert table == "records"
    return [
        *([] if archived else segments),
        *made(dialect, left_tables()),
        str(CreateIndex(_by_last).compile(dialect=dialect)),
        *postgres_guard_statements(POSTGRES_GUARDS_OF_LEFT),
        f"CREATE FUNCTION {REFUSE_BUT_AHEAD}() RETURNS trigger LANGUAGE plpgsql AS $${POSTGRES_REFUSAL_BUT_AHEAD}$$",
        *postgres_guard_statements(POSTGRES_GUARDS_OF_NOTES, REFUSE_BUT_AHEAD),
        (
            f"CREATE FUNCTION {REFUSE_BUT_OF_LEFT}() RETURNS trigger LANGUAGE plpgsql"
            f" AS $${POSTGRES_REFUSAL_BUT_OF_LEFT}$$"
        ),
        f"DROP TRIGGER {GUARD_OF_RECORDS} ON records",
        *([f"DROP FUNCTION {REFUSE_BUT_OF_BYTES}()"] if archived else []),
        *([as_records_granted(RECORD_SEGMENTS, only_read=True)] if not archived else []),
        *(as_records_granted(name, only_read=True) for name in LEFT_TABLES),
        _AS_BUYERS_GRANTED,
        f"ALTER TABLE records RENAME TO {STILL_HERE}",
        *postgres_guard_statements({GUARD_OF_RECORDS: (STILL_HERE, events, each)}, REFUSE_BUT_OF_LEFT),
        (
            f"CREATE FUNCTION {REFUSE_BUT_CHAINS_OF_LEFT}() RETURNS trigger LANGUAGE plpgsql"
            f" AS $${POSTGRES_REFUSAL_BUT_CHAINS_OF_LEFT}$$"
        ),
        f"DROP TRIGGER {GUARD_OF_CHAINS} ON {STREAM_CHAINS}",
        *postgres_guard_statements({GUARD_OF_CHAINS: POSTGRES_GUARDS[GUARD_OF_CHAINS]}, REFUSE_BUT_CHAINS_OF_LEFT),
        "ALTER TABLE ledger DISABLE TRIGGER ledger_never_changed",
        _NOW_LEFT,
        "ALTER TABLE ledger ENABLE ALWAYS TRIGGER ledger_never_changed",
    ]


def paths_of_left() -> list[AccessPath]:
    """Every index that readers of such a store use."""
    by_last = AccessPath(str(_by_last.name), LEFT_STREAMS, ("last",), "true")
    return [*(as_left(path) for path in paths()), by_last]


def as_left(path: AccessPath) -> AccessPath:
    """A way of reading a table as it is in such a store."""
    if path.table != "records":
        return path
    return path._replace(table=STILL_HERE, condition=path.condition.replace("records.", f"{STILL_HERE}."))


def have_rows_left(rows: list[tuple[Any, ...]]) -> bool:
    """Whether the rows of SCHEMA_VERSION_SQL are those of a store from which rows have left."""
    return rows == [(ROWS_LEFT,)]
