"""The tables of what the service keeps, the guards on them, and whether they stand as this version makes them."""

from functools import cache
from typing import Any, Final, NamedTuple

from sqlalchemy import Column, Connection, Integer, MetaData, Table, Text, text

from projections.views.database import make_schema
from projections.views.definitions import sqlite_statements_of
from replay.schema.columns import BIG
from replay.schema.definitions import SQLITE_SQL, NamedObject, definition_problems, made_in_sqlite, sqlite_definitions
from replay.schema.postgres_catalog import FIRES_USUALLY, catalog, expected_guards, expected_tables

POSTGRES_SCHEMA: Final = "levelbook_service"
_SQLITE_GUARDS: Final = tuple(
    f"CREATE TRIGGER IF NOT EXISTS accesses_never_{verb}d BEFORE {verb.upper()} ON accesses"
    f" BEGIN SELECT RAISE(ABORT, 'accesses are append only: {verb.upper()} is refused'); END"
    for verb in ("update", "delete")
)
_REFUSAL: Final = "BEGIN RAISE EXCEPTION 'accesses are append only: % is refused', TG_OP; END"
_REFUSED: Final = {
    "accesses_never_changed": ("accesses", "UPDATE OR DELETE", "ROW"),
    "accesses_never_truncated": ("accesses", "TRUNCATE", "STATEMENT"),
}
_POSTGRES_GUARDS: Final = (
    f"CREATE OR REPLACE FUNCTION {{0}}.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$ {_REFUSAL} $$",
    *(
        f"CREATE OR REPLACE TRIGGER {name} BEFORE {events} ON {{0}}.{table}"
        f" FOR EACH {each} EXECUTE FUNCTION {{0}}.refuse_change()"
        for name, (table, events, each) in _REFUSED.items()
    ),
)


class KeptTables(NamedTuple):
    """Tokens, sessions of browsers, and who asked for which explanation."""

    tokens: Table
    sessions: Table
    accesses: Table


@cache
def kept_tables(schema: str | None) -> KeptTables:
    """The tables in a schema of PostgreSQL, or without one in a SQLite file."""
    metadata = MetaData(schema=schema)
    tokens = Table(
        "tokens",
        metadata,
        Column("number", BIG, primary_key=True, autoincrement=True),
        Column("name", Text, nullable=False),
        Column("hash", Text, nullable=False, unique=True),
        Column("scopes", Text, nullable=False),
        Column("per_minute", Integer, nullable=False),
        Column("made_at", BIG, nullable=False),
        Column("revoked_at", BIG),
    )
    sessions = Table(
        "sessions",
        metadata,
        Column("hash", Text, primary_key=True),
        Column("token", BIG, nullable=False),
        Column("ends_at", BIG, nullable=False),
    )
    accesses = Table(
        "accesses",
        metadata,
        Column("number", BIG, primary_key=True, autoincrement=True),
        Column("at", BIG, nullable=False),
        Column("token", BIG),
        Column("what", Text, nullable=False),
        Column("subject", Text, nullable=False),
        Column("scheme", Text),
    )
    return KeptTables(tokens, sessions, accesses)


def make_tables(connection: Connection, schema: str | None) -> None:
    """The empty tables with their guards."""
    if schema is not None:
        make_schema(connection, schema)
    kept_tables(schema).tokens.metadata.create_all(connection)
    for statement in _SQLITE_GUARDS if schema is None else _POSTGRES_GUARDS:
        connection.execute(text(statement.format(schema)))


def kept_differ(connection: Connection, schema: str | None) -> list[str]:
    """What is defined otherwise than this version makes it, a line each; looks at no row."""
    tables = kept_tables(schema)
    if schema is None:
        found = sqlite_definitions((row[0], row[1], row[2], row[3]) for row in connection.exec_driver_sql(SQLITE_SQL))
        made = [statement for table in tables for statement in sqlite_statements_of(table)]
        return definition_problems(found, made_in_sqlite([*made, *_SQLITE_GUARDS]))
    driver: Any = connection.connection.driver_connection
    expected = expected_tables(tables, schema)
    for table in (tables.tokens, tables.accesses):  # whose numbers PostgreSQL counts in a sequence of its own
        sequence = f"{table.name}_number_seq"
        expected[NamedObject("relation", sequence, sequence)] = "S p"
        expected[NamedObject("column", "number", table.name)] += " with a default"
    expected |= expected_guards(_REFUSED, "refuse_change", _REFUSAL, schema, fires=FIRES_USUALLY)
    return definition_problems(catalog(driver, schema), expected)
