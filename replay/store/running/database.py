"""What the database of a store is."""

import sqlite3

from replay.store.base.store import Store
from replay.store.sqlite import SqliteStore


def database_of(store: Store | None) -> str:
    """The name and version of the database that runs a store; of the SQLite within this program where there is none."""
    if store is None or isinstance(store, SqliteStore):
        return f"SQLite {sqlite3.sqlite_version}"
    ((version,),) = store._query("SELECT current_setting('server_version')")
    return f"PostgreSQL {version}"
