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
from replay.columnar.encoding import Named, Unread, chosen
from replay.columnar.reading import Stretch, read_named, read_streams
from replay.errors import DamagedError
from replay.store.base.store import Store
from replay.store.opening import create_store, open_store
from tests.support.making import event, ingest_events, paid
from tests.support.threads import ended_at_once

ROWS = 20
STREAM_ROWS = 4
EVENTS = 400
Found = tuple[Named, list[Unread]]


def filled(store: Store, tmp_path: Path) -> None:
    """Records of a few merchants and a creator, a retraction among them."""
    events = [event("creator.registered", "c", subject="creator/c-1")]
    for number in range(EVENTS):
        events.append(paid(f"o-{number}", subject=f"merchant/m-{number * 7 % 11}", buyer=f"b-{number % 5}"))
    events.append(event("event.retracted", "out", subject="merchant/m-0", source="urn:test", event="pay-o-0"))
    ingest_events(store, events, tmp_path)


def whole(store: Store) -> Found:
    return read_named(store, 0, store.head().position)


def stream(store: Store, meanwhile: Callable[[], None] = lambda: None) -> Found:
    """One merchant's records but for the first, in many stretches."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "READ_ROWS", STREAM_ROWS)
        return read_streams(store, ["merchant/m-0"], 3, store.head().position, meanwhile), []


def by_two(
    read_it: Callable[[Store], Found],
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    meanwhile: Callable[[], None] = lambda: None,
) -> tuple[Found, int]:
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
        return read_it(store), len(read)


def assert_same(found: Found, expected: Found) -> None:
    for have, want in zip(found[0], expected[0], strict=True):
        assert have == want if isinstance(want, list) else np.array_equal(have, want)
    assert list(map(repr, found[1])) == list(map(repr, expected[1]))


@pytest.fixture(autouse=True)
def small_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "READ_ROWS", ROWS)


@pytest.mark.parametrize(("read_it", "rows"), [(whole, ROWS), (stream, STREAM_ROWS)])
def test_two_read_what_one_reads(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read_it: Callable[[Store], Found], rows: int
) -> None:
    filled(store, tmp_path)
    monkeypatch.setattr(reading, "STRETCHES_BEFORE_HELP", 10**6)
    alone = read_it(store)
    found, own = by_two(read_it, store, monkeypatch)
    assert_same(found, alone)
    assert own < len(alone[0].at) // rows, "the second process has read some"


@pytest.mark.parametrize("decoded", [1, 7, ROWS, ROWS + 1])
def test_however_many_are_decoded_together_the_same_is_read(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, decoded: int
) -> None:
    filled(store, tmp_path)
    monkeypatch.setattr(reading, "READ_ROWS", store.head().position)
    expected = whole(store), stream(store)
    monkeypatch.setattr(reading, "DECODED_ROWS", decoded)
    assert_same(whole(store), expected[0])
    assert_same(stream(store), expected[1])


def test_stretches_of_any_length_are_the_same_records(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(store, tmp_path)
    cut = whole(store)
    monkeypatch.setattr(reading, "READ_ROWS", store.head().position)
    assert_same(whole(store), cut)
    rows = np.flatnonzero((cut[0].stream == cut[0].streams.index("merchant/m-0")) & (cut[0].position > 3))
    assert len(rows) > EVENTS // 12
    of_one = chosen(cut[0], rows)._replace(stream=np.zeros(len(rows), np.int32), streams=["merchant/m-0"])
    assert_same(stream(store), (of_one, []))


def test_what_is_to_be_done_besides_is_done_once_while_another_reads(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(store, tmp_path)
    done = list[int]()

    def besides() -> None:
        done.append(len(active_children()))

    stream(store, besides)
    assert done == [], "nobody reads meanwhile"
    by_two(lambda at: stream(at, besides), store, monkeypatch)
    assert done == [1]


def test_an_interruption_ends_both(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(store, tmp_path)

    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        by_two(stream, store, monkeypatch, interrupted)
    assert active_children() == []
    assert_same(by_two(stream, store, monkeypatch)[0], stream(store))


@pytest.mark.kills
@pytest.mark.parametrize("read_it", [whole, stream])
def test_a_second_process_that_is_killed_costs_nothing(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read_it: Callable[[Store], Found]
) -> None:
    filled(store, tmp_path)
    alone = read_it(store)
    killed = list[int | None]()

    def kill() -> None:
        for child in [] if killed else active_children():
            time.sleep(random.random())  # it begins to read somewhere in this second
            child.kill()
            killed.append(child.pid)

    found, _ = by_two(read_it, store, monkeypatch, kill)
    assert_same(found, alone)
    assert killed


def test_a_second_process_that_ends_before_it_was_told_anything_costs_nothing(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(store, tmp_path)
    alone = stream(store)
    monkeypatch.setattr(reading, "second_core", ended_at_once)
    assert_same(by_two(stream, store, monkeypatch)[0], alone)


def test_what_the_second_cannot_read_is_said_by_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    location = str(tmp_path / "ledger.db")
    create_store(location)
    with open_store(location) as store, closing(sqlite3.connect(location, isolation_level=None)) as raw:
        filled(store, tmp_path)
        for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            raw.execute(f"DROP TRIGGER {name}")
        raw.execute("UPDATE records SET record = substr(record, 4) WHERE position % 90 = 50")
        alone = whole(store)
        assert len(alone[1]) > 3
        found, _ = by_two(whole, store, monkeypatch)
        assert_same(found, alone)
        raw.execute("DELETE FROM records WHERE position = 333")
        with pytest.raises(DamagedError, match="lacks records between positions 321 and 340"):
            by_two(whole, store, monkeypatch)


def test_what_the_second_cannot_read_of_one_stream_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    location = str(tmp_path / "ledger.db")
    create_store(location)
    with open_store(location) as store, closing(sqlite3.connect(location, isolation_level=None)) as raw:
        filled(store, tmp_path)
        for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            raw.execute(f"DROP TRIGGER {name}")
        places = "SELECT position FROM records WHERE stream = 'merchant/m-0' AND version IN (8, 20, 30)"
        (_, bad, last) = (at for (at,) in raw.execute(places).fetchall())
        raw.execute("UPDATE records SET record = substr(record, 4) WHERE position IN (?, ?)", (bad, last))
        for read_it in (stream, lambda at: by_two(stream, at, monkeypatch)[0]):
            with pytest.raises(DamagedError, match=f"the record at position {bad} "):
                read_it(store)
        raw.execute("DELETE FROM records WHERE stream = 'merchant/m-0' AND version = 8")
        for read_it in (stream, lambda at: by_two(stream, at, monkeypatch)[0]):
            with pytest.raises(DamagedError, match="lacks records between versions of merchant/m-0 6 and 9"):
                read_it(store)
        raw.execute("DELETE FROM records WHERE stream = 'merchant/m-0' AND version > 8 AND version < 30")
        with pytest.raises(DamagedError, match="the ledger lacks version 19 of merchant/m-0"):
            stream(store)
