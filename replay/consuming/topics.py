"""Messages of topics, read as a member of a group, and the offsets up to which the group has recorded them.

An offset is committed when its messages are recorded, never before. A partition that is taken over goes on from the
committed offset; where there is none, from the beginning. Where the brokers no longer have that offset, messages were
lost, and nothing goes on by itself.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, Protocol

from replay.consuming.cluster import (
    BrokerError,
    Cluster,
    client,
    is_away,
    is_passing,
    is_refusal,
    refused_by_brokers,
)
from replay.consuming.messages import TopicMessage
from replay.errors import UsageError

LOOK_SECONDS: Final = 0.2
"""How long messages are waited for before it is looked whether to stop."""
READ_BYTES: Final = 16 << 20
"""So many bytes of messages end a batch, however few they are."""
ASK_SECONDS: Final = 30.0
"""How long brokers may take to say which offsets are committed."""


class Subscription(NamedTuple):
    """What is read, and as whose member."""

    topics: tuple[str, ...]
    group: str
    from_beginning: bool


class ClusterWatcher(Protocol):
    """Whoever follows how brokers are reached."""

    def away(self, problem: str) -> None:
        """No broker is reached; it is waited for."""

    def back(self) -> None:
        """One is reached again."""

    def late(self, problem: str) -> None:
        """A batch took longer than the group waits: its partitions go to others, or are taken over anew."""


class Reached(NamedTuple):
    """How far a partition is recorded."""

    topic: str
    partition: int
    next_offset: int
    behind: int | None
    """How many offsets lie behind it; None where the brokers did not say."""


class TopicReader:
    """A member of a group. Used from one thread."""

    def __init__(self, cluster: Cluster, asked: Subscription, watcher: ClusterWatcher) -> None:
        self._kafka = client()
        self._asked = asked
        self._watcher = watcher
        self._failure: BrokerError | None = None
        self._is_away = False
        self._assigned: set[tuple[str, int]] | None = None
        self._ended: set[tuple[str, int]] = set()
        self._begun: set[tuple[str, int]] = set()
        self._next: dict[tuple[str, int], int] = {}
        self._found: list[TopicMessage] = []
        own = {"group_id": asked.group, "auto_offset_reset": "error", "enable_partition_eof": True}
        own |= {"enable_auto_commit": False, "enable_auto_offset_store": False}
        try:
            self._consumer = self._kafka.Consumer(cluster.configuration(self._told, **own))
        except (self._kafka.KafkaException, ValueError) as error:
            raise UsageError(
                f"the brokers cannot be asked: {_text_of(error)}; mend --servers or the properties"
            ) from None

    @property
    def at_end(self) -> bool:
        """Whether every partition that this member has was read to its end."""
        return self._assigned is not None and self._assigned <= self._ended

    def begin(self, stopped: Callable[[], bool]) -> None:
        """Find the topics and join the group; brokers that are away are waited for. Raises BrokerError, UsageError."""
        for topic in self._asked.topics:
            while not stopped() and not self._is_there(topic):
                self._raise_failure()
        self._consumer.subscribe([*self._asked.topics], on_assign=self._take_over, on_revoke=self._give_up)

    def next(self, count: int) -> list[TopicMessage]:
        """The next messages, no more than so many, and none behind READ_BYTES; none where none came in time.

        Raises BrokerError.
        """
        self._found = []
        size = 0
        message = self._consumer.poll(LOOK_SECONDS)
        while message is not None:
            error = message.error()
            if error is None:
                self._found.append(_as_ours(message))
                size += self._found[-1].size
                self._ended.discard((message.topic(), message.partition()))
            else:
                self._look_at(error, message)
            message = self._consumer.poll(0) if len(self._found) < count and size < READ_BYTES else None
        self._raise_failure()
        if self._found:
            self._reached()
        return self._found

    def commit(self, messages: Sequence[TopicMessage]) -> None:
        """Say that these are recorded, or kept. Where brokers do not hear it they come again, and change nothing.

        Of partitions that others have now nothing is said: they may be further, or read the same again.
        """
        moved = {(message.topic, message.partition): message.offset + 1 for message in messages}
        moved = {place: offset for place, offset in moved.items() if place in (self._assigned or ())}
        if not moved:
            return
        self._next |= moved
        offsets = [self._kafka.TopicPartition(*place, offset) for place, offset in sorted(moved.items())]
        try:
            heard = self._consumer.commit(offsets=offsets, asynchronous=False)
        except self._kafka.KafkaException as error:
            self._told(error.args[0])
        else:
            for each in heard:
                if each.error is not None:
                    self._told(each.error)
        self._raise_failure()

    def reached(self) -> list[Reached]:
        """How far each partition that this member has, and of which something was consumed, is recorded."""
        return [Reached(*place, offset, self._behind(place, offset)) for place, offset in sorted(self._next.items())]

    def close(self) -> None:
        self._consumer.close()

    def _is_there(self, topic: str) -> bool:
        try:
            found = self._consumer.list_topics(topic, timeout=2.0).topics[topic]
        except self._kafka.KafkaException as error:
            self._consumer.poll(0)  # what the brokers say against it comes by a call of its own
            self._told(error.args[0])
            return False
        if found.error is not None and is_refusal(found.error):
            raise refused_by_brokers(found.error)
        if found.error is not None and is_passing(found.error):
            self._told_away(found.error)
            self._consumer.poll(LOOK_SECONDS)
            return False
        if found.error is not None:
            raise UsageError(f"the brokers have no topic {topic} ({found.error.str()}); check --topic and --servers")
        self._reached()
        return True

    def _told(self, error: Any) -> None:
        """What the client's library says by itself, or of a call."""
        if is_refusal(error):
            self._failure = self._failure or refused_by_brokers(error)
        elif is_away(error):
            self._told_away(error)

    def _told_away(self, error: Any) -> None:
        if not self._is_away:
            self._is_away = True
            self._watcher.away(error.str())

    def _reached(self) -> None:
        if self._is_away:
            self._is_away = False
            self._watcher.back()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _look_at(self, error: Any, message: Any) -> None:
        kinds, place = self._kafka.KafkaError, (message.topic(), message.partition())
        if error.code() == kinds._PARTITION_EOF:
            self._ended.add(place)
            self._reached()
        elif error.code() in (kinds._AUTO_OFFSET_RESET, kinds.OFFSET_OUT_OF_RANGE):
            self._failure = BrokerError(
                f"{place[0]}/{place[1]}: the brokers no longer have the offset from which the group {self._asked.group}"
                f" would go on ({error.str()}): messages are gone that were not recorded. Find out which; then"
                " --from-beginning goes on with those that are there, and what is known changes nothing"
            )
        elif error.code() in (kinds.UNKNOWN_TOPIC_OR_PART, kinds._UNKNOWN_TOPIC, kinds._UNKNOWN_PARTITION):
            self._failure = BrokerError(
                f"the topic {place[0]} has gone while it was consumed ({error.str()}); what was acknowledged is"
                " recorded"
            )
        elif error.code() == kinds._MAX_POLL_EXCEEDED:
            self._watcher.late(error.str())
        elif place[0] and place[1] >= 0 and not is_refusal(error) and not is_passing(error):
            self._failure = BrokerError(
                f"{place[0]}/{place[1]}: what lies at the offset {message.offset()} cannot be read ({error.str()}), and"
                " nothing behind it is, so that none is passed over. Mend it, or find out what is lost and set the"
                f" offset of the group {self._asked.group} behind it; what was acknowledged is recorded"
            )
        else:
            self._told(error)

    def _take_over(self, consumer: Any, partitions: list[Any]) -> None:
        """Begin with what the group has committed; with nothing, at the beginning."""
        try:
            found = consumer.committed(partitions, timeout=ASK_SECONDS) if partitions else []
        except self._kafka.KafkaException as error:
            self._failure = self._not_told(_text_of(error))
            return
        if unknown := [partition for partition in found if partition.error is not None]:
            self._failure = self._not_told(f"{unknown[0].topic}/{unknown[0].partition}: {unknown[0].error.str()}")
            return
        for partition in found:
            place = (partition.topic, partition.partition)
            anew = self._asked.from_beginning and place not in self._begun
            if anew or partition.offset < 0:
                partition.offset = self._kafka.OFFSET_BEGINNING
            self._begun.add(place)
        self._assigned = {(partition.topic, partition.partition) for partition in found}
        self._next = {place: offset for place, offset in self._next.items() if place in self._assigned}
        self._ended.clear()
        consumer.assign(found)

    def _not_told(self, why: str) -> BrokerError:
        return BrokerError(
            f"the brokers do not say which offsets the group {self._asked.group} has committed ({why}); start again"
            " when they do: what was acknowledged is recorded"
        )

    def _give_up(self, consumer: Any, partitions: list[Any]) -> None:
        """What was read of them before is recorded and committed; what is being read is left to whom they go to."""
        gone = {(partition.topic, partition.partition) for partition in partitions}
        self._found = [message for message in self._found if (message.topic, message.partition) not in gone]
        self._assigned = None
        self._ended.clear()

    def _behind(self, place: tuple[str, int], offset: int) -> int | None:
        try:
            _, high = self._consumer.get_watermark_offsets(self._kafka.TopicPartition(*place), cached=True)
        except self._kafka.KafkaException:
            return None
        return max(0, high - offset) if high >= 0 else None


def _as_ours(message: Any) -> TopicMessage:
    headers = tuple(message.headers() or ())
    return TopicMessage(message.topic(), message.partition(), message.offset(), message.key(), message.value(), headers)


def _text_of(error: Exception) -> str:
    told = error.args[0] if error.args else error
    return str(told.str()) if hasattr(told, "str") else str(told)
