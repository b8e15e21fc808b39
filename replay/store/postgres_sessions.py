"""Connections to PostgreSQL whose sessions are the same wherever the database is set up, and by whom.

Roles, databases, the environment (PGOPTIONS, PGCLIENTENCODING) and the URL's own `options` may all set what a session
begins with; what records, answers and checks depend on is set after them, in one statement, in every connection.
"""

import secrets
from typing import Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict

from replay.errors import UsageError
from replay.store.location import masked

SERVER_VERSION_MIN: Final = 150_000
TRANSACTION_TIMEOUT_SINCE: Final = 170_000
LOSS_NOTICED: Final[dict[str, Any]] = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
"""In seconds, but for `tcp_user_timeout`, in milliseconds: a server that vanished is noticed within a minute."""
PINNED: Final = {
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "bytea_output": "hex",
    "client_min_messages": "notice",
    "default_transaction_isolation": "read committed",
    "extra_float_digits": "1",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    "quote_all_identifiers": "off",
    "row_security": "off",  # a policy that would hide rows is an error instead
    "standard_conforming_strings": "on",
    "statement_timeout": "0",
    "synchronous_commit": "on",
    "transform_null_equals": "off",
}


def connected(location: str, *, application: str, lock_seconds: float, search_path: str) -> psycopg.Connection:
    """A connection in autocommit to the database of a postgresql:// URL, its session set as this program needs it.

    Raises psycopg.Error; UsageError for a URL that is none, a server before 15, a database that does not keep UTF-8,
    and a pooler that gives a connection another session for each transaction.
    """
    if location.count("@") > 1:
        # The server's library would split at another '@', and repeat a part of the password.
        raise UsageError(f"{masked(location)} has more than one '@'; write %40 for one in a password")
    url = location.replace("postgresql+psycopg://", "postgresql://", 1)
    try:
        connection = psycopg.connect(
            url, autocommit=True, **noticing_loss(url), application_name=application, client_encoding="UTF8"
        )
    except psycopg.ProgrammingError:
        # Its text may repeat the password.
        raise UsageError(f"{masked(location)} is not a URL that PostgreSQL understands; check it") from None
    try:
        _check_server(connection, masked(location))
        _pin(connection, {"lock_timeout": f"{lock_seconds}s", "search_path": search_path})
        if _backend(connection) != connection.info.backend_pid:
            _check_pooler(connection, url, masked(location))
    except BaseException:
        connection.close()
        raise
    return connection


def noticing_loss(url: str) -> dict[str, Any]:
    """Parameters by which a server that answers no more is noticed, as far as its URL does not name them itself."""
    given = conninfo_to_dict(url)
    return {name: value for name, value in LOSS_NOTICED.items() if name not in given}


def _check_server(connection: psycopg.Connection, name: str) -> None:
    if connection.info.server_version < SERVER_VERSION_MIN:
        raise UsageError(f"{name} runs a PostgreSQL older than 15; use 15 or later")
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise UsageError(
            f"the database {name} has the encoding {encoding}, in which texts of records cannot be kept; make one by"
            " CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0, and name that"
        )


def _pin(connection: psycopg.Connection, more: dict[str, str]) -> None:
    settings = PINNED | more
    if connection.info.server_version >= TRANSACTION_TIMEOUT_SINCE:
        settings["transaction_timeout"] = "0"
    calls = ", ".join(["set_config(%s, %s, false)"] * len(settings))
    connection.execute(f"SELECT {calls}".encode(), [text for pair in settings.items() for text in pair])


def _backend(connection: psycopg.Connection) -> int:
    """The number of the server's process that answers; a pooler tells a client another one."""
    row = connection.execute("SELECT pg_backend_pid()").fetchone()
    assert row is not None
    return int(row[0])


def _check_pooler(connection: psycopg.Connection, url: str, name: str) -> None:
    """Raises UsageError when the session is not the connection's own: what is set in it is lost, or seen by others."""
    mark = secrets.token_hex(8)
    connection.execute("SELECT set_config('levelbook.session', %s, false)", (mark,))
    row = connection.execute("SELECT current_setting('levelbook.session', true)").fetchone()
    kept = row == (mark,)
    if kept:
        with psycopg.connect(url, autocommit=True) as other:
            kept = _backend(other) != _backend(connection)
    if not kept:
        raise UsageError(
            f"{name} is reached through a pooler that gives each transaction another session, so that locks and"
            " settings are lost between two of them; connect past it, or let it pool sessions"
            " (pgbouncer: pool_mode=session)"
        )
