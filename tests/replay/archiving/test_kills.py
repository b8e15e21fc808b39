"""A run that is killed at any step loses nothing, the next one goes on, and others read and record meanwhile."""

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from replay.archiving import archive as archiving
from replay.archiving import places
from replay.archiving.limit import archive_limit
from replay.errors import StoreError
from replay.integrity.verify import verify
from replay.schema.versions import LEFT_ALIASES, LEFT_LINKS, STREAM_CHAINS
from replay.store.alias_queries import count_here
from replay.store.base.store import Store
from replay.store.buyers import KEY_VARIABLE
from replay.store.key_chains import key_states
from replay.store.leaving import aliases, rows
from replay.store.leaving.segments import archived_up_to
from replay.store.location import is_postgres
from replay.store.opening import open_store
from replay.store.postgres import PostgresTransaction
from replay.store.reading.aliases_left import all_alias_rows
from replay.store.reading.asked import Asked
from replay.store.reading.readable import ROW_COLUMNS
from replay.store.reading.row import Row
from replay.store.sqlite_transaction import SqliteTransaction
from tests.conftest import KEY
from tests.oracles.key_chains import oracle_keys
from tests.support.archived import archived, contents, made, rows_to_go, small_segments
from tests.support.making import ingest_events


@pytest.fixture
def folder(location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the records of the store go, in small segments."""
    small_segments(monkeypatch)
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    return tmp_path / "ledger.db.records"


# --- kills ------------------------------------------------------------------------------------------------------------


class Point(NamedTuple):
    """Where a run is killed."""

    place: Any
    """A module, or a class of transactions."""
    step: str
    """Its function."""
    behind: bool
    """Once it has done its work, and not before."""
    time: int = 1
    """Which time that it is called."""
    when: Callable[..., bool] = lambda *_: True
    """Of what it is given, whether that time counts."""


def _of_folder(path: Path) -> bool:
    return path.suffix == ".records"


def _notes(_: object, sql: str, *__: object) -> bool:
    return "left_streams" in sql or "left_names" in sql


def _links(_: object, sql: str, *__: object) -> bool:
    return LEFT_LINKS in sql


def _chains(_: object, sql: str, *__: object) -> bool:
    return sql.startswith(f"DELETE FROM {STREAM_CHAINS}")


def _aliases(_: object, sql: str, *__: object) -> bool:
    return LEFT_ALIASES in sql or "buyers" in sql


def points(transaction: type) -> list[Point]:
    """Before and behind each step, in the order in which these are done."""
    written = (
        (archiving, "remove_drafts"),
        (archiving, "packed"),
        (archiving, "_read_back"),
        (places, "sync"),
        (transaction, "let_rows_leave"),
        (archiving, "begin"),
        (archiving, "add_segment"),
        (archiving, "_write_down"),
    )
    noted = ((rows, "_write_streams"), (rows, "_write_names"), (rows, "_write_buckets"), (rows, "_note"))
    found = [Point(place, step, behind) for place, step in (*written, *noted) for behind in (False, True)]
    found = [point._replace(when=_of_folder) if point.step == "sync" else point for point in found]
    return [
        *found,
        Point(archiving, "let_rows_go", False),
        # Amid what takes several transactions: of streams and of buckets, of the links, and of stretches.
        *(Point(transaction, "execute_many", True, time, _notes) for time in (1, 2, 3, 4)),
        *(Point(transaction, "execute_many", behind, 1, _links) for behind in (False, True)),
        Point(rows, "_note", False, 2),
        # All is noted; rows go some at a time.
        Point(rows, "_go", False),
        *(Point(rows, "_rows_to_go", behind, time) for time in (1, 2) for behind in (False, True)),
        Point(rows, "_go", True),
        # Chains of streams go, too.
        *(Point(rows, "_last_of_chains_to_go", True, time) for time in (1, 2, 3)),
        Point(transaction, "execute", True, 1, _chains),
        Point(rows, "_let_chains_go", True),
        Point(archiving, "let_rows_go", True),
        # Aliases go some at a time: each statement of the first ones, and amid the others.
        Point(archiving, "let_aliases_go", False),
        *(Point(transaction, "execute_many", behind, time, _aliases) for time in (1, 2, 3) for behind in (False, True)),
        *(Point(aliases, "_merged", behind, time) for time in (1, 2) for behind in (False, True)),
        *(Point(transaction, "execute_many", behind, 2, _aliases) for behind in (False, True)),
        Point(archiving, "let_aliases_go", True),
    ]


def archive_until(location: str, folder: str, point: Point | None) -> None:
    """In a process of its own: archive all, killed at a point."""
    if point is not None:
        work, called = getattr(point.place, point.step), [0]

        def killed(*given: Any, **named: Any) -> Any:
            called[0] += point.when(*given)
            is_it = point.when(*given) and called[0] == point.time
            if is_it and not point.behind:
                os.kill(os.getpid(), signal.SIGKILL)
            done = work(*given, **named)
            if is_it:
                os.kill(os.getpid(), signal.SIGKILL)
            return done

        setattr(point.place, point.step, killed)
    with open_store(location) as store:
        archived(store, Path(folder))


def begun(location: str, folder: Path, point: Point | None) -> BaseProcess:
    child = get_context("fork").Process(target=archive_until, args=(location, str(folder), point))
    child.start()
    return child


@pytest.mark.slow
@pytest.mark.kills
def test_a_kill_at_any_step_loses_nothing_and_the_next_run_goes_on(location: str, folder: Path, tmp_path: Path) -> None:
    made(location, tmp_path, 2, 700)
    kill_at(points(PostgresTransaction if is_postgres(location) else SqliteTransaction), location, folder)


@pytest.mark.slow
@pytest.mark.kills
def test_a_kill_while_rows_go_at_once_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As they do in SQLite alone."""
    small_segments(monkeypatch)
    monkeypatch.setattr(rows, "AT_ONCE_FROM_ROWS", 30)
    location = str(tmp_path / "ledger.db")
    made(location, tmp_path, 3, 300)
    before, behind = (Point(SqliteTransaction, "keep_rows_behind", behind) for behind in (False, True))
    kill_at(
        [before, behind, Point(rows, "_rows_to_go", True), Point(rows, "_go", True)],
        location,
        tmp_path / "ledger.db.records",
    )


@pytest.mark.slow
@pytest.mark.kills
def test_a_kill_while_aliases_go_at_once_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_segments(monkeypatch)
    monkeypatch.setattr(aliases, "AT_ONCE_FROM_ROWS", 3)
    location = str(tmp_path / "ledger.db")
    made(location, tmp_path, 3, 300)
    steps = [Point(SqliteTransaction, name, behind) for name in AT_ONCE for behind in (False, True)]
    amid = [Point(aliases, "_merged", True, time) for time in (1, 2)]
    kill_at([*steps[:2], *amid, *steps[2:]], location, tmp_path / "ledger.db.records")


AT_ONCE: Final = ("drop_alias_index", "make_alias_index")


def alias_rows(store: Store) -> list[tuple[Any, ...]]:
    return sorted(row[:3] for row in all_alias_rows(store))


def kill_at(some: Sequence[Point], location: str, folder: Path) -> None:
    """Kill runs at points, one after another, and let one come to its end: the ledger is what it was all the time."""
    with open_store(location) as store:
        before, limit = contents(store), archive_limit(store)
        keys = {key for row in before for key in oracle_keys(row[-1])}
        states = {at: key_states(store, keys, at) for at in (*range(0, limit.last, 61), limit.last)}
        given = alias_rows(store)
        assert len(given) > 5
    for point in some:
        child = begun(location, folder, point)
        child.join()
        assert child.exitcode == -signal.SIGKILL, point
        with open_store(location) as store:
            assert contents(store) == before and alias_rows(store) == given, point
            assert verify(store).problems == [], point
            assert {at: key_states(store, keys, at) for at in states} == states, point
    child = begun(location, folder, None)
    child.join()
    assert child.exitcode == 0 and rows_to_go(location, limit.last) == 0
    with open_store(location) as store:
        assert archived_up_to(store) == limit.last and contents(store) == before and verify(store).problems == []
        assert alias_rows(store) == given and count_here(store) == 0
        listed = {segment.file_name(store.identity.id) for segment in store.record_segments()}
        assert {path.name for path in folder.iterdir()} == {*listed, places.LOCK}
        assert store.left is not None and store.left.up_to() == limit.last
        assert {at: key_states(store, keys, at) for at in states} == states
        assert rows._last_of_chains_to_go(store, limit.last) is None


# --- beside one another -----------------------------------------------------------------------------------------------

PAUSE: Final = 0.002


def slowly(walk: Iterator[Any], until: Callable[[], bool]) -> list[Any]:
    """All rows of a walk, which waits after some of them until something has happened."""
    found = []
    for row in walk:
        found.append(row)
        if len(found) in (3, 40, 150):
            waited = time.monotonic() + 20
            while not until() and time.monotonic() < waited:
                time.sleep(PAUSE)
    return found


def up_to(location: str) -> int:
    with open_store(location) as store:
        return 0 if store.left is None else store.left.up_to()


@pytest.mark.slow
def test_who_had_it_open_before_rows_first_leave_is_told_to_start_again(
    location: str, folder: Path, tmp_path: Path
) -> None:
    world = made(location, tmp_path, 4, 150)
    said = r"begun to leave .* since it was opened here, so that not all records are where they were; .*start again"
    with open_store(location) as reads, open_store(location) as records, open_store(location) as store:
        before = contents(reads)
        assert reads.is_current() and records.is_current()
        archived(store, folder, 60)
        assert not reads.is_current() and not records.is_current() and store.is_current()
        for asks in (contents, Store.head, lambda one: list(one._records("position", Asked("merchant/m-1")))):
            with pytest.raises(StoreError, match=said):
                asks(reads)
        with pytest.raises(StoreError, match=said):
            ingest_events(records, world.events(1), tmp_path)
        assert contents(store) == before
    with open_store(location) as store:
        assert contents(store) == before and store.is_current()
        assert ingest_events(store, world.events(1), tmp_path)[0].recorded == 1


@pytest.mark.slow
@pytest.mark.parametrize("latest_first", [False, True])
def test_who_walks_while_rows_leave_meets_each_once(
    latest_first: bool, location: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the whole ledger, and of a stream: by a walk that begins before a stretch leaves and ends behind it."""
    made(location, tmp_path, 4, 400)
    monkeypatch.setattr(rows, "AT_ONCE_FROM_ROWS", 30)
    with open_store(location) as store:
        archived(store, folder, 50)
        before = contents(store)
        step = iter(range(80, 1_000, 30))

        def more_left() -> bool:
            with open_store(location) as other:
                archived(other, folder, min(next(step), archive_limit(other).sealed + 1))
            return True

        for asked in (Asked(), Asked("merchant/m-1"), Asked(types=("order.paid", "creator.bound"))):
            expected = [
                row for row in before if asked.stream in (None, row[1]) and (not asked.types or row[3] in asked.types)
            ]
            # The chain of one that left is told only to who walks through the ledger.
            names = [name for name in Row._fields if asked.is_walk or name != "chain"]
            walk = store._records(", ".join(names), asked._replace(latest_first=latest_first))
            wanted = [Row._make(row)._asdict() for row in expected[:: -1 if latest_first else 1]]
            assert slowly(walk, more_left) == [tuple(row[name] for name in names) for row in wanted]
        assert up_to(location) > 200


@pytest.mark.slow
def test_others_record_and_read_while_records_leave(location: str, folder: Path, tmp_path: Path) -> None:
    world = made(location, tmp_path, 4, 500)
    with open_store(location) as store:
        before = contents(store)
        archived(store, folder, 20)
    child, rounds = begun(location, folder, None), 0
    deadline = time.monotonic() + 60
    with open_store(location) as store:
        walk = store._records(ROW_COLUMNS, Asked())
        begun_early = [next(walk) for _ in range(30)]
        while child.is_alive() and time.monotonic() < deadline:
            with open_store(location) as other:
                assert contents(other)[: len(before)] == before
                ingest_events(other, world.events(3), tmp_path)
            rounds += 1
        assert [*begun_early, *walk][: len(before)] == before
        assert contents(store)[: len(before)] == before
    child.join()
    assert child.exitcode == 0 and rounds > 1
    with open_store(location) as store:
        assert contents(store)[: len(before)] == before and len(contents(store)) > len(before)
        assert verify(store).problems == []
