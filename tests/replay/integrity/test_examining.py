"""Nothing that examines writes to what it examines, and what cannot be written down is not answered."""

import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from projections.http import authentication as askers
from projections.http.scopes import SCOPES
from projections.http.settings import Settings
from projections.http.token_store import Keeping, open_keeping, service_path
from projections.reading import points
from projections.server import serve
from projections.views.database import open_views
from replay.errors import DamagedError, StoreError
from replay.store.base.store import Store
from replay.store.location import is_postgres
from replay.store.opening import create_store, open_store
from replay.store.sqlite import SqliteStore
from tests.support.making import ingest_events, paid
from tests.support.running import run
from tests.support.serving import demo_ledger, serving

LEVEL = "/v1/subjects/merchant/tea-house/levels/merchant-reputation"
EXPLANATION = "/v1/subjects/merchant/tea-house/explanation"
SUBJECT = "merchant/tea-house"
ENDLESS_LAG = 10**12
NOW = 1_700_000_000_000_000
EXAMINING = (
    ["status"],
    ["verify"],
    ["head"],
    ["accesses"],
    ["token", "list"],
    ["events", SUBJECT],
    ["replay", SUBJECT],
    ["explain", SUBJECT],
    ["leaderboard", "growth", "--month", "2023-04"],
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's ledger with views, in a SQLite file that nobody has open."""
    folder = tmp_path_factory.mktemp("made")
    demo_ledger(str(folder / "ledger.db"), folder)
    return folder


@pytest.fixture
def ledger(made: Path, tmp_path: Path) -> str:
    for path in made.glob("ledger.db*"):
        shutil.copy(path, tmp_path / path.name)
    return str(tmp_path / "ledger.db")


@pytest.fixture
def read_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing may be written in any folder, as for one who is not root."""
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK and real(path, mode))


def files(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    return {
        path.name: (path.stat().st_mtime_ns, path.stat().st_ino, path.read_bytes())
        for path in folder.iterdir()
        if path.suffix != ".checks"
    }


# --- nothing is made, nothing is changed ------------------------------------------------------------------------------


def test_examining_leaves_every_file_as_it_was(ledger: str, tmp_path: Path) -> None:
    before = files(tmp_path)
    for words in EXAMINING:
        run(*words, "--store", ledger)
        assert files(tmp_path) == before, words
    with serving(Settings(ledger, ready_lag_seconds=ENDLESS_LAG)) as client:
        assert client.get(LEVEL).status_code == 200
        assert client.get("/operations").status_code == 200
        assert client.get("/readyz").status_code == 200
    assert files(tmp_path) == before


def test_a_log_that_a_killed_process_left_stays_as_it_is(ledger: str, tmp_path: Path) -> None:
    """Whoever only looks does not carry it into the file."""
    killed = tmp_path / "killed"
    killed.mkdir()
    with open_store(ledger) as store, open_views(store, make=True) as views, open_keeping(store) as keeping:
        keeping.note_access(NOW, None, "explanation", SUBJECT, None)
        with store.writing() as transaction:
            transaction.execute("INSERT INTO tally (type, count) VALUES ('x', 1)")
            transaction.execute("DELETE FROM tally WHERE type = 'x'")
        with views.moving() as connection:
            live = views.live(connection)
            views.note(connection, live.build, moved_at=live.moved_at + 1)
        for path in tmp_path.glob("ledger.db*"):
            shutil.copy(path, killed / path.name)
    logs = sorted(path.name for path in killed.glob("*-wal") if path.stat().st_size)
    assert logs == ["ledger.db-wal", "ledger.db.service-wal", "ledger.db.views-wal"]
    before = {name: found for name, found in files(killed).items() if not name.endswith("-shm")}
    for words in EXAMINING:
        run(*words, "--store", str(killed / "ledger.db"))
    after = {name: found for name, found in files(killed).items() if not name.endswith("-shm")}
    assert after == before
    assert "without a token  explanation" in run("accesses", "--store", str(killed / "ledger.db"))


def test_where_nothing_was_noted_that_is_told_and_nothing_is_made(location: str, tmp_path: Path) -> None:
    demo_ledger(location, tmp_path, with_views=False)
    assert run("accesses", "--store", location).startswith("nothing was noted: ")
    assert run("token", "list", "--store", location) == "there is no token; 'levelbook token new' makes the first\n"
    assert json.loads(run("accesses", "--store", location, "--format", "json")) == []
    assert json.loads(run("token", "list", "--store", location, "--format", "json")) == []
    assert "there is no token 1; " in run("token", "revoke", "1", "--store", location, status=2)
    assert "the tables of the service are not there: nothing was ever noted" in run("verify", "--store", location)
    if is_postgres(location):
        with psycopg.connect(location) as connection:
            assert connection.execute("SELECT to_regnamespace('levelbook_service')").fetchone() == (None,)
    else:
        assert not Path(f"{location}.service").exists()
        Path(f"{location}.service").touch()  # as a kill between two steps of making it may leave it
        assert run("accesses", "--store", location).startswith("nothing was noted: ")


# --- serving without a right to write ---------------------------------------------------------------------------------


@pytest.fixture
def unwritable(location: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The demo's ledger as one sees it who may read and not write."""
    demo_ledger(location, tmp_path)
    if not is_postgres(location):
        request.getfixturevalue("read_only")
        request.getfixturevalue("monkeypatch").setattr("replay.store.beside.open_private", _refuse)
        yield location
        return
    with psycopg.connect(location, autocommit=True) as connection:
        connection.execute("CREATE ROLE only_reads LOGIN")
        connection.execute("GRANT USAGE ON SCHEMA levelbook, levelbook_views TO only_reads")
        connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA levelbook, levelbook_views TO only_reads")
        yield location.replace("//postgres:", "//only_reads:", 1)
        connection.execute("DROP OWNED BY only_reads; DROP ROLE only_reads")


def _refuse(path: Path, flags: int) -> int:
    raise PermissionError(13, "Permission denied", str(path))


@pytest.mark.slow
def test_levels_are_served_where_nothing_may_be_written(
    unwritable: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(unwritable, ready_lag_seconds=ENDLESS_LAG)
    before = sorted(path.name for path in tmp_path.iterdir())
    with open_store(unwritable) as store:
        serve._check_kept(store, settings)
        told = capsys.readouterr().err
        assert told.startswith("explanations and decisions are not answered, for who asks cannot be written down: ")
        with pytest.raises(StoreError) as caught:
            serve._check_kept(store, settings._replace(token_required=True))
    if is_postgres(unwritable):
        assert "tokens and accesses, and it cannot be made: " in str(caught.value)
        assert "permission denied for database" in str(caught.value)
        assert (
            ". Let who made the ledger run 'levelbook token new', and this one be granted what"
            " docs/how-to/postgresql.md says" in str(caught.value)
        )
    else:
        assert "ledger.db.service, cannot be written: Permission denied" in str(caught.value)
    with serving(settings) as client:
        for path in (LEVEL, f"{LEVEL}?as_of=2022-12-16", "/v1/levels", "/readyz", "/operations", "/v1/changes"):
            answer = client.get(path)
            assert answer.status_code == 200, (path, answer.text)
        assert client.get(LEVEL, headers={"Cookie": "levelbook_session=of-before"}).status_code == 200
        assert client.get(LEVEL, headers={"Authorization": "Bearer levelbook_nobody"}).status_code == 401
        for path in (EXPLANATION, "/v1/subjects/merchant/tea-house/decisions"):
            answer = client.get(path)
            assert (answer.status_code, answer.json()["type"]) == (503, "urn:levelbook:problem:not-written-down")
            assert "written down before it is answered, and that cannot be done now: " in answer.json()["detail"]
        assert client.get("/subjects/merchant/tea-house/why", headers={"Accept": "text/html"}).status_code == 503
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_a_revocation_holds_where_the_service_may_only_read(
    ledger: str, read_only: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is one that SQLite was told not to change, until another process begins to write."""
    monkeypatch.setattr(askers, "KNOWN_SECONDS", -1)
    path = Path(f"{ledger}.service")
    with open_store(ledger) as store:
        monkeypatch.undo()
        monkeypatch.setattr(askers, "KNOWN_SECONDS", -1)
        with open_keeping(store) as keeping:
            number, token = keeping.new_token("w", SCOPES, 1_000, NOW)
    real = os.access
    monkeypatch.setattr(os, "access", lambda place, mode: mode != os.W_OK and real(place, mode))
    with serving(Settings(ledger, token_required=True)) as client:
        shown = {"Authorization": f"Bearer {token}"}
        assert client.get(LEVEL, headers=shown).status_code == 200
        raw = sqlite3.connect(path)
        raw.execute("UPDATE tokens SET revoked_at = 1 WHERE number = ?", (number,))
        raw.commit()
        assert client.get(LEVEL, headers=shown).status_code == 401
        raw.close()


# --- what is written down is read back --------------------------------------------------------------------------------

_ON_INSERT = "ON {s}.{table} FOR EACH ROW EXECUTE FUNCTION {s}.quiet()"
_FUNCTION = "CREATE FUNCTION {s}.quiet() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
_DEFERRED = "CREATE CONSTRAINT TRIGGER quiet AFTER INSERT ON {s}.{table} DEFERRABLE INITIALLY DEFERRED"
_ALTERS = "UPDATE {table} SET {column} = 'x' WHERE rowid = NEW.rowid"
QUIET = {
    "sqlite": (
        "CREATE TRIGGER quiet BEFORE INSERT ON {table} BEGIN SELECT RAISE(IGNORE); END",
        f"DROP TRIGGER accesses_never_updated; CREATE TRIGGER quiet AFTER INSERT ON {{table}} BEGIN {_ALTERS}; END",
    ),
    "postgres": (
        f"{_FUNCTION} RETURN NULL; END $$; CREATE TRIGGER quiet BEFORE INSERT {_ON_INSERT}",
        "CREATE RULE quiet AS ON INSERT TO {s}.{table} DO INSTEAD NOTHING",
        f"{_FUNCTION} NEW.{{column}} = 'x'; RETURN NEW; END $$; CREATE TRIGGER quiet BEFORE INSERT {_ON_INSERT}",
        (
            "DROP TRIGGER accesses_never_changed ON {s}.accesses;"
            f"{_FUNCTION} DELETE FROM {{s}}.{{table}} WHERE number = NEW.number; RETURN NULL; END $$;"
            f"{_DEFERRED} FOR EACH ROW EXECUTE FUNCTION {{s}}.quiet()"
        ),
    ),
}
SWALLOWED = [(kind, number) for kind, scripts in QUIET.items() for number in range(len(scripts))]


def in_service(store: Store, script: str) -> None:
    if isinstance(store, SqliteStore):
        raw = sqlite3.connect(service_path(store))
        raw.executescript(script)
        raw.close()
        return
    with psycopg.connect(store.location, autocommit=True) as connection:
        connection.execute(script.encode())


@pytest.mark.slow
@pytest.mark.parametrize(("location", "number"), SWALLOWED, indirect=["location"])
def test_an_access_that_the_database_swallows_is_not_answered(location: str, number: int, tmp_path: Path) -> None:
    create_store(location)
    with open_store(location) as store:
        ingest_events(store, [paid("o-1", subject=SUBJECT)], tmp_path)
    script = QUIET["postgres" if is_postgres(location) else "sqlite"][number]
    with open_store(location) as store, open_keeping(store) as keeping, serving(Settings(location)) as client:
        assert client.get(EXPLANATION).status_code == 200
        in_service(store, script.format(s="levelbook_service", table="accesses", column="subject"))
        answer = client.get(EXPLANATION)
        assert answer.status_code == 503, "the service was open already, so that no definition was looked at again"
        assert answer.json()["type"].endswith(":not-written-down")
        assert [access.subject for access in keeping.accesses(None)] == [SUBJECT]


ENDS: dict[str, Callable[[Keeping, int, str], object]] = {
    "a row of sessions that was ended is still there": lambda keeping, _, secret: keeping.end_session(secret),
    "a row of tokens that was ended is still there": lambda keeping, number, _: keeping.revoke(number, NOW),
}
STAYS = {
    "sqlite": "CREATE TRIGGER quiet BEFORE {verb} ON {table} BEGIN SELECT RAISE(IGNORE); END",
    "postgres": "CREATE RULE quiet AS ON {verb} TO levelbook_service.{table} DO INSTEAD NOTHING",
}


@pytest.mark.parametrize("told", ENDS)
def test_what_was_to_end_and_does_not_is_told(store: Store, location: str, told: str) -> None:
    with open_keeping(store) as keeping:
        number, token = keeping.new_token("w", SCOPES, 1_000, NOW)
        found = keeping.token_of(token)
        assert found is not None
        secret = keeping.begin_session(found, NOW)
        table = told.split()[3]
        verb = "UPDATE" if table == "tokens" else "DELETE"
        in_service(store, STAYS["postgres" if is_postgres(location) else "sqlite"].format(verb=verb, table=table))
        with pytest.raises(
            StoreError, match=f"is not written as it was told: {told}. A trigger or rule stands on a table"
        ):
            ENDS[told](keeping, number, secret)
        assert keeping.token_of_session(secret, NOW) == found, "whole or without trace"


def test_a_token_that_is_swallowed_is_not_handed_out(store: Store, location: str) -> None:
    script = QUIET["postgres" if is_postgres(location) else "sqlite"][0]
    with open_keeping(store) as keeping:
        in_service(store, script.format(s="levelbook_service", table="tokens", column="name"))
        with pytest.raises(StoreError, match="a row of tokens is not there, or another one"):
            keeping.new_token("w", SCOPES, 1_000, NOW)


REDEFINED = {
    "CREATE TRIGGER quiet BEFORE INSERT ON {0}accesses {1}": "the trigger quiet of accesses is none that levelbook",
    "DROP TRIGGER accesses_never_{2}d{3}": "the trigger accesses_never_{2}d of accesses is missing",
    "ALTER TABLE {0}tokens ADD COLUMN more text": " is ",
}


@pytest.mark.slow
@pytest.mark.parametrize("script", REDEFINED)
def test_tables_that_are_defined_otherwise_are_named_and_not_served(
    store: Store, location: str, tmp_path: Path, script: str
) -> None:
    ingest_events(store, [paid("o-1", subject=SUBJECT)], tmp_path)
    run("token", "new", "--name", "w", "--store", location)
    told = run("verify", "--store", location)
    assert "the tables of the service are defined as levelbook makes them" in told
    if is_postgres(location):
        words = "levelbook_service.", "FOR EACH ROW EXECUTE FUNCTION levelbook_service.refuse_change()", "change"
        words = (*words, " ON levelbook_service.accesses")  # type: ignore[assignment]
    else:
        words = "", "BEGIN SELECT 1; END", "update", ""  # type: ignore[assignment]
    in_service(store, script.format(*words))
    told = run("verify", "--store", location, status=8)
    assert ": the ledger is sound" in told.splitlines()[0]
    assert f"\nservice: {REDEFINED[script].format(*words) if script[0] != 'A' else ''}" in told
    assert "the tables of the service are NOT defined as levelbook makes them" in told
    assert (
        json.loads(run("verify", "--store", location, "--format", "json", status=8))["verdicts"]["service"]
        == "not sound"
    )
    assert ", service not sound  levelbook" in run("verify", "--list", "--store", location).splitlines()[-2]
    with pytest.raises(DamagedError, match="is not defined as levelbook makes it, and could lose what is written down"):
        serve._check_kept(store, Settings(location))
    with serving(Settings(location)) as client:
        assert client.get(EXPLANATION).status_code == 503


# --- files that cannot be agreed upon ---------------------------------------------------------------------------------


def test_a_ledger_that_changes_while_it_is_read_as_one_that_does_not_is_not_judged(
    ledger: str, read_only: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def touched(*given: object) -> list[str]:
        with Path(ledger).open("r+b") as file:
            file.seek(0, os.SEEK_END)
            file.write(bytes(4_096))
        return ["the database is damaged: as one sees it who reads halves of two moments"]

    monkeypatch.setattr(SqliteStore, "row_problems", touched)
    told = run("verify", "--store", ledger, status=3)
    assert "sound" not in told and f"the ledger {ledger} changed while it was read, and in its folder nothing" in told
    assert not Path(f"{ledger}.checks").exists(), "there is nothing to be kept"


def test_an_answer_from_a_ledger_that_changed_meanwhile_is_not_given(
    ledger: str, read_only: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = SqliteStore.now

    def touched(store: SqliteStore) -> int:
        os.utime(ledger, ns=(NOW * 1_000, NOW * 1_000))
        return now(store)

    monkeypatch.setattr(SqliteStore, "now", touched)
    told = run("replay", SUBJECT, "--store", ledger, status=3)
    assert "points" not in told and " changed while it was read" in told


def test_views_that_change_meanwhile_are_not_accused(
    ledger: str, read_only: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def touched(*_: object) -> list[str]:
        os.utime(f"{ledger}.views", ns=(NOW * 1_000, NOW * 1_000))
        return ["views: as one sees them who reads halves of two moments"]

    monkeypatch.setattr("projections.projector.check.views_differ", touched)
    told = run("verify", "--store", ledger, status=3)
    assert "the ledger is sound" in told and "views could not be compared" in told and "NOT" not in told
    assert f"the file of the views {ledger}.views changed while it was read" in told


@pytest.mark.parametrize("look_again_seconds", [0, 3_600])
def test_a_service_reads_anew_what_was_changed_meanwhile(
    ledger: str, read_only: None, monkeypatch: pytest.MonkeyPatch, look_again_seconds: int
) -> None:
    """Also what was changed since the event loop last looked whether it reads what stands there."""
    monkeypatch.setattr(points, "LOOK_AGAIN_SECONDS", look_again_seconds)
    paths = LEVEL, f"{LEVEL}?as_of=2022-12-16", "/v1/levels"
    with serving(Settings(ledger, ready_lag_seconds=ENDLESS_LAG)) as client:
        assert [client.get(path).status_code for path in paths * 2] == [200] * 6
        for second, order in enumerate((paths, paths[::-1])):
            for changed in (ledger, f"{ledger}.views"):
                os.utime(changed, ns=(NOW * 1_000, (NOW + second) * 1_000))
                assert [client.get(path).status_code for path in order * 2] == [200] * 6, (changed, order)
