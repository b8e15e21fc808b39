"""How far topics are consumed: noted beside the ledger while it goes on, and shown to those who watch."""

import json
from pathlib import Path
from stat import S_IMODE
from typing import Any, cast

import pytest

from projections.http.settings import Settings
from projections.upkeep import noting
from projections.upkeep.consumed import PartitionNote, consumed_status, open_consumed
from projections.upkeep.noting import NotedReader
from replay.consuming.topics import Reached, TopicReader
from replay.store.base.store import Store
from replay.store.opening import create_store, open_store
from tests.support.brokers import cluster
from tests.support.making import line, paid
from tests.support.running import run
from tests.support.serving import serving


def status(location: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run("status", "--store", location, "--format", "json"))["consumed"]
    return found


@pytest.mark.slow
def test_what_is_consumed_is_shown_by_status_and_metrics(location: str, tmp_path: Path) -> None:
    create_store(location)
    assert status(location) == []
    with cluster() as brokers:
        brokers.topic("orders", 2)
        for number in range(5):
            brokers.send("orders", line(paid(f"o-{number}")), partition=number % 2)
        brokers.sent()
        asked = ("--servers", brokers.servers, "--topic", "orders", "--group", "levels", "--store", location)
        dead = ("--dead-letter-file", str(tmp_path / "dead.jsonl"))
        run("consume", *asked, *dead, "--once")
    found = status(location)
    assert [(row["group"], row["topic"], row["partition"], row["next_offset"], row["behind"]) for row in found] == [
        ("levels", "orders", 0, 3, 0),
        ("levels", "orders", 1, 2, 0),
    ]
    assert all(0 <= row["noted_seconds_ago"] < 60 and row["noted_at"].endswith("+08:00") for row in found)
    told = run("status", "--store", location)
    assert "consumed by levels up to orders/0:3, 0 behind it, " in told
    assert "消费组 levels 已入账至 orders/1:2，其后还有 0 条" in run("status", "--store", location, "--lang", "zh")
    with serving(Settings(location)) as client:
        text = client.get("/metrics").text
    assert 'levelbook_consume_behind{group="levels",partition="1",topic="orders"} 0.0' in text
    assert 'levelbook_consume_noted_seconds{group="levels",partition="0",topic="orders"} ' in text


def test_what_is_noted_takes_the_place_of_what_was_noted_before(store: Store) -> None:
    assert consumed_status(store) == []
    now = store.now()
    with open_consumed(store) as kept:
        kept.note([PartitionNote("a", "t", 0, 5, None, now), PartitionNote("a", "t", 1, 1, 9, now)])
        kept.note([PartitionNote("a", "t", 0, 7, 2, now), PartitionNote("b", "t", 0, 1, 0, now)])
        assert kept.all() == [
            PartitionNote("a", "t", 0, 7, 2, now),
            PartitionNote("a", "t", 1, 1, 9, now),
            PartitionNote("b", "t", 0, 1, 0, now),
        ]
    rows = consumed_status(store)
    assert [(row["group"], row["next_offset"], row["behind"]) for row in rows] == [
        ("a", 7, 2),
        ("a", 1, 9),
        ("b", 1, 0),
    ]


class Reader:
    """Has read of one partition, so far as is said."""

    at_end = False

    def __init__(self) -> None:
        self.offset = 0

    def reached(self) -> list[Reached]:
        return [Reached("t", 0, self.offset, None)] if self.offset else []

    def next(self, count: int) -> list[Any]:
        return []


def noted(reader: Reader, location: str) -> tuple[NotedReader, list[str]]:
    told: list[str] = []
    return NotedReader(cast(TopicReader, reader), "g", location, told.append), told


def test_it_is_noted_now_and_then_also_while_nothing_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    location, reader = str(tmp_path / "ledger.db"), Reader()
    clock = [0.0]
    monkeypatch.setattr(noting, "monotonic", lambda: clock[0])
    reading, told = noted(reader, location)
    reader.offset = 1
    reading.next(1)  # there is no ledger yet
    assert told == [] and not list(tmp_path.iterdir())
    create_store(location)
    for at, offset, shown in ((4.9, 2, []), (5.0, 3, [3]), (9.9, 4, [3]), (10.1, 5, [5])):
        clock[0], reader.offset = at, offset
        reading.next(1)
        with open_store(location) as store:
            assert [row["next_offset"] for row in consumed_status(store)] == shown
    assert S_IMODE((tmp_path / "ledger.db.consuming").stat().st_mode) == 0o600 and told == []


def test_what_cannot_be_noted_is_told_once_and_stops_nothing(tmp_path: Path) -> None:
    location, reader = str(tmp_path / "ledger.db"), Reader()
    create_store(location)
    (tmp_path / "ledger.db.consuming").mkdir()
    reader.offset = 1
    reading, told = noted(reader, location)
    reading.note()
    reading.note()
    assert len(told) == 1 and "what is kept of consuming" in told[0]
    found = run("status", "--store", location)
    assert "Warning: what is kept of consuming" in found and "position" in found


def test_a_backup_tells_that_it_does_not_hold_what_was_noted(store: Store, tmp_path: Path) -> None:
    with open_consumed(store) as kept:
        kept.note([PartitionNote("a", "t", 0, 5, None, store.now())])
    told = {}
    for form in ("json", "text"):
        (folder := tmp_path / form).mkdir()
        told[form] = run("backup", "--to", str(folder), "--store", store.location, "--format", form)
    assert "consuming" in [item["what"] for item in json.loads(told["json"])["left_out"]]
    assert "how far topics are consumed, as it was noted" in told["text"]
