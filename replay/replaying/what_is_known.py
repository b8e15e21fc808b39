"""What is known of a subject, in memory: its events in the order of the ledger, and what retractions make of them."""

from collections.abc import Collection, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import ClassVar

from domain.events import CORRECTION_TYPES, Event, LevelDecided
from replay.history.in_vain import retractions_in_vain
from replay.history.readers import EVERYTHING_SHOWN, Reader
from replay.history.timeline import RETRACTED, retracted_positions


class WhatIsKnown:
    """The known events of one subject, as a replay asks for them; large ones ask columns in their place."""

    scheme: ClassVar[str]
    subject: str
    known: list[Event]
    """In the order of the ledger."""
    reader: Reader = EVERYTHING_SHOWN
    """Who may see it."""
    elsewhere: Mapping[tuple[str, str], int] = MappingProxyType({})
    """By source and id, the positions of the subject's events beyond `known` that its retractions name."""

    @property
    def weight(self) -> int:
        """On how many events in memory it rests."""
        return len(self.known)

    def before_corrections(self, position: int) -> list[Event]:
        """What is known without the corrections behind a position, for a replay of that alone."""
        return [event for event in self.known if event.position <= position or event.type not in CORRECTION_TYPES]

    def count_before_corrections(self, position: int) -> int:
        """Of how many records that is."""
        return len(self.before_corrections(position))

    def look_up(self, positions: Collection[int]) -> None:
        """Make ready what will be asked of the events at some positions."""
        del positions  # plain replays have every event in memory

    def named(self, event_id: str) -> list[Event]:
        """The known events of an id; one id may be several sources'."""
        return [event for event in self.known if event.id == event_id]

    def about(self, event: Event) -> set[int]:
        """The positions of the known events about the same order or violation; of a retraction, of what it names."""
        if event.type == RETRACTED:
            name = (event.data.source, event.data.event)
            return {other.position for other in self.known if (other.source, other.id) == name}
        about = about_of(event)
        return {other.position for other in self.known if about is not None and about_of(other) == about}

    def beside(self, positions: Collection[int]) -> set[int]:
        """The positions of the events about the same orders and violations as some, and of what names these to be
        retracted.
        """
        about = {about_of(self.events[position]) for position in positions} - {None}
        named = {(self.events[position].source, self.events[position].id) for position in positions}
        return {
            event.position
            for event in self.known
            if about_of(event) in about or (event.type == RETRACTED and (event.data.source, event.data.event) in named)
        }

    def announcements(self, period: str) -> list[Event]:
        """What was announced of a period, and not retracted."""
        return [
            event
            for event in self.known
            if event.type == "level.announced"
            and event.originator_id == self.subject
            and (event.data.scheme, event.data.period) == (self.scheme, period)
            and event.position not in self.retracted
        ]

    @cached_property
    def retracted(self) -> dict[int, int]:
        """By position of a retracted event, that of the retraction."""
        return retracted_positions(self.known)

    @cached_property
    def in_vain(self) -> dict[int, int | None]:
        """By position of a retraction that retracts nothing, that of the event it names, where this came later."""
        found = retractions_in_vain(self.known, self.elsewhere)
        return {position: later for position, later in found.items() if position not in self.retracted}

    @cached_property
    def named_in_vain(self) -> dict[int, list[int]]:
        """By position of an event, those of the retractions that named it before it was recorded."""
        found: dict[int, list[int]] = {}
        for position, later in self.in_vain.items():
            if later is not None:
                found.setdefault(later, []).append(position)
        return found

    @cached_property
    def events(self) -> dict[int, Event]:
        """The known events by position."""
        return {event.position: event for event in self.known}

    def decision(self, period: str) -> LevelDecided | None:
        """What was decided of a period, in the latest run that is known. Raises HiddenError for who may not see it."""
        self.reader.check("level.decided")
        decided = [
            event.data
            for event in self.known
            if event.type == "level.decided" and (event.data.scheme, event.data.period) == (self.scheme, period)
        ]
        return decided[-1] if decided else None


def about_of(event: Event) -> tuple[str, str] | None:
    """What an event is about, in whose stream: an order or a violation; ids mean something within one stream only."""
    name = getattr(event.data, "order", None) or getattr(event.data, "violation", None)
    return None if name is None else (event.originator_id, name)
