"""PostgreSQL as it is set up elsewhere: encodings, settings of roles and environments, poolers, names."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from urllib.parse import parse_qs, quote, urlsplit

import psycopg
import pytest

from projections.views.database import open_views
from replay.errors import NoStoreError, UsageError
from replay.integrity.verify import verify
from replay.store.opening import create_store, open_store
from replay.store.postgres_sessions import PINNED, connected
from tests.support.making import ingest_events, paid, records

ODD = {
    "client_encoding": "LATIN1",
    "standard_conforming_strings": "off",
    "search_path": "pg_temp",
    "DateStyle": "German",
    "TimeZone": "Asia/Kolkata",
    "bytea_output": "escape",
    "default_transaction_isolation": "serializable",
    "statement_timeout": "5s",
    "idle_in_transaction_session_timeout": "5s",
    "lock_timeout": "1ms",
    "synchronous_commit": "off",
    "quote_all_identifiers": "on",
    "client_min_messages": "error",
}
EVENTS = [paid("o-1", actor="客服 \\ 'ß'"), paid("o-2", buyer="b-2", actor="Zoë")]


def use_everything(location: str, folder: Path) -> None:
    """A ledger, its verification and its views; what was recorded is known again."""
    create_store(location)
    with open_store(location) as store:
        ingest_events(store, EVENTS, folder)
        again, _ = ingest_events(store, EVENTS, folder)
        assert (again.known, again.refused) == (2, 0)
        assert verify(store).problems == []
        assert "客服".encode() in records(store)[0]
        with open_views(store, make=True) as views, views.reading() as connection:
            shown = {name: connection.exec_driver_sql(f"SHOW {name}").scalar_one() for name in PINNED}
            assert connection.exec_driver_sql("SHOW client_encoding").scalar_one() == "UTF8"
    assert shown == PINNED


def test_what_a_database_sets_changes_nothing(postgres_location: str, tmp_path: Path) -> None:
    with psycopg.connect(postgres_location, autocommit=True) as owner:
        for name, value in ODD.items():
            owner.execute(f"ALTER DATABASE {owner.info.dbname} SET {name} = '{value}'".encode())
    use_everything(postgres_location, tmp_path)


def test_what_the_environment_sets_changes_nothing(
    postgres_location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    options = " ".join(f"-c {name}={value}" for name, value in ODD.items() if name != "client_encoding")
    monkeypatch.setenv("PGOPTIONS", options)
    use_everything(postgres_location, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("by", ["url", "environment"])
def test_options_are_honoured_beside_ours(
    postgres_location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    """`role=` was ignored: the owner recorded."""
    create_store(postgres_location)
    options = "-c role=options_of_test -c statement_timeout=5s"
    named = f"{postgres_location}&options={quote(options)}" if by == "url" else postgres_location
    with psycopg.connect(postgres_location, autocommit=True) as owner:
        owner.execute("CREATE ROLE options_of_test")
        try:
            owner.execute("GRANT USAGE ON SCHEMA levelbook TO options_of_test")
            owner.execute("GRANT SELECT ON ALL TABLES IN SCHEMA levelbook TO options_of_test")
            if by == "environment":
                monkeypatch.setenv("PGOPTIONS", options)
            with open_store(named) as store:
                assert list(store._query("SELECT current_user, current_setting('statement_timeout')")) == [
                    ("options_of_test", "0")
                ]
            with connected(named, application="views", lock_seconds=1, search_path="pg_catalog") as other:
                assert other.execute("SELECT current_user").fetchone() == ("options_of_test",)
        finally:
            monkeypatch.delenv("PGOPTIONS", raising=False)
            owner.execute("DROP OWNED BY options_of_test")
            owner.execute("DROP ROLE options_of_test")


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_of_another_encoding_is_refused_before_anything_is_made(
    postgres_server: str, postgres_location: str, encoding: str
) -> None:
    name = f"other_{encoding.lower()}"
    with psycopg.connect(postgres_server, autocommit=True) as owner:
        made = f"CREATE DATABASE {name} ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
        owner.execute(made.encode())
        try:
            location = postgres_server.replace("/postgres?", f"/{name}?")
            for use in (create_store, open_store):
                with pytest.raises(UsageError, match=f" has the encoding {encoding}, in which texts of records cannot"):
                    use(location)
            with psycopg.connect(location) as inside:
                found = inside.execute("SELECT count(*) FROM pg_namespace WHERE nspname = 'levelbook'").fetchone()
            assert found == (0,)
        finally:
            owner.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.mark.parametrize(
    "location",
    [
        *("host=db dbname=levels", " dbname = levels", "service=levels", "postgres:db", "POSTGRESQL://db/levels"),
        *(
            "mysql:db",
            "mysql://db/levels",
            "sqlite:///levels.db",
            "postgresql+asyncpg://db/levels",
            "jdbc:postgresql:db",
        ),
    ],
)
def test_no_other_name_of_a_database_becomes_a_file(
    location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for use in (create_store, open_store):
        with pytest.raises(UsageError, match=r"the store (is named by a connection string of another form|'.*:…' is)"):
            use(location)
    assert list(tmp_path.iterdir()) == []


def test_paths_with_such_letters_are_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for location in ("./host=db", "./mysql:db", "year=2022.db", "a:b"):
        with pytest.raises(NoStoreError):
            open_store(location)


# --- behind a pooler --------------------------------------------------------------------------------------------------


def pooled(server: socket.socket, client: socket.socket, *, keeps_sessions: bool) -> None:
    """Hand on what both say as a pooler does: the server's process is told under another number, and where sessions
    are not kept, the one behind is left clean after each transaction."""
    inward = threading.Thread(target=_copy, args=(client, server), daemon=True)
    with client, server, server.makefile("rb") as stream:
        _hand_on(stream, server, client, inward, keeps_sessions=keeps_sessions)
        if inward.is_alive():
            inward.join()


def _hand_on(
    stream: BinaryIO, server: socket.socket, client: socket.socket, inward: threading.Thread, *, keeps_sessions: bool
) -> None:
    started, discarding = False, False
    while head := stream.read(5):
        kind, length = struct.unpack("!cI", head)
        body = stream.read(length - 4)
        if kind == b"K":
            body = struct.pack("!I", 4_000_000) + body[4:]
        ends = kind == b"Z" and body == b"I"
        if ends and started and not discarding and not keeps_sessions:
            discarding = True  # the client hears that the transaction is over when the session is clean
            server.sendall(b"Q" + struct.pack("!I", 16) + b"DISCARD ALL\0")
            continue
        discarding = discarding and not ends
        if not discarding:
            client.sendall(head + body)
        if ends and not started:
            started = True
            inward.start()


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65_536):
            target.sendall(data)
        target.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # the other side was first


@contextmanager
def pooler(location: str, *, keeps_sessions: bool) -> Iterator[str]:
    """The URL of a pooler before the database of a URL."""
    url = urlsplit(location)
    path = f"{parse_qs(url.query)['host'][0]}/.s.PGSQL.{url.port or 5432}"
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    client, _ = listening.accept()
                except OSError:
                    return
                server = socket.socket(socket.AF_UNIX)
                server.connect(path)
                server.sendall(client.recv(65_536))  # who begins the session, in one piece
                threading.Thread(
                    target=pooled, args=(server, client), kwargs={"keeps_sessions": keeps_sessions}, daemon=True
                ).start()

        threading.Thread(target=serve, daemon=True).start()
        port = listening.getsockname()[1]
        yield f"postgresql://{url.username}@127.0.0.1:{port}{url.path}?sslmode=disable&gssencmode=disable"


def test_a_pooler_of_transactions_is_refused_by_name(postgres_location: str) -> None:
    with pooler(postgres_location, keeps_sessions=False) as location:
        for use in (create_store, open_store):
            with pytest.raises(UsageError, match=" is reached through a pooler that gives each transaction another"):
                use(location)
    with pytest.raises(NoStoreError):
        open_store(postgres_location)


@pytest.mark.slow
def test_a_pooler_of_sessions_is_taken(postgres_location: str, tmp_path: Path) -> None:
    with pooler(postgres_location, keeps_sessions=True) as location:
        use_everything(location, tmp_path)
