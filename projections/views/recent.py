"""A following process's cache of records as columns, so that it reads each of them once.

Like windows they are nothing but read-ahead: what is not cached is read out of the store, and all of it is let go of
when it grows too large.
"""

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa

from replay.columnar.columns import Columns
from replay.columnar.encoding import Named, Unread, chosen, named_of
from replay.columnar.numbering import names_schema, number
from replay.columnar.reading import read_named
from replay.columnar.subject import read_subjects
from replay.store.base import Store

ROWS_MAX: Final = 1_500_000
"""Records cached in all, of about a hundred bytes each."""


class SubjectsRead(NamedTuple):
    """Records of some subjects."""

    columns: Columns
    """Of the subjects of which every record can be read."""
    unread: frozenset[str]
    """The others."""


class RecentRecords:
    """All records of some subjects up to one position."""

    def __init__(self, position: int) -> None:
        self._position = position
        self._numbers: dict[str, int] = {}
        """By subject of which all records are cached, the number that stands for it here."""
        self._next = 0
        """A number that stood for none yet."""
        self._parts: list[Named] = [named_of([], None, [])]
        """Their streams are such numbers."""
        self._rows = 0

    def read(self, store: Store, subjects: Sequence[str], position: int) -> SubjectsRead:
        """All records of some subjects up to a position, which never falls from call to call."""
        self._go_on_to(store, position)
        missing = [subject for subject in subjects if subject not in self._numbers]
        named, unread = read_subjects(store, missing, position)
        if self._rows + len(named.at) > ROWS_MAX and len(missing) < len(subjects):
            self._let_go()
            named, unread = read_subjects(store, subjects, position)
        self._begin(named, unread)
        return SubjectsRead(
            self._columns([subject for subject in subjects if subject in self._numbers]),
            frozenset(subject for subject in subjects if subject not in self._numbers),
        )

    def _let_go(self) -> None:
        self._numbers.clear()
        self._parts = [named_of([], None, [])]
        self._rows = 0

    def _go_on_to(self, store: Store, position: int) -> None:
        """Take in what was recorded since of the subjects that are cached."""
        after, self._position = self._position, position
        if position - after > ROWS_MAX or self._rows > ROWS_MAX:
            self._let_go()
        if self._numbers and position > after:
            named, unread = read_named(store, after, position)
            self._forget(unread)
            self._keep(named)

    def _begin(self, named: Named, unread: Collection[Unread]) -> None:
        """Take in all records of subjects that were not cached."""
        for stream in named.streams:
            self._numbers[stream] = self._next
            self._next += 1
        self._forget(unread)
        self._keep(named)

    def _forget(self, unread: Collection[Unread]) -> None:
        for item in unread:
            self._numbers.pop(item.stream, None)

    def _keep(self, named: Named) -> None:
        """Keep the records of the subjects that are cached."""
        if not len(named.at):
            return
        numbers = np.array([self._numbers.get(stream, -1) for stream in named.streams], np.int32)[named.stream]
        rows = np.flatnonzero(numbers >= 0)
        self._parts.append(chosen(named, rows)._replace(stream=numbers[rows], streams=[]))
        self._rows += len(rows)

    def _columns(self, subjects: Sequence[str]) -> Columns:
        """The records of cached subjects; these are numbered in the order given."""
        wanted = np.full(self._next, -1, np.int32)
        wanted[[self._numbers[subject] for subject in subjects]] = np.arange(len(subjects))
        found = [chosen(part, np.flatnonzero(wanted[part.stream] >= 0)) for part in self._parts]
        arrays = [np.concatenate(columns) for columns in zip(*(part[:7] for part in found), strict=True)]
        texts = [pa.concat_arrays(columns) for columns in zip(*(part[7:9] for part in found), strict=True)]
        named = Named._make([wanted[arrays[0]], *arrays[1:], *texts, [*subjects]])
        in_ledger = chosen(named, np.argsort(named.position, kind="stable"))
        return number(in_ledger, names_schema().empty_table()).columns
