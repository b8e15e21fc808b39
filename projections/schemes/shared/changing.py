"""Many subjects moved at once: what their columns came to before a step, what they come to now, and what to write.

What stands is what the columns known before came to: it is folded again rather than read. A subject's rows are written
from the first on that differs.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from projections.schemes.shared.bulk_rows import lists
from projections.schemes.shared.differing import Numbers, first_differing, rows_from
from projections.schemes.shared.filling import LATEST, Filling
from projections.views.step import Step
from replay.columnar.columns import TYPES, Columns
from replay.history.timeline import Moment

if TYPE_CHECKING:
    from replay.schemes.mcn_level.fold import Slots


Values = dict[str, list[Any]]
"""Rows as columns by name."""


class RowsGone(NamedTuple):
    """Rows that go: of each subject, and where a column is named only those with its value or a greater one."""

    table: str
    keys: dict[str, list[Any]]
    """By column, a value for each."""
    since: tuple[str, list[Any]] | None = None


class RowsMade(NamedTuple):
    """Rows that come, as columns by name."""

    table: str
    columns: dict[str, list[Any]]


class RowsSet(NamedTuple):
    """Rows of which one column gets another value."""

    table: str
    keys: dict[str, list[Any]]
    """By column, a value for each row."""
    column: str
    values: list[Any]


class Standing(NamedTuple):
    """Rows as columns by name, of all subjects that have one in a scheme."""

    table: str
    scheme: str
    columns: dict[str, list[Any]]


class TableRows(NamedTuple):
    """What subjects come to in one table, a row each, by subject and in order."""

    starts: Numbers
    """By subject, where its rows begin; one more for the end."""
    compared: Sequence[Any]
    """Arrays of which one value at least differs where a row does."""


class RowsToWrite(NamedTuple):
    """Which rows of a table have to be written."""

    begin: Numbers
    """By subject, the number of the first of its rows that goes or comes."""
    had: Numbers
    """By subject, how many of its rows go."""
    starts: Numbers
    """By subject, where its rows begin among those that come; one more for the end."""
    rows: Numbers
    """Those that come, among all that there are now."""

    @property
    def numbers(self) -> Numbers:
        """By row that comes, its number among all rows of its subject."""
        counts = np.diff(self.starts)
        return np.arange(len(self.rows)) - np.repeat(self.starts[:-1] - self.begin, counts)


def known_by(columns: Columns, position: int) -> Columns:
    """The records up to a position."""
    known = columns.position <= position
    return columns._replace(**{name: getattr(columns, name)[known] for name in TYPES})


class Rewriting:
    """What of some subjects is written anew in one step: the rows that go, those that come, and where they stand."""

    def __init__(self, step: Step, subjects: list[str]) -> None:
        self.step = step
        self.subjects = subjects
        self.gone: list[RowsGone] = []
        self.come: list[RowsMade] = []
        self.set: list[RowsSet] = []
        self.single: list[Standing] = []
        self.changed: dict[tuple[str, str], int] = {}
        """By scheme and subject, the earliest month that what rests on it may see changed."""

    def go(self, table: str, numbers: Numbers, keys: dict[str, str], since: tuple[str, list[Any]] | None) -> None:
        """Rows of the subjects with these numbers go; `keys` are further columns of all of them."""
        named = {"subject": [self.subjects[number] for number in numbers.tolist()]}
        self.gone.append(RowsGone(table, named | {key: [value] * len(numbers) for key, value in keys.items()}, since))

    def end_rows(self, scheme: str, subjects: Numbers, numbers: Numbers, instants: Numbers) -> None:
        """Rows of the history of levels, of the subjects with these numbers, end at other instants; LATEST: never."""
        keys = {
            "subject": [self.subjects[subject] for subject in subjects.tolist()],
            "scheme": [scheme] * len(subjects),
            "number": numbers.tolist(),
        }
        ends = [None if at == LATEST else at for at in instants.tolist()]
        self.set.append(RowsSet("history", keys, "to_at", ends))

    def rewrite_rows(
        self, table: str, before: Values, after: Values, anew: Collection[str] = ()
    ) -> set[tuple[Any, ...]]:
        """Of rows that stood and rows that stand now, as columns by name, those go and come that differ, each by
        itself: their keys. `anew` are subjects of which all rows go and come, whatever stood."""
        key = [column.name for column in self.step.tables[table].primary_key]
        then, now = (dict(zip(_rows(rows, key), _rows(rows, [*after]), strict=True)) for rows in (before, after))
        whose = key.index("subject" if "subject" in key else "creator")
        come = [of for of in now if of[whose] in anew or then.get(of) != now[of]]
        gone = [of for of in then if of[whose] not in anew and then[of] != now.get(of)]
        self.gone.append(RowsGone(table, _columns(key, gone)))
        self.come.append(RowsMade(table, _columns(list(after), [now[of] for of in come])))
        return {*gone, *come}

    def note_changed(self, scheme: str, subject: str, month: int) -> None:
        """What rests on a subject may see it changed from a month on."""
        self.changed[scheme, subject] = min(month, self.changed.get((scheme, subject), month))

    def stand(self, scheme: str, filling: Filling) -> None:
        """Take what was made of where the subjects stand in a scheme, and when they next change."""
        self.single += [Standing(table, scheme, columns) for table, columns in filling.prepared]
        filling.prepared = []


class Changing(Rewriting):
    """Some subjects in one step, all of their records as columns."""

    def __init__(
        self,
        step: Step,
        columns: Columns,
        fresh: Mapping[str, Collection[str]],
        slots: "Callable[[Moment], Slots]",
    ) -> None:
        """`fresh` says by scheme of which subjects nothing that stands is relied on; `slots` who holds each creator at
        a moment."""
        super().__init__(step, columns.subjects)
        before = known_by(columns, step.before.position)
        self.then = Filling(step, before, partial(slots, step.before), step.before.as_of)
        self.now = Filling(step, columns, partial(slots, step.after))
        self.fresh = {
            scheme: np.array([subject in some for subject in columns.subjects], np.bool_)
            for scheme, some in fresh.items()
        }

    def difference(self, scheme: str, then: TableRows, now: TableRows, *, linked: bool = False) -> RowsToWrite:
        """From which row on each subject has others. `linked`: the row before tells where the next one begins."""
        begin = first_differing(then.starts, then.compared, now.starts, now.compared)
        begin[self.fresh[scheme]] = 0
        before, after = np.diff(then.starts), np.diff(now.starts)
        if linked:
            begin = np.where((before > begin) | (after > begin), np.maximum(begin - 1, 0), begin)
        return RowsToWrite(begin, before - begin, *rows_from(now.starts, begin))

    def rewrite(
        self,
        scheme: str,
        table: str,
        found: RowsToWrite,
        columns: dict[str, Any],
        since: tuple[str, Callable[[Any], list[Any]]],
        /,
        **keys: str,
    ) -> None:
        """Rows go, and others come. `since` names the column by which rows stand in order, and gives its values in the
        rows from which on they go, by subject; `keys` are further columns of all rows."""
        fresh = self.fresh[scheme]
        some = np.flatnonzero((found.had > 0) & ~fresh)
        self.go(table, some, keys, (since[0], since[1](some)))
        self.go(table, np.flatnonzero(fresh), keys, None)
        self.come.append(RowsMade(table, lists(columns)))

    def rewrite_each(self, scheme: str, fill: Callable[[Filling], None]) -> dict[str, set[tuple[Any, ...]]]:
        """Rows go and come, each by itself: by table, the keys of those that differ. `fill` gives all rows of a view,
        which are few beside the events."""
        for known in (self.then, self.now):
            fill(known)
        before, after = dict(self.then.prepared), dict(self.now.prepared)
        self.then.prepared = []
        self.now.prepared = [(name, after[name]) for name in _STANDING]
        return {name: self._rewrite_each(scheme, name, before[name], after[name]) for name in after.keys() - _STANDING}

    def _rewrite_each(self, scheme: str, table: str, before: Values, after: Values) -> set[tuple[Any, ...]]:
        key = [column.name for column in self.step.tables[table].primary_key]
        fresh = [self.subjects[number] for number in np.flatnonzero(self.fresh[scheme]).tolist()]
        by_subject = "subject" in key
        anew = {*fresh} if by_subject else {subject.partition("/")[2] for subject in fresh}
        whole: dict[str, list[Any]] = {"subject" if by_subject else "creator": sorted(anew)}
        if "scheme" in key:
            whole["scheme"] = [scheme] * len(anew)
        self.gone.append(RowsGone(table, whole))
        return self.rewrite_rows(table, before, after, anew)


_STANDING: Final = ("levels", "calendar")
"""Tables with at most one row of a subject in a scheme."""


def _rows(columns: dict[str, list[Any]], names: Sequence[str] | None = None) -> list[tuple[Any, ...]]:
    return list(zip(*(columns[name] for name in names or columns), strict=True))


def _columns(names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> dict[str, list[Any]]:
    return dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)) if rows else {}
