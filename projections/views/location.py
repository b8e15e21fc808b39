"""Where the views of a ledger lie, and whether there are any, without opening them."""

from pathlib import Path
from typing import Final

from replay.store.base.store import Store
from replay.store.beside import beside
from replay.store.queries import has_table
from replay.store.sqlite import SqliteStore

POSTGRES_SCHEMA: Final = "levelbook_views"


def views_path(store: SqliteStore) -> Path:
    """The file of the views of a SQLite ledger, beside it."""
    return beside(store.path, ".views")


def has_views(store: Store) -> bool:
    """Whether somebody has made views of a ledger."""
    if isinstance(store, SqliteStore):
        return views_path(store).exists()
    return has_table(store, POSTGRES_SCHEMA, "about")
