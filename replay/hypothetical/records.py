"""The events that a large replay rests on, with hypothetical ones among them."""

from collections.abc import Collection, Sequence

from domain.events import Event
from replay.replaying.records import Records
from replay.store.queries import Name


class LaidRecords(Records):
    """Those of a ledger up to a position, and behind all of these the hypothetical ones."""

    def __init__(self, subject: str, below: Records, laid: Sequence[Event]) -> None:
        self._subject, self._below = subject, below
        self._laid = {event.position: event for event in laid}
        self._found: dict[int, Event] = {}

    def upto(self, position: int) -> Records:
        return self._below.upto(position)

    def at(self, positions: Collection[int]) -> list[Event]:
        recorded = self._below.at([at for at in positions if at not in self._laid])
        return [*recorded, *(self._laid[at] for at in sorted(positions) if at in self._laid)]

    def named(self, event_id: str) -> list[Event]:
        return [*self._below.named(event_id), *(event for event in self._laid.values() if event.id == event_id)]

    def places_of(self, names: Collection[Name]) -> dict[Name, int]:
        found = {(event.originator_id, event.source, event.id): event.position for event in self._laid.values()}
        return self._below.places_of(names) | {name: found[name] for name in names if name in found}

    def places_named(self, names: Collection[tuple[str, str]]) -> dict[tuple[str, str], int]:
        found = {(event.source, event.id): event.position for event in self._laid.values()}
        return self._below.places_named(names) | {name: found[name] for name in names if name in found}

    def decisions(self, scheme: str) -> list[Event]:
        return self._below.decisions(scheme)

    def announcements(self) -> list[Event]:
        return [*self._below.announcements(), *self._of_type("level.announced")]

    def places(self, event_type: str) -> list[tuple[int, int]]:
        laid = [(event.position, event.occurred_at) for event in self._of_type(event_type)]
        return [*self._below.places(event_type), *laid]

    def count(self) -> int:
        return self._below.count() + len(self._of_subject())

    def _of_type(self, event_type: str) -> list[Event]:
        return [event for event in self._of_subject() if event.type == event_type]

    def _of_subject(self) -> list[Event]:
        return [event for event in self._laid.values() if event.originator_id == self._subject]
