"""What lies beside a store, and how it is opened: SQLite by path, engines for both databases, private files, locks;
and what either database says went wrong, in one form.

A store's derived and kept files bear its whole name and something behind it. Nothing but `connect_sqlite` turns a path
into SQLite's kind of name: a `#`, `?` or `%41` in a folder or file must lead nobody into another file.
"""

import fcntl
import os
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote

from replay.errors import BusyError, LevelbookError, NotExaminedError, UsageError
from replay.store.base.identity import KEY_BYTES

if TYPE_CHECKING:
    import psycopg
    from sqlalchemy import Engine

ALL_IN_USE: Final = "every connection to it is in use, and none was given back in time; ask again in a moment"
PRIVATE_MODE: Final = 0o600
"""Files beside a store tell what it tells: for their owner alone. SQLite gives its -wal and -shm the same mode."""
LOOK_AGAIN_SECONDS: Final = 0.02
"""After which it is looked whether a lock is free."""

UNCHANGING: Final = "ro&immutable=1"
"""The mode of a file that is read where nothing can be made beside it."""


def beside(path: Path, suffix: str) -> Path:
    """The path of what lies beside a store's file under its name and a suffix such as `.views`."""
    return path.with_name(path.name + suffix)


class FileState(NamedTuple):
    """Which file stands at a path, and as it was last changed."""

    device: int
    number: int
    size_bytes: int
    changed_at_ns: int


def state_at(path: Path) -> FileState | None:
    """The file at a path as it is now; None for none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return FileState(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


class OpenedFile:
    """A SQLite file as it was when it was opened in a mode that `reading_mode` or `examining_mode` gave."""

    def __init__(self, path: Path, mode: str) -> None:
        self._path = path
        self._state = state_at(path)
        self._is_fixed = mode == UNCHANGING

    def is_current(self) -> bool:
        """Whether who reads by it sees what stands at its path now.

        A file that SQLite was told not to change is no longer current, either, once somebody has begun to write.
        """
        state = state_at(self._path)
        if state is None or self._state is None:
            return False
        if self._is_fixed:
            return state == self._state and not beside(self._path, "-wal").exists()
        return state[:2] == self._state[:2]

    def check_unchanged(self, what: str) -> None:
        """Raises NotExaminedError where the file was changed although SQLite was told that it does not change."""
        if self._is_fixed and state_at(self._path) != self._state:
            raise NotExaminedError(
                f"{what} {self._path} changed while it was read, and in its folder nothing can be made by which readers"
                " agree with writers: what was read may be of two moments, so that nothing is said of it. Try again"
                " when nobody writes, or read a backup"
            )


def open_private(path: Path | str, flags: int) -> int:
    """A handle on a file, which is made where it is not there: for its owner alone, whatever the umask.

    Fits as the `opener` of `open`. Raises FileExistsError where `flags` say O_EXCL and something is there.
    """
    try:
        handle = os.open(path, flags | os.O_CREAT | os.O_EXCL, PRIVATE_MODE)
    except FileExistsError:
        if flags & os.O_EXCL:
            raise
        return os.open(path, flags & ~os.O_CREAT)
    os.fchmod(handle, PRIVATE_MODE)
    return handle


def make_private(path: Path, ledger: Path | None = None) -> None:
    """Make an empty private file unless something is there, which is not opened: SQLite's locks on it would drop.

    Raises UsageError where the ledger itself is there under another name: what is made anew must never be made in it.
    """
    if not path.exists():
        os.close(open_private(path, os.O_RDWR))
    elif ledger is not None and ledger.exists() and path.samefile(ledger):
        raise UsageError(f"{path} is a link to the ledger {ledger} itself; nothing was written: remove the link")


@contextmanager
def locked(path: Path, busy: Exception, *, wait_seconds: float = 0) -> Iterator[None]:
    """Hold the lock file at `path`, which stays for the next. Raises `busy` where another process holds it so long."""
    handle = open_private(path, os.O_RDWR)
    last = time.monotonic() + wait_seconds
    try:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= last:
                    raise busy from None
                time.sleep(LOOK_AGAIN_SECONDS)
        yield
    finally:
        os.close(handle)


def shared(path: Path) -> int | None:
    """A handle by which a lock file is held together with others until it is closed; None where there is no file.

    Who wants it alone, by `locked`, finds it busy meanwhile.
    """
    try:
        handle = os.open(path, os.O_RDONLY)
    except (FileNotFoundError, NotADirectoryError):
        return None
    fcntl.flock(handle, fcntl.LOCK_SH)
    return handle


def reading_mode(path: Path) -> str:
    """How a SQLite file may be opened: rw where it and its folder can be written to, else ro.

    Where nothing can be made beside it, and no process has left a log there, SQLite is told that it does not change:
    otherwise it would want to make the files by which its readers and writers agree.
    """
    if os.access(path, os.W_OK) and os.access(path.parent, os.W_OK):
        return "rw"
    return "ro" if os.access(path.parent, os.W_OK) or beside(path, "-wal").exists() else UNCHANGING


def examining_mode(path: Path) -> str:
    """How a SQLite file is opened by who changes nothing: whatever lies beside it is afterwards what it was before.

    A log that lies there stays, and nothing of it is moved into the file (ro). Where there is none, SQLite takes away
    what it made for the time of reading, which it does not when it may only read (rw, with `query_only`).
    """
    mode = reading_mode(path)
    return "ro" if mode == "rw" and beside(path, "-wal").exists() else mode


def connect_sqlite(path: Path, *, busy_seconds: float, mode: str = "rw") -> sqlite3.Connection:
    """A connection to exactly the file at `path`, which must be there; `mode` as `reading_mode` gives it.

    Transactions are begun by whoever uses it, from one thread at a time. Raises sqlite3.Error.
    """
    uri = f"file://{quote(os.fsencode(path.absolute()))}?mode={mode}"
    return sqlite3.connect(uri, uri=True, timeout=busy_seconds, isolation_level=None, check_same_thread=False)


def sqlite_engine(path: Path, *, busy_seconds: float, pragmas: Sequence[str], mode: str = "rw") -> "Engine":
    """An engine on exactly the file at `path`; each connection begins with the pragmas (`synchronous = FULL`)."""
    from sqlalchemy import QueuePool, create_engine

    def connect() -> sqlite3.Connection:
        connection = connect_sqlite(path, busy_seconds=busy_seconds, mode=mode)
        try:
            for pragma in pragmas:
                connection.execute(f"PRAGMA {pragma}")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    return create_engine("sqlite://", creator=connect, poolclass=QueuePool, pool_timeout=busy_seconds)


def postgres_engine(location: str, *, application: str, busy_seconds: float) -> "Engine":
    """An engine on the database of a postgresql:// URL; `application` is what the server calls its connections."""
    from sqlalchemy import create_engine

    from replay.store.postgres_sessions import connected

    def connect() -> "psycopg.Connection":
        # Every table is named with its schema, so that none need be searched.
        made = connected(location, application=application, lock_seconds=busy_seconds, search_path="pg_catalog")
        made.autocommit = False
        return made

    # A connection is looked at before it is used: the server may have ended it meanwhile.
    return create_engine("postgresql+psycopg://", creator=connect, pool_pre_ping=True, pool_timeout=busy_seconds)


def end_engine(engine: "Engine") -> None:
    """Close its connections: those that lie idle now, and each that is in use once it is given back."""
    from sqlalchemy import event
    from sqlalchemy.pool import ConnectionPoolEntry

    def close(_: object, entry: ConnectionPoolEntry) -> None:
        entry.close()

    event.listen(engine.pool, "checkin", close)  # its pool is forgotten by then, and nobody else would close it
    engine.dispose()


@contextmanager
def advisory_lock(engine: "Engine", number: int, busy: Exception) -> Iterator[Callable[[], None]]:
    """Hold a lock of PostgreSQL's. Raises `busy` where another process holds it.

    What it gives fails as the database does once the lock is lost: it ends with its connection.
    """
    from sqlalchemy import text
    from sqlalchemy.exc import SQLAlchemyError

    with engine.connect() as connection:
        if not connection.execute(text(f"SELECT pg_try_advisory_lock({number})")).scalar_one():
            raise busy
        connection.commit()

        def check() -> None:
            connection.execute(text("SELECT 1"))
            connection.commit()

        try:
            yield check
        finally:
            with suppress(SQLAlchemyError):  # the lock ends with the connection at the latest
                connection.execute(text(f"SELECT pg_advisory_unlock({number})"))


class Failure(NamedTuple):
    """An error of a database."""

    text: str
    """The first line of what it says."""
    sqlstate: str | None
    """PostgreSQL's code of it."""
    is_operational: bool
    """Whether the database cannot be used now: the connection was lost, its disk fails."""


def first_line(error: BaseException) -> str:
    """The first line of what an error says; its kind where it says nothing."""
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__


@contextmanager
def failures_named(named: Callable[[Failure], LevelbookError]) -> Iterator[None]:
    """Raises what `named` makes of an error of either database, through SQLAlchemy or not.

    Raises BusyError, in the same words, where every connection of an engine is in use and none is given back in time.
    """
    import psycopg
    from sqlalchemy.exc import DBAPIError
    from sqlalchemy.exc import TimeoutError as NoneGivenBack

    try:
        yield
    except NoneGivenBack as error:
        raise BusyError(str(named(Failure(ALL_IN_USE, None, True)))) from error
    except (DBAPIError, sqlite3.Error, psycopg.Error) as error:
        cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
        is_operational = isinstance(cause, sqlite3.OperationalError | psycopg.OperationalError)
        raise named(Failure(first_line(cause), getattr(cause, "sqlstate", None), is_operational)) from error


def sync(path: Path) -> None:
    """Wait until a file or folder is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def draft_beside(path: Path) -> Path:
    """A name that no other process uses, also none that was killed, for a file that is not whole yet."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")


# --- secrets: 32 bytes, as 64 hexadecimal digits


def secret_of(text: str, where: str, what: str) -> bytes:
    """The secret that a text is. Raises UsageError, which says where `what` was looked for, and shows nothing of it."""
    digits = text.strip()
    with suppress(ValueError):
        found = bytes.fromhex(digits)
        if len(digits) == KEY_BYTES * 2 and len(found) == KEY_BYTES:
            return found
    raise UsageError(f"{where} holds no {what}: 64 hexadecimal digits are needed")


def secret_in(path: Path, what: str) -> bytes:
    """The secret that a file holds. Raises OSError where it cannot be read, UsageError where it holds none."""
    return secret_of(path.read_bytes().decode("ascii", "replace"), str(path), what)


def make_secret_file(path: Path) -> None:
    """Make a file with a new secret, for its owner alone, whole or not at all; one that stands there stays."""
    draft = draft_beside(path)
    handle = open_private(draft, os.O_EXCL | os.O_WRONLY)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(KEY_BYTES) + "\n")
            file.flush()
            os.fsync(handle)
        with suppress(FileExistsError):  # left by a run that was killed, or made by one beside us
            os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    sync(path.parent)
