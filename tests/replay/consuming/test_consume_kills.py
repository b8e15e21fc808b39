"""A running `levelbook consume` is killed at any moment: nothing lost, nothing twice, offsets never ahead."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from random import Random
from typing import Any

import pytest
from confluent_kafka import KafkaError

from replay.integrity.verify import verify
from replay.store.opening import create_store, open_store
from tests import ROOT
from tests.conftest import SOAK
from tests.support.brokers import OFFSET_COMMIT, Brokers
from tests.support.making import line, paid

pytestmark = [pytest.mark.kills, pytest.mark.slow]

KILLS = 3 if SOAK == 1 else 50
"""On each database."""
PARTITIONS = 2
MESSAGES_A_LIFE = 400
POISON_EVERY = 37
BATCHES_BEFORE = 12
"""A process is killed within this many batches of the first, at any moment of one."""
BATCH_SECONDS = 0.03


class Lives:
    """A topic that grows, and the processes that consume it."""

    def __init__(self, brokers: Brokers, topic: str, location: str, folder: Path) -> None:
        self._brokers, self._topic, self._location, self._folder = brokers, topic, location, folder
        self._group = f"of-{topic}"
        self.sent: list[list[str]] = [[] for _ in range(PARTITIONS)]
        """By partition, the id of each message; of poison none."""

    def send(self, count: int) -> None:
        for _ in range(count):
            number = sum(map(len, self.sent))
            partition = number % PARTITIONS
            if number % POISON_EVERY == 0:
                self._brokers.send(self._topic, b"poison", partition=partition)
                self.sent[partition].append("")
            else:
                self._brokers.send(self._topic, line(paid(f"o-{number}")), partition=partition)
                self.sent[partition].append(f"pay-o-{number}")
        self._brokers.sent()

    def start(self, *words: str) -> "subprocess.Popen[bytes]":
        asked = ("--servers", self._brokers.servers, "--topic", self._topic, "--store", self._location)
        kept = ("--group", self._group, "--batch", "20", "--properties", "client.properties")
        command = [sys.executable, "-m", "cli", "consume", *asked, *kept, "--dead-letter-file", "dead.jsonl", *words]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        return subprocess.Popen(
            command, cwd=self._folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )

    def letters(self) -> set[tuple[int, int]]:
        """The partition and offset of every dead letter that is whole."""
        path = self._folder / "dead.jsonl"
        found = set()
        for each in path.read_bytes().splitlines() if path.exists() else ():
            try:
                letter = json.loads(each)
            except ValueError:
                continue  # a kill cut it off
            found.add((letter["partition"], letter["offset"]))
        return found

    def recorded(self) -> int:
        with open_store(self._location) as store:
            return store.head().position

    def check(self) -> int:
        """Each event at most once, and everything behind a committed offset recorded or kept; how many are recorded."""
        committed = self._brokers.committed(self._topic, self._group, PARTITIONS)
        with open_store(self._location) as store:
            assert verify(store).problems == []
            recorded = [event_id for (event_id,) in store._query("SELECT event_id FROM records ORDER BY position")]
        assert len(recorded) == len(set(recorded)), "an event was recorded twice"
        kept, there = self.letters(), set(recorded)
        for partition, offset in committed.items():
            for number, event_id in enumerate(self.sent[partition][:offset]):
                assert event_id in there if event_id else (partition, number) in kept, (partition, number)
        return len(recorded)


def killed_between_record_and_commit(lives: Lives, brokers: Brokers) -> int:
    """A process records while the group's offsets are not taken, and is killed; how many events are recorded."""
    before, last = lives.recorded(), time.monotonic() + 60
    brokers.refuse(OFFSET_COMMIT, *[KafkaError.COORDINATOR_LOAD_IN_PROGRESS] * 10_000)
    process = lives.start()
    while lives.recorded() == before:
        assert time.monotonic() < last
        time.sleep(0.02)
    process.kill()
    process.communicate()
    brokers.refuse_no_more(OFFSET_COMMIT)
    found = lives.check()
    assert found > before
    return found


def test_a_run_that_is_killed_at_any_moment_loses_and_doubles_nothing(
    brokers: Brokers, topic: str, location: str, properties: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    create_store(location)
    lives, chance = Lives(brokers, topic, location, tmp_path), Random(7)
    progress = []
    for _ in range(KILLS):
        lives.send(MESSAGES_A_LIFE)
        process = lives.start("--acknowledge")
        assert process.stdout is not None
        for _ in range(chance.randrange(BATCHES_BEFORE)):
            assert process.stdout.readline().startswith(b"recorded up to ")
        time.sleep(chance.uniform(0, BATCH_SECONDS))
        process.kill()
        process.communicate()
        progress.append(lives.check())
    lives.send(MESSAGES_A_LIFE)
    progress.append(killed_between_record_and_commit(lives, brokers))
    out, _ = lives.start("--once", "--format", "json").communicate(timeout=120)
    ended: dict[str, Any] = json.loads(out)
    assert ended["known"] > 0, "what was recorded and not committed comes again"
    assert ended["refused"] <= len(lives.letters())
    events = [event_id for part in lives.sent for event_id in part if event_id]
    assert lives.check() == len(events)
    assert brokers.committed(topic, f"of-{topic}", PARTITIONS) == dict(enumerate(map(len, lives.sent)))
    with capsys.disabled():
        print(f"\n{KILLS} kills, and one before a commit; recorded after each: {progress}; of {len(events)} events")
