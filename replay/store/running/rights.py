"""Which rights to work on a store are held now, looked up where the system or the server lists them.

To try a lock would keep who wants it from getting it, if only for a moment.
"""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from replay.store.base.store import Store

LOCKS: Final = Path("/proc/locks")
"""Where Linux lists the locks on files."""
PROCESSES: Final = Path("/proc/self/ns/pid")
_ALL_PROCESSES: Final = 4026531836
"""What Linux numbers the namespace in which every process is seen; elsewhere the list has not all locks."""
_HELD_SQL: Final = (
    "SELECT CAST(objid AS BIGINT) FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = 0"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


def files_held(paths: Mapping[str, Path], listed: Path = LOCKS) -> set[str] | None:
    """The names of those files that a process has locked for itself; None where the system lists no locks.

    Files are known by their numbers alone: file systems name their devices there otherwise than to who looks at files.
    """
    try:
        lines = listed.read_text().splitlines()
    except OSError:
        return None
    fields = [line.split() for line in lines]
    # "7: FLOCK  ADVISORY  WRITE 10606 00:1b:115 0 EOF"; of who waits "7: -> FLOCK …"
    numbers = {found[5].rpartition(":")[2] for found in fields if found[1] == "FLOCK" and found[3] == "WRITE"}
    held = set()
    for name, path in paths.items():
        with suppress(OSError):
            if str(path.stat().st_ino) in numbers:
                held.add(name)
    return held


def sees_all_processes(namespace: Path = PROCESSES) -> bool:
    """Whether the locks of every process on this machine are listed here: in a container those of others are not."""
    try:
        return namespace.stat().st_ino == _ALL_PROCESSES
    except OSError:
        return False


def numbers_held(store: Store, numbers: Mapping[str, int]) -> set[str]:
    """The names of those numbers that a session of a PostgreSQL store has locked."""
    held = {number for (number,) in store._query(_HELD_SQL)}
    return {name for name, number in numbers.items() if number in held}
