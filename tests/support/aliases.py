"""The table of aliases, read and changed behind the ledger's back."""

import json
import sqlite3
from collections import defaultdict

import psycopg

from replay.schema.versions import LATER_TABLES, LEFT_TABLES, STILL_HERE
from replay.store.base.store import Store
from replay.store.location import is_postgres
from tests.support.making import records


def aliases_in(store: Store) -> dict[str, set[str]]:
    """By merchant, the aliases in its records."""
    found = defaultdict(set)
    for record in map(json.loads, records(store)):
        if record["event"]["type"] == "order.paid":
            found[record["stream"]].add(record["event"]["data"]["buyer"])
    return found


GUARDED = ("records", STILL_HERE, "ledger", *LATER_TABLES, *LEFT_TABLES)


def change(location: str, statements: list[tuple[str, tuple[object, ...]]]) -> None:
    """Change a store behind its guards, as who holds the file or owns the tables can."""
    if is_postgres(location):
        with psycopg.connect(location, options="-c search_path=levelbook", autocommit=True) as owner:
            for table in GUARDED:
                owner.execute(f"ALTER TABLE IF EXISTS {table} DISABLE TRIGGER USER".encode())
            for sql, values in statements:
                owner.execute(sql.replace("?", "%s").encode(), values)
            for table in GUARDED:
                owner.execute(f"ALTER TABLE IF EXISTS {table} ENABLE TRIGGER USER".encode())
                for (name,) in owner.execute(
                    "SELECT tgname FROM pg_trigger WHERE tgrelid = to_regclass(%s) AND NOT tgisinternal", (table,)
                ).fetchall():
                    owner.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}".encode())
        return
    raw = sqlite3.connect(location)
    guards = raw.execute("SELECT name, sql, tbl_name FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _, _ in guards:
        raw.execute(f"DROP TRIGGER {name}")
    for sql, values in statements:
        raw.execute(sql, values)
        if "schema_version = 1" in sql:
            raw.execute("PRAGMA user_version = 1")
    left = {name for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    for _, sql, table in guards:
        if table in left:
            raw.execute(sql)
    raw.commit()
    raw.close()
