"""Ledgers as they were, to be put back."""

from collections.abc import Callable
from pathlib import Path

import psycopg

from replay.store.location import is_postgres
from replay.store.opening import open_store
from tests.support.running import run

TABLES = ("records", "stream_chains", "key_chains")
"""Those whose guards refuse what a restore does."""


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
            for table in TABLES:
                connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER".encode())
            for table in ("records", "key_chains", "stream_chains"):
                connection.execute(f"DELETE FROM {table} WHERE position > %s".encode(), (position,))
            connection.execute(
                "UPDATE stream_chains SET chains = substr(chains, 1, 32 * (%s - position + 1)::int)", (position,)
            )
            connection.execute("UPDATE tally SET count = (SELECT count(*) FROM records AS r WHERE r.type = tally.type)")
            for table in TABLES:
                sql = f"SELECT tgname FROM pg_trigger WHERE tgrelid = '{table}'::regclass"
                for (name,) in connection.execute(sql.encode()):
                    connection.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}".encode())

    return restore_rows
