"""Records read by two processes are those that one reads, whatever becomes of the second."""

import random
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from multiprocessing import active_children
from pathlib import Path

import numpy as np
import pytest

from replay.columnar import reading
from replay.columnar.encoding import Named, Unread
from replay.columnar.reading import Stretch, read_named
from replay.errors import DamagedError
from replay.store.base import Store
from replay.store.opening import create_store, open_store
from tests.support.making import event, ingest_events, paid

ROWS = 20
EVENTS = 400


def filled(store: Store, tmp_path: Path) -> int:
    """Records of a few merchants and a creator, a retraction among them; how many."""
    events = [event("creator.registered", "c", subject="creator/c-1")]
    for number in range(EVENTS):
        events.append(paid(f"o-{number}", subject=f"merchant/m-{number * 7 % 11}", buyer=f"b-{number % 5}"))
    events.append(event("event.retracted", "out", subject="merchant/m-0", source="urn:test", event="pay-o-0"))
    ingest_events(store, events, tmp_path)
    return store.head().position


def by_two(
    store: Store, last: int, monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], None] = lambda: None
) -> tuple[tuple[Named, list[Unread]], int]:
    """What two processes read, this one slowly; and how many stretches this one had to read."""
    real, read = reading._read_one, list[Stretch]()

    def slowly(store: Store, stretch: Stretch, unread: list[Unread]) -> Named:
        read.append(stretch)
        meanwhile()
        time.sleep(0.1)
        return real(store, stretch, unread)

    with monkeypatch.context() as patch:
        patch.setattr(reading, "_read_one", slowly)
        patch.setattr(reading, "STRETCHES_BEFORE_HELP", 1)
        return read_named(store, 0, last), len(read)


def assert_same(found: tuple[Named, list[Unread]], expected: tuple[Named, list[Unread]]) -> None:
    for have, want in zip(found[0], expected[0], strict=True):
        assert have == want if isinstance(want, list) else np.array_equal(have, want)
    assert list(map(repr, found[1])) == list(map(repr, expected[1]))


@pytest.fixture(autouse=True)
def small_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "READ_ROWS", ROWS)


def test_two_read_what_one_reads(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    last = filled(store, tmp_path)
    monkeypatch.setattr(reading, "STRETCHES_BEFORE_HELP", 10**6)
    alone = read_named(store, 0, last)
    found, own = by_two(store, last, monkeypatch)
    assert_same(found, alone)
    assert own < last // ROWS, "the second process has read some"
    monkeypatch.setattr(reading, "READ_ROWS", last)
    assert_same(read_named(store, 0, last), alone)


@pytest.mark.kills
def test_a_second_process_that_is_killed_costs_nothing(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = filled(store, tmp_path)
    alone = read_named(store, 0, last)
    killed = list[int | None]()

    def kill() -> None:
        for child in [] if killed else active_children():
            time.sleep(random.random())  # it begins to read somewhere in this second
            child.kill()
            killed.append(child.pid)

    found, _ = by_two(store, last, monkeypatch, kill)
    assert_same(found, alone)
    assert killed


def test_what_the_second_cannot_read_is_said_by_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    location = str(tmp_path / "ledger.db")
    create_store(location)
    with open_store(location) as store, closing(sqlite3.connect(location, isolation_level=None)) as raw:
        last = filled(store, tmp_path)
        for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            raw.execute(f"DROP TRIGGER {name}")
        raw.execute("UPDATE records SET record = substr(record, 4) WHERE position % 90 = 50")
        alone = read_named(store, 0, last)
        assert len(alone[1]) > 3
        found, _ = by_two(store, last, monkeypatch)
        assert_same(found, alone)
        raw.execute("DELETE FROM records WHERE position = 333")
        with pytest.raises(DamagedError, match="lacks records between positions 321 and 340"):
            by_two(store, last, monkeypatch)
