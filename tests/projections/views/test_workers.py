"""A build that several processes judge holds what one holds that a single process fills."""

import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from projections.projector import bulk, workers
from projections.projector import fill as filling
from projections.projector import rebuild as building
from projections.views.database import BUILDING, LIVE, Views, open_views
from replay.columnar import ledger_columns
from replay.columnar.seal import seal
from replay.errors import LevelbookError
from replay.processes import Serve
from replay.store.base import Store
from tests.support.making import ingest_events
from tests.support.views import assert_same_rows, filled
from tests.worlds.ledgers import World

pytestmark = pytest.mark.slow


@contextmanager
def second_thread(serve: Serve) -> Iterator[Connection]:
    """As `second_core`, in this process, which sees what a test has changed."""
    ours, theirs = Pipe()

    def run() -> None:
        try:
            serve(theirs)
        except (EOFError, OSError):
            theirs.close()

    thread = Thread(target=run)
    thread.start()
    try:
        yield ours
    finally:
        ours.close()
        thread.join()


@pytest.fixture
def views(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Views]:
    """A ledger most of which is sealed beside it, whose first build is filled plainly."""
    world = World(81)
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


def test_a_build_begun_by_an_earlier_program_lacks_all_from_one_place_on() -> None:
    assert filling._left({"after": ""}) == ledger_columns.BEGINS
    assert filling._left({"after": "3/70"}) == ["3/70", *ledger_columns.BEGINS[4:]]
    assert filling._left({"after": "3/70", "left": ["1/9"]}) == ["1/9"]
