"""The events that a replay rests on, looked up in the store where something is told of them: what a large replay knows
of them is columns alone.
"""

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager, nullcontext
from typing import Final

from domain.events import Event
from replay.history.timeline import decisions_on, event_of_row, events_of_types
from replay.store.base.store import Store
from replay.store.queries import Name, event_rows_at, length_at, places_of_type, tally
from replay.store.searching.across import event_rows_named, places_named, places_of

_FEW: Final = 1_000
"""Records looked up together, whose places in the ledger are not asked for again."""
Lend = Callable[[], AbstractContextManager[Store]]
"""Lends a store for a while: a replay may be asked by another thread, and long after it was made."""


class Records:
    """The events of a subject up to a position, and of others that its replay reads: of some streams all, beside them
    those at some positions.
    """

    def __init__(
        self, lend: Lend, subject: str, position: int, others: Collection[str] = (), beside: Collection[int] = ()
    ) -> None:
        self._lend, self._subject, self._position = lend, subject, position
        self._streams, self._beside = {subject, *others}, {*beside}
        self._found: dict[int, Event] = {}

    def upto(self, position: int) -> "Records":
        """Those up to an earlier position."""
        return Records(self._lend, self._subject, position, self._streams, self._beside)

    def __getitem__(self, position: int) -> Event:
        """The event at a position; kept, for what is told of one event names it several times."""
        if position not in self._found:
            self.look_up([position])
        return self._found[position]

    def look_up(self, positions: Collection[int]) -> None:
        """Look up many at once that will be asked for."""
        wanted = {position for position in positions if position not in self._found}
        self._found |= {event.position: event for event in self.at(wanted)}

    def let_go(self) -> None:
        """Keep none of those that were looked up."""
        self._found = {}

    def at(self, positions: Collection[int]) -> list[Event]:
        """The events at some positions in the order of the ledger; not kept."""
        with self._lend() as store, store.reading_once() if len(positions) > _FEW else nullcontext():
            found = list(map(event_of_row, event_rows_at(store, sorted(positions))))
        return sorted(found, key=lambda event: event.position)

    def named(self, event_id: str) -> list[Event]:
        """The events of an id, of whichever source."""
        with self._lend() as store:
            rows = list(event_rows_named(store, event_id, self._position))
        found = [row for row in rows if row[0] in self._streams or row[1] in self._beside]
        return list(map(event_of_row, found))

    def places_of(self, names: Collection[Name]) -> dict[Name, int]:
        """By stream, source and id, where those stand that a retraction of the stream can name."""
        with self._lend() as store:
            places = places_of(store, names)
        return {name: place for name, place in places.items() if place <= self._position}

    def places_named(self, names: Collection[tuple[str, str]]) -> dict[tuple[str, str], int]:
        """By source and id, where those stand that bear such names, of whichever stream."""
        with self._lend() as store:
            places = places_named(store, names)
        return {name: place for name, place in places.items() if place <= self._position}

    def decisions(self, scheme: str) -> list[Event]:
        """What was decided of the subject in a scheme, in the order of the ledger."""
        with self._lend() as store:
            return list(decisions_on(store, self._subject, scheme, self._position))

    def announcements(self) -> list[Event]:
        """What was announced of the subject: no index finds it."""
        with self._lend() as store:
            return list(events_of_types(store, self._subject, ("level.announced",), self._position))

    def places(self, event_type: str) -> list[tuple[int, int]]:
        """(position, occurred_at) of the events of a type, in the order of the ledger: no index finds these either."""
        with self._lend() as store:
            return (
                list(places_of_type(store, self._subject, event_type, self._position))
                if tally(store).get(event_type)
                else []
            )

    def count(self) -> int:
        """How many the subject has, of every type."""
        with self._lend() as store:
            return length_at(store, self._subject, self._position)
