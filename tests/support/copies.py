"""Ledgers as they were, to be put back."""

from collections.abc import Callable
from pathlib import Path

import psycopg

from replay.store.location import is_postgres
from replay.store.opening import open_store
from tests.support.running import run


def kept(location: str) -> Callable[[], None]:
    """Keep a ledger as it is now; what this gives brings it back as a restored backup does."""
    if not is_postgres(location):
        path, copy = Path(location), Path(location + ".kept")
        run("backup", str(copy), "--store", location)

        def restore() -> None:
            for beside in (path, *path.parent.glob(path.name + "-*")):
                beside.unlink()
            copy.rename(path)

        return restore
    with open_store(location) as store:
        position = store.head().position

    def restore_rows() -> None:
        with psycopg.connect(location, options="-c search_path=levelbook", autocommit=True) as connection:
            connection.execute("ALTER TABLE records DISABLE TRIGGER USER")
            connection.execute("DELETE FROM records WHERE position > %s", (position,))
            connection.execute("UPDATE tally SET count = (SELECT count(*) FROM records AS r WHERE r.type = tally.type)")
            for (name,) in connection.execute("SELECT tgname FROM pg_trigger WHERE tgrelid = 'records'::regclass"):
                connection.execute(f"ALTER TABLE records ENABLE ALWAYS TRIGGER {name}".encode())

    return restore_rows
