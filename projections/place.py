"""Where the views of a ledger are kept, and whether there are any: asked without opening them."""

from pathlib import Path
from typing import Final

from replay.beside import beside
from replay.sqlite import SqliteStore
from replay.store import Store

POSTGRES_SCHEMA: Final = "levelbook_views"


def views_path(store: SqliteStore) -> Path:
    """The file of the views of a SQLite ledger, beside it."""
    return beside(store.path, ".views")


def has_views(store: Store) -> bool:
    """Whether somebody has made views of a ledger."""
    if isinstance(store, SqliteStore):
        return views_path(store).exists()
    return list(store.query("SELECT to_regclass(?) IS NOT NULL", (f"{POSTGRES_SCHEMA}.about",))) == [(True,)]
