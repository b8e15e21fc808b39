"""A step of many events: subjects are moved in sets, by compiled rules over the columns of their records.

Where each scheme of a subject goes on from what is stored, or rests, no more of its past is read than that calls for;
of the others, where there is still more to move, all records are read and judged, as they were known before and as they
are known now. In a step of few events so goes a subject of a long past alone of which what is new reaches back.

What cannot be moved so goes the plain way within the same step: a subject of which a record cannot be read, one that is
set aside in some scheme alone, and one whose past is long beside what is new of it.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Final

from domain.events import BINDING_TYPES
from projections.projector.units import Units
from projections.schemes.registry import going_on_in_bulk, kinds_in_bulk, moving_in_bulk, views_of
from projections.views.step import LIFE_TYPES, Step
from projections.views.unexpected import Unexpected, trace_of
from replay.columnar.size import are_many_to_judge, are_many_to_move, are_many_to_read
from replay.errors import LevelbookError
from replay.history.browse import list_subjects
from replay.history.timeline import ANNOUNCED, Moment
from replay.store.base import Store
from replay.store.queries import (
    Touched,
    event_rows_behind,
    event_rows_of_types_between,
    lengths_of,
    streams_touched,
)

if TYPE_CHECKING:
    from projections.schemes.shared.changing import Rewriting, Standing
    from replay.columnar.columns import Columns
    from replay.schemes.mcn_level.fold import Slots

FEW_AT_ONCE: Final = 5_000
MANY_AT_ONCE: Final = 500_000
"""How many events a step takes in at most, where few wait and where many do."""
CHUNK_RECORDS: Final = 250_000
"""About so many records are held at a time."""
LONG_PAST: Final = 50_000
NEW_SHARE: Final = 100
"""A past of more records than this, and than so many times those that are new, is not read again for these."""
_CREDIT_TYPES: Final = ("credit.deducted", "credit.restored", "credit.granted")
_KEPT_TYPES: Final = (*LIFE_TYPES, *BINDING_TYPES, *_CREDIT_TYPES, "level.decided", ANNOUNCED)


def events_at_once(store: Store, position: int) -> int:
    """How many events the step behind a position takes in at most: more, the more wait."""
    return MANY_AT_ONCE if are_many_to_move(store.head().position - position) else FEW_AT_ONCE


def are_many(units: Units) -> bool:
    """Whether a step moves subjects in sets: a matter of how many events and units it has to move."""
    return are_many_to_move(_count(units))


def _count(units: Units) -> int:
    step, due = units.step, len(units.work.due)
    return step.after.position - step.before.position + due + units.count_whole()


class Many:
    """The subjects of kinds that are moved in sets, in one step."""

    def __init__(self, units: Units) -> None:
        self.units = units
        self.step = units.step
        self._touched: dict[str, Touched] = {}
        self._rare: set[str] = set()
        """The subjects of which a life event or a retraction is new."""
        self._reads_whole = are_many_to_read(_count(units))
        """Whether subjects that do not go on from what is stored are moved in sets, too."""
        self._held: dict[Moment, Slots] = {}
        """Who held each creator at the step's beginning and end."""

    def read(self) -> int:
        """Keep the rare events, and find the subjects that are touched; how many events there are."""
        step, units = self.step, self.units
        after, last = step.before.position, step.after.position
        rare = list(event_rows_of_types_between(step.store, _KEPT_TYPES, after, last))
        units.keep_events(rare)
        self._rare.update(row[0] for row in rare if row[3] in LIFE_TYPES)
        found, in_bulk = streams_touched(step.store, after, last), kinds_in_bulk()
        for item in found:
            if item.stream.partition("/")[0] in in_bulk:
                self._touched[item.stream] = item
            else:
                self._take_in(item)
        return sum(item.records for item in found)

    def move(self, kind: str) -> None:
        """Move the subjects of a kind, all but those that have to go the plain way."""
        wanted = [subject for subject in sorted(self._subjects(kind)) if not self._is_aside(subject, kind)]
        lengths = {subject: item.version for subject, item in self._touched.items()}
        self.step.prepare(wanted)
        new = {subject: self._touched[subject].records if subject in self._touched else 0 for subject in wanted}
        for some in _chunks([subject for subject in wanted if self._goes_on(subject, kind)], new):
            self._go_on_chunk(kind, some)
        left = [subject for subject in wanted if subject not in self.units.done]
        if self._reads_whole:
            lengths |= lengths_of(self.step.store, [subject for subject in left if subject not in lengths])
            many = [subject for subject in left if subject in lengths and self._is_for_sets(subject, kind, lengths)]
            for some in _chunks(many, lengths):
                self._move_chunk(kind, some)
        for subject in wanted:
            if subject in self._touched and subject not in self.units.done:
                self._take_in(self._touched[subject])

    def move_long(self, kind: str) -> None:
        """In a step of few events: move subjects of a long past of which what is new reaches back, each by itself."""
        new = self.units.work.new
        long = [name for name in self.units.reaching_back(kind) if are_many_to_judge(new[name][-1].originator_version)]
        self._rare.update(name for name in long if any(event.type in LIFE_TYPES for event in new[name]))
        self.step.prepare(long)
        for subject in long:
            if self._goes_on(subject, kind):
                self._go_on_chunk(kind, [subject])

    def _subjects(self, kind: str) -> set[str]:
        found = {subject for subject in self._touched if subject.startswith(f"{kind}/")}
        return found.union(*(self.units.concerned(view.code) for view in views_of(kind)))

    def _is_aside(self, subject: str, kind: str) -> bool:
        """Whether nothing of a subject is moved."""
        return all((subject, view.code) in self.units.work.aside for view in views_of(kind))

    def _goes_on(self, subject: str, kind: str) -> bool:
        """Whether every scheme of a subject goes on from what is stored, or rests."""
        units, views = self.units, views_of(kind)
        if subject in self._rare or any((subject, view.code) in units.work.aside for view in views):
            return False
        if any(units.is_fresh(view.code, subject) for view in views):
            return False
        return all(
            (subject, view.code) not in units.work.due
            if self.step.state(subject, view.code) in view.resting
            else view.goes_on
            for view in views
        )

    def _is_for_sets(self, subject: str, kind: str, lengths: dict[str, int]) -> bool:
        if any((subject, view.code) in self.units.work.aside for view in views_of(kind)):
            return False
        new = self._touched[subject].records if subject in self._touched else 0
        is_long = lengths[subject] > max(LONG_PAST, NEW_SHARE * new)
        return not is_long or any(self.units.is_whole(view.code) for view in views_of(kind))

    def _take_in(self, item: Touched) -> None:
        """Read a subject's new events, to be moved the plain way."""
        rows = event_rows_behind(self.step.store, item.stream, item.version - item.records, self.step.after.position)
        self.units.take_in(rows)

    def _go_on_chunk(self, kind: str, subjects: Sequence[str]) -> None:
        """Go on with some subjects together; where that fails as nobody foresaw, they go another way."""
        from projections.schemes.shared.going_on import GoingOn

        units, step, codes = self.units, self.step, [view.code for view in views_of(kind) if view.goes_on]
        going = GoingOn(step, subjects, units.work.due, self._slots)
        try:
            made = [going_on_in_bulk(code)(going) for code in codes]
        except (OSError, MemoryError):
            raise
        except Exception as error:
            if not isinstance(error, LevelbookError):
                units.recovered.append(Unexpected(subjects[0], codes[0], trace_of(error)))
            return
        if unread := {*going.unread()}:
            if readable := [subject for subject in subjects if subject not in unread]:
                self._go_on_chunk(kind, readable)
            return
        for rewriting in made:
            if rewriting is not None:
                write(step, rewriting)
        units.moved += len(codes) * len(subjects)
        self._have_moved(subjects)

    def _have_moved(self, subjects: Sequence[str]) -> None:
        windows = self.step.windows
        for subject in subjects:
            self.units.done.add(subject)
            windows.take_run(subject)  # stands where it stood
            if subject in self._touched:
                windows.let_go(subject)  # lacks what is new

    def _move_chunk(self, kind: str, subjects: Sequence[str]) -> None:
        """Move some subjects together; where that fails as nobody foresaw, they go the plain way."""
        from projections.schemes.shared.changing import Changing

        units, step = self.units, self.step
        recent = step.windows.recent(step.before.position)
        recent.go_on_to(step.store, step.before.position, step.after.position)
        found = recent.read(step.store, subjects)
        codes = [view.code for view in views_of(kind)]
        fresh = {code: {name for name in found.columns.subjects if units.is_fresh(code, name)} for code in codes}
        changing = Changing(step, found.columns, fresh, self._slots)
        try:
            for code in codes:
                moving_in_bulk(code)(changing)
                changing.stand(code, changing.now)
        except (OSError, MemoryError):
            raise
        except Exception as error:
            if not isinstance(error, LevelbookError):
                units.recovered.append(Unexpected(subjects[0], codes[0], trace_of(error)))
            return
        write(step, changing)
        for (code, subject), month in changing.changed.items():
            units.work.note_changed(code, subject, month)
        units.moved += len(codes) * len(found.columns.subjects)
        self._have_moved(found.columns.subjects)

    def _slots(self, moment: Moment) -> "Slots":
        from projections.schemes.shared.changing import known_by
        from replay.schemes.mcn_level.fold import slots_of

        if moment not in self._held:
            self._held[moment] = slots_of([known_by(self._agencies, moment.position)], moment.as_of)
        return self._held[moment]

    @cached_property
    def _agencies(self) -> "Columns":
        """The records of every agency, but for those that cannot be read."""
        from replay.columnar.numbering import names_schema, number
        from replay.columnar.subject import read_subjects

        names = [item["subject"] for item in list_subjects(self.step.store, "mcn")]
        named, _ = read_subjects(self.step.store, names, self.step.after.position)
        return number(named, names_schema().empty_table()).columns


def _chunks(subjects: Sequence[str], lengths: dict[str, int]) -> Iterator[list[str]]:
    """Subjects in order, in stretches of so many records."""
    some: list[str] = []
    held = 0
    for subject in subjects:
        some.append(subject)
        held += lengths[subject]
        if held >= CHUNK_RECORDS:
            yield some
            some, held = [], 0
    if some:
        yield some


def write(step: Step, changing: "Rewriting") -> None:
    """Write what changes: first all rows go, then all come."""
    from projections.schemes.shared.bulk_rows import delete_rows, insert_rows, set_rows

    connection, tables = step.connection, step.tables
    for table, keys, since in changing.gone:
        columns = keys if since is None else keys | {since[0]: since[1]}
        delete_rows(connection, tables[table], columns, None if since is None else since[0])
    for table, rows in changing.come:
        insert_rows(connection, tables[table], rows)
    for item in changing.set:
        set_rows(connection, tables[item.table], item.keys, item.column, item.values)
    for single in changing.single:
        _write_standing(step, changing.subjects, single)


def _write_standing(step: Step, subjects: Sequence[str], made: "Standing") -> None:
    """Of rows of which each subject has one at most in a scheme, write those that are others than stand."""
    from projections.schemes.shared.bulk_rows import delete_rows, insert_rows, rows_of_subjects

    table, scheme = step.tables[made.table], made.scheme
    names = [column.name for column in table.columns]
    found = rows_of_subjects(step.connection, table, names, subjects, ("scheme = {}", scheme))
    stands = {row[0]: tuple(row) for row in found}
    now = {row[0]: row for row in zip(*(made.columns[name] for name in names), strict=True)}
    changed = [subject for subject in subjects if now.get(subject) != stands.get(subject)]
    gone = [subject for subject in changed if subject in stands]
    delete_rows(step.connection, table, {"subject": gone, "scheme": [scheme] * len(gone)})
    come = [now[subject] for subject in changed if subject in now]
    insert_rows(step.connection, table, dict(zip(names, map(list, zip(*come, strict=True)), strict=False)))
    for subject in changed if made.table == "levels" else ():
        before = dict(zip(names, stands[subject], strict=True)) if subject in stands else None
        step.note_level((subject, scheme), before, dict(zip(names, now[subject], strict=True)))
