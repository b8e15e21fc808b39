"""Views belong to one ledger and its clock: a restored ledger, a clock that jumped, a file that is no views."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest
from click.testing import CliRunner

from cli import main
from domain.calendar import parse_instant
from domain.limits import DAY_MICROS, HOUR_MICROS
from projections.http.settings import Settings
from projections.projector.follow import ClockJumped, follow
from projections.views.belonging import OtherHistory
from projections.views.database import Build, open_views
from replay.errors import StoreError
from replay.store.opening import create_store, open_store
from replay.store.postgres import PostgresStore
from replay.store.sqlite import SqliteStore
from tests import ROOT
from tests.support.copies import kept
from tests.support.making import ADOPTED, Event, event, ingest_events
from tests.support.running import run
from tests.support.serving import serving

IN_2031 = parse_instant("2031-01-01T00:00:00+08:00")
LEVEL = "/v1/subjects/merchant/m-0/levels/merchant-reputation"


def opened(numbers: range) -> list[Event]:
    """An event of a merchant of its own for each number."""
    return [
        event("merchant.onboarded", f"open-{number}", subject=f"merchant/m-{number}", category="tea")
        for number in numbers
    ]


def record(location: str, folder: Path, events: list[Event]) -> None:
    with open_store(location) as store:
        ingest_events(store, events, folder)


def live(location: str) -> Build:
    with open_store(location) as store, open_views(store) as views, views.reading() as connection:
        return views.live(connection)


def rated(location: str) -> set[str]:
    with open_store(location) as store, open_views(store) as views, views.reading() as connection:
        rows = connection.exec_driver_sql(f"SELECT subject FROM {views.schema + '.' if views.schema else ''}v1_levels")
        return {row.subject for row in rows}


@pytest.mark.slow
@pytest.mark.parametrize("goes_on", [False, True], ids=["shorter", "with other events since"])
def test_a_restored_ledger_is_noticed_beside_newer_views(location: str, goes_on: bool, tmp_path: Path) -> None:
    create_store(location)
    record(location, tmp_path, opened(range(5)))
    restore = kept(location)
    record(location, tmp_path, opened(range(5, 10)))
    run("follow", "--once", "--store", location)
    restore()
    if goes_on:
        record(location, tmp_path, opened(range(20, 30 + ADOPTED)))
    told = f"are of another history: they stand at position {10 + ADOPTED}, and the ledger " + (
        "bears another chain hash there" if goes_on else "ends before, at position 5"
    )
    for words in (["follow", "--once"], ["follow"], ["retry"], ["rebuild", "merchant-tier"]):
        output = run(*words, "--store", location, status=4)
        assert told in output and "'levelbook rebuild' makes views of the ledger as it is" in output
    assert live(location).position == 10 + ADOPTED
    status = run("status", "--store", location, status=1)
    assert told in status and f"position        {15 + ADOPTED if goes_on else 5}" in status
    assert told in CliRunner().invoke(main, ["verify", "--store", location]).output
    with serving(Settings(location)) as client:
        for path in (LEVEL, "/v1/levels", "/v1/changes"):
            answer = client.get(path)
            assert answer.status_code == 503 and told in answer.json()["detail"], path
        assert told in client.get("/readyz").json()["why"]
        assert client.get(f"{LEVEL}?as_of=2022-12-01").status_code == 200
        assert told in client.get("/operations").text

        assert "Not compared with the views before: the views of" in run("rebuild", "--store", location)
        run("follow", "--once", "--store", location)
        run("status", "--store", location)
        assert client.get("/readyz").json() == {"status": "ready"}
        assert client.get(LEVEL).status_code == 200
    expected = {*range(5), *(range(20, 30 + ADOPTED) if goes_on else ())}
    assert rated(location) == {f"merchant/m-{number}" for number in expected}
    assert "no former build to go back to" in run("rebuild", "--back", "--store", location, status=2)
    run("verify", "--store", location)


@pytest.mark.slow
def test_a_rebuild_that_was_under_way_over_another_history_begins_anew(location: str, tmp_path: Path) -> None:
    create_store(location)
    record(location, tmp_path, opened(range(5)))
    restore = kept(location)
    record(location, tmp_path, opened(range(5, 10)))
    run("rebuild", "--dry-run", "--store", location)
    restore()
    assert "(resumed)" not in run("rebuild", "--store", location)
    assert rated(location) == {f"merchant/m-{number}" for number in range(5)}
    run("verify", "--store", location)


@pytest.mark.slow
def test_a_former_build_of_another_history_is_not_gone_back_to(location: str, tmp_path: Path) -> None:
    create_store(location)
    record(location, tmp_path, opened(range(5)))
    restore = kept(location)
    run("follow", "--once", "--store", location)
    record(location, tmp_path, opened(range(5, 10)))
    run("rebuild", "--store", location)
    restore()
    assert "are of another history" in run("follow", "--once", "--store", location, status=4)
    assert "at position 5" in run("rebuild", "--back", "--store", location, status=4)


def followed(location: str, change: Callable[[], None]) -> BaseException | None:
    """What ends a process that follows, when something changes while it does."""
    ended: list[BaseException] = []
    stopped: list[bool] = []

    def stay() -> None:
        with open_store(location) as store, open_views(store) as views:
            try:
                follow(views, stay=True, stopped=lambda: bool(stopped))
            except Exception as error:
                ended.append(error)

    thread = Thread(target=stay)
    before = live(location).as_of
    thread.start()
    while live(location).as_of == before:
        time.sleep(0.02)
    change()
    thread.join(timeout=8)
    stopped.append(True)
    thread.join()
    return ended[0] if ended else None


@pytest.mark.slow
def test_a_database_that_is_restored_ends_a_process_that_follows(postgres_location: str, tmp_path: Path) -> None:
    create_store(postgres_location)
    record(postgres_location, tmp_path, opened(range(5)))
    restore = kept(postgres_location)
    record(postgres_location, tmp_path, opened(range(5, 10)))
    run("follow", "--once", "--store", postgres_location)
    assert isinstance(followed(postgres_location, restore), OtherHistory)
    assert live(postgres_location).position == 10 + ADOPTED


def replaced(path: Path, by: bytes | None) -> None:
    """Remove a database's files, and put another in their place where one is given."""
    for file in (path, *path.parent.glob(path.name + "-*")):
        file.unlink(missing_ok=True)
    if by is not None:
        path.write_bytes(by)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["", ".views"])
@pytest.mark.parametrize("is_removed", [True, False], ids=["removed", "replaced"])
def test_a_file_that_is_replaced_ends_a_process_that_follows(suffix: str, is_removed: bool, tmp_path: Path) -> None:
    """Nothing more is written into a file that stands there no more."""
    location = str(tmp_path / "ledger.db")
    create_store(location)
    record(location, tmp_path, opened(range(5)))
    run("follow", "--once", "--store", location)
    path = Path(location + suffix)
    found = followed(location, lambda: replaced(path, None if is_removed else path.read_bytes()))
    assert isinstance(found, StoreError) and found.exit_status == 3
    told = "was removed or replaced since it was opened" if suffix else "was replaced or removed since it was opened"
    assert told in str(found)
    if suffix:
        run("follow", "--once", "--store", location)
        run("verify", "--store", location)


@pytest.mark.slow
def test_a_process_that_follows_leaves_with_the_statuses_that_its_unit_knows(tmp_path: Path) -> None:
    """3 when the ledger is replaced, so that it is started again; 4 when views and ledger do not fit."""
    location = str(tmp_path / "ledger.db")
    create_store(location)
    record(location, tmp_path, opened(range(5)))
    restore = kept(location)
    record(location, tmp_path, opened(range(5, 10)))
    run("follow", "--once", "--store", location)
    before = live(location).as_of
    command = [sys.executable, "-m", "cli", "follow", "--store", location]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        while live(location).as_of == before:
            time.sleep(0.05)
        restore()
        _, told = process.communicate(timeout=30)
    assert (process.returncode, "look which ledger stands there" in told) == (3, True)
    assert "are of another history" in run("follow", "--store", location, status=4)


def test_what_is_recorded_is_never_written_into_a_ledger_that_was_replaced(tmp_path: Path) -> None:
    location = str(tmp_path / "ledger.db")
    create_store(location)
    record(location, tmp_path, opened(range(5)))
    restore = kept(location)
    with open_store(location) as store:
        ingest_events(store, opened(range(5, 8)), tmp_path)
        restore()
        with pytest.raises(
            StoreError, match="was removed or replaced since it was opened: the last batch was not recorded"
        ):
            ingest_events(store, opened(range(8, 10)), tmp_path)
    with open_store(location) as store:
        assert store.head().position == 5


@pytest.mark.slow
def test_views_that_followed_a_clock_into_the_future_are_told_and_have_a_way_back(
    location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_store(location)
    record(location, tmp_path, opened(range(3)))
    run("follow", "--once", "--store", location)
    with monkeypatch.context() as patch:
        for kind in (SqliteStore, PostgresStore):
            patch.setattr(kind, "now", lambda _: IN_2031)
        run("follow", "--once", "--store", location)
        run("status", "--store", location)
    told = " stand at 2030-12-31T16:00:00.000000Z, but the clock says 20"
    assert told in run("follow", "--once", "--store", location, status=3)
    status = run("status", "--store", location, status=1)
    assert told in status and " s ahead of the clock" in status
    assert told in CliRunner().invoke(main, ["verify", "--store", location]).output
    with serving(Settings(location)) as client:
        assert told in client.get("/readyz").json()["why"]
        assert told in run("rebuild", "merchant-tier", "--store", location, status=3)
        assert told in run("rebuild", "--store", location)
        assert client.get("/readyz").json() == {"status": "ready"}
    run("follow", "--once", "--store", location)
    run("verify", "--store", location)
    assert live(location).as_of < IN_2031


@pytest.mark.slow
def test_a_clock_a_little_behind_the_views_hinders_nobody(
    location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_store(location)
    record(location, tmp_path, opened(range(3)))
    run("follow", "--once", "--store", location)
    as_of = live(location).as_of
    for kind in (SqliteStore, PostgresStore):
        monkeypatch.setattr(kind, "now", lambda _: as_of - 4_900_000)
    record(location, tmp_path, opened(range(3, 6)))
    run("follow", "--once", "--store", location)
    assert (live(location).position, live(location).as_of) == (6 + ADOPTED, as_of)


@pytest.mark.slow
@pytest.mark.parametrize("jump", [23 * HOUR_MICROS, DAY_MICROS + HOUR_MICROS], ids=["a little", "by more than a day"])
def test_a_jump_of_the_clock_is_not_followed(
    jump: int, location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_store(location)
    record(location, tmp_path, opened(range(3)))
    run("follow", "--once", "--store", location)
    before = live(location).as_of
    looks = iter(range(1, 1_000))
    for kind in (SqliteStore, PostgresStore):
        now = kind.now
        monkeypatch.setattr(kind, "now", lambda store, now=now: now(store) + (jump if next(looks) > 20 else 0))
    with open_store(location) as store, open_views(store) as views:
        if jump < DAY_MICROS:
            follow(views, stay=True, stopped=lambda: live(location).as_of > before + jump)
            return
        with pytest.raises(ClockJumped, match=r" while \d+ s passed; the views were not moved. Set the clock right;"):
            follow(views, stay=True)
    assert live(location).as_of < before + HOUR_MICROS


@pytest.mark.slow
@pytest.mark.parametrize("left", [b"", b"nothing of the kind" * 1_000, None], ids=["empty", "other", "cut"])
def test_a_file_that_holds_no_views_hides_nothing_of_the_ledger(left: bytes | None, tmp_path: Path) -> None:
    location = str(tmp_path / "ledger.db")
    create_store(location)
    record(location, tmp_path, opened(range(3)))
    run("rebuild", "--store", location)
    views = tmp_path / "ledger.db.views"
    views.write_bytes(views.read_bytes()[:20_000] if left is None else left)
    status = run("status", "--store", location, status=1)
    assert f"position        {3 + ADOPTED}" in status
    assert "views unfit     the views of " in status and " rebuild" in status
    assert "none live yet" not in status
    verified = CliRunner().invoke(main, ["verify", "--store", location])
    assert verified.exit_code and "Traceback" not in verified.output and "views" in verified.output
    assert f"head {3 + ADOPTED}:" in verified.output
    if left != b"":
        views.unlink()
    run("rebuild", "--store", location)
    run("status", "--store", location)
    run("verify", "--store", location)
