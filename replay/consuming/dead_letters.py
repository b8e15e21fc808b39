"""Messages of which something was refused: kept with the reasons, durably, before the group's offset passes them.

Each is kept at least once: one that comes again after a crash may be kept again.
"""

import os
import tempfile
from base64 import b64encode
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from replay.consuming.cluster import BrokerError, Cluster, client
from replay.consuming.messages import TopicMessage, size_of
from replay.errors import StoreError, UsageError
from replay.parsing.refusals import Refusal
from replay.store.beside import open_private, sync
from replay.store.location import is_postgres
from replay.store.reading.row import encode_json

FILE_NAME: Final = "dead-letters.jsonl"
HEADER_PREFIX: Final = "levelbook_"
"""Begins the headers that a dead letter has beside its own."""
_CLIENT_BYTES_MAX: Final = 1_000_000_000
"""The most that the client allows a message to be, so that the topic alone says what is too large for it."""
_WAIT_SECONDS: Final = 0.2
_LINE_END: Final = b"\n"


class DeadLetter(NamedTuple):
    """A message, and why something of it is not recorded."""

    message: TopicMessage
    refusals: list[Refusal]


class DeadLetters(Protocol):
    """Where they are kept."""

    @property
    def place(self) -> str: ...

    def keep(self, letters: Sequence[DeadLetter], stopped: Callable[[], bool]) -> bool:
        """Keep them; whether they are safe, which they are not where it was asked to stop before."""

    def close(self) -> None: ...


def letters_beside(location: str) -> Path:
    """Where they go unless something is named: beside an SQLite store, else in the working folder."""
    return Path(FILE_NAME) if is_postgres(location) else Path(location).parent / FILE_NAME


class DeadLetterFile:
    """A line of JSON each, at the end of a private file. Raises UsageError at once where none can be made."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stands = False
        if not path.name or (path.exists() and not path.is_file()):
            raise UsageError(f"'{path}' is not the name of a file; name one for dead letters with --dead-letter-file")
        try:
            tempfile.TemporaryFile(dir=path.parent).close()
        except OSError:
            raise UsageError(
                f"no file of dead letters can be made in the folder {path.parent}; name another with --dead-letter-file"
            ) from None

    @property
    def place(self) -> str:
        return str(self._path)

    def keep(self, letters: Sequence[DeadLetter], stopped: Callable[[], bool]) -> bool:
        lines = b"".join(encode_json(as_json(letter)) + _LINE_END for letter in letters)
        try:
            with os.fdopen(open_private(self._path, os.O_RDWR | os.O_APPEND), "r+b") as file:
                file.write((b"" if _ends_whole(file.fileno()) else _LINE_END) + lines)
                file.flush()
                os.fsync(file.fileno())
            if not self._stands:  # a process that was killed may have made the file, and not synced its folder
                sync(self._path.parent)
                self._stands = True
        except OSError as error:
            raise StoreError(
                f"the dead letters {self._path} cannot be written: {error.strerror or error}; their messages come"
                " again. Make space, then start again"
            ) from error
        return True

    def close(self) -> None:
        pass


class DeadLetterTopic:
    """A topic, whose messages are those refused, as they were, with headers that say where they come from and why."""

    def __init__(self, cluster: Cluster, topic: str) -> None:
        self.place = topic
        self._kafka = client()
        self._failure: BrokerError | None = None
        own = {"enable_idempotence": True, "message_max_bytes": _CLIENT_BYTES_MAX}
        try:
            self._producer = self._kafka.Producer(cluster.configuration(lambda _: None, **own))
        except (self._kafka.KafkaException, ValueError) as error:
            raise UsageError(f"no dead letter can be sent: {error}; mend --servers or the properties") from None

    def keep(self, letters: Sequence[DeadLetter], stopped: Callable[[], bool]) -> bool:
        for letter in letters:
            while not self._hand_over(letter):
                self._producer.poll(_WAIT_SECONDS)
                if stopped():
                    return False
        while self._producer.flush(_WAIT_SECONDS):
            if stopped():
                return False
        if self._failure is not None:
            raise self._failure
        return True

    def close(self) -> None:
        self._producer.purge()
        self._producer.flush(0)

    def _hand_over(self, letter: DeadLetter) -> bool:
        """Give a letter to the client; False while its queue is full. Raises BrokerError."""
        message = letter.message
        try:
            self._producer.produce(
                self.place,
                message.value,
                message.key,
                headers=[*message.headers, *_reasons(letter)],
                on_delivery=lambda error, _: self._delivered(error, letter),
            )
        except BufferError:
            return False
        except self._kafka.KafkaException as error:
            raise self._not_taken(error.args[0], letter) from None
        return True

    def _delivered(self, error: Any, letter: DeadLetter) -> None:
        if error is not None and self._failure is None:
            self._failure = self._not_taken(error, letter)

    def _not_taken(self, error: Any, letter: DeadLetter) -> BrokerError:
        message = letter.message
        if error.code() != self._kafka.KafkaError.MSG_SIZE_TOO_LARGE:
            return BrokerError(
                f"the topic of dead letters {self.place} takes none: {error.str()}; mend it, and start again:"
                " its messages come again"
            )
        more = size_of(_reasons(letter))
        return BrokerError(
            f"the topic of dead letters {self.place} takes no message as large as the letter of {message.where}: found"
            f" {message.size + more} bytes, {more} of them its reasons; let it take messages that are {more} bytes"
            f" larger than those of {message.topic} (max.message.bytes), or keep letters in a file, and"
            " start again: its messages come again"
        )


def as_json(letter: DeadLetter) -> dict[str, Any]:
    """A letter as a line of a file has it; bytes that are no text are {"base64": …}."""
    message = letter.message
    return {
        "topic": message.topic,
        "partition": message.partition,
        "offset": message.offset,
        "reasons": [{"reason": str(refusal.reason), "message": refusal.message} for refusal in letter.refusals],
        "key": _shown(message.key),
        "headers": [[name, _shown(value)] for name, value in message.headers],
        "value": _shown(message.value),
    }


def _reasons(letter: DeadLetter) -> list[tuple[str, bytes]]:
    message = letter.message
    told = {
        "topic": message.topic,
        "partition": str(message.partition),
        "offset": str(message.offset),
        "reason": str(letter.refusals[0].reason),
        "message": "; ".join(refusal.message for refusal in letter.refusals[:8]),
    }
    return [(HEADER_PREFIX + name, text.encode("utf-8", "backslashreplace")) for name, text in told.items()]


def _shown(value: bytes | None) -> str | dict[str, str] | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return {"base64": b64encode(value or b"").decode()}


def _ends_whole(handle: int) -> bool:
    """Whether what stands in a file ends with a line end, as it does not where a write was cut off."""
    size = os.fstat(handle).st_size
    return size == 0 or os.pread(handle, 1, size - 1) == _LINE_END
