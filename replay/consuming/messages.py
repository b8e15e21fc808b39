"""A message of a topic, and messages as blocks of lines, which the intake reads as it reads lines of a file."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from domain.limits import LINE_BYTES_MAX
from replay.parsing.lines import Block, is_passed_over
from replay.parsing.refusals import Columns, Reason, Refusal, RefusalError
from replay.parsing.strict_json import shown


class TopicMessage(NamedTuple):
    """A message as it lies in a partition of a topic."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    """None in a tombstone, by which compacted topics forget a key."""
    headers: tuple[tuple[str, bytes | None], ...] = ()

    @property
    def size(self) -> int:
        """Its bytes: of key, value and headers."""
        return len(self.key or b"") + len(self.value or b"") + size_of(self.headers)

    @property
    def where(self) -> str:
        return f"{self.topic}/{self.partition}:{self.offset}"

    def header(self, name: str) -> bytes | None:
        """What the first header of this name holds, in any case of letters; None where there is none."""
        return next((value for found, value in self.headers if found.lower() == name), None)


def size_of(headers: Sequence[tuple[str, bytes | None]]) -> int:
    """How many bytes these are."""
    return sum(len(name.encode()) + len(value or b"") for name, value in headers)


Reading = Callable[[Sequence[TopicMessage]], Block]
"""Makes a block of consecutive messages: the number of a line is the index of the message that it comes from."""
EventsOf = Callable[[TopicMessage], list[bytes | Refusal]]
"""What a message holds: lines of events, and why others are none. Raises RefusalError where it holds nothing else."""


def reading_by(events_of: EventsOf) -> Reading:
    """Reads messages one by one."""

    def read(messages: Sequence[TopicMessage]) -> Block:
        origin = MessageLines(messages, events_of)
        return Block("", 0, [], 0, origin)

    return read


class MessageLines:
    """The lines that consecutive messages give, and which message each comes from; a blank one where there is none."""

    def __init__(self, messages: Sequence[TopicMessage], events_of: EventsOf) -> None:
        self._messages = messages
        self._refused: dict[int, Refusal] = {}
        self.numbers: list[int] = []
        self.lines: list[bytes] = []
        for number, message in enumerate(messages):
            self._take(number, _found(message, events_of))

    @property
    def last(self) -> int:
        return len(self._messages) - 1

    def raw(self, index: int) -> bytes:
        return self._messages[self.numbers[index]].value or b""

    def refused(self, index: int) -> Refusal | None:
        return self._refused.get(index)

    def columns(self, index: int) -> Columns:
        return {}

    def _take(self, number: int, found: list[bytes | Refusal]) -> None:
        for item in found or [b""]:
            if isinstance(item, Refusal):
                self._refused[len(self.lines)] = item
            self.numbers.append(number)
            self.lines.append(b"" if isinstance(item, Refusal) else item)


def _found(message: TopicMessage, events_of: EventsOf) -> list[bytes | Refusal]:
    try:
        return [_within_bounds(item) for item in events_of(message)]
    except RefusalError as error:
        return [error.refusal]


def _within_bounds(item: bytes | Refusal) -> bytes | Refusal:
    """What a file's reader passes over, a blank line or a reason, is no event here, and must not be lost as none."""
    if isinstance(item, Refusal):
        return item
    if len(item) > LINE_BYTES_MAX:
        return too_long(len(item))
    if is_passed_over(item):
        return Refusal(
            Reason.NOT_JSON, f"found {shown(item.decode('utf-8', 'replace'))}, which is not JSON; send an event"
        )
    return item


def too_long(size: int) -> Refusal:
    """For an event, or a row, of so many bytes."""
    return Refusal(
        Reason.LINE_TOO_LONG,
        f"found an event of {size} bytes; no event needs more than {LINE_BYTES_MAX}: leave out what is no part of it",
    )
