"""Whether a PostgreSQL store gives by every way of reading what a walk through its tables gives."""

import secrets
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import psycopg

from replay.schema.archived import is_archived, record_segments
from replay.schema.definitions import NamedObject, as_first_made, definition_problems
from replay.schema.left import (
    GUARD_OF_CHAINS,
    POSTGRES_GUARDS_OF_LEFT,
    POSTGRES_GUARDS_OF_NOTES,
    POSTGRES_REFUSAL_BUT_AHEAD,
    POSTGRES_REFUSAL_BUT_CHAINS_OF_LEFT,
    POSTGRES_REFUSAL_BUT_OF_LEFT,
    REFUSE_BUT_AHEAD,
    REFUSE_BUT_CHAINS_OF_LEFT,
    REFUSE_BUT_OF_LEFT,
    as_left,
    have_rows_left,
    left_tables,
    paths_of_left,
)
from replay.schema.postgres_catalog import catalog, expected_guards, expected_tables
from replay.schema.tables import AccessPath, paths, tables
from replay.schema.triggers import (
    GUARD_OF_RECORDS,
    POSTGRES_GUARDS,
    POSTGRES_GUARDS_OF_ARCHIVED,
    POSTGRES_REFUSAL,
    POSTGRES_REFUSAL_BUT_OF_BYTES,
    REFUSE_BUT_OF_BYTES,
)
from replay.schema.versions import LATER_TABLES, ONE_ALIAS_EVERYWHERE, STILL_HERE

SCHEMA: Final = "levelbook"
SEED_BITS: Final = 62
LOOKED_UP: Final = ("records", "buyers", "erasures_due", *LATER_TABLES)
"""Tables whose rows are looked up by their primary key."""
_AMCHECK: Final = (
    "SELECT n.nspname FROM pg_extension AS e JOIN pg_proc AS p ON p.proname = 'bt_index_check'"
    " JOIN pg_namespace AS n ON n.oid = p.pronamespace AND n.oid = e.extnamespace"
    " WHERE e.extname = 'amcheck' AND p.pronargs = 2 AND has_function_privilege(p.oid, 'EXECUTE')"
)
_INDEXES: Final = (
    "SELECT i.indexrelid, c.relname FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid"
    " WHERE c.relnamespace = %s::regnamespace AND i.indisvalid ORDER BY c.relname"
)
_SETTINGS: Final = (
    *("enable_seqscan", "enable_indexscan", "enable_indexonlyscan", "enable_bitmapscan", "enable_tidscan"),
    *("enable_sort", "enable_incremental_sort"),
)
_BY_TABLE: Final = frozenset({"enable_seqscan"})
_BY_INDEX: Final = frozenset({"enable_indexscan", "enable_indexonlyscan"})


def definitions_differ(connection: "psycopg.Connection[Any]", version: int) -> list[str]:
    """What is defined otherwise than in a store of this schema version; looks at no row of the ledger."""
    guards = expected_guards(POSTGRES_GUARDS, "refuse_change", POSTGRES_REFUSAL, SCHEMA)
    found, expected = catalog(connection, SCHEMA), expected_tables(tables(version), SCHEMA) | guards
    said = connection.execute(f"SELECT schema_version FROM {SCHEMA}.ledger".encode()).fetchall()
    if is_archived(said):
        expected |= _expected_of_archived()
    if have_rows_left(said):
        expected = _expected_of_left(expected)
    return definition_problems(found, as_first_made(found, expected) if version == ONE_ALIAS_EVERYWHERE else expected)


def _expected_of_archived() -> dict[NamedObject, str]:
    """What a store has from which records have left, more and otherwise."""
    more = expected_guards(POSTGRES_GUARDS_OF_ARCHIVED, "refuse_change", POSTGRES_REFUSAL, SCHEMA)
    of_records = {GUARD_OF_RECORDS: POSTGRES_GUARDS[GUARD_OF_RECORDS]}
    otherwise = expected_guards(of_records, REFUSE_BUT_OF_BYTES, POSTGRES_REFUSAL_BUT_OF_BYTES, SCHEMA)
    return expected_tables([record_segments], SCHEMA) | more | otherwise


def _expected_of_left(expected: Mapping[NamedObject, str]) -> dict[NamedObject, str]:
    """What a store has from which rows have left: another name of the table of records, more, and otherwise."""
    renamed = {
        NamedObject(
            named.kind,
            STILL_HERE if (named.kind, named.name) == ("table", "records") else named.name,
            STILL_HERE if named.table == "records" else named.table,
        ): definition.replace(" ON records ", f" ON {STILL_HERE} ")
        for named, definition in expected.items()
    }
    more = expected_guards(
        POSTGRES_GUARDS_OF_ARCHIVED | POSTGRES_GUARDS_OF_LEFT, "refuse_change", POSTGRES_REFUSAL, SCHEMA
    )
    _, events, each = POSTGRES_GUARDS[GUARD_OF_RECORDS]
    of_records = {GUARD_OF_RECORDS: (STILL_HERE, events, each)}
    otherwise = expected_guards(of_records, REFUSE_BUT_OF_LEFT, POSTGRES_REFUSAL_BUT_OF_LEFT, SCHEMA)
    of_chains = {GUARD_OF_CHAINS: POSTGRES_GUARDS[GUARD_OF_CHAINS]}
    otherwise |= expected_guards(of_chains, REFUSE_BUT_CHAINS_OF_LEFT, POSTGRES_REFUSAL_BUT_CHAINS_OF_LEFT, SCHEMA)
    notes = expected_guards(POSTGRES_GUARDS_OF_NOTES, REFUSE_BUT_AHEAD, POSTGRES_REFUSAL_BUT_AHEAD, SCHEMA)
    return renamed | expected_tables([record_segments, *left_tables()], SCHEMA) | more | otherwise | notes


def rows_differ(connection: "psycopg.Connection[Any]", version: int) -> list[str]:
    """Which indexes give other rows than their table, each read from end to end; all in one snapshot.

    What is compared is the number of rows and the sum of their hashes under a seed that nobody knew before. Where the
    extension amcheck is there and may be used, it looks for every row of the table in each index besides.
    """
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        keys = {table.name: tuple(column.name for column in table.primary_key) for table in tables(version)}
        primary = [AccessPath(f"{name}_pkey", name, keys[name], "true") for name in LOOKED_UP if name in keys]
        if have_rows_left(connection.execute(f"SELECT schema_version FROM {SCHEMA}.ledger".encode()).fetchall()):
            of_left = {table.name: tuple(column.name for column in table.primary_key) for table in left_tables()}
            primary += [AccessPath(f"{name}_pkey", name, columns, "true") for name, columns in of_left.items()]
            keys |= of_left
            keys[STILL_HERE] = keys["records"]
            primary = [as_left(path) for path in primary]
            listed = [*primary, *paths_of_left()]
        else:
            listed = [*primary, *paths()]
        return paths_differ(connection, SCHEMA, [(path, keys[path.table]) for path in listed])


def paths_differ(
    connection: "psycopg.Connection[Any]", schema: str, listed: Iterable[tuple[AccessPath, tuple[str, ...]]]
) -> list[str]:
    """The same of indexes of a schema, each with the primary key of its table, within a transaction of one snapshot.

    Its settings are changed to its end.
    """
    connection.execute("SET LOCAL max_parallel_workers_per_gather = 0")
    problems = [problem for path, primary in listed for problem in _path_problems(connection, schema, path, primary)]
    return problems + list(_amcheck_problems(connection, schema))


def _path_problems(
    connection: "psycopg.Connection[Any]", schema: str, path: AccessPath, primary: tuple[str, ...]
) -> Iterator[str]:
    if connection.execute("SELECT to_regclass(%s)", (f"{schema}.{path.name}",)).fetchone() == (None,):
        return  # that is said of its definition
    columns = ", ".join(dict.fromkeys((*path.columns, *primary)))
    rows = f"SELECT {columns} FROM {schema}.{path.table} WHERE {path.condition}"
    sql = "SELECT count(*), sum(hashtextextended(r::text, {})) FROM ({}) AS r"
    seed = secrets.randbits(SEED_BITS)
    _allow(connection, _BY_TABLE)
    walked = connection.execute(sql.format(seed, rows).encode()).fetchone()
    _allow(connection, _BY_INDEX)
    through_sql = sql.format(seed, f"{rows} ORDER BY {', '.join(path.columns)}")
    plan = connection.execute(f"EXPLAIN {through_sql}".encode()).fetchall()
    if not any(f" using {path.name} " in line for (line,) in plan):
        yield f"the index {path.name} of {path.table} cannot be read through: the database does not use it"
        return
    through = connection.execute(through_sql.encode()).fetchone()
    assert walked is not None and through is not None
    if walked[0] != through[0]:
        yield f"the index {path.name} gives {through[0]} rows of {path.table}, a walk through it {walked[0]}"
    elif walked != through:
        yield f"the index {path.name} gives other rows of {path.table} than a walk through it"


def _allow(connection: "psycopg.Connection[Any]", allowed: frozenset[str]) -> None:
    """Let the planner use nothing else."""
    for setting in _SETTINGS:
        connection.execute(f"SET LOCAL {setting} = {'on' if setting in allowed else 'off'}".encode())


def _amcheck_problems(connection: "psycopg.Connection[Any]", schema: str) -> Iterator[str]:
    found = connection.execute(_AMCHECK).fetchone()
    if found is None:
        return
    for oid, name in connection.execute(_INDEXES, (schema,)).fetchall():
        try:
            with connection.transaction():  # a savepoint: a damaged index must not end the look at the others
                connection.execute(f'SELECT "{found[0]}".bt_index_check(%s::oid::regclass, true)'.encode(), (oid,))
        except (psycopg.errors.IndexCorrupted, psycopg.errors.DataCorrupted) as error:
            yield f"the index {name} is damaged: {str(error).splitlines()[0]}"
