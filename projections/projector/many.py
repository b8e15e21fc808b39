"""A step of many events: subjects are moved in sets, by compiled rules over the columns of their records.

Where each scheme of a subject goes on from what is stored, or rests, no more of its past is read than that calls for;
of the others, where there is still more to move, all records are read and judged, as they were known before and as they
are known now. In a step of few events so goes a subject of a long past alone of which what is new reaches back.

What cannot be moved so goes the plain way within the same step: a subject of which a record cannot be read, one that is
set aside in some scheme alone, and one whose past is long beside what is new of it. Of the latter those are read as
columns, each by itself, whose life events or retractions ask for all of it.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Final

from domain.events import BINDING_TYPES, Event
from projections.projector.units import Units
from projections.schemes.registry import going_on_in_bulk, kinds_in_bulk, moving_in_bulk, views_of
from projections.views.step import LIFE_TYPES, Step
from projections.views.unexpected import Unexpected, trace_of
from replay.columnar.size import are_many_to_judge, are_many_to_move, are_many_to_read
from replay.errors import DamagedError, LevelbookError, NotExaminedError
from replay.history.browse import list_subjects
from replay.history.timeline import ANNOUNCED, Moment
from replay.store.base.store import Store
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
CHUNK_SUBJECTS: Final = 5_000
"""So many subjects at most are moved together: of those that time alone changes more is read than is new."""
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
        self._rare: dict[str, list[Event]] = {}
        """By subject, its new life events and retractions."""
        self._bearing: dict[str, list[Event] | None] = {}
        """By subject, what these bear on; None where that cannot be read."""
        self._reads_whole = are_many_to_read(_count(units))
        """Whether subjects that do not go on from what is stored are moved in sets, too."""
        self._held: dict[Moment, Slots] = {}
        """Who held each creator at the step's beginning and end."""

    def read(self) -> int:
        """Keep the rare events, and find the subjects that are touched; how many events there are."""
        step, units = self.step, self.units
        after, last = step.before.position, step.after.position
        rare = list(event_rows_of_types_between(step.store, _KEPT_TYPES, after, last))
        self._note_rare(units.keep_events(rare))
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
        many: list[str] = []
        if self._reads_whole:
            lengths |= lengths_of(self.step.store, [subject for subject in left if subject not in lengths])
            many = [subject for subject in left if subject in lengths and self._is_for_sets(subject, kind, lengths)]
            for some in _chunks(many, lengths):
                self._move_chunk(kind, some)
        tried = {*many}
        for subject in wanted:
            item = self._touched.get(subject)
            if item is None or subject in self.units.done:
                continue
            if subject in self._rare and subject not in tried and are_many_to_judge(item.version):
                self._move_whole(kind, subject)
            if subject not in self.units.done:
                self._take_in(item)

    def move_long(self, kind: str) -> None:
        """In a step of few events: move subjects of a long past of which what is new reaches back, each by itself."""
        new = self.units.work.new
        long = [name for name in self.units.reaching_back(kind) if are_many_to_judge(new[name][-1].originator_version)]
        self._note_rare({name: new[name] for name in long})
        self.step.prepare(long)
        for subject in long:
            if self._goes_on(subject, kind):
                self._go_on_chunk(kind, [subject])
            elif subject in self._rare:
                self._move_whole(kind, subject)

    def _note_rare(self, new: dict[str, list[Event]]) -> None:
        for subject, events in new.items():
            if rare := [event for event in events if event.type in LIFE_TYPES]:
                self._rare[subject] = rare

    def _bearing_of(self, subject: str) -> list[Event] | None:
        """What the new life events and retractions of a subject bear on; None where that cannot be read."""
        if subject not in self._bearing:
            try:
                self._bearing[subject] = self.step.touched(self._rare.get(subject, []))
            except LevelbookError:
                self._bearing[subject] = None  # the plain way says why
        return self._bearing[subject]

    def _subjects(self, kind: str) -> set[str]:
        found = {subject for subject in self._touched if subject.startswith(f"{kind}/")}
        return found.union(*(self.units.concerned(view.code) for view in views_of(kind)))

    def _is_aside(self, subject: str, kind: str) -> bool:
        """Whether nothing of a subject is moved."""
        return all((subject, view.code) in self.units.work.aside for view in views_of(kind))

    def _goes_on(self, subject: str, kind: str) -> bool:
        """Whether every scheme of a subject goes on from what is stored, or rests."""
        units, views = self.units, views_of(kind)
        if self._is_partly_aside(subject, kind) or any(units.is_fresh(view.code, subject) for view in views):
            return False
        resting = [view for view in views if self.step.state(subject, view.code) in view.resting]
        if any((subject, view.code) in units.work.due for view in resting):
            return False
        if not all(view.goes_on for view in views if view not in resting):
            return False
        bearing = self._bearing_of(subject)
        if bearing is None:
            return False
        asks_for_all = {name for view in views for name in view.anew} | (LIFE_TYPES if resting else set())
        return not any(event.type in asks_for_all for event in bearing)

    def _is_partly_aside(self, subject: str, kind: str) -> bool:
        return any((subject, view.code) in self.units.work.aside for view in views_of(kind))

    def _is_for_sets(self, subject: str, kind: str, lengths: dict[str, int]) -> bool:
        if self._is_partly_aside(subject, kind):
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
        bearing = {subject: self._bearing_of(subject) or [] for subject in subjects if subject in self._rare}
        going = GoingOn(step, subjects, units.work, self._slots, bearing)
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
                self._write(rewriting)
        units.moved += len(codes) * len(subjects)
        self._have_moved(subjects)

    def _write(self, rewriting: "Rewriting") -> None:
        write(self.step, rewriting)
        for (code, subject), month in rewriting.changed.items():
            self.units.work.note_changed(code, subject, month)

    def _have_moved(self, subjects: Sequence[str]) -> None:
        windows = self.step.windows
        for subject in subjects:
            self.units.done.add(subject)
            windows.take_run(subject)  # stands where it stood
            if subject in self._touched:
                windows.let_go(subject)  # lacks what is new

    def _move_chunk(self, kind: str, subjects: Sequence[str]) -> None:
        """Move some subjects together."""
        step = self.step
        recent = step.windows.recent(step.before.position)
        recent.go_on_to(step.store, step.before.position, step.after.position)
        self._move_columns(kind, recent.read(step.store, subjects).columns)

    def _move_whole(self, kind: str, subject: str) -> None:
        """Move one subject of a long past, all of whose records are read, out of sealed segments where there are any.

        Where these or a record cannot be read or reached it goes the plain way, which rests on the store alone and says
        why.
        """
        from replay.columnar.archive import open_archive
        from replay.columnar.subject import subject_columns

        if self._is_partly_aside(subject, kind):
            return
        store = self.step.store
        try:
            archive = open_archive(store, store.segments_path())
            columns = subject_columns(store, archive, subject, self.step.after.position)
        except (DamagedError, NotExaminedError):
            return
        self._move_columns(kind, columns)

    def _move_columns(self, kind: str, columns: "Columns") -> None:
        """Move the subjects of some columns; where that fails as nobody foresaw, they go the plain way."""
        from projections.schemes.shared.changing import Changing

        units, step = self.units, self.step
        codes = [view.code for view in views_of(kind)]
        fresh = {code: {name for name in columns.subjects if units.is_fresh(code, name)} for code in codes}
        changing = Changing(step, columns, fresh, self._slots)
        try:
            for code in codes:
                moving_in_bulk(code)(changing)
                changing.stand(code, changing.now)
        except (OSError, MemoryError):
            raise
        except Exception as error:
            if not isinstance(error, LevelbookError):
                units.recovered.append(Unexpected(columns.subjects[0], codes[0], trace_of(error)))
            return
        self._write(changing)
        units.moved += len(codes) * len(columns.subjects)
        self._have_moved(columns.subjects)

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
    """Subjects in order, in stretches of so many records or subjects."""
    some: list[str] = []
    held = 0
    for subject in subjects:
        some.append(subject)
        held += lengths[subject]
        if held >= CHUNK_RECORDS or len(some) == CHUNK_SUBJECTS:
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
