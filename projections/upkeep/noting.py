"""Consuming that is noted beside the ledger every few seconds, for those who watch it."""

from collections.abc import Callable, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Final

from projections.upkeep.consumed import PartitionNote, open_consumed
from replay.errors import LevelbookError, NoStoreError
from replay.store.opening import open_store

if TYPE_CHECKING:
    from replay.consuming.messages import TopicMessage
    from replay.consuming.topics import TopicReader

NOTE_SECONDS: Final = 5
"""So often is it noted, also while nothing comes."""


class NotedReader:
    """Messages of a reader. What keeps it from noting how far it is stops nothing, and is told once."""

    def __init__(self, reader: "TopicReader", group: str, location: str, failed: Callable[[str], None]) -> None:
        self._reader, self._group, self._location, self._failed = reader, group, location, failed
        self._due_at = 0.0
        self._has_failed = False

    @property
    def at_end(self) -> bool:
        return self._reader.at_end

    def next(self, count: int) -> "list[TopicMessage]":
        if monotonic() >= self._due_at:
            self.note()
        return self._reader.next(count)

    def commit(self, messages: "Sequence[TopicMessage]") -> None:
        self._reader.commit(messages)

    def note(self) -> None:
        """Note how far each partition is that this member has, once there is a ledger."""
        self._due_at = monotonic() + NOTE_SECONDS
        reached = self._reader.reached()
        if not reached or self._has_failed:
            return
        try:
            with open_store(self._location) as store, open_consumed(store) as kept:
                now = store.now()
                kept.note(PartitionNote(self._group, *found, noted_at=now) for found in reached)
        except NoStoreError:
            return
        except LevelbookError as error:
            self._has_failed = True
            self._failed(str(error))
