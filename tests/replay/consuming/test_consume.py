"""Consuming from librdkafka's own mock cluster: what is recorded, kept, committed, and in which order."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import confluent_kafka
import pytest
from click.testing import CliRunner
from confluent_kafka import KafkaError

from cli import main
from projections.text.topics.consuming import ConsumeWatch
from replay.consuming.cloudevents import events_in
from replay.consuming.cluster import OURS, BrokerError, Cluster, read_properties
from replay.consuming.consume import Consumption
from replay.consuming.dead_letters import DeadLetter, DeadLetterFile, DeadLetterTopic
from replay.consuming.messages import TopicMessage, reading_by
from replay.consuming.topics import Subscription, TopicReader
from replay.errors import StoreError, UsageError
from replay.intake.outcomes import TooManyRefused
from replay.intake.targets import LedgerTarget
from replay.integrity.verify import verify
from replay.parsing.refusals import Reason, Refusal
from replay.recording.append import Appender
from replay.store.base.identity import Head
from replay.store.base.store import Store
from replay.store.buyers import key_of
from replay.store.opening import create_store, open_store
from tests import ROOT
from tests.support.brokers import OFFSET_COMMIT, PRODUCE, Brokers
from tests.support.making import line, paid

Consume = Callable[..., dict[str, Any]]


@pytest.fixture
def consume(brokers: Brokers, topic: str, location: str, properties: Path, tmp_path: Path) -> Consume:
    """The command, to the end of the topic; its answer."""

    def run(*words: str, status: int = 0) -> dict[str, Any]:
        asked = ("--servers", brokers.servers, "--topic", topic, "--group", f"of-{topic}", "--store", location)
        kept = () if any("dead" in word for word in words) else ("--dead-letter-file", str(tmp_path / "dead.jsonl"))
        words = ("consume", *asked, "--properties", str(properties), "--once", "--format", "json", *kept, *words)
        done = CliRunner().invoke(main, words)
        assert done.exit_code == status, (done.output, done.exception)
        found: dict[str, Any] = json.loads(done.stdout)
        return found | {"told": done.stderr}

    return run


def ids(location: str) -> list[str]:
    """Of the events in the order of the ledger, which is sound."""
    with open_store(location) as store:
        assert verify(store).problems == []
        return [event_id for (event_id,) in store._query("SELECT event_id FROM records ORDER BY position")]


@pytest.mark.slow
def test_messages_are_recorded_once_and_then_their_offsets_are_committed(
    consume: Consume, brokers: Brokers, topic: str, location: str
) -> None:
    for number in range(7):
        brokers.send(topic, line(paid(f"o-{number}")), partition=number % 2)
    brokers.send(topic, None, key=b"forgotten")
    brokers.sent()
    found = consume()
    assert (found["messages"], found["recorded"], found["passed_over"], found["dead_letters"]) == (8, 7, 1, 0)
    assert found["partitions"] == [
        {"topic": topic, "partition": 0, "next_offset": 5, "behind": 0},
        {"topic": topic, "partition": 1, "next_offset": 3, "behind": 0},
    ]
    assert brokers.committed(topic, f"of-{topic}", 2) == {0: 5, 1: 3}
    assert sorted(ids(location)) == [f"pay-o-{number}" for number in range(7)]
    brokers.send(topic, line(paid("o-7")))
    brokers.sent()
    again = consume("--group", f"of-{topic}")
    assert (again["messages"], again["recorded"]) == (1, 1)
    whole = consume("--from-beginning", "--batch", "2")
    assert (whole["messages"], whole["recorded"], whole["known"]) == (9, 0, 8)


@pytest.mark.slow
def test_what_is_refused_is_kept_and_stops_nothing_else(
    consume: Consume, brokers: Brokers, topic: str, location: str, tmp_path: Path
) -> None:
    brokers.send(topic, b"poison \xff", ("trace", b"\xfe"), ("none", None), key=b"k")
    brokers.send(topic, json.dumps([paid("o-1"), paid("o-2", amount="x"), 7]).encode())
    brokers.send(topic, line(paid("o-1", amount=1)))
    brokers.send(topic, line(paid("o-3")))
    brokers.sent()
    (tmp_path / "dead.jsonl").write_bytes(b'{"topic": "cut off')
    found = consume(status=1)
    assert (found["recorded"], found["refused"], found["dead_letters"]) == (2, 4, 3)
    assert found["dead_letters_in"] == str(tmp_path / "dead.jsonl")
    assert ids(location) == ["pay-o-1", "pay-o-3"]
    first, *lines = (tmp_path / "dead.jsonl").read_text().splitlines()
    assert first == '{"topic": "cut off', "what a crash cut off stands on a line of its own"
    letters = [json.loads(each) for each in lines]
    assert [(letter["topic"], letter["partition"], letter["offset"]) for letter in letters] == [
        (topic, 0, number) for number in range(3)
    ]
    assert letters[0]["value"] == {"base64": "cG9pc29uIP8="} and letters[0]["key"] == "k"
    assert letters[0]["headers"] == [["trace", {"base64": "/g=="}], ["none", None]]
    assert [reason["reason"] for reason in letters[1]["reasons"]] == ["wrong_type", "not_an_object"]
    assert letters[2]["reasons"][0]["message"].startswith("source and id: found")
    assert json.loads(letters[2]["value"]) == paid("o-1", amount=1)
    assert brokers.committed(topic, f"of-{topic}", 2)[0] == 4


@pytest.mark.slow
def test_a_topic_of_dead_letters_holds_the_messages_as_they_were(
    consume: Consume, brokers: Brokers, topic: str, location: str
) -> None:
    dead = f"{topic}-dead"
    brokers.topic(dead, 1)
    made = paid("o-1", tenant="t-1")
    made = {name: value for name, value in made.items() if name != "data"} | {
        "tenant": "t-1",
        "data": paid("o-1")["data"],
    }
    brokers.send(topic, line(made), ("content-type", b"application/cloudevents+json"), key=b"m-1")
    brokers.sent()
    assert consume("--dead-letter-topic", dead, status=1)["dead_letters_in"] == dead
    (letter,) = brokers.messages(dead, 1)
    assert (letter.value(), letter.key()) == (line(made), b"m-1")
    headers = dict(letter.headers())
    assert headers["content-type"] == b"application/cloudevents+json"
    assert (headers["levelbook_topic"], headers["levelbook_partition"], headers["levelbook_offset"]) == (
        topic.encode(),
        b"0",
        b"0",
    )
    assert headers["levelbook_reason"] == b"unknown_field" and headers["levelbook_message"].startswith(b"tenant: is an")
    mended = consume("--topic", dead, "--group", f"mended-{topic}", "--extensions", "keep", "--from-beginning")
    assert (mended["recorded"], mended["known"]) == (1, 1), "the topic itself was read again, too"
    assert ids(location) == ["pay-o-1"]


class Told:
    """Remembers in which order things happened."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def refused(self, where: str, refusal: Refusal) -> None:
        self.done.append(f"refused {where}")

    def acknowledged(self, messages: Sequence[TopicMessage], head: Head) -> None:
        self.done.append(f"acknowledged {messages[-1].where}, position {head.position}")

    def away(self, problem: str) -> None:
        self.done.append("away")

    def back(self) -> None:
        self.done.append("back")

    def late(self, problem: str) -> None:
        self.done.append(f"late: {problem}")


class Script:
    """Messages as they are written down, and what becomes of them."""

    def __init__(self, told: Told, *values: bytes) -> None:
        self._told = told
        self.left = [TopicMessage("t", 0, offset, None, value) for offset, value in enumerate(values)]

    @property
    def at_end(self) -> bool:
        return not self.left

    def next(self, count: int) -> list[TopicMessage]:
        found, self.left = self.left[:count], self.left[count:]
        return found

    def commit(self, messages: Sequence[TopicMessage]) -> None:
        self._told.done.append(f"committed {messages[-1].where}")


class Letters:
    """Keeps dead letters, or cannot."""

    place = "letters"

    def __init__(self, told: Told, *, safe: bool = True) -> None:
        self._told = told
        self._safe = safe

    def keep(self, letters: Sequence[DeadLetter], stopped: Callable[[], bool]) -> bool:
        self._told.done.append(f"kept {letters[-1].message.where}" if self._safe else "not kept")
        return self._safe

    def close(self) -> None:
        pass


class Target(LedgerTarget):
    """A ledger that says when it records, and fails when it is to."""

    def __init__(self, store: Store, told: Told, *, fails: bool = False) -> None:
        super().__init__(store, Appender(store.identity.id, key_of(store)))
        self._told = told
        self._fails = fails

    def record(self, *given: Any) -> Any:
        if self._fails:
            raise StoreError("the disk is full")
        done = super().record(*given)
        self._told.done.append(f"recorded {done.recorded}")
        return done


def consumed(store: Store, told: Told, *values: bytes, fails: bool = False, safe: bool = True, **options: Any) -> None:
    target, letters = Target(store, told, fails=fails), Letters(told, safe=safe)
    run = Consumption(Script(told, *values), reading_by(events_in), target, letters, told, **options)
    run.run(lambda: False, batch=2, once=True)


GOOD, BAD = [line(paid(f"o-{number}")) for number in range(3)], b"x"


def test_offsets_are_committed_last(store: Store) -> None:
    told = Told()
    consumed(store, told, GOOD[0], BAD, GOOD[1])
    assert told.done == [
        *("recorded 1", "refused t/0:1", "kept t/0:1", "committed t/0:1", "acknowledged t/0:1, position 1"),
        *("recorded 1", "committed t/0:2", "acknowledged t/0:2, position 2"),
    ]


def test_what_is_not_recorded_or_not_kept_is_not_committed(store: Store) -> None:
    told = Told()
    with pytest.raises(StoreError, match="the disk is full"):
        consumed(store, told, GOOD[0], fails=True)
    assert told.done == []
    consumed(store, told, GOOD[0], BAD, GOOD[1], safe=False)
    assert told.done == ["recorded 1", "refused t/0:1", "not kept"]


def test_a_topic_of_something_else_stops_the_run(store: Store) -> None:
    told = Told()
    with pytest.raises(TooManyRefused, match="t/0:3: the run stops, for the topic or its form may be another"):
        consumed(store, told, GOOD[0], BAD, BAD, BAD, BAD, refusals_max=3)
    assert "committed t/0:3" in told.done, "those that were refused are kept, and do not come again"
    consumed(store, told, BAD, BAD, GOOD[0], BAD, BAD, refusals_max=3)
    consumed(store, told, BAD, BAD, BAD, BAD, refusals_max=0)


@pytest.fixture
def reader(brokers: Brokers, topic: str, properties: Path) -> Any:
    """Makes members of a group of the topic, and closes them."""
    made: list[TopicReader] = []

    def make(told: Told, servers: str = brokers.servers, *, from_beginning: bool = False) -> TopicReader:
        asked = Subscription((topic,), f"of-{topic}", from_beginning)
        made.append(TopicReader(Cluster(servers, read_properties(properties)), asked, told))
        return made[-1]

    yield make
    for each in made:
        each.close()


def some(found: TopicReader, count: int = 10, seconds: float = 20) -> list[TopicMessage]:
    """The next messages that come."""
    last = time.monotonic() + seconds
    while not (messages := found.next(count)):
        assert time.monotonic() < last
    return messages


@pytest.mark.slow
def test_a_broker_that_goes_away_is_waited_for(reader: Any, brokers: Brokers, topic: str) -> None:
    told, messages = Told(), []
    brokers.send(topic, GOOD[0])
    brokers.sent()
    found = reader(told)
    found.begin(lambda: False)
    messages += some(found)
    brokers.down()
    last = time.monotonic() + 20
    while told.done != ["away"]:
        assert found.next(10) == [] and time.monotonic() < last
    brokers.up()
    brokers.send(topic, GOOD[1])
    brokers.sent()
    messages += some(found)
    assert told.done == ["away", "back"]
    found.commit(messages)
    assert brokers.committed(topic, f"of-{topic}", 2) == {0: 2, 1: 0}


def test_offsets_that_brokers_do_not_hear_of_are_committed_later(reader: Any, brokers: Brokers, topic: str) -> None:
    for value in GOOD[:2]:
        brokers.send(topic, value)
    brokers.sent()
    found = reader(Told())
    found.begin(lambda: False)
    first = some(found, 1)
    brokers.refuse(OFFSET_COMMIT, KafkaError.UNKNOWN_MEMBER_ID)
    found.commit(first)
    assert brokers.committed(topic, f"of-{topic}", 2)[0] == 0
    while brokers.committed(topic, f"of-{topic}", 2)[0] != 2:
        found.commit(some(found, 1))  # the first comes again, for the member has to join anew
    assert [each.next_offset for each in found.reached()] == [2]


def test_brokers_that_refuse_end_the_run(reader: Any, brokers: Brokers, topic: str) -> None:
    brokers.send(topic, GOOD[0])
    brokers.sent()
    found = reader(Told())
    found.begin(lambda: False)
    messages = some(found)
    brokers.refuse(OFFSET_COMMIT, KafkaError.GROUP_AUTHORIZATION_FAILED)
    with pytest.raises(
        BrokerError, match=r"refuse: .*Group authorization failed.*; mend the rights, or the properties of"
    ):
        found.commit(messages)
    for code in (KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED, KafkaError._SSL):
        other = reader(Told())
        other._told(KafkaError(code, "who are you"))
        with pytest.raises(BrokerError, match="the brokers refuse: who are you"):
            other.next(1)


def test_large_messages_end_a_batch_before_it_is_full(
    reader: Any, brokers: Brokers, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("replay.consuming.topics.READ_BYTES", 1_000)
    for _ in range(6):
        brokers.send(topic, b"x" * 300, ("h", b"x" * 99), key=b"k" * 100)
    brokers.sent()
    found = reader(Told())
    found.begin(lambda: False)
    taken: list[int] = []
    while sum(taken) < 6:
        taken.append(len(some(found)))
    assert max(taken) == 2, "the second is the first that reaches the bound"


def test_a_batch_that_took_longer_than_the_group_waits_is_told(
    brokers: Brokers, topic: str, capsys: pytest.CaptureFixture[str]
) -> None:
    properties = {"session.timeout.ms": "1000", "max.poll.interval.ms": "1000", "heartbeat.interval.ms": "300"}
    watch = ConsumeWatch("en", acknowledge=False, answers_json=False)
    found = TopicReader(Cluster(brokers.servers, properties), Subscription((topic,), f"of-{topic}", False), watch)
    found.begin(lambda: False)
    last = time.monotonic() + 20
    while not found.at_end:
        assert found.next(1) == [] and time.monotonic() < last
    time.sleep(2)
    while not (told := capsys.readouterr().err):
        assert found.next(1) == [] and time.monotonic() < last
    found.close()
    assert told.startswith("a batch took longer than the group waits for its member (Application maximum poll interval")


@pytest.mark.slow
def test_offsets_of_a_partition_that_went_to_another_member_are_left_to_it(
    reader: Any, brokers: Brokers, topic: str
) -> None:
    first, second = reader(Told()), reader(Told())
    first.begin(lambda: False)
    last = time.monotonic() + 40
    while not first.at_end:
        assert first.next(10) == [] and time.monotonic() < last
    for partition in (0, 1):
        brokers.send(topic, b"x", partition=partition)
    brokers.sent()
    second.begin(lambda: False)
    for _ in range(10):
        second.next(10)  # it joins, and the first is told to give up, behind the messages that it has not taken yet
    seen: dict[TopicReader, list[TopicMessage]] = {first: [], second: []}
    while sum(map(len, seen.values())) < 2:
        for each, messages in seen.items():
            new = each.next(10)
            assert {(message.topic, message.partition) for message in new} <= (each._assigned or set())
            each.commit(new)
            messages.extend(new)
        assert time.monotonic() < last
    assert [len(messages) for messages in seen.values()] == [1, 1], "each has one partition"
    assert brokers.committed(topic, f"of-{topic}", 2) == {0: 1, 1: 1}
    others = seen[second]
    first.commit([others[0]._replace(offset=7)])
    assert brokers.committed(topic, f"of-{topic}", 2) == {0: 1, 1: 1}
    assert [each.partition for each in first.reached()] == [seen[first][0].partition]


def test_messages_of_a_partition_that_goes_while_they_are_read_are_left_to_whom_it_goes(reader: Any) -> None:
    found = reader(Told())
    real, found._consumer = found._consumer, Going(found)
    assert [message.partition for message in found.next(10)] == [1]
    found._consumer = real


class Going:
    """A client that hands on a message of two partitions each, and then takes the first partition away."""

    def __init__(self, told: TopicReader) -> None:
        self._told = told
        self._left = [0, 1]

    def poll(self, seconds: float) -> Any:
        if self._left:
            return Read(self._left.pop(0))
        self._told._give_up(self, [confluent_kafka.TopicPartition("t", 0)])
        return None


class Read:
    """A message as the client hands it on."""

    def __init__(self, partition: int) -> None:
        self._partition = partition

    def partition(self) -> int:
        return self._partition

    def topic(self) -> str:
        return "t"

    def offset(self) -> int:
        return 0

    def error(self) -> None:
        return None

    key = value = headers = error


@pytest.mark.slow
def test_messages_that_are_gone_are_told_and_not_passed_over(reader: Any, brokers: Brokers, topic: str) -> None:
    brokers.send(topic, GOOD[0])
    brokers.sent()
    found = reader(Told())
    found.begin(lambda: False)
    (message,) = some(found)
    found.commit([message._replace(offset=100)])
    found.close()
    again = reader(Told())
    again.begin(lambda: False)
    with pytest.raises(
        BrokerError, match=r"no longer have the offset from .*\): messages are gone that were not recorded. Find"
    ):
        some(again)
    whole = reader(Told(), from_beginning=True)
    again.close()
    whole.begin(lambda: False)
    assert len(some(whole)) == 1


def test_a_topic_that_goes_and_offsets_that_are_not_told_end_the_run(reader: Any) -> None:
    found = reader(Told())
    found._look_at(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART, "gone"), Nowhere())
    with pytest.raises(
        BrokerError, match=r"has gone while it was consumed \(gone\); what was acknowledged is recorded"
    ):
        found.next(1)
    other = reader(Told())
    other._take_over(Mute(), [confluent_kafka.TopicPartition("t", 0)])
    with pytest.raises(BrokerError, match=r"has committed \(away\); start again when they do: what was acknow"):
        other.next(1)


def test_a_partition_whose_offset_is_not_told_is_not_read_from_the_beginning(reader: Any) -> None:
    found = reader(Told())
    found._take_over(Unsure(), [confluent_kafka.TopicPartition("t", number) for number in range(2)])
    with pytest.raises(BrokerError, match=r"has committed \(t/1: loading\); start again when they do: what was acknow"):
        found.next(1)


@pytest.mark.parametrize("code", [KafkaError._BAD_MSG, KafkaError._NOT_IMPLEMENTED, KafkaError.INVALID_MSG])
def test_a_message_that_cannot_be_read_ends_the_run_and_is_not_passed_over(reader: Any, code: int) -> None:
    found = reader(Told())
    found._look_at(KafkaError(code, "broken"), Nowhere())
    with pytest.raises(
        BrokerError, match=r"t/0: what lies at the offset 17 cannot be read \(broken\), and nothing behind it is, so"
    ):
        found.next(1)


def test_errors_that_pass_are_waited_for(reader: Any) -> None:
    found = reader(Told())
    for code in (KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.KAFKA_STORAGE_ERROR, KafkaError._TRANSPORT):
        found._look_at(KafkaError(code, "moving"), Nowhere())
    assert found.next(1) == []


def test_a_topic_that_has_no_leader_yet_is_waited_for(reader: Any, brokers: Brokers, topic: str) -> None:
    told, asked = Told(), []

    def stopped() -> bool:
        asked.append(told.done.copy())
        if len(asked) == 3:
            brokers.trouble(topic, 0)
        return False

    brokers.trouble(topic, KafkaError.LEADER_NOT_AVAILABLE)
    reader(told).begin(stopped)
    assert asked == [[], ["away"], ["away"]] and told.done == ["away", "back"]


class Unsure:
    """A client whose brokers say of one of two partitions alone what is committed."""

    def committed(self, partitions: list[Any], timeout: float) -> list[Any]:
        errors = (None, KafkaError(KafkaError.COORDINATOR_LOAD_IN_PROGRESS, "loading"))
        return [SimpleNamespace(topic="t", partition=n, offset=-1001, error=error) for n, error in enumerate(errors)]

    def assign(self, partitions: list[Any]) -> None:
        raise AssertionError(f"{partitions} are read")


class Nowhere:
    """What the client hands on with an error of a topic."""

    def topic(self) -> str:
        return "t"

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return 17


class Mute:
    """A client whose brokers do not say what is committed."""

    def committed(self, *_: Any, **__: Any) -> None:
        raise confluent_kafka.KafkaException(KafkaError(KafkaError._TIMED_OUT, "away"))


def test_a_topic_that_is_not_there_is_told(brokers: Brokers, properties: Path, tmp_path: Path) -> None:
    words = ("--servers", brokers.servers, "--topic", "nowhere", "--group", "g", "--store", str(tmp_path / "l.db"))
    done = CliRunner().invoke(main, ["consume", *words, "--once"])
    assert done.exit_code == 2 and "Error: the brokers have no topic nowhere (" in done.output
    assert "); check --topic and --servers" in done.output
    assert not (tmp_path / "l.db").exists()


def test_properties_are_read_and_what_would_break_the_promise_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "client.properties"
    path.write_text("# remark\n\n security.protocol = SASL_SSL \nsasl.password=a=b c\n")
    assert read_properties(path) == {"security.protocol": "SASL_SSL", "sasl.password": "a=b c"}
    assert {"isolation.level", "transactional.id"} < OURS.keys()
    for name in OURS:
        path.write_text(f"\n{name}=x\n")
        with pytest.raises(UsageError, match=f":2: {name} cannot be set there; it is settled by"):
            read_properties(path)
    path.write_text("security.protocol\n")
    with pytest.raises(UsageError, match=":1: is no property; write NAME=VALUE"):
        read_properties(path)
    with pytest.raises(UsageError, match=r"the properties .* cannot be read: .*; name a file of NAME=VALUE lines"):
        read_properties(tmp_path / "none")
    told = Told()
    with pytest.raises(UsageError, match="the brokers cannot be asked: No such configuration property"):
        TopicReader(Cluster("localhost:1", {"no.such": "x"}), Subscription(("t",), "g", False), told)
    with pytest.raises(UsageError, match=r"no dead letter can be sent: .*; mend --servers or the properties"):
        DeadLetterTopic(Cluster("localhost:1", {"no.such": "x"}), "dead")


@pytest.mark.slow
def test_the_group_is_called_after_the_ledger(consume: Consume, location: str, brokers: Brokers, topic: str) -> None:
    words = ("consume", "--servers", brokers.servers, "--topic", topic, "--store", location, "--once")
    refused = CliRunner().invoke(main, words)
    assert refused.exit_code == 2 and "yet, after whose id the group is called; check --store" in refused.output
    create_store(location)
    with open_store(location) as store:
        own = f"levelbook-{store.identity.id}"
    done = CliRunner().invoke(main, [*words, "--format", "json"])
    assert json.loads(done.stdout)["group"] == own


def test_dead_letters_that_cannot_be_written_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="' is not the name of a file; name one for dead letters"):
        DeadLetterFile(tmp_path)
    with pytest.raises(UsageError, match="no file of dead letters can be made in the folder"):
        DeadLetterFile(tmp_path / "none" / "dead.jsonl")
    letters = DeadLetterFile(tmp_path / "dead.jsonl")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        StoreError,
        match=r"the dead letters .* cannot be written: No space left on device; their messages come again. Make",
    ):
        letters.keep([DeadLetter(TopicMessage("t", 0, 0, None, b"x"), [])], lambda: False)


def test_the_folder_is_synced_at_the_first_letters_of_every_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    monkeypatch.setattr("replay.consuming.dead_letters.sync", synced.append)
    (tmp_path / "dead.jsonl").write_bytes(b"{}\n")
    letters = DeadLetterFile(tmp_path / "dead.jsonl")
    for _ in range(2):
        letters.keep([DeadLetter(TopicMessage("t", 0, 0, None, b"x"), [NOT_JSON])], lambda: False)
    assert synced == [tmp_path]


@pytest.mark.slow
def test_a_topic_of_dead_letters_that_takes_none_is_told_and_nothing_is_committed(
    consume: Consume, brokers: Brokers, topic: str
) -> None:
    brokers.send(topic, b"poison")
    brokers.sent()
    brokers.refuse(PRODUCE, KafkaError.TOPIC_AUTHORIZATION_FAILED)
    done = consume("--dead-letter-topic", f"{topic}-dead", status=3)
    assert done["messages"] == 0 and "; mend it, and start again: its messages" in done["told"]
    assert brokers.committed(topic, f"of-{topic}", 2) == {0: 0, 1: 0}


def test_letters_are_sent_through_a_queue_that_holds_fewer(brokers: Brokers, topic: str) -> None:
    dead = f"{topic}-dead"
    brokers.topic(dead, 1)
    letters = DeadLetterTopic(Cluster(brokers.servers, {"queue.buffering.max.messages": "2"}), dead)
    refused = [DeadLetter(TopicMessage("t", 0, number, b"k", b"x"), [NOT_JSON]) for number in range(7)]
    assert letters.keep(refused, lambda: False)
    letters.close()
    assert len(brokers.messages(dead, 7)) == 7
    nowhere = DeadLetterTopic(Cluster("127.0.0.1:9", {"queue.buffering.max.messages": "2"}), topic)
    assert not nowhere.keep(refused, lambda: True), "it was asked to stop while the queue was full"
    nowhere.close()


def test_a_letter_that_is_too_large_for_its_topic_is_told_by_how_much(brokers: Brokers, topic: str) -> None:
    letters = DeadLetterTopic(Cluster(brokers.servers, {}), topic)
    letter = DeadLetter(TopicMessage("t", 0, 7, b"k", b"x" * 100, (("trace", None),)), [NOT_JSON])
    brokers.refuse(PRODUCE, KafkaError.MSG_SIZE_TOO_LARGE)
    more = sum(map(len, ("levelbook_topic", "t", "levelbook_partition", "0", "levelbook_offset", "7")))
    more += sum(map(len, ("levelbook_reason", "not_json", "levelbook_message", NOT_JSON.message)))
    told = (
        f"letter of t/0:7: found {106 + more} bytes, {more} of them its reasons; let it take messages that are {more}"
    )
    with pytest.raises(BrokerError, match=f"{topic} takes no message as large as the {told} bytes larger") as refused:
        letters.keep([letter], lambda: False)
    assert "(max.message.bytes), or keep letters in a file, and start again" in str(refused.value)
    letters.close()
    unnamable = DeadLetterTopic(Cluster(brokers.servers, {}), "x" * 600)
    with pytest.raises(BrokerError, match=r"takes none: .*; mend it, and start again: its messages come again"):
        unnamable.keep([letter], lambda: False)
    unnamable.close()


NOT_JSON = Refusal(Reason.NOT_JSON, "found no valid JSON")


def started(brokers: Brokers, topic: str, location: str, folder: Path, *words: str) -> "subprocess.Popen[bytes]":
    """The command as a process, to stay up."""
    asked = ("--servers", brokers.servers, "--topic", topic, "--group", f"of-{topic}", "--store", location)
    kept = ("--properties", str(folder / "client.properties"), "--dead-letter-file", str(folder / "dead.jsonl"))
    command = [sys.executable, "-m", "cli", "consume", *asked, *kept, "--acknowledge", *words]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_asked_to_stop_ends_with_what_it_has_done(
    number: int, brokers: Brokers, topic: str, location: str, properties: Path, tmp_path: Path
) -> None:
    process = started(brokers, topic, location, tmp_path)
    brokers.send(topic, GOOD[0])
    brokers.sent()
    assert process.stdout is not None
    assert process.stdout.readline() == f"recorded up to {topic}/0:0, position 1\n".encode()
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 0, err
    assert out.decode().splitlines()[0] == "1 messages: 1 recorded, 0 already known, 0 refused"
    assert brokers.committed(topic, f"of-{topic}", 2)[0] == 1


@pytest.mark.slow
def test_brokers_that_are_not_there_are_waited_for_until_it_is_stopped(tmp_path: Path, properties: Path) -> None:
    words = ("--servers", "127.0.0.1:9", "--topic", "t", "--group", "g", "--store", str(tmp_path / "l.db"))
    command = [sys.executable, "-m", "cli", "consume", *words]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stderr is not None
    assert process.stderr.readline().startswith(b"no broker is reached (")
    process.terminate()
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, b"")


def test_the_package_of_the_client_is_named_where_it_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    done = CliRunner().invoke(main, ["consume", "--servers", "x:1", "--topic", "t", "--store", str(tmp_path / "l.db")])
    assert done.exit_code == 2 and "reading topics of Kafka takes confluent_kafka, which" in done.output
    assert confluent_kafka.version()
