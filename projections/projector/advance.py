"""Moving the views on: new events, and what time alone changes, in one transaction with the checkpoint.

A subject's view of one scheme is a unit. What a unit cannot process stops that unit and no other: it is quarantined
(set aside) with its reason, its rows stay as they were, and the views say that they are stale.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, Final, NamedTuple

from sqlalchemy.exc import SQLAlchemyError

from domain.calendar import parse_instant
from domain.events import BINDING_TYPES, Event, LevelDecided
from projections.schemes.registry import VIEWS, check_views_whole, views_of
from projections.schemes.shared.moving import SINCE_FIRST_MONTH, Mover, Work
from projections.views.belonging import check_history, end_of_step
from projections.views.changes import StoodAt
from projections.views.database import Build, Views
from projections.views.readahead import Windows
from projections.views.step import Rewrite, Step, is_life, life_row
from projections.views.unexpected import Unexpected, trace_of
from replay.errors import DamagedError, LevelbookError, StoreError
from replay.history.browse import list_subjects
from replay.history.timeline import RETRACTED, Moment, event_of_row, has_subject
from replay.schemes.registry import kinds, schemes_of
from replay.store.queries import event_rows, event_rows_of, event_rows_of_decisions, tally

EVENTS_AT_ONCE: Final = 5_000
Moves = Callable[[], list[Rewrite] | None]
"""What a unit changes; None where it is not moved so."""
_NOT_THE_UNITS_FAULT: Final = (SQLAlchemyError, OSError, MemoryError, RecursionError)


class StepReport(NamedTuple):
    """What one step did."""

    build: Build
    events: int
    units: int
    set_aside: int
    recovered: list["Unexpected"]
    """What failed in a way that nobody foresaw, and was then worked out from nothing."""


def advance(
    views: Views,
    build: int,
    now: int | None = None,
    events_max: int = EVENTS_AT_ONCE,
    windows: Windows | None = None,
) -> StepReport:
    """One step of a build: the next events, and everything due by now. `now` is the ledger's clock where left out.

    `windows` are handed from step to step by who takes many. Raises OtherHistory where the ledger does not go on from
    where the build stands: its position never goes back.
    """
    store = views.store
    windows = Windows() if windows is None else windows
    with views.moving() as connection:
        found = views.build(connection, build)
        last, chain = end_of_step(store, found, events_max)
        as_of = max(found.as_of, store.now() if now is None else now)
        before, after = Moment(found.as_of, 0, found.position), Moment(as_of, 0, last)
        windows.begin(build, found.position)
        watch = views.watch(connection, found)
        step = Step(store, connection, views.tables(build), before, after, windows, watch)
        units = Units(step)
        events = units.read()
        units.see_policies(found.policies)
        units.see_calendar()
        units.move()
        if watch is not None:
            watch.note(StoodAt(last, as_of))
        policies = step.policies_json()
        moved = found._replace(position=last, as_of=as_of, policies=policies, moved_at=store.now(), chain=chain)
        check_history(store, moved)  # a ledger that was replaced meanwhile: nothing of the step stays
        views.note(
            connection,
            build,
            **{name: getattr(moved, name) for name in ("position", "as_of", "policies", "moved_at", "chain")},
        )
    windows.end(build, last)
    return StepReport(moved, events, units.moved, units.set_aside, units.recovered)


class Units:
    """Which units a step has to move, and moving them, each as its scheme's mover says."""

    def __init__(self, step: Step) -> None:
        self.step = step
        self.moved = 0
        self.set_aside = 0
        self.recovered: list[Unexpected] = []
        self.work = Work(step, aside={(row.subject, row.scheme) for row in step.rows("set_aside")})
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
        step = self.step
        new, count = self.keep(step.before.position, step.after.position)
        self.work.new = new
        for subject, events in new.items():
            step.windows.take_in(subject, events)
            if schemes_of(subject.partition("/")[0]):
                try:
                    self.work.touched[subject] = step.touched(events)
                except LevelbookError as error:
                    self.put_aside_subject(subject, events[0].position, error)
        return count

    def keep(self, after: int, last: int) -> tuple[dict[str, list[Event]], int]:
        """Keep the rare events behind one position and up to another: all events by subject, and how many there are."""
        rows = list(event_rows(self.step.store, after, last))
        new: dict[str, list[Event]] = defaultdict(list)
        for event in self._readable(rows):
            new[event.originator_id].append(event)
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
        named = {"life": "subject", "bindings": "mcn", "decisions": "subject"}
        self.step.write(Rewrite(table, {column: subject}, []) for table, column in named.items())
        self.step.forget("life", subject)
        self.keep_subject(subject)

    def fill(self, subject: str, schemes: Collection[str]) -> None:
        """Work out a subject from nothing, in these schemes or all."""
        if not has_subject(self.step.store, subject, self.step.after.position):
            return
        for scheme in [item.code for item in schemes_of(subject.partition("/")[0])]:
            if not schemes or scheme in schemes:
                self._from_nothing = True
                self._work_out(self._movers[scheme], subject)
                self._from_nothing = False
        self._write()

    def fill_across(self) -> None:
        """What views hold over all subjects: the boards."""
        for view in VIEWS.values():
            if view.across is not None:
                self.step.write(view.across(self.step))

    def see_policies(self, judged: str) -> None:
        """Where other policies judge than did at the last step, every unit of the scheme is worked out anew."""
        now, then = self.step.revisions(), json.loads(judged)
        self._whole = {scheme for scheme in now if now[scheme] != then.get(scheme)}

    def see_calendar(self) -> None:
        """Units that change by time alone up to the step's end."""
        calendar = self.step.tables["calendar"].c
        for row in self.step.rows("calendar", calendar.next_at <= self.step.after.as_of):
            self.work.due[row.subject, row.scheme] = row.next_at

    # --- moving -------------------------------------------------------------------------------------------------------

    def move(self) -> None:
        """Every kind of subject in turn: what a scheme rests on comes before it."""
        for kind in kinds():
            self._move_kind(kind)

    def move_dependents(self) -> None:
        """What rests on other schemes' units, and the boards."""
        for kind in kinds():
            if any(view.scheme.rests_on for view in views_of(kind)):
                self._move_kind(kind)

    def _move_kind(self, kind: str) -> None:
        """Units are gone on with where that can be; for the others, what they are asked for is looked up together."""
        step, movers = self.step, [self._movers[view.code] for view in views_of(kind)]
        wanted = {mover.scheme: self._subjects(mover, kind) for mover in movers}
        step.prepare({subject for subjects in wanted.values() for subject in subjects})
        touched = [subject for subject in self.work.touched if subject.startswith(f"{kind}/")]
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
        found |= {subject for subject, due in self.work.due if due == mover.scheme}
        found |= {*mover.others()}
        if mover.scheme in self._whole:
            levels = self.step.tables["levels"].c
            found |= {row.subject for row in self.step.rows("levels", levels.scheme == mover.scheme)}
        return sorted(found)

    def _go_on(self, mover: Mover, subject: str) -> bool:
        """Whether there is no need to work a unit out: it was gone on with, or is set aside."""
        if (subject, mover.scheme) in self.work.aside:
            return True
        return not self._is_fresh(mover, subject) and self._unit(mover, subject, lambda: mover.go_on(subject))

    def _work_out(self, mover: Mover, subject: str) -> None:
        if (subject, mover.scheme) not in self.work.aside:
            fresh = self._is_fresh(mover, subject)
            self._unit(mover, subject, lambda: mover.work_out(subject, fresh))

    def _is_fresh(self, mover: Mover, subject: str) -> bool:
        """Whether a unit is worked out from nothing."""
        return self._from_nothing or mover.scheme in self._whole or self.step.state(subject, mover.scheme) is None

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
    """Keep the rare events that are asked for often, bindings and decisions, each in its table."""
    kept: dict[str, list[dict[str, Any]]] = {"life": [], "bindings": [], "decisions": []}
    for event in events:
        if is_life(event):
            kept["life"].append(life_row(event, step.target(event) if event.type == RETRACTED else 0))
        elif event.type in BINDING_TYPES:
            kept["bindings"].append(binding_row(event))
        elif event.type == "level.decided":
            kept["decisions"].append(decision_row(event, step.is_assumed(event.data.scheme, event.data.policy_hash)))
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


class Retried(NamedTuple):
    """What became of units that were set aside."""

    taken_up: list[tuple[str, str]]
    still_aside: list[tuple[str, str]]


def retry(views: Views, subjects: Collection[str] = ()) -> Retried:
    """Work out what was set aside anew, of these subjects or all, at the moment where the live build stands.

    Raises LevelbookError for a scheme whose view is not whole, before anything is begun.
    """
    check_views_whole()
    with views.moving() as connection:
        live = views.live(connection)
        check_history(views.store, live)
        moment = Moment(live.as_of, 0, live.position)
        watch = views.watch(connection, live)
        step = Step(views.store, connection, views.tables(live.build), moment, moment, watch=watch)
        aside = [(row.subject, row.scheme) for row in step.rows("set_aside", order="subject")]
        chosen = [unit for unit in aside if not subjects or unit[0] in subjects]
        step.write(Rewrite("set_aside", {"subject": subject, "scheme": scheme}, []) for subject, scheme in chosen)
        units = Units(step)
        for subject in sorted({subject for subject, _ in chosen}):
            units.keep_again(subject)
        for kind in kinds():
            for subject, scheme in chosen:
                if subject.startswith(f"{kind}/"):
                    units.fill(subject, (scheme,))
        units.move_dependents()
        if watch is not None:
            watch.note(StoodAt(live.position, live.as_of))
        still = {(row.subject, row.scheme) for row in step.rows("set_aside")}
    return Retried([unit for unit in chosen if unit not in still], [unit for unit in chosen if unit in still])
