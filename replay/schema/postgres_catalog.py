"""The definitions in a schema of PostgreSQL, as its catalog holds them and as this version makes them.

Also what acts on tables without being seen from them: triggers with the functions that they call, rules, row security,
tables that inherit, functions that could be called in place of others.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import psycopg
from sqlalchemy import CheckConstraint, Column, PrimaryKeyConstraint, Table, UniqueConstraint
from sqlalchemy.dialects.postgresql.base import PGDialect

from replay.schema.definitions import NamedObject

_IN_SCHEMA: Final = "c.relnamespace = to_regnamespace(%(schema)s)"
# A table of the same name in another schema: names of schemas are no part of a definition as it is compared.
_ELSEWHERE: Final = (
    "(SELECT string_agg(DISTINCT concat('reading ', o.relname, ' in the schema ', o.relnamespace::regnamespace), ' ')"
    " FROM pg_rewrite AS w JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid"
    " JOIN pg_class AS o ON d.refclassid = 'pg_class'::regclass AND o.oid = d.refobjid"
    " WHERE w.ev_class = c.oid AND o.relnamespace <> c.relnamespace)"
)
_CATALOG: Final = (
    # Tables and whatever else bears a name like one; kinds of pg_class.relkind.
    (
        "SELECT CASE c.relkind WHEN 'r' THEN 'table' WHEN 'v' THEN 'view' ELSE 'relation' END, c.relname, c.relname,"
        f" CASE c.relkind WHEN 'v' THEN concat_ws(' ', pg_get_viewdef(c.oid), {_ELSEWHERE})"
        " ELSE concat_ws(' ', c.relkind, c.relpersistence, a.amname,"
        " CASE WHEN c.relrowsecurity OR c.relforcerowsecurity THEN 'row security' END) END"
        f" FROM pg_class AS c LEFT JOIN pg_am AS a ON a.oid = c.relam WHERE {_IN_SCHEMA} AND c.relkind <> 'i'"
    ),
    (
        "SELECT 'column', t.attname, c.relname, concat_ws(' ', t.attnum, format_type(t.atttypid, t.atttypmod),"
        " CASE WHEN t.attnotnull THEN 'not null' END, CASE WHEN o.oid <> 'pg_catalog.default'::regcollation THEN"
        " concat(CASE WHEN o.collnamespace <> 'pg_catalog'::regnamespace"
        " THEN o.collnamespace::regnamespace::text || '.' END, o.collname) END,"
        " CASE WHEN t.atthasdef OR t.attidentity <> '' OR t.attgenerated <> '' THEN 'with a default' END)"
        " FROM pg_attribute AS t JOIN pg_class AS c ON c.oid = t.attrelid"
        " LEFT JOIN pg_collation AS o ON o.oid = t.attcollation"
        f" WHERE {_IN_SCHEMA} AND c.relkind = 'r' AND t.attnum > 0 AND NOT t.attisdropped"
    ),
    (
        "SELECT 'index', c.relname, d.relname, pg_get_indexdef(c.oid)"
        " || CASE WHEN i.indisvalid AND i.indisready AND i.indislive THEN '' ELSE ' not valid' END"
        " FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_class AS d ON d.oid = i.indrelid"
        f" WHERE {_IN_SCHEMA}"
    ),
    # Of PostgreSQL 18 on 'n' stands for NOT NULL, which is said of the column.
    (
        "SELECT 'constraint', s.conname, c.relname, pg_get_constraintdef(s.oid)"
        f" FROM pg_constraint AS s JOIN pg_class AS c ON c.oid = s.conrelid WHERE {_IN_SCHEMA} AND s.contype <> 'n'"
    ),
    # tgenabled 'A': fires always, also where a session acts as a replica.
    (
        "SELECT 'trigger', t.tgname, c.relname, concat_ws(' ', t.tgenabled, pg_get_triggerdef(t.oid), p.prosrc)"
        " FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid JOIN pg_proc AS p ON p.oid = t.tgfoid"
        f" WHERE {_IN_SCHEMA} AND NOT t.tgisinternal"
    ),
    (
        "SELECT 'rule', r.rulename, c.relname, pg_get_ruledef(r.oid)"
        f" FROM pg_rewrite AS r JOIN pg_class AS c ON c.oid = r.ev_class WHERE {_IN_SCHEMA} AND r.rulename <> '_RETURN'"
    ),
    (
        "SELECT 'policy', p.polname, c.relname, 'row security'"
        f" FROM pg_policy AS p JOIN pg_class AS c ON c.oid = p.polrelid WHERE {_IN_SCHEMA}"
    ),
    (
        "SELECT 'heir', h.relname, c.relname, 'inherits'"
        " FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhparent JOIN pg_class AS h ON h.oid = i.inhrelid"
        f" WHERE {_IN_SCHEMA}"
    ),
    (
        "SELECT 'function', p.proname, p.proname, concat_ws(' ', pg_get_function_identity_arguments(p.oid), l.lanname,"
        " array_to_string(p.proconfig, ' '), CASE WHEN p.prosecdef THEN 'as its owner' END, p.prosrc)"
        " FROM pg_proc AS p JOIN pg_language AS l ON l.oid = p.prolang"
        " WHERE p.pronamespace = to_regnamespace(%(schema)s)"
    ),
    (
        "SELECT 'operator', o.oprname, o.oprname, o.oprcode::text"
        " FROM pg_operator AS o WHERE o.oprnamespace = to_regnamespace(%(schema)s)"
    ),
)


def catalog(connection: "psycopg.Connection[Any]", schema: str) -> dict[NamedObject, str]:
    """What is defined in a schema, free of layout; nothing where there is none of that name."""
    sql = " UNION ALL ".join(_CATALOG)
    rows = connection.execute(sql.encode(), {"schema": schema})
    return {NamedObject(kind, name, table): plain(definition, schema) for kind, name, table, definition in rows}


def plain(definition: str, schema: str) -> str:
    """A definition without what one version of PostgreSQL writes and another leaves out: layout, quotes, brackets."""
    text = definition.replace(f"{schema}.", "").replace("::text", "").replace('"', "")
    return " ".join(re.sub(r"[();]", " ", text).split())


def expected_tables(tables: Iterable[Table], schema: str) -> dict[NamedObject, str]:
    """The tables of this version with their columns, constraints and indexes, as the catalog would hold them."""
    made: dict[NamedObject, str] = {}
    for table in tables:
        made[NamedObject("table", table.name, table.name)] = "r p heap"
        for number, column in enumerate(table.columns, 1):
            made[NamedObject("column", column.name, table.name)] = _column(number, column)
        made |= {named: plain(text, schema) for named, text in _constraints(table).items()}
        for index in table.indexes:
            where = index.dialect_options["postgresql"]["where"]
            columns = ", ".join(column.name for column in index.columns)
            condition = "" if where is None else f" WHERE {_condition(str(where))}"
            text = f"CREATE {'UNIQUE ' if index.unique else ''}INDEX {index.name} ON {table.name} USING btree {columns}"
            made[NamedObject("index", str(index.name), table.name)] = plain(text + condition, schema)
    return made


FIRES_ALWAYS: Final = "A"
FIRES_USUALLY: Final = "O"
"""As the catalog holds how a trigger fires; usually: but not where a superuser lets his session act as a replica."""


_AS_LISTED: Final = ("INSERT", "DELETE", "UPDATE", "TRUNCATE")
"""In which order the database tells at what a trigger fires."""


def expected_guards(
    guards: Mapping[str, tuple[str, str, str]], function: str, source: str, schema: str, *, fires: str = FIRES_ALWAYS
) -> dict[NamedObject, str]:
    """Triggers by name (the table, what is refused, for each row or statement) and the one function that they call."""
    made = {NamedObject("function", function, function): plain(f"plpgsql {source}", schema)}
    for name, (table, events, each) in guards.items():
        listed = " OR ".join(sorted(events.split(" OR "), key=_AS_LISTED.index))
        text = f"{fires} CREATE TRIGGER {name} BEFORE {listed} ON {table} FOR EACH {each} EXECUTE FUNCTION {function}"
        made[NamedObject("trigger", name, table)] = plain(f"{text} {source}", schema)
    return made


def _column(number: int, column: Column[Any]) -> str:
    kind, _, collation = str(column.type.compile(dialect=PGDialect())).partition(" COLLATE ")  # type: ignore[no-untyped-call]
    words = [str(number), kind.lower(), "" if column.nullable else "not null", collation.strip('"')]
    return " ".join(word for word in words if word)


def _constraints(table: Table) -> dict[NamedObject, str]:
    """Their names are those that PostgreSQL gives."""
    made = {}
    for constraint in table.constraints:
        columns = [column.name for column in getattr(constraint, "columns", ())]
        keys = ", ".join(columns)
        if isinstance(constraint, PrimaryKeyConstraint):
            name, text = f"{table.name}_pkey", f"PRIMARY KEY {keys}"
        elif isinstance(constraint, UniqueConstraint):
            name, text = f"{table.name}_{'_'.join(columns)}_key", f"UNIQUE {keys}"
        elif isinstance(constraint, CheckConstraint):
            condition = str(constraint.sqltext)
            name, text = f"{table.name}_{condition.partition(' ')[0]}_check", f"CHECK {condition}"
            keys = ""
        else:
            continue
        made[NamedObject("constraint", name, table.name)] = text
        if keys:
            made[NamedObject("index", name, table.name)] = (
                f"CREATE UNIQUE INDEX {name} ON {table.name} USING btree {keys}"
            )
    return made


def _condition(where: str) -> str:
    """`x IN ('a', 'b')` is kept as `x = ANY (ARRAY['a', 'b'])`."""
    bare = re.sub(r"\b\w+\.(?=\w)(?![^']*'(?:[^']*'[^']*')*[^']*$)", "", where)
    return re.sub(r" IN \((.*)\)", r" = ANY ARRAY[\1]", bare)
