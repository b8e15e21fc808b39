"""kill -9 at any moment of following and of rebuilding: nothing is skipped, nothing doubled, nothing begun again."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import text

from projections.projector import fill as filling
from projections.projector import many
from projections.projector import rebuild as building
from projections.projector.advance import advance
from projections.projector.follow import follow
from projections.projector.rebuild import Asked, rebuild
from projections.views.database import LIVE, Views, open_views
from replay.columnar import size
from replay.errors import StoreError
from replay.store.base.store import Store
from replay.store.opening import create_store, open_store
from tests import ROOT
from tests.conftest import SOAK
from tests.support.disks import small_disk
from tests.support.killing import killed
from tests.support.making import ingest_events
from tests.support.views import empty_live, proof_of, tables_of
from tests.worlds.ledgers import World

pytestmark = pytest.mark.kills

KILLS = 20 * SOAK


def opened(location: str, work: Callable[[Views], object]) -> Callable[[], None]:
    def run() -> None:
        with open_store(location) as store, open_views(store) as views:
            work(views)

    return run


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps and parts so small that a kill finds one under way."""
    monkeypatch.setattr(many, "FEW_AT_ONCE", 6)
    monkeypatch.setattr(filling, "SUBJECTS_AT_ONCE", 1)
    monkeypatch.setattr(filling, "RECORDS_AT_ONCE", 40)


@pytest.mark.slow
@pytest.mark.usefixtures("small_steps")
def test_following_that_is_killed_neither_skips_nor_doubles(location: str, tmp_path: Path) -> None:
    random = Random(11)
    create_store(location)
    with open_store(location) as store, open_views(store, make=True) as views:
        empty_live(views)
        ingest_events(store, World(11).events(300), tmp_path)
    kills, positions = 0, [0]
    while positions[-1] < 300 and kills < KILLS:
        kills += killed(opened(location, _follow_in_small_steps), random.randrange(20, 120) / 1000)
        with open_store(location) as store, open_views(store) as views, views.reading() as connection:
            positions.append(views.live(connection).position)
    assert kills > 3 and positions == sorted(positions)
    with open_store(location) as store, open_views(store) as views:
        follow(views, stay=False)
        assert proof_of(views).problems == []
        rebuild(views, Asked(sample=0))
        advance(views, 1, _as_of(views))
        assert tables_of(views, 1) == tables_of(views, 2)


@pytest.mark.slow
def test_steps_of_many_that_are_killed_neither_skip_nor_double(
    location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = Random(12)
    monkeypatch.setattr(size, "MANY_TO_MOVE", 0)
    monkeypatch.setattr(size, "MANY_TO_READ", 0)
    monkeypatch.setattr(size, "MANY_TO_COMPILE", 0)
    monkeypatch.setattr(many, "CHUNK_RECORDS", 20)
    create_store(location)
    with open_store(location) as store, open_views(store, make=True) as views:
        empty_live(views)
        ingest_events(store, World(12).events(340), tmp_path)
        for _ in range(4):
            advance(views, 1, events_max=10)  # what is compiled here, children have
    kills, positions = 0, [0]
    while positions[-1] < 340 and kills < KILLS:
        kills += killed(opened(location, _follow_in_steps_of_many), random.randrange(20, 250) / 1000)
        with open_store(location) as store, open_views(store) as views, views.reading() as connection:
            positions.append(views.live(connection).position)
    assert kills > 3 and positions == sorted(positions)
    monkeypatch.undo()
    with open_store(location) as store, open_views(store) as views:
        follow(views, stay=False)
        assert proof_of(views).problems == []
        rebuild(views, Asked(sample=0))
        advance(views, 1, _as_of(views))
        assert tables_of(views, 1) == tables_of(views, 2)


def _follow_in_steps_of_many(views: Views) -> None:
    with views.alone("follow"):
        while advance(views, 1, events_max=15).build.position < views.store.head().position:
            pass


def _follow_in_small_steps(views: Views) -> None:
    with views.alone("follow"):
        while advance(views, 1, events_max=6).build.position < views.store.head().position:
            pass


def _as_of(views: Views) -> int:
    with views.reading() as connection:
        return views.live(connection).as_of


@pytest.mark.slow
@pytest.mark.usefixtures("small_steps")
def test_a_rebuild_that_is_killed_goes_on_from_its_last_finished_part(location: str, tmp_path: Path) -> None:
    random, world = Random(12), World(12)
    create_store(location)
    with open_store(location) as store, open_views(store, make=True) as views:
        (tmp_path / "first").mkdir()
        ingest_events(store, world.events(250), tmp_path / "first")
        rebuild(views, Asked(sample=0))
    kills, done, builds = 0, [0], set()
    while kills < KILLS:
        if not killed(opened(location, lambda views: rebuild(views, Asked())), random.randrange(10, 150) / 1000):
            break
        kills += 1
        with open_store(location) as store, open_views(store) as views:
            folder = tmp_path / f"more-{kills}"
            folder.mkdir()
            ingest_events(store, world.events(2), folder)
            with views.reading() as connection:
                for build in views.builds(connection):
                    if build.role != LIVE and build.build > 1:
                        builds.add(build.build)
                        done.append(build.done)
    assert kills > 3 and done == sorted(done)
    assert len(builds) <= 1
    with open_store(location) as store, open_views(store) as views:
        rebuild(views, Asked(sample=0))
        assert proof_of(views).problems == []


@pytest.mark.slow
def test_a_switch_that_is_killed_is_whole_or_without_trace(location: str, tmp_path: Path) -> None:
    create_store(location)
    with open_store(location) as store, open_views(store, make=True) as views:
        ingest_events(store, World(13).events(60), tmp_path)
        rebuild(views, Asked(sample=0))
    for after in range(KILLS):
        killed(opened(location, _switch_to_and_fro), 0.02 + after / 1000)
        with open_store(location) as store, open_views(store) as views, views.reading() as connection:
            live = views.live(connection)
            prefix = "" if views.schema is None else f"{views.schema}."
            shown = connection.execute(text(f"SELECT position, as_of FROM {prefix}v1_standing")).one()
            assert tuple(shown) == (live.position, live.as_of)


def _switch_to_and_fro(views: Views) -> None:
    rebuild(views, Asked(sample=0))
    while True:
        building.switch_back(views)


# --- the command ------------------------------------------------------------------------------------------------------


def started(store: Store, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "cli", *words, "--store", store.location]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_following_stays_up_shows_what_is_appended_and_stops_when_asked(
    store: Store, tmp_path: Path, number: signal.Signals
) -> None:
    (tmp_path / "one").mkdir()
    *first, last = World(14).events(21)
    ingest_events(store, first, tmp_path / "one")
    process = started(store, "follow")
    try:
        with open_views(store, make=True) as views:
            _wait_for_position(views, 20)
            ingest_events(store, [last], tmp_path)
            _wait_for_position(views, 21)
            busy = pytest.raises(StoreError, match="another 'levelbook follow' is at work on the views of ")
            with open_store(store.location) as other, open_views(other) as second, busy:
                follow(second, stay=False)
        process.send_signal(number)
        _, err = process.communicate(timeout=20)
        assert (process.returncode, err) == (0, "")
    finally:
        process.kill()
        process.wait()


def _wait_for_position(views: Views, position: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with views.reading() as connection:
            live = views.in_role(connection, LIVE)
            if live is not None and live.position >= position:
                return
        time.sleep(0.02)
    raise AssertionError("the views do not move on")


@pytest.mark.slow
def test_a_full_disk_ends_a_rebuild_with_one_clear_line_and_it_goes_on(tmp_path: Path) -> None:
    disk = tmp_path / "small"
    with small_disk(disk, "64m") as resize:
        create_store(str(disk / "ledger.db"))
        with open_store(str(disk / "ledger.db")) as store:
            ingest_events(store, World(16).events(3_000), tmp_path)
            with open_views(store, make=True) as views:
                rebuild(views, Asked(sample=0))
        used = sum(file.stat().st_size for file in disk.iterdir())
        resize(f"{used // 1024 + 100}k")
        with open_store(str(disk / "ledger.db")) as store, open_views(store) as views:
            with pytest.raises(
                StoreError,
                match="is full, or the folder in which SQLite sorts",
            ):
                rebuild(views, Asked(sample=0))
            resize("64m")
            assert rebuild(views, Asked(sample=0)).switched
            assert proof_of(views).problems == []
