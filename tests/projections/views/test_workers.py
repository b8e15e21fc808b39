"""A build that several processes judge holds what one holds that a single process fills."""

import multiprocessing
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from typing import Any

import pytest

from projections.candidates.building import AskedBeside, build_beside
from projections.projector import bulk, workers
from projections.projector import fill as filling
from projections.projector import rebuild as building
from projections.views.database import BUILDING, LIVE, Views, open_views
from projections.views.step import Step
from replay.columnar import ledger_columns
from replay.columnar.seal import seal
from replay.errors import LevelbookError
from replay.store.base.store import Store
from replay.store.opening import open_store
from tests.support.making import ingest_events
from tests.support.threads import ended_at_once, second_thread
from tests.support.views import assert_same_rows, filled
from tests.worlds.ledgers import World, revised

pytestmark = pytest.mark.slow


@pytest.fixture
def world() -> World:
    return World(81)


@pytest.fixture
def views(store: Store, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Views]:
    """A ledger most of which is sealed beside it, whose first build is filled plainly."""
    ingest_events(store, world.events(500), tmp_path)
    seal(store, tmp_path / "segments")
    (tmp_path / "more").mkdir()
    ingest_events(store, world.events(100), tmp_path / "more")
    with open_views(store, make=True) as views:
        filled(views, 1, LIVE)
        monkeypatch.setattr(building, "RECORDS_BEFORE_BULK", 0)
        yield views


def fill_second(views: Views, tmp_path: Path, progress: Any = lambda *_: None) -> None:
    with views.reading() as connection:
        as_of = views.build(connection, 1).as_of
    filled(views, 2, BUILDING, as_of, progress, workers=2, segments=tmp_path / "segments")


def test_processes_give_the_rows_of_one(views: Views, tmp_path: Path) -> None:
    fill_second(views, tmp_path)
    assert_same_rows(views)


def test_what_a_process_leaves_that_is_killed_is_judged_by_the_first(views: Views, tmp_path: Path) -> None:
    killed = list[multiprocessing.process.BaseProcess]()

    def progress(_: str, done: int, __: int) -> None:
        if done and not killed:
            killed.extend(multiprocessing.active_children())
            for child in killed:
                child.kill()

    fill_second(views, tmp_path, progress)
    assert len(killed) == 2
    assert_same_rows(views)


def test_parts_of_one_bucket_follow_one_another_and_refused_ones_are_judged_here(
    views: Views, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "second_core", second_thread)
    monkeypatch.setattr(ledger_columns, "PART_ROWS", 1)
    refused = list[str]()

    def now_and_then(*asked: Any) -> Any:
        ready = bulk.made_ready(*asked)
        if ready.following is not None and len(refused) < 3:
            refused.append(ready.begin)
            raise LevelbookError("now and then")
        return ready

    monkeypatch.setattr(workers, "made_ready", now_and_then)
    fill_second(views, tmp_path)
    assert len(refused) == 3
    assert_same_rows(views)


@pytest.mark.parametrize("more", [0, 600])
def test_what_is_sealed_meanwhile_is_neither_doubled_nor_lost(
    more: int, views: Views, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind the build's records, or, where as many came again, in place of segments that it reads."""
    sealed, alone = list[int](), Lock()

    def opened(location: str) -> Store:
        with alone:
            if not sealed:
                (tmp_path / "meanwhile").mkdir()
                with open_store(location) as store:
                    ingest_events(store, world.events(more), tmp_path / "meanwhile")
                    sealed.append(seal(store, tmp_path / "segments").generations)
        return open_store(location)

    monkeypatch.setattr(workers, "second_core", second_thread)
    monkeypatch.setattr(workers, "open_store", opened)
    fill_second(views, tmp_path)
    assert sealed == [1 if more else 2]
    assert_same_rows(views)


def test_processes_that_ended_before_they_were_told_anything_leave_all_to_the_first(
    views: Views, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "second_core", ended_at_once)
    fill_second(views, tmp_path)
    assert_same_rows(views)


def test_who_judges_holds_no_snapshot_of_the_views(
    views: Views, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite's log would grow with all that is written meanwhile, and PostgreSQL keep every row that went."""
    held = list[bool]()

    def judged(step: Step, *asked: Any) -> Any:
        ready = bulk.made_ready(step, *asked)
        driver: Any = step.connection.connection.driver_connection
        held.append(driver.in_transaction if views.schema is None else driver.info.transaction_status.name != "IDLE")
        return ready

    monkeypatch.setattr(workers, "second_core", second_thread)
    monkeypatch.setattr(workers, "made_ready", judged)
    fill_second(views, tmp_path)
    assert held and not any(held)


def test_builds_by_candidate_policies_are_judged_by_processes_too(
    views: Views, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged = list[str]()

    def noted(*asked: Any) -> Any:
        judged.append(asked[-1])
        return bulk.made_ready(*asked)

    monkeypatch.setattr(workers, "second_core", second_thread)
    monkeypatch.setattr(workers, "made_ready", noted)
    candidate = revised("creator-firefly", 3)
    build_beside(views, AskedBeside((candidate,), 1000, 0, tmp_path / "segments", workers=2))  # proved by replays
    assert judged


def test_a_build_begun_by_an_earlier_program_lacks_all_from_one_place_on() -> None:
    assert filling._left({"after": ""}) == ledger_columns.BEGINS
    assert filling._left({"after": "3/70"}) == ["3/70", *ledger_columns.BEGINS[4:]]
    assert filling._left({"after": "3/70", "left": ["1/9"]}) == ["1/9"]
