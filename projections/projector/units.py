"""The units of a step: which have to be moved, and moving them, each as its scheme's mover says.

A subject's view of one scheme is a unit. What a unit cannot process stops that unit and no other: it is quarantined
(set aside) with its reason, its rows stay as they were, and the views say that they are stale.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from domain.calendar import day_start, month_start, parse_day, parse_instant, parse_month
from domain.events import BINDING_TYPES, Event, LevelAnnounced, LevelDecided
from projections.schemes.registry import VIEWS, views_of
from projections.schemes.shared.moving import SINCE_FIRST_MONTH, Mover, Work
from projections.views.step import Rewrite, Step, is_life, life_row
from projections.views.unexpected import Unexpected, trace_of
from replay.errors import DamagedError, LevelbookError, StoreError
from replay.history.browse import list_subjects
from replay.history.timeline import ANNOUNCED, RETRACTED, event_of_row, has_subject
from replay.schemes.registry import kinds, schemes_of
from replay.store.queries import (
    event_rows,
    event_rows_of,
    event_rows_of_decisions,
    event_rows_of_types_between,
    tally,
)

Moves = Callable[[], list[Rewrite] | None]
"""What a unit changes; None where it is not moved so."""
KEPT_AT_ONCE: Final = 20_000
"""So many announcements are held before they are written."""
_NOT_THE_UNITS_FAULT: Final = (SQLAlchemyError, OSError, MemoryError, RecursionError)


class Units:
    """Which units a step has to move, and moving them, each as its scheme's mover says."""

    def __init__(self, step: Step) -> None:
        self.step = step
        self.moved = 0
        self.set_aside = 0
        self.recovered: list[Unexpected] = []
        self.work = Work(step, aside={(row.subject, row.scheme) for row in step.rows("set_aside")})
        self.done: set[str] = set()
        """Subjects that have been moved in sets."""
        self._movers = {code: view.mover(code, self.work) for code, view in VIEWS.items()}
        self._whole: set[str] = set()
        """Schemes whose every unit is worked out from nothing: other policies judge."""
        self._pending: list[Rewrite] = []
        """What the units moved so far have to change, written together."""
        self._from_nothing = False
        """Whether what is moved now is filled, whatever was there."""

    # --- what has to be moved -----------------------------------------------------------------------------------------

    def read(self) -> int:
        """Take in the step's new events: keep the rare ones, and remember which subjects they touch."""
        new, count = self.keep(self.step.before.position, self.step.after.position)
        self._take_in(new)
        return count

    def take_in(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Take in new events of one subject."""
        self._take_in(self._by_subject(rows))

    def _take_in(self, new: dict[str, list[Event]]) -> None:
        step = self.step
        self.work.new |= new
        for subject, events in new.items():
            step.windows.take_in(subject, events)
            if schemes_of(subject.partition("/")[0]):
                try:
                    self.work.touched[subject] = step.touched(events)
                except LevelbookError as error:
                    self.put_aside_subject(subject, events[0].position, error)

    def keep_events(self, rows: Iterable[tuple[Any, ...]]) -> dict[str, list[Event]]:
        """Keep the rare ones among events, which it gives by subject."""
        new = self._by_subject(rows)
        keep(self.step, (event for events in new.values() for event in events))
        return new

    def _by_subject(self, rows: Iterable[tuple[Any, ...]]) -> dict[str, list[Event]]:
        new: dict[str, list[Event]] = defaultdict(list)
        for event in self._readable(rows):
            new[event.originator_id].append(event)
        return new

    def keep(self, after: int, last: int) -> tuple[dict[str, list[Event]], int]:
        """Keep the rare events behind one position and up to another: all events by subject, and how many there are."""
        rows = list(event_rows(self.step.store, after, last))
        new = self._by_subject(rows)
        keep(self.step, (event for events in new.values() for event in events))
        return new, len(rows)

    def keep_subject(self, subject: str) -> None:
        """Keep a subject's rare events."""
        keep(self.step, self._readable(event_rows_of(self.step.store, subject, self.step.after.position)))

    def keep_decisions(self, some_kinds: Iterable[str]) -> None:
        """Keep every decision on subjects of these kinds, found by index: their other events are read elsewhere."""
        store, position = self.step.store, self.step.after.position
        if not tally(store).get("level.decided"):
            return
        for kind in some_kinds:
            for item in list_subjects(store, kind):
                for scheme in schemes_of(kind):
                    keep(
                        self.step,
                        self._readable(event_rows_of_decisions(store, item["subject"], scheme.code, position)),
                    )

    def keep_announced(self, some_kinds: Collection[str]) -> None:
        """Keep every announcement to subjects of these kinds: no index finds them, so the ledger is walked through."""
        store, position = self.step.store, self.step.after.position
        if not tally(store).get(ANNOUNCED):
            return
        rows = event_rows_of_types_between(store, (ANNOUNCED,), 0, position)
        wanted = (row for row in rows if row[0].partition("/")[0] in some_kinds)
        while some := list(islice(wanted, KEPT_AT_ONCE)):
            keep(self.step, self._readable(some))

    def _readable(self, rows: Iterable[tuple[Any, ...]]) -> Iterator[Event]:
        """The events of those rows that can be read; of the others the subjects are set aside."""
        for row in rows:
            try:
                event = event_of_row(row)
            except LevelbookError as error:
                self.put_aside_subject(row[0], row[1], error)
            else:
                yield event

    def not_filled(self, kind: str) -> list[str]:
        """The subjects of a kind that have no view yet; looked up all at once."""
        levels, code = self.step.tables["levels"].c, schemes_of(kind)[0].code
        filled = {row.subject for row in self.step.rows("levels", levels.scheme == code)}
        return [item["subject"] for item in list_subjects(self.step.store, kind) if item["subject"] not in filled]

    def keep_again(self, subject: str) -> None:
        """Keep a subject's rare events anew: some could not be read before."""
        named = {"life": "subject", "bindings": "mcn", "decisions": "subject", "announced": "subject"}
        self.step.write(Rewrite(table, {column: subject}, []) for table, column in named.items())
        self.step.forget("life", subject)
        self.keep_subject(subject)

    def fill(self, subject: str, schemes: Collection[str]) -> None:
        """Work out a subject from nothing, in these schemes or all, where the ledger holds it by then."""
        if has_subject(self.step.store, subject, self.step.after.position):
            self._fill([subject], [item.code for item in schemes_of(subject.partition("/")[0])], schemes)

    def fill_together(self, kind: str, subjects: Sequence[str]) -> None:
        """Work out subjects of a kind that the ledger holds, in order, from nothing; what some need is read together.

        The ledger is asked for nothing that the kind's movers do not ask for.
        """
        codes = [view.code for view in views_of(kind)]
        for code in codes:
            self._movers[code].ready(subjects)
        self._fill(subjects, codes)

    def _fill(self, subjects: Sequence[str], codes: Sequence[str], schemes: Collection[str] = ()) -> None:
        self._from_nothing = True
        for subject in subjects:
            for code in codes:
                if not schemes or code in schemes:
                    self._work_out(self._movers[code], subject)
            self._write()
        self._from_nothing = False

    def fill_across(self) -> None:
        """What views hold over all subjects: the boards."""
        for view in VIEWS.values():
            if view.across is not None:
                self.step.write(view.across(self.step))

    def see_policies(self, judged: str) -> None:
        """Where other policies judge than did at the last step, every unit of the scheme is worked out anew."""
        now, then = self.step.revisions(), json.loads(judged)
        self._whole = {
            scheme for scheme in now if now[scheme] != then.get(scheme) or self._movers[scheme].is_judged_anew()
        }

    def see_publications(self) -> None:
        """The same where what stands does not tell what was shown earlier."""
        self._whole |= {view.code for view in VIEWS.values() if view.is_judged_anew(self.step)}

    def see_calendar(self) -> None:
        """Units that change by time alone up to the step's end."""
        calendar = self.step.tables["calendar"].c
        for row in self.step.rows("calendar", calendar.next_at <= self.step.after.as_of):
            self.work.due[row.subject, row.scheme] = row.next_at

    # --- moving -------------------------------------------------------------------------------------------------------

    def move_dependents(self) -> None:
        """What rests on other schemes' units, and the boards."""
        for kind in kinds():
            if any(view.scheme.rests_on for view in views_of(kind)):
                self.move_kind(kind)

    def move_kind(self, kind: str) -> None:
        """Units are gone on with where that can be; for the others, what they are asked for is looked up together."""
        step, movers = self.step, [self._movers[view.code] for view in views_of(kind)]
        wanted = {mover.scheme: self._subjects(mover, kind) for mover in movers}
        step.prepare({subject for subjects in wanted.values() for subject in subjects})
        touched = [name for name in self.work.touched if name.startswith(f"{kind}/") and name not in self.done]
        step.read_orders({(name, order) for name in touched for mover in movers for order in mover.orders(name)})
        again: dict[str, list[str]] = {}
        missed: set[str] = set()
        for mover in movers:
            ready = mover.ready(wanted[mover.scheme])
            stopped = [subject for subject in ready if not self._go_on(mover, subject)]
            again[mover.scheme] = sorted({*wanted[mover.scheme]} - {*ready}) + stopped
            missed.update(stopped)
        step.prepare(missed, list(dict.fromkeys(name for mover in movers for name in mover.looked_up)))
        for mover in movers:
            for subject in again[mover.scheme]:
                self._work_out(mover, subject)
        self._write()
        for mover in movers:
            step.write(mover.finish())

    def _subjects(self, mover: Mover, kind: str) -> list[str]:
        """The subjects of a scheme that have to be looked at, in order."""
        found = {subject for subject in self.work.touched if subject.startswith(f"{kind}/")}
        return sorted((found | self.concerned(mover.scheme)) - self.done)

    def concerned(self, scheme: str) -> set[str]:
        """The subjects that have to be looked at in a scheme beside those that are touched."""
        found = {subject for subject, due in self.work.due if due == scheme} | {*self._movers[scheme].others()}
        if self.is_whole(scheme):
            levels = self.step.tables["levels"].c
            found |= {row.subject for row in self.step.rows("levels", levels.scheme == scheme)}
        return found

    def reaching_back(self, kind: str) -> list[str]:
        """The subjects of a kind of which new events bear on what nothing that is kept of them goes on with."""
        movers = [self._movers[view.code] for view in views_of(kind)]
        return [
            subject
            for subject in sorted(self.work.new)
            if subject.startswith(f"{kind}/") and any(mover.reaches_back(subject) for mover in movers)
        ]

    def count_whole(self) -> int:
        """How many units are worked out anew because other policies judge."""
        if not self._whole:
            return 0
        levels = self.step.tables["levels"].c
        query = select(func.count()).where(levels.scheme.in_(sorted(self._whole)))
        return self.step.connection.execute(query).scalar_one()

    def is_whole(self, scheme: str) -> bool:
        """Whether every unit of a scheme is worked out anew."""
        return scheme in self._whole

    def _go_on(self, mover: Mover, subject: str) -> bool:
        """Whether there is no need to work a unit out: it was gone on with, or is set aside."""
        if (subject, mover.scheme) in self.work.aside:
            return True
        return not self.is_fresh(mover.scheme, subject) and self._unit(mover, subject, lambda: mover.go_on(subject))

    def _work_out(self, mover: Mover, subject: str) -> None:
        if (subject, mover.scheme) not in self.work.aside:
            fresh = self.is_fresh(mover.scheme, subject)
            self._unit(mover, subject, lambda: mover.work_out(subject, fresh))

    def is_fresh(self, scheme: str, subject: str) -> bool:
        """Whether a unit is worked out from nothing."""
        return self._from_nothing or self.is_whole(scheme) or self.step.state(subject, scheme) is None

    def _unit(self, mover: Mover, subject: str, moved: Moves) -> bool:
        """Take in what moves a unit; False where that says that it does not."""
        try:
            rewrites = self._worked_out(mover, subject, moved)
        except _NOT_THE_UNITS_FAULT:
            raise
        except Exception as error:
            if isinstance(error, StoreError) and not isinstance(error, DamagedError):
                raise
            touched = self.work.touched.get(subject)
            position = touched[0].position if touched else self.step.after.position
            self.put_aside(subject, mover.scheme, position, error)
            return True
        if rewrites:
            self._pending += rewrites
            self.moved += 1
        return rewrites is not None

    def _worked_out(self, mover: Mover, subject: str, moved: Moves) -> list[Rewrite] | None:
        """What a unit changes. Where that fails as nobody foresaw: once more, from nothing."""
        try:
            return moved()
        except (*_NOT_THE_UNITS_FAULT, LevelbookError):
            raise
        except Exception as error:
            self.step.windows.let_go(subject)
            rewrites = mover.work_out(subject, True)
            self.recovered.append(Unexpected(subject, mover.scheme, trace_of(error)))
            return rewrites

    def _write(self) -> None:
        self.step.write(self._pending)
        self._pending = []

    # --- setting aside ------------------------------------------------------------------------------------------------

    def put_aside_subject(self, subject: str, position: int, error: Exception, schemes: Collection[str] = ()) -> None:
        """Set a subject aside, in these schemes or all that it has."""
        for scheme in schemes_of(subject.partition("/")[0]):
            if not schemes or scheme.code in schemes:
                self.put_aside(subject, scheme.code, position, error)

    def put_aside(self, subject: str, scheme: str, position: int, error: Exception) -> None:
        if (subject, scheme) in self.work.aside:
            return
        self.work.aside.add((subject, scheme))
        self.set_aside += 1
        self.step.windows.let_go(subject)
        self.work.note_changed(scheme, subject, SINCE_FIRST_MONTH)  # what rests on it is stale, too
        expected = isinstance(error, LevelbookError)
        reason = str(error) if expected else f"{type(error).__name__}: {error}"
        row = {"subject": subject, "scheme": scheme, "position": position, "reason": reason}
        row["trace"] = None if expected else trace_of(error)
        self.step.write([Rewrite("set_aside", None, [row | {"at": self.step.after.as_of}])])


def keep(step: Step, events: Iterable[Event]) -> None:
    """Keep the rare events that are asked for often, bindings, decisions and announcements, each in its table."""
    kept: dict[str, list[dict[str, Any]]] = {"life": [], "bindings": [], "decisions": [], "announced": []}
    for event in events:
        if is_life(event):
            kept["life"].append(life_row(event, step.target(event) if event.type == RETRACTED else 0))
        elif event.type in BINDING_TYPES:
            kept["bindings"].append(binding_row(event))
        elif event.type == "level.decided":
            kept["decisions"].append(decision_row(event, step.is_assumed(event.data.scheme, event.data.policy_hash)))
        elif event.type == ANNOUNCED:
            kept["announced"].append(announced_row(event))
    for row in kept["life"]:
        step.forget("life", row["subject"])
    step.write(Rewrite(table, None, rows) for table, rows in kept.items())


def binding_row(event: Event) -> dict[str, Any]:
    return {
        "creator": event.data.creator,
        "position": event.position,
        "at": event.occurred_at,
        "mcn": event.originator_id,
        "binds": event.type == "creator.bound",
    }


def announced_row(event: Event) -> dict[str, Any]:
    data: LevelAnnounced = event.data
    return {
        "position": event.position,
        "subject": event.originator_id,
        "scheme": data.scheme,
        "period": data.period,
        "level": data.level,
        "at": event.occurred_at,
        "ends_at": _end_of(data.period),
    }


def _end_of(period: str) -> int:
    """The instant at which a month or a day is over."""
    if len(period) > len("2022-11"):
        return day_start(parse_day(period) + 1)
    return month_start(parse_month(period) + 1)


def decision_row(event: Event, assumed: bool) -> dict[str, Any]:
    data: LevelDecided = event.data
    kept = ("scheme", "period", "run", "state", "level", "score", "policy", "policy_hash")
    return {
        "position": event.position,
        "subject": event.originator_id,
        **{name: getattr(data, name) for name in kept},
        "as_of": parse_instant(data.as_of),
        "known_at": parse_instant(data.known_at),
        "decided_position": data.position,
        "assumed": assumed,
    }
