"""Sending to a topic of Kafka: the key is the subject, the value its current level, and none where it has none.

So a compacted topic holds the levels as they stand. Attributes of CloudEvents stand in headers, as its binding to Kafka
has them. librdkafka is imported by whoever has such an endpoint, and by nobody else.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec

from projections.api.feed import GONE
from projections.delivering.endpoints import Endpoint, topic_target
from projections.delivering.messages import BEGAN_ANEW, Message
from projections.delivering.sending import Sent
from replay.consuming.cluster import OURS_ALWAYS, read_properties
from replay.errors import UsageError

AT_ONCE: Final = 500
FLUSH_SECONDS = 30.0
REACH_SECONDS: Final = 10
_KEPT: Final = "how levels are delivered: in order, and none is lost"
_OURS: Final = OURS_ALWAYS | dict.fromkeys(
    (
        *("enable.idempotence", "acks", "request.required.acks"),
        *("message.timeout.ms", "delivery.timeout.ms", "delivery.report.only.error"),
    ),
    _KEPT,
)
"""What is not for a file to change, by each of its names."""


def check_topic(endpoint: Endpoint) -> None:
    """Raises UsageError where Kafka's library is not here, or does not take the properties."""
    kafka = _library()
    sender = TopicSender(endpoint)
    try:
        sender.open()
    except (kafka.KafkaException, TypeError, ValueError) as error:
        raise UsageError(
            f"the properties in {endpoint.properties} are not taken by Kafka's library: {_said(error)}; correct them"
            " (callbacks have no place there)"
        ) from None
    finally:
        sender.close()


class TopicSender:
    """Sends to one topic, from one thread."""

    at_once = AT_ONCE

    def __init__(self, endpoint: Endpoint) -> None:
        self._target = topic_target(endpoint.url)
        named = None if endpoint.properties is None else Path(endpoint.properties)
        self._config = read_properties(named, _OURS)
        self._producer: Any = None

    def send(self, messages: Sequence[Message], secrets: Sequence[str], now: int) -> Sent:
        """Send messages; those arrived of which Kafka said so, up to the first of which it did not."""
        kafka = _library()
        reports: dict[int, str | None] = {}
        try:
            producer = self.open()
            for place, message in enumerate(messages):
                if message.type == BEGAN_ANEW:  # a topic has no place for what is of no subject
                    reports[place] = None
                    continue
                producer.produce(
                    self._target.topic,
                    key=message.data["subject"].encode(),
                    value=None if message.type == GONE else msgspec.json.encode(message.data),
                    headers=_headers(message),
                    on_delivery=partial(_report, reports, place),
                )
            producer.flush(FLUSH_SECONDS)
        except (kafka.KafkaException, BufferError, TypeError, ValueError) as error:
            self.close()
            return Sent(problem=f"Kafka did not take it: {_said(error)}")
        return self._came_to(messages, reports)

    def tried(self, message: Message, secrets: Sequence[str], now: int) -> Sent:
        """Whether the topic is there; nothing is put into it, for its records are levels."""
        kafka = _library()
        try:
            found = self.open().list_topics(self._target.topic, REACH_SECONDS).topics[self._target.topic]
        except kafka.KafkaException as error:
            return Sent(problem=f"Kafka cannot be reached: {_said(error)}")
        if found.error is not None:
            return Sent(problem=f"Kafka has no such topic for us: {found.error.str()}")
        return Sent(arrived=1)

    def close(self) -> None:
        """Forget what Kafka has not taken: it is sent again, in its order, by another producer."""
        if self._producer is not None:
            self._producer.purge()
            self._producer.flush(0)
            self._producer = None

    def open(self) -> Any:
        """The library's producer; raises what the library raises where it does not take the properties."""
        if self._producer is None:
            own = {
                "bootstrap.servers": self._target.brokers,
                "enable.idempotence": True,
                "acks": "all",
                "message.timeout.ms": int(FLUSH_SECONDS * 900),
                "partitioner": "murmur2_random",  # as Java's producers have it
                "linger.ms": 5,
                "log_level": 2,
            }
            self._producer = _library().Producer({**own, **self._config})
        return self._producer

    def _came_to(self, messages: Sequence[Message], reports: dict[int, str | None]) -> Sent:
        waiting = "it gave no report in time"
        for place in range(len(messages)):
            problem = reports.get(place, waiting)
            if problem is not None:
                self.close()
                return Sent(place, f"Kafka did not take it: {problem}")
        return Sent(len(messages))


def _library() -> Any:
    try:
        import confluent_kafka
    except ImportError:
        raise UsageError(
            "a topic needs a library that is not here; install it with 'pip install levelbook[kafka]', or give the URL"
            " of a webhook"
        ) from None
    return confluent_kafka


def _headers(message: Message) -> list[tuple[str, bytes]]:
    told = {"specversion": "1.0", "id": message.id, "source": message.source, "type": message.type}
    told |= {"time": message.at, "subject": message.data["subject"]}
    named = [(f"ce_{name}", value.encode()) for name, value in told.items()]
    return [*named, ("content-type", b"application/json")]


def _report(reports: dict[int, str | None], place: int, error: Any, _: Any) -> None:
    reports[place] = None if error is None else str(error.str())


def _said(error: Exception) -> str:
    found = error.args[0] if error.args else error
    return str(found.str() if hasattr(found, "str") else found)
