"""A following process's cache of records as columns, so that it reads each of them once.

Like windows they are nothing but read-ahead: what is not cached is read out of the store, and all of it is let go of
when it grows too large.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from replay.columnar.columns import Columns
from replay.columnar.encoding import Named, Unread, chosen, named_of
from replay.columnar.numbering import names_schema, number
from replay.columnar.reading import read_named
from replay.columnar.subject import read_about, read_since, read_subjects
from replay.store.base.store import Store
from replay.store.reading.asked import BEFORE_ALL, EVERYTHING

ROWS_MAX: Final = 1_500_000
"""Records cached in all, of about a hundred bytes each."""
PARTS_MAX: Final = 64
"""In so many pieces at most."""
Orders = set[tuple[str, str]]
"""Pairs of a subject and an order."""


class SubjectsRead(NamedTuple):
    """Records of some subjects."""

    columns: Columns
    """Of the subjects of which every record that is needed can be read."""
    unread: frozenset[str]
    """The others."""


class RecentRecords:
    """Records of some subjects up to one position: of each all of them, or those from an instant on.

    Of the latter also what was looked up: whatever is known of an order that these are about.
    """

    def __init__(self, position: int) -> None:
        self._before = self._position = position
        """Those behind the one and up to the other are new."""
        self._numbers: dict[str, int] = {}
        """By cached subject, the number that stands for it here."""
        self._since: dict[str, int] = {}
        """By cached subject, the instant from which on all records are cached; EVERYTHING for new ones alone."""
        self._orders: set[tuple[int, str]] = set()
        """Those of subjects, by number, that were looked up."""
        self._next = 0
        """A number that stood for none yet."""
        self._parts: list[Named] = [_nothing()]
        """Their streams are such numbers."""
        self._rows = 0
        self._latest = _nothing()
        """What was recorded last, of whomever."""
        self._unread_of_late: frozenset[str] = frozenset()
        """The subjects of records among these that cannot be read."""

    def go_on_to(self, store: Store, before: int, position: int) -> None:
        """Take in what was recorded up to a position, which never falls; what stands behind `before` is called new."""
        lags = before - self._position > self._rows  # what is cached costs less to read again than what it lacks
        if lags or position - self._position > ROWS_MAX or self._rows > ROWS_MAX:
            self._let_go()
            self._position = before
        if position > self._position:
            self._latest, unread = read_named(store, self._position, position)
            self._unread_of_late = frozenset(item.stream for item in unread)
            self._forget(unread)
            self._keep(self._latest)
        self._before, self._position = before, position
        if len(self._latest.at) and self._latest.position[0] <= before:
            self._latest = chosen(self._latest, np.flatnonzero(self._latest.position > before))

    # --- all records --------------------------------------------------------------------------------------------------

    def read(self, store: Store, subjects: Sequence[str]) -> SubjectsRead:
        """All records of some subjects."""
        missing = [subject for subject in subjects if self._since.get(subject) != BEFORE_ALL]
        named, unread = read_subjects(store, missing, self._position)
        if self._rows + len(named.at) > ROWS_MAX and len(missing) < len(subjects):
            self._let_go()
            named, unread = read_subjects(store, subjects, self._position)
        self._begin(named.streams, BEFORE_ALL)
        self._forget(unread)
        self._keep(named)
        known = [subject for subject in subjects if subject in self._numbers]
        columns = number(self.rows(known), names_schema().empty_table()).columns
        return SubjectsRead(columns, frozenset(subjects).difference(known))

    # --- those that are needed ----------------------------------------------------------------------------------------

    def new_of(self, subjects: Sequence[str]) -> Named:
        """The new records of some subjects, which are cached from here on as far as they can be read."""
        if self._rows > ROWS_MAX:
            self._let_go()
        known = self._numbers.keys() | self._unread_of_late
        new = [subject for subject in subjects if subject not in known]
        self._begin(new, EVERYTHING)
        numbers = {subject: number for number, subject in enumerate(subjects)}
        self._keep(self._latest, only=new)
        return _of(self._latest, numbers, subjects)

    def has(self, subject: str) -> bool:
        """Whether a subject is cached: no record of it that was read cannot be read."""
        return subject in self._numbers

    def look_up(self, store: Store, orders: Orders) -> None:
        """Cache what is known of some orders of cached subjects. Of what is new all is cached already, as of what
        occurred from the instant on since which all is."""
        wanted = {
            (subject, order)
            for subject, order in orders
            if self._since[subject] != BEFORE_ALL and (self._numbers[subject], order) not in self._orders
        }
        self._orders.update((self._numbers[subject], order) for subject, order in wanted)
        end = max((self._since[subject] for subject, _ in wanted), default=EVERYTHING)
        self._take(read_about(store, wanted, self._before, end))

    def reach_back(self, store: Store, firsts: Mapping[str, int]) -> None:
        """Cache what cached subjects have from an instant on, each from its own."""
        earlier = {subject: first for subject, first in firsts.items() if first < self._since[subject]}
        self._take(read_since(store, earlier, self._before))
        self._since.update((subject, first) for subject, first in earlier.items() if subject in self._since)

    def rows(self, subjects: Sequence[str]) -> Named:
        """What is cached of some subjects, in order of position; their streams are numbered in the order given."""
        wanted = np.full(self._next + 1, -1, np.int32)
        wanted[[self._numbers[subject] for subject in subjects]] = np.arange(len(subjects))
        found = _joined([chosen(part, np.flatnonzero(wanted[part.stream] >= 0)) for part in self._parts])
        _, first = np.unique(found.position, return_index=True)  # some were read twice
        return chosen(found._replace(stream=wanted[found.stream], streams=[*subjects]), first)

    # --- the cache ----------------------------------------------------------------------------------------------------

    def _let_go(self) -> None:
        self._numbers.clear()
        self._since.clear()
        self._orders.clear()
        self._parts = [_nothing()]
        self._rows = 0

    def _begin(self, subjects: Collection[str], since: int) -> None:
        """Nothing is cached yet of some subjects, whatever was."""
        for subject in subjects:
            self._numbers[subject] = self._next
            self._since[subject] = since
            self._next += 1

    def _forget(self, unread: Collection[Unread]) -> None:
        for item in unread:
            self._numbers.pop(item.stream, None)
            self._since.pop(item.stream, None)

    def _take(self, read: tuple[Named, list[Unread]]) -> None:
        named, unread = read
        self._forget(unread)
        self._keep(named)

    def _keep(self, named: Named, only: Collection[str] | None = None) -> None:
        """Keep the records of the subjects that are cached, or of some of them."""
        numbers = self._numbers if only is None else {subject: self._numbers[subject] for subject in only}
        part = _of(named, numbers, [])
        if not len(part.at):
            return
        self._parts.append(part)
        self._rows += len(part.at)
        if len(self._parts) > PARTS_MAX:
            self._join()

    def _join(self) -> None:
        """Make one part of all, without what is cached no more."""
        cached = np.zeros(self._next, np.bool_)
        cached[[*self._numbers.values()]] = True
        self._parts = [_joined([chosen(part, np.flatnonzero(cached[part.stream])) for part in self._parts])]
        self._rows = len(self._parts[0].at)


def orders_in(named: Named, some: NDArray[np.int64]) -> Orders:
    """The orders that some records are about, each with its subject."""
    codes = named.name.take(pa.array(some)).dictionary_encode()
    pairs = np.unique(named.stream[some].astype(np.int64) << 32 | codes.indices.to_numpy())
    orders = codes.dictionary.to_pylist()
    return {(named.streams[pair >> 32], orders[pair & 0xFFFF_FFFF]) for pair in pairs.tolist()}


def _nothing() -> Named:
    return named_of([], None, [])


def _of(named: Named, numbers: Mapping[str, int], subjects: Sequence[str]) -> Named:
    """The records of the subjects that have a number, which is to stand for them."""
    found = np.array([numbers.get(stream, -1) for stream in named.streams], np.int32)
    if not len(found):
        return named._replace(streams=[*subjects])
    rows = np.flatnonzero(found[named.stream] >= 0)
    part = chosen(named, rows)
    return part._replace(stream=found[part.stream], streams=[*subjects])


def _joined(parts: Sequence[Named]) -> Named:
    """Parts as one, their streams left as they are."""
    arrays = [np.concatenate(columns) for columns in zip(*(part[:7] for part in parts), strict=True)]
    texts = [pa.concat_arrays(columns) for columns in zip(*(part[7:9] for part in parts), strict=True)]
    return Named._make([*arrays, *texts, []])
