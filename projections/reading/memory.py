"""Answers that were made lately, as bytes: given again for as long as the views stand where they stood."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Any, Final, NamedTuple

import msgspec

from projections.reading.freshness import Place

MEMORY_BYTES: Final = 32 * 1024 * 1024
"""How much a process remembers: some 10,000 levels of a year, 2,000 of three years."""
BESIDE_BYTES: Final = 500
"""What an answer takes beside its own bytes: key, pieces and their places."""

LATER: Final = msgspec.Raw(b"\0")
"""Stands in JSON for how fresh it is, which is put in when it is sent: no JSON holds such a byte."""

AnswerKey = tuple[Hashable, ...]
"""What was asked, path and query, and who may see what of it."""
MemoryPlace = tuple[int, Place]
"""The version of the file, where there is one, and where the views in it stand."""


class Remembered(NamedTuple):
    """An answer, but for how fresh it is: that is another one every second."""

    operation: str
    etag: str
    pieces: tuple[bytes, ...]
    """The body's JSON, cut wherever its freshness stands."""

    def body(self, freshness: bytes) -> bytes:
        return freshness.join(self.pieces)

    @property
    def size_bytes(self) -> int:
        return sum(map(len, self.pieces)) + BESIDE_BYTES


def remembered(operation: str, etag: str, body: Any) -> Remembered:
    """An answer from its body, in which `LATER` stands for its freshness."""
    return Remembered(operation, etag, tuple(msgspec.json.encode(body).split(bytes(LATER))))


class AnswerMemory:
    """Answers of one place at which views stand, the least recently used forgotten first; for one thread."""

    def __init__(self, bytes_max: int = MEMORY_BYTES) -> None:
        self._bytes_max = bytes_max
        self._place: MemoryPlace | None = None
        self._answers: OrderedDict[AnswerKey, Remembered] = OrderedDict()
        self.size_bytes = 0

    def __len__(self) -> int:
        return len(self._answers)

    def stand(self, place: MemoryPlace) -> None:
        """The views stand here: what was answered elsewhere is forgotten."""
        if place != self._place:
            self.forget()
            self._place = place

    def find(self, key: AnswerKey) -> Remembered | None:
        found = self._answers.get(key)
        if found is not None:
            self._answers.move_to_end(key)
        return found

    def keep(self, place: MemoryPlace, key: AnswerKey, answer: Remembered) -> None:
        """Remember an answer that was made of views which stood at a place."""
        self.stand(place)
        before = self._answers.pop(key, None)
        self.size_bytes += answer.size_bytes - (0 if before is None else before.size_bytes)
        self._answers[key] = answer
        while self.size_bytes > self._bytes_max:
            _, dropped = self._answers.popitem(last=False)
            self.size_bytes -= dropped.size_bytes

    def forget(self) -> None:
        self._answers.clear()
        self.size_bytes = 0
        self._place = None
