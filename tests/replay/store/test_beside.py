"""What lies beside a store: files of exactly its name, whatever letters that has, for its owner alone."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from projections.http.settings import Settings
from projections.reading.point_reads import SqlitePoints
from projections.views.database import open_views
from replay.store.opening import open_store
from replay.store.sqlite import SqliteStore
from tests.support.making import event, paid, write_lines
from tests.support.running import run
from tests.support.serving import demo_ledger, serving

AWKWARD = (
    ("shop#1.db", "shop#2.db"),
    ("ledger.db?old=1&mode=memory", "ledger.db"),
    ("x%41%2f.db", "xA.db"),
    ("x/file:a.db", "x/:memory:"),
    ("d#e?f%42 g:h/file:店 铺#?%23.db", "d#e?f%42 g:h/ .db"),
)
"""Names of two stores that must stay apart."""


def files_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    """The umask that a test was parametrized with, while it runs."""
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@pytest.mark.slow
@pytest.mark.parametrize("names", AWKWARD, ids=lambda names: names[0])
def test_every_command_uses_the_files_of_exactly_the_store_that_was_named(
    names: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / names[0]).parent.mkdir(exist_ok=True)
    ours, other = names[0], str(tmp_path / names[1])
    opens = event("merchant.onboarded", "m-1-opens", category="tea")
    write_lines(Path("events.jsonl"), [opens, paid("o-1"), event("creator.registered", "c-1", subject="creator/c-1")])
    for store in (ours, other):
        run("ingest", "events.jsonl", "--store", store)
    run("token", "new", "--name", "one", "--store", ours)
    assert "one" in run("token", "list", "--store", ours)
    assert "one" not in run("token", "list", "--store", other)
    assert run("accesses", "--store", ours) == run("accesses", "--store", other)
    for line in ("seal", "rebuild", "follow --once", "retry", "rebuild --abort", "verify", "status"):
        run(*line.split(), "--store", ours)
    run("backup", f"{names[0]}.copy", "--store", ours)
    run("verify", "--store", f"{names[0]}.copy")
    run("seal", "--store", ours, "--segments", f"{names[0]}.parquet")
    with serving(Settings(ours)) as client:
        assert client.get("/v1/subjects/merchant/m-1/levels").json()["levels"]
        assert client.get("/v1/subjects/merchant/m-1/explanation").status_code == 200
    with open_store(ours) as opened:
        assert isinstance(opened, SqliteStore)
        SqlitePoints(opened).close()
    allowed = (names[0], names[1], "events.jsonl")
    assert [file for file in files_in(tmp_path) if not file.startswith(allowed)] == []
    made = {file.removeprefix(names[0]) for file in files_in(tmp_path) if file.startswith(names[0])}
    assert {"", ".key", ".views", ".service", ".copy"} <= made
    without = {file for file in files_in(tmp_path) if file.startswith(names[1]) and not file.startswith(names[0])}
    assert {names[1], f"{names[1]}.key"} <= without
    assert not {f"{names[1]}.views", f"{names[1]}.service"} & without, "and listing tokens makes nothing"


@pytest.mark.slow
@pytest.mark.parametrize("umask", [0o000, 0o277], indirect=True)
def test_whatever_lies_beside_a_ledger_is_for_its_owner_alone(umask: int, tmp_path: Path) -> None:
    """Also what SQLite makes itself while somebody reads, under any umask."""
    location = str(tmp_path / "ledger.db")
    demo_ledger(location, tmp_path)
    (tmp_path / "wrong.jsonl").write_text("{}\n")
    run("ingest", str(tmp_path / "wrong.jsonl"), "--store", location, "--rejects", f"{location}.rejects", status=1)
    run("token", "new", "--name", "one", "--store", location)
    run("seal", "--store", location)
    run("backup", f"{location}.copy", "--store", location)
    with (
        open_store(location) as store,
        store.backfilling(),
        store.append(),
        open_views(store) as views,
        views.alone("follow"),
        views.moving() as connection,
        serving(Settings(location)) as client,
    ):
        connection.execute(text("CREATE TABLE more (one INTEGER)"))
        assert client.get("/v1/subjects/merchant/tea-house/levels").status_code == 200
        paths = [path for path in tmp_path.rglob("*") if path.is_file() and "ledger.db" in str(path)]
        modes = {str(path.relative_to(tmp_path)): oct(path.stat().st_mode & 0o777) for path in paths}
    kinds = (".key", ".service", ".rejects", ".copy", ".backfill", ".views.follow", ".views.rebuild")
    databases = [f"{kind}{file}" for kind in ("", ".views") for file in ("", "-wal", "-shm")]
    sealed = [f".segments/{name}" for name in ("seal.lock", "readers.lock", "manifest.json")]
    assert {f"ledger.db{suffix}" for suffix in (*kinds, *databases, *sealed)} <= set(modes)
    assert {name: mode for name, mode in modes.items() if mode != "0o600"} == {}


@pytest.mark.slow
def test_connections_that_are_in_use_when_an_engine_is_ended_are_closed_too(location: str, tmp_path: Path) -> None:
    """Views are closed while other threads read: what these give back must not lie open until it is collected."""
    demo_ledger(location, tmp_path)
    with open_store(location) as store:
        views = open_views(store, only_read=True)
        with views.reading() as first:
            with views.reading() as second:
                opened = [connection.connection.dbapi_connection for connection in (first, second)]
            views.close()
            assert first.execute(text("SELECT 1")).scalar() == 1, "who reads is not cut off"
        assert len({id(connection) for connection in opened}) == 2
        for connection in opened:
            assert connection is not None
            with pytest.raises((sqlite3.ProgrammingError, psycopg.OperationalError), match="closed"):
                connection.execute("SELECT 1")


@pytest.mark.slow
@pytest.mark.parametrize("link", [os.symlink, os.link], ids=["symbolic", "hard"])
@pytest.mark.parametrize(
    ("suffix", "words"),
    [(".views", ("rebuild",)), (".views", ("follow", "--once")), (".service", ("token", "new", "--name", "one"))],
    ids=["rebuild", "follow", "token"],
)
def test_nothing_is_made_in_the_ledger_itself_under_another_name(
    link: Callable[[str, str], None], suffix: str, words: tuple[str, ...], tmp_path: Path
) -> None:
    location = str(tmp_path / "ledger.db")
    demo_ledger(location, tmp_path, with_views=False)
    for file in tmp_path.glob(f"ledger.db{suffix}*"):
        file.unlink()
    before = (tmp_path / "ledger.db").read_bytes()
    link(location, location + suffix)
    told = run(*words, "--store", location, status=2)
    assert (
        f"{suffix} is a link to the ledger {tmp_path / 'ledger.db'} itself; nothing was written: remove the link"
        in told
    )
    assert (tmp_path / "ledger.db").read_bytes() == before
