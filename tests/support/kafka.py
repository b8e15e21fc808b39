"""A cluster of Kafka in this process: librdkafka's own mock, which other clients connect to."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple


class Record(NamedTuple):
    key: str
    value: bytes | None
    headers: dict[str, str]


class Cluster:
    """The mock lives as long as the producer that made it."""

    def __init__(self) -> None:
        from confluent_kafka import Producer

        self._home = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1, "log_level": 2})
        found: Any = self._home.list_topics(timeout=10)
        self.brokers = ",".join(f"{broker.host}:{broker.port}" for broker in found.brokers.values())

    def records(self, topic: str, count: int) -> list[Record]:
        """The first records of a topic, of each key in their order."""
        from confluent_kafka import Consumer

        reader = Consumer(
            {
                "bootstrap.servers": self.brokers,
                "group.id": f"{topic}-{time.time_ns()}",
                "auto.offset.reset": "earliest",
            }
        )
        found: list[Record] = []
        reader.subscribe([topic])
        until = time.monotonic() + 30
        while len(found) < count and time.monotonic() < until:
            message: Any = reader.poll(0.2)
            if message is not None and message.error() is None:
                headers = {name: value.decode() for name, value in message.headers() or []}
                found.append(Record(message.key().decode(), message.value(), headers))
        reader.close()
        return found


@contextmanager
def cluster() -> Iterator[Cluster]:
    yield Cluster()
