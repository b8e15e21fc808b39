"""Replays of what is many: judged by compiled rules over columns, and told of record by record only where shown.

Which subjects are replayed so is a matter of `replay.columnar.size`; answers ask them what they ask every replay, and a
test holds each answer equal to that of the plain replay. A month's verdicts are told by a plain replay of that month
alone, from the account or the sums at which it opened.
"""

from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Collection, Sequence
from copy import copy
from functools import cached_property
from typing import Any, ClassVar, Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from domain.calendar import month_of
from domain.events import CORRECTION_TYPES, Event, LevelDecided
from replay.columnar.columns import EVENT_RETRACTED, WHATS, Columns, taken_out
from replay.columnar.size import ROWS_TO_AN_EVENT
from replay.history.readers import Reader
from replay.replaying.base import (
    NAMED_IN_VAIN,
    RETRACTED_NOTE,
    RETRACTS_NOTHING,
    Replay,
)
from replay.replaying.in_columns import (
    JudgedInColumns,
    MadeInColumns,
    Noted,
    NotesInColumns,
    Ordered,
    found_in,
    merged,
    moved_in,
    order_of,
    within,
)
from replay.replaying.known import LargeKnown
from replay.replaying.records import Records
from replay.replaying.values import Differing, Instants, Made, of_month
from replay.replaying.verdicts import Verdicts
from replay.store.queries import Name

Rows = NDArray[np.bool_] | NDArray[np.int64]
"""Some rows of columns: a mark at each, or their places."""
TOLD_MONTHS: Final = 3
"""So many months' replays are kept: who tells of one goes on to the next."""
CORRECTIONS: Final = np.array([WHATS[name] for name in sorted(CORRECTION_TYPES & WHATS.keys())], np.int8)
_ABOUT: Final = np.array(
    [number for name, number in WHATS.items() if name.partition(".")[0] in ("order", "review", "sale")]
    + [WHATS[name] for name in ("complaint.dismissed", "credit.deducted", "credit.restored")],
    np.int8,
)
"""Types of events about an order or a violation."""


class LargeReplay(Replay):
    """One replay of one large subject; a scheme's own class says what its compiled fold gives."""

    note_words: ClassVar[tuple[str, ...]]
    """The scheme's own notes and those that every scheme has, by the numbers that stand for them here."""
    known: LargeKnown  # type: ignore[assignment]
    verdicts: Verdicts
    """Of this subject alone."""

    @staticmethod
    @abstractmethod
    def load_loops() -> None:
        """Load the compiled rules, which takes half a second the first time in a process; judges nothing."""

    @property
    def columns(self) -> Columns:
        return self.known.columns

    @abstractmethod
    def own_noted(self) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
        """The rows of the events with a note that only this scheme gives, and its number in `note_words`."""

    @property
    def until(self) -> int:
        """Up to which instant events took part."""
        return self.moment.as_of

    @abstractmethod
    def month_told(self, month: int) -> Replay:
        """A plain replay that tells of a month what the whole would: its verdicts, notes, and what led to them."""

    # --- verdicts and notes -------------------------------------------------------------------------------------------

    @cached_property
    def judged(self) -> "JudgedInColumns":
        return JudgedInColumns(self.verdicts, self.words, has_points=self.has_points)

    @cached_property
    def noted(self) -> Noted:
        rows, notes = self.own_noted()
        rare = dict.fromkeys(self.in_vain, RETRACTS_NOTHING)
        shown = self._has_verdict(np.array([*self.named_in_vain], np.int64))
        own = {*self.columns.position[rows].tolist()} & self.named_in_vain.keys()
        rare |= {
            position: NAMED_IN_VAIN
            for position, is_judged in zip(self.named_in_vain, shown.tolist(), strict=True)
            if not is_judged and position not in own and position not in rare and self._took_part(position)
        }
        rare |= dict.fromkeys(self.retracted, RETRACTED_NOTE)
        places = np.array([*rare], np.int64)
        kept = ~np.isin(self.columns.position[rows], places)
        position = np.concatenate([self.columns.position[rows[kept]], places])
        numbers = np.array([self.note_words.index(note) for note in rare.values()], np.int8)
        note = np.concatenate([notes[kept], numbers])
        order = np.argsort(position, kind="stable")
        return Noted(position[order], self._occurred_at(position[order]), note[order])

    @cached_property
    def notes(self) -> "NotesInColumns":  # type: ignore[override]
        return NotesInColumns(self.noted, self.note_words)

    @cached_property
    def made(self) -> "MadeInColumns":  # type: ignore[override]
        return MadeInColumns(self.judged, self.notes, self._verdict_order)

    def verdicts_in(
        self, instants: Instants | None, positions: Collection[int] | None, verdict: str | None = None
    ) -> list[int]:
        wanted = within(self.verdicts.at, instants)
        if positions is not None:
            wanted &= np.isin(self.verdicts.position, np.array([*positions], np.int64))
        if verdict is not None:
            wanted &= self.verdicts.verdict == self.words.index(verdict) if verdict in self.words else False
        return list(np.flatnonzero(wanted).tolist())

    def notes_in(self, instants: Instants | None, positions: Collection[int] | None) -> list[int]:
        wanted = within(self.noted.at, instants)
        if positions is not None:
            wanted &= np.isin(self.noted.position, np.array([*positions], np.int64))
        return list(self.noted.position[wanted].tolist())

    def verdict_counts(self, instants: Instants | None) -> dict[str, int]:
        found = np.bincount(self.verdicts.verdict[within(self.verdicts.at, instants)], minlength=len(self.words))
        return {word: count for word, count in zip(self.words, found.tolist(), strict=True) if count}

    def teller(self, index: int) -> tuple[Replay, int]:
        told = self._told(month_of(int(self.verdicts.at[index])))
        return told.replay, told.places[int(self.verdicts.position[index])]

    def teller_of_note(self, position: int) -> Replay:
        return self._told(month_of(self.notes.occurred_at(position))).replay

    def _told(self, month: int) -> "_ToldMonth":
        found = self._told_months.get(month)
        if found is None:
            replay = self.month_told(month)
            found = _ToldMonth(replay, {judged.position: index for index, judged in enumerate(replay.judged)})
            self._told_months[month] = found
            while len(self._told_months) > TOLD_MONTHS:
                self._told_months.popitem(last=False)
        return found

    @cached_property
    def _told_months(self) -> "OrderedDict[int, _ToldMonth]":
        return OrderedDict()

    def differing(self, after: Replay) -> list[Differing]:
        if not isinstance(after, LargeReplay):
            return super().differing(after)
        if after is self:
            return []
        verdicts = moved_in(self._verdict_columns, after._verdict_columns)
        positions = merged(verdicts, moved_in(self._note_columns, after._note_columns))
        moved = zip(positions.tolist(), self._made_at(positions), after._made_at(positions), strict=True)
        return [Differing(at, was, now) for at, was, now in moved if was != now]

    @property
    def _verdict_columns(self) -> Ordered:
        """Position, instant, verdict and points of every verdict."""
        verdicts = self.verdicts
        return Ordered((verdicts.position, verdicts.at, verdicts.verdict, verdicts.tenths), self._verdict_order)

    @property
    def _note_columns(self) -> Ordered:
        """Position and note of every event with one."""
        position, _, note = self.noted
        return Ordered((position, note), np.arange(len(position)))

    def _made_at(self, positions: NDArray[np.int64]) -> list[Made | None]:
        """What was made of the events at some positions; None of those that are not known or bear on nothing."""
        found: list[Made | None] = [None] * len(positions)
        places, there = found_in(self.noted.position, positions)
        for number in np.flatnonzero(there).tolist():
            found[number] = self.note_words[int(self.noted.note[places[number]])]
        places, there = found_in(self.verdicts.position[self._verdict_order], positions)
        judged = self._verdict_order[places[there]].tolist()
        for number, place in zip(np.flatnonzero(there).tolist(), judged, strict=True):
            found[number] = self.judged[place]
        return found

    @cached_property
    def total_tenths(self) -> int:
        return int(self.verdicts.tenths.sum())

    def tenths_of(self, verdicts: Sequence[int]) -> int:
        return int(self.verdicts.tenths[np.array(verdicts, np.int64)].sum())

    @cached_property
    def _verdict_order(self) -> NDArray[Any]:
        """The places of the verdicts, rising by position."""
        return order_of(self.verdicts.position)

    def _has_verdict(self, positions: NDArray[np.int64]) -> NDArray[np.bool_]:
        return np.isin(positions, self.verdicts.position)

    # --- what is known ------------------------------------------------------------------------------------------------

    def shown_to(self, reader: Reader) -> Self:
        """The same replay: what is hidden is no part of its columns, and looked up for those alone who may see it."""
        found = copy(self)
        found.reader = reader
        return found

    @property
    def weight(self) -> int:
        return len(self.known) // ROWS_TO_AN_EVENT

    @property
    def events(self) -> Records:  # type: ignore[override]
        return self.known.records

    @cached_property
    def retracted(self) -> dict[int, int]:
        return taken_out(self.columns)

    @cached_property
    def retracted_beyond(self) -> list[int]:
        """Positions of retracted events that have no row: no rule reads their types."""
        positions = np.array(sorted(self.retracted), np.int64)
        return list(positions[~found_in(self.known.by_position[1], positions)[1]].tolist())

    @cached_property
    def in_vain(self) -> dict[int, int | None]:
        rows = (self.columns.what == EVENT_RETRACTED) & (self.columns.amount == 0)
        positions = [at for at in sorted(self.columns.position[rows].tolist()) if at not in self.retracted]
        self.events.look_up(positions)
        names = {at: self._name_retracted_by(self.events[at]) for at in positions}
        places = self.events.places_of({*names.values()})
        later = {at: places.get(name) for at, name in names.items()}
        return {at: place if place is not None and place > at else None for at, place in later.items()}

    @staticmethod
    def _name_retracted_by(retraction: Event) -> Name:
        return retraction.originator_id, retraction.data.source, retraction.data.event

    @cached_property
    def _named_by_name(self) -> dict[int, int]:
        """By position of a retraction whose row names no record, where the event stands whose name it gives."""
        rows = (self.columns.what == EVENT_RETRACTED) & (self.columns.amount == 0)
        retractions = self.events.at(self.columns.position[rows].tolist())
        names = {event.position: self._name_retracted_by(event)[1:] for event in retractions}
        places = self.events.places_named({*names.values()})
        return {position: places[name] for position, name in names.items() if name in places}

    def known_until(self, instant: int) -> LargeKnown:  # type: ignore[override]
        columns = self.columns
        return self.known.only((columns.at <= instant) | np.isin(columns.what, CORRECTIONS))

    def before_corrections(self, position: int) -> LargeKnown:  # type: ignore[override]
        return self.known.only(self._is_before_corrections(position))

    def count_before_corrections(self, position: int) -> int:
        return int(np.count_nonzero(self._is_before_corrections(position)))

    def _is_before_corrections(self, position: int) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = (self.columns.position <= position) | ~np.isin(self.columns.what, CORRECTIONS)
        return found

    def look_up(self, positions: Collection[int]) -> None:
        self.events.look_up(positions)

    def named(self, event_id: str) -> list[Event]:
        return [event for event in self.events.named(event_id) if self.reader.shows(event.type)]

    def about(self, event: Event) -> set[int]:
        if event.type == "event.retracted":
            return {other.position for other in self.named(event.data.event) if other.source == event.data.source}
        return {*self._positions_about(self.rows_at([event.position]))}

    def beside(self, positions: Collection[int]) -> set[int]:
        rows = self.rows_at(positions)
        retractions = np.flatnonzero(self.columns.what == EVENT_RETRACTED)
        naming = retractions[np.isin(self.columns.amount[retractions], np.array([*positions], np.int64))]
        by_name = {at for at, named in self._named_by_name.items() if named in positions}
        return {*self._positions_about(rows), *self.columns.position[naming].tolist(), *by_name}

    def announcements(self, period: str) -> list[Event]:
        wanted = (self.scheme, period)
        return [
            event
            for event in self._announced
            if (event.data.scheme, event.data.period) == wanted and event.position not in self.retracted
        ]

    @cached_property
    def _announced(self) -> list[Event]:
        rows = np.count_nonzero(self.columns.subject == 0)
        return self.events.announcements() if self.events.count() > rows else []

    def decision(self, period: str) -> LevelDecided | None:
        self.reader.check("level.decided")
        decided = [event.data for event in self.events.decisions(self.scheme) if event.data.period == period]
        return decided[-1] if decided else None

    def leading_to(self, month: int, until_then: Collection[int], whenever: Collection[int]) -> NDArray[np.bool_]:
        """The rows of what is judged or noted of a month, and what led to the verdicts: events about the same orders or
        violations, of some types those up to its end, of others all.
        """
        columns, instants = self.columns, of_month(month)
        judged = self.rows_at(self.verdicts.position[self.verdicts_in(instants, None)].tolist())
        is_such = np.isin(columns.what, [*whenever]) | (
            np.isin(columns.what, [*until_then]) & (columns.at < instants.ends)
        )
        found: NDArray[np.bool_] = self.about_keys_of(judged) & is_such
        found[judged] = found[self.rows_at(self.notes_in(instants, None))] = True
        return found

    def about_keys_of(self, rows: Rows) -> NDArray[np.bool_]:
        """Which rows are about the same orders, violations and the like as some rows."""
        keys = np.unique(self.columns.key[rows])
        return np.isin(self.columns.key, keys[keys >= 0])

    def with_retractions(self, rows: NDArray[np.bool_]) -> list[Event]:
        """The events of some rows, and the retractions."""
        columns = self.columns
        rows = rows | (columns.what == EVENT_RETRACTED)
        return self.events.at([*columns.position[rows].tolist(), *self.retracted_beyond])

    def named_elsewhere(self, known: Sequence[Event]) -> dict[tuple[str, str], int]:
        """Where those events of the subject stand that retractions name and that are not among some."""
        here = {(event.originator_id, event.source, event.id) for event in known}
        named = {self._name_retracted_by(event) for event in known if event.type == "event.retracted"}
        return {name[1:]: place for name, place in self.events.places_of(named - here).items()}

    def _positions_about(self, rows: NDArray[np.int64]) -> list[int]:
        """Of the orders and violations that some rows are about, the positions of everything."""
        columns = self.columns
        is_about = np.isin(columns.what, _ABOUT)
        keys = self.subject_keys_of(slice(None))
        return list(columns.position[is_about & np.isin(keys, np.unique(keys[rows[is_about[rows]]]))].tolist())

    def subject_keys_of(self, rows: Rows | slice) -> NDArray[np.int64]:
        """Of some rows, what each is about in whose stream: a number an order, violation or creator; -1 for none."""
        return self.columns.subject[rows].astype(np.int64) << 32 | self.columns.key[rows]

    def rows_at(self, positions: Collection[int]) -> NDArray[np.int64]:
        """The rows of the events at some positions; those that have none are left out."""
        order, by_position = self.known.by_position
        places, found = found_in(by_position, np.array(sorted(positions), np.int64))
        return order[places[found]].astype(np.int64)

    def _occurred_at(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """When the events at some positions occurred; few have no row."""
        order, by_position = self.known.by_position
        places, found = found_in(by_position, positions)
        at = np.zeros(len(positions), np.int64)
        at[found] = self.columns.at[order[places[found]]]
        rest = positions[~found].tolist()
        self.events.look_up(rest)
        at[~found] = [self.events[position].occurred_at for position in rest]
        return at

    def _took_part(self, position: int) -> bool:
        if position in self.retracted:
            return False
        event = self.events[position]
        return event.occurred_at <= self.until or event.type in CORRECTION_TYPES


class _ToldMonth(NamedTuple):
    replay: Replay
    places: dict[int, int]
    """By position, the place of its verdict there."""
