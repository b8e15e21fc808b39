"""librdkafka's own mock cluster: brokers on real ports, for as long as this process keeps it.

Its interface in C is not among what the client for Python offers, so it is called as it is.
"""

import ctypes
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import confluent_kafka
from confluent_kafka import Consumer, Producer, TopicPartition

Header = tuple[str, bytes | None]
PRODUCE: Final = 0
OFFSET_COMMIT: Final = 8
"""The numbers that Kafka's protocol gives to these requests."""
_PRODUCER: Final = 0
_WAIT_SECONDS: Final = 20


def _library() -> Any:
    """The very library that the client has loaded."""
    maps = Path("/proc/self/maps").read_text()
    (path,) = sorted(set(re.findall(r"\S*librdkafka\S*\.so\S*", maps)))
    found = ctypes.CDLL(path)
    for name in ("rd_kafka_conf_new", "rd_kafka_new", "rd_kafka_handle_mock_cluster"):
        getattr(found, name).restype = ctypes.c_void_p
    found.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
    return found


class Brokers:
    """A cluster, what lies in its topics, and what its groups have committed."""

    def __init__(self, brokers: int) -> None:
        self._library = _library()
        conf = ctypes.c_void_p(self._library.rd_kafka_conf_new())
        said = ctypes.create_string_buffer(512)
        for name, value in (("test.mock.num.brokers", str(brokers)), ("log_level", "0")):
            assert not self._library.rd_kafka_conf_set(conf, name.encode(), value.encode(), said, 512), said.value
        self._handle = ctypes.c_void_p(self._library.rd_kafka_new(_PRODUCER, conf, said, 512))
        assert self._handle.value, said.value
        self._cluster = ctypes.c_void_p(self._library.rd_kafka_handle_mock_cluster(self._handle))
        self._library.rd_kafka_mock_group_initial_rebalance_delay_ms(self._cluster, 300)
        self.servers = self._library.rd_kafka_mock_cluster_bootstraps(self._cluster).decode()
        self._producer = Producer({"bootstrap.servers": self.servers, "log_level": 0})

    def topic(self, name: str, partitions: int) -> None:
        assert not self._library.rd_kafka_mock_topic_create(self._cluster, name.encode(), partitions, 1)

    def send(
        self, topic: str, value: bytes | None, *headers: Header, key: bytes | None = None, partition: int = 0
    ) -> None:
        self._producer.produce(topic, value, key, partition, headers=list(headers))

    def sent(self) -> None:
        """Wait until what was sent lies in its topics."""
        assert self._producer.flush(_WAIT_SECONDS) == 0

    def down(self, broker: int = 1) -> None:
        assert not self._library.rd_kafka_mock_broker_set_down(self._cluster, broker)

    def up(self, broker: int = 1) -> None:
        assert not self._library.rd_kafka_mock_broker_set_up(self._cluster, broker)

    def refuse(self, request: int, *errors: int) -> None:
        """Answer the next requests of a kind with these errors."""
        self._library.rd_kafka_mock_push_request_errors_array(
            self._cluster, ctypes.c_int16(request), len(errors), (ctypes.c_int * len(errors))(*errors)
        )

    def refuse_no_more(self, request: int) -> None:
        """Answer requests of a kind as they are meant again."""
        self._library.rd_kafka_mock_clear_request_errors(self._cluster, ctypes.c_int16(request))

    def trouble(self, topic: str, error: int) -> None:
        """Tell of a topic this error to whoever asks for it; 0 tells of it again."""
        self._library.rd_kafka_mock_topic_set_error(self._cluster, topic.encode(), error)

    def committed(self, topic: str, group: str, partitions: int) -> dict[int, int]:
        """The offsets that a group has committed, by partition; 0 where none."""
        consumer = self._consumer(group)
        try:
            found = consumer.committed([TopicPartition(topic, n) for n in range(partitions)], timeout=_WAIT_SECONDS)
            return {each.partition: max(0, each.offset) for each in found}
        finally:
            consumer.close()

    def commit(self, topic: str, group: str, offsets: dict[int, int]) -> None:
        consumer = self._consumer(group)
        found = consumer.commit(offsets=[TopicPartition(topic, *each) for each in offsets.items()], asynchronous=False)
        consumer.close()
        assert found

    def messages(self, topic: str, count: int) -> list[Any]:
        """So many messages of all partitions, those of each in their order."""
        consumer = self._consumer("reader")
        try:
            partitions = consumer.list_topics(topic, timeout=_WAIT_SECONDS).topics[topic].partitions
            consumer.assign([TopicPartition(topic, n, confluent_kafka.OFFSET_BEGINNING) for n in partitions])
            found: list[Any] = []
            while len(found) < count:
                got: Sequence[Any] = consumer.consume(count - len(found), _WAIT_SECONDS)
                assert got, f"{len(found)} of {count}"
                found += got
            return found
        finally:
            consumer.close()

    def close(self) -> None:
        self._producer.flush(0)
        self._library.rd_kafka_destroy(self._handle)

    def _consumer(self, group: str) -> Consumer:
        return Consumer(
            {"bootstrap.servers": self.servers, "group.id": group, "log_level": 0, "enable.auto.commit": False}
        )


@contextmanager
def cluster(brokers: int = 1) -> Iterator[Brokers]:
    found = Brokers(brokers)
    try:
        yield found
    finally:
        found.close()
