"""A topic of Kafka holds the levels as they stand, in librdkafka's own mock of a cluster."""

import json
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from projections.delivering.couriers import CourierTurn
from projections.delivering.endpoints import new_endpoint, new_id
from projections.delivering.messages import Message
from projections.delivering.running import Deliverer
from projections.delivering.sending import Sent
from projections.delivering.topics import TopicSender, check_topic
from projections.http.settings import Settings
from projections.views.database import Views
from replay.errors import UsageError
from replay.store.base.store import Store
from tests.support.brokers import Brokers, cluster
from tests.support.delivering import Round, rounds
from tests.support.receiving import receiving
from tests.support.serving import serving, shown_levels
from tests.support.views import going_on

TIER = "merchant-tier"
TOPIC = "levels-tier"


def topic_at(brokers: str, config: Path | None = None) -> Any:
    return new_endpoint(
        f"kafka://{brokers}/{TOPIC}",
        (TIER,),
        allow_private=False,
        allow_http=False,
        ca_file=None,
        properties=None if config is None else str(config),
        made_at=0,
    )


def message(number: int, subject: str, kind: str = "changed") -> Message:
    data = {"subject": subject, "scheme": TIER, "level": f"tier-{number}"}
    return Message(f"e-0-{number}", f"levelbook.level.{kind}", "2022-12-01T00:00:00+08:00", data, number, "urn:l:x")


@pytest.fixture(scope="module")
def kafka() -> Iterator[Brokers]:
    with cluster() as found:
        yield found


@pytest.fixture
def round_(store: Store) -> Iterator[tuple[Round, Views]]:
    with rounds(store) as found:
        yield found


@pytest.mark.slow
def test_records_are_keyed_by_subject_and_gone_levels_are_tombstones(kafka: Brokers) -> None:
    sender = TopicSender(topic_at(kafka.servers))
    began = Message("e-1-0", "levelbook.feed.began", "2022-12-01T00:00:00+08:00", {}, 0, "urn:l:x")
    sent = [began, message(1, "merchant/店"), message(2, "merchant/b"), message(3, "merchant/b", "gone")]
    assert sender.tried(sent[1], [], 0) == Sent(1)
    assert sender.send(sent, [], 0) == Sent(4)
    sender.close()
    records = kafka.messages(TOPIC, 3)
    assert sorted((record.key().decode(), record.value() is None) for record in records) == [
        ("merchant/b", False),
        ("merchant/b", True),
        ("merchant/店", False),
    ]
    first = next(record for record in records if record.key().decode() == "merchant/店")
    assert first.value() is not None and json.loads(first.value()) == sent[1].data
    assert {name: value.decode() for name, value in first.headers()} == {
        "ce_specversion": "1.0",
        "ce_id": "e-0-1",
        "ce_source": "urn:l:x",
        "ce_type": "levelbook.level.changed",
        "ce_time": "2022-12-01T00:00:00+08:00",
        "ce_subject": "merchant/店",
        "content-type": "application/json",
    }


@pytest.mark.slow
def test_a_compacted_topic_ends_with_the_levels(kafka: Brokers, round_: tuple[Round, Views], tmp_path: Path) -> None:
    here, views = round_
    topic = f"{TOPIC}-{new_id()}"
    made = topic_at(kafka.servers)._replace(url=f"kafka://{kafka.servers}/{topic}")
    name = here.keep(made)
    for turn, _ in enumerate(going_on(views, tmp_path, 2)):
        if turn % 4 == 3:
            here.bring_all(name)
    here.bring_all(name)
    count = here.deliveries.named(name).progress.delivered
    compacted: dict[str, Any] = {}
    for record in kafka.messages(topic, count):
        compacted.pop(record.key().decode(), None)
        if record.value() is not None:
            compacted[record.key().decode()] = json.loads(record.value())
    with serving(Settings(here.store.location)) as client:
        levels = shown_levels(client)
    assert compacted == {subject: row for (subject, scheme), row in levels.items() if scheme == TIER} != {}


def test_brokers_that_are_away_hold_the_cursor(round_: tuple[Round, Views], tmp_path: Path, monkeypatch: Any) -> None:
    here, views = round_
    for _ in islice(going_on(views, tmp_path, 2), 5):
        pass
    monkeypatch.setattr("projections.delivering.topics.FLUSH_SECONDS", 0.5)
    name = here.keep(topic_at("127.0.0.1:1"))
    assert here.courier(name).turn() is CourierTurn.FAILED
    progress = here.deliveries.named(name).progress
    assert (progress.number, progress.delivered, progress.failures) == (0, 0, 1)
    assert progress.problem is not None and progress.problem.startswith("Kafka did not take it: ")


def test_properties_are_taken_but_not_those_that_keep_order(tmp_path: Path) -> None:
    path = tmp_path / "kafka.properties"
    path.write_text("# of the cluster\n\nsecurity.protocol = SSL\nssl.ca.location=/a=b\n")
    assert TopicSender(topic_at("b:1", path))._config == {"security.protocol": "SSL", "ssl.ca.location": "/a=b"}
    path.write_text("acks=0\n")
    with pytest.raises(UsageError, match="properties:1: acks cannot be set there; it is settled by how levels are"):
        check_topic(topic_at("b:1", path))
    path.write_text("a=b\nacks\n")
    with pytest.raises(UsageError, match="properties:2: is no property; write NAME=VALUE"):
        check_topic(topic_at("b:1", path))


ALIASES = (
    "metadata.broker.list=b:1",
    "delivery.timeout.ms=1",
    "delivery.report.only.error=true",
    "request.required.acks=0",
    "plugin.library.paths=monitoring",
)


@pytest.mark.parametrize("line", ALIASES)
def test_properties_that_keep_order_are_refused_by_every_name(line: str, tmp_path: Path) -> None:
    path = tmp_path / "kafka.properties"
    path.write_text(f"{line}\n")
    with pytest.raises(UsageError, match=r"properties:1: .* cannot be set there; it is settled by"):
        check_topic(topic_at("b:1", path))


@pytest.mark.parametrize("line", ["no.such=1", "on_delivery=x", "error_cb=x", "security.protocol=none", "linger.ms=x"])
def test_properties_that_the_library_does_not_take_are_refused_at_once(line: str, tmp_path: Path) -> None:
    path = tmp_path / "kafka.properties"
    path.write_text(f"{line}\n")
    with pytest.raises(UsageError, match=r"the properties in .* are not taken by Kafka's library: ") as found:
        check_topic(topic_at("b:1", path))
    assert str(found.value).endswith("; correct them (callbacks have no place there)")


def test_properties_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    path = tmp_path / "kafka.properties"
    for why in ("No such file or directory", "it is not UTF-8"):
        with pytest.raises(UsageError) as found:
            check_topic(topic_at("b:1", path))
        assert str(found.value) == (f"the properties {path} cannot be read: {why}; name a file of NAME=VALUE lines")
        path.write_bytes(b"\xff")


@pytest.mark.slow
def test_properties_that_are_spoilt_later_are_a_failure_of_their_endpoint_alone(
    round_: tuple[Round, Views], tmp_path: Path
) -> None:
    """Others go on, whatever becomes of the files."""
    here, views = round_
    for _ in islice(going_on(views, tmp_path, 2), 5):
        pass
    expected = {}
    for number, (spoilt, said) in enumerate(
        (
            (None, "the properties "),
            (b"\xff", "the properties "),
            (b"no property", str(tmp_path)),
            (b"on_delivery=x", "Kafka did not take it: "),
            (b"no.such=1", "Kafka did not take it: "),
        )
    ):
        path = tmp_path / f"{number}.properties"
        if spoilt is not None:
            path.write_bytes(spoilt)
        made = topic_at("127.0.0.1:1", path)
        expected[here.keep(made._replace(url=f"{made.url}-{number}"))] = said
    with receiving() as receiver:
        other = here.add(receiver)
        running = Deliverer(here.deliveries, here.reading, once=True, give_up_days=5, told=here.told.append)
        assert running.run(lambda: False) == dict.fromkeys(expected, CourierTurn.FAILED) | {
            other: CourierTurn.CAUGHT_UP
        }
        assert receiver.levels != {}
    for name, said in expected.items():
        assert str(here.deliveries.named(name).progress.problem).startswith(said)


def test_without_the_library_a_topic_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    with pytest.raises(UsageError, match="a topic needs a library that is not here; install it with 'pip install"):
        check_topic(topic_at("b:1"))
