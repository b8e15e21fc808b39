"""What is kept beside a ledger and is in no backup of it: secrets, what the service writes down, what is derived."""

from pathlib import Path
from typing import Final, NamedTuple

from replay.sealing.keys import SIGNING_VARIABLE
from replay.store.base.store import Store
from replay.store.beside import beside
from replay.store.buyers import KEY_VARIABLE
from replay.store.evidence.announced import announcements
from replay.store.queries import has_table
from replay.store.sqlite import SqliteStore

_FILES: Final = {
    "buyer_key": ".key",
    "signing_key": ".signing",
    "service": ".service",
    "deliveries": ".deliveries",
    "consuming": ".consuming",
    "checks": ".checks",
    "lab": ".lab",
    "segments": ".segments",
    "views": ".views",
}
"""By what it is, how a file or folder beside a SQLite ledger is called behind its name."""
_TABLES: Final = {
    "service": ("levelbook_service", "accesses"),
    "deliveries": ("levelbook_deliveries", "endpoints"),
    "consuming": ("levelbook_consuming", "progress"),
    "checks": ("levelbook_checks", "checks"),
    "views": ("levelbook_views", "about"),
}
"""The same in a PostgreSQL database: schema and table."""


class LeftOut(NamedTuple):
    """Something that is no part of a backup."""

    what: str
    where: str
    """A path, a variable of the environment, or a schema."""


def left_out(store: Store) -> list[LeftOut]:
    """What there is of such things beside a ledger now, secrets first."""
    if isinstance(store, SqliteStore):
        paths = {what: beside(Path(store.location), suffix) for what, suffix in _FILES.items()}
        return [LeftOut(what, str(path)) for what, path in paths.items() if path.exists()]
    found = [LeftOut("buyer_key", KEY_VARIABLE)]
    if announcements(store):
        found.append(LeftOut("signing_key", SIGNING_VARIABLE))
    return found + [
        LeftOut(what, schema) for what, (schema, table) in _TABLES.items() if has_table(store, schema, table)
    ]
