"""Moving the views on: new events, and what time alone changes, in one transaction with the position.

A subject's view of one scheme is a unit. What a unit cannot process stops that unit and no other: it is set aside with
its reason, its rows stay as they were, and the views say that they are stale.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, Final, NamedTuple

from sqlalchemy.exc import SQLAlchemyError

from domain.calendar import month_of, parse_instant
from domain.creator_level import rule as creator_level
from domain.events import BINDING_TYPES, Event, LevelDecided
from domain.mcn_level import rule as mcn_level
from domain.merchant_reputation import rule as reputation
from domain.merchant_tier import rule as tier
from projections.schemes.creator_level import view as creator_view
from projections.schemes.mcn_level import view as mcn_view
from projections.schemes.merchant_reputation import running as reputation_running
from projections.schemes.merchant_reputation import view as reputation_view
from projections.schemes.merchant_tier import view as tier_view
from projections.schemes.registry import VIEWS
from projections.views.belonging import check_history, end_of_step
from projections.views.changes import StoodAt
from projections.views.database import Build, Views
from projections.views.readahead import Windows
from projections.views.step import SINCE_EVER, Rewrite, Step, is_life, life_row
from projections.views.unexpected import Unexpected, trace_of
from replay.errors import DamagedError, LevelbookError, StoreError
from replay.history.browse import list_subjects
from replay.history.timeline import RETRACTED, Moment, event_of_row, has_subject
from replay.schemes.registry import kinds, schemes_of
from replay.store.queries import event_rows, event_rows_of, event_rows_of_decisions, tally

EVENTS_AT_ONCE: Final = 5_000
SINCE_FIRST_MONTH: Final = 0
MERCHANT_TABLES: Final = ("life", "history", "reputation_months", "tier_days", "calendar")
"""What is looked up of many merchants together."""
Worked = Callable[[str, bool], list[Rewrite] | None]
"""A unit's subject, and whether it is to be worked out from nothing → what it changes."""
_NOT_THE_UNITS_FAULT: Final = (SQLAlchemyError, OSError, MemoryError, RecursionError)


class Moved(NamedTuple):
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
) -> Moved:
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
    return Moved(moved, events, units.moved, units.set_aside, units.recovered)


class Units:
    """Which units a step has to move, and moving them: merchants and creators first, then what rests on creators."""

    def __init__(self, step: Step) -> None:
        self.step = step
        self.moved = 0
        self.set_aside = 0
        self.recovered: list[Unexpected] = []
        self._new: dict[str, list[Event]] = {}
        self._touched: dict[str, list[Event]] = {}
        self._due: dict[tuple[str, str], int] = {}
        self._judged_again: list[str] = []
        """Merchants whose runs cannot just go on."""
        self._stepped_again: list[str] = []
        """Merchants whose days have to be stepped again."""
        self._whole: set[str] = set()
        """Schemes whose every unit is worked out from nothing: other policies judge."""
        self._pending: list[Rewrite] = []
        """What the units moved so far have to change, written together."""
        self._from_nothing = False
        """Whether what is moved now is filled, whatever was there."""
        self._bound: dict[str, int] = {}
        """By creator's id, the earliest instant at which a binding is new or gone."""
        self._agencies: dict[str, int] = {}
        """By agency, the earliest month that its creators or bindings changed."""
        self._boards: set[str] = set()
        self._aside = {(row.subject, row.scheme) for row in step.rows("set_aside")}
        self._works_out: dict[str, Worked] = {
            reputation.SCHEME: self._reputation,
            tier.SCHEME: self._tier,
            creator_level.SCHEME: self._creator,
            mcn_level.SCHEME: self._agency,
        }
        """By scheme, what works a unit out whatever was kept of it."""

    # --- what has to be moved -----------------------------------------------------------------------------------------

    def read(self) -> int:
        """Take in the step's new events: keep the rare ones, and remember which subjects they touch."""
        step = self.step
        new, count = self.keep(step.before.position, step.after.position)
        self._new = new
        for subject, events in new.items():
            step.windows.take_in(subject, events)
            if schemes_of(subject.partition("/")[0]):
                try:
                    self._touched[subject] = step.touched(events)
                except LevelbookError as error:
                    self.put_aside_subject(subject, events[0].position, error)
        for events in self._touched.values():
            for event in events:
                if event.type in BINDING_TYPES:
                    name = event.data.creator
                    self._bound[name] = min(event.occurred_at, self._bound.get(name, event.occurred_at))
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

    def is_filled(self, subject: str) -> bool:
        """Whether a subject has a view already."""
        return self.step.state(subject, schemes_of(subject.partition("/")[0])[0].code) is not None

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
                self._unit(subject, scheme, self._works_out[scheme])
                self._from_nothing = False
        self._write()

    def fill_across(self) -> None:
        """What views hold over all subjects: the boards."""
        for view in VIEWS.values():
            if view.across is not None:
                self.step.write(view.across(self.step))

    def see_policies(self, judged: str) -> None:
        """Where other policies judge than did at the last step, every unit of the scheme is worked out anew."""
        now, then = json.loads(self.step.policies_json()), json.loads(judged)
        self._whole = {scheme for scheme in now if now[scheme] != then.get(scheme)}

    def see_calendar(self) -> None:
        """Units that change by time alone up to the step's end."""
        calendar = self.step.tables["calendar"].c
        for row in self.step.rows("calendar", calendar.next_at <= self.step.after.as_of):
            self._due[row.subject, row.scheme] = row.next_at

    # --- moving -------------------------------------------------------------------------------------------------------

    def move(self) -> None:
        self._move_merchants()
        for subject in self._subjects(creator_level.SCHEME, "creator", {f"creator/{name}" for name in self._bound}):
            self._unit(subject, creator_level.SCHEME, self._creator)
        self._write()
        for name, at in self._bound.items():
            self._changed_for_agencies(name, month_of(at))
        self.move_agencies()

    def _move_merchants(self) -> None:
        """Runs go on where events came in order; for the others, what they are asked for is looked up together."""
        step, rated = self.step, self._subjects(reputation.SCHEME, "merchant")
        tiered = self._subjects(tier.SCHEME, "merchant")
        step.prepare({*rated, *tiered})
        step.read_orders({wanted for subject in self._touched for wanted in self._orders_to_read(subject)})
        for subject in rated:
            self._unit(subject, reputation.SCHEME, self._in_order)
        counted = [subject for subject in tiered if step.state(subject, tier.SCHEME) not in tier_view.WITHOUT_FIGURES]
        step.prepare(counted, ("life", "calendar"))
        tier_view.read_open_day(step, counted)
        for subject in counted:
            self._unit(subject, tier.SCHEME, self._open_day)
        step.prepare({*self._judged_again, *self._stepped_again}, MERCHANT_TABLES)
        for subject in self._judged_again:
            self._unit(subject, reputation.SCHEME, self._reputation)
        for subject in sorted({*tiered} - {*counted}) + self._stepped_again:
            self._unit(subject, tier.SCHEME, self._tier)
        self._write()

    def _orders_to_read(self, subject: str) -> Iterator[tuple[str, str]]:
        """The orders, with their merchant, whose other events have to be known to judge the new ones."""
        if not subject.startswith("merchant/"):
            return
        counted = self.step.state(subject, tier.SCHEME) not in tier_view.WITHOUT_FIGURES
        known: Collection[str] = () if counted else self.step.windows.orders_running(subject)
        for event in self._touched[subject]:
            if hasattr(event.data, "order") and event.data.order not in known:
                yield subject, event.data.order

    def move_agencies(self) -> None:
        """What rests on creators, and the boards."""
        for subject in self._subjects(mcn_level.SCHEME, "mcn", set(self._agencies)):
            self._unit(subject, mcn_level.SCHEME, self._agency)
        self._write()
        self.step.write(mcn_view.board_rewrites(self.step, self._boards))

    def _subjects(self, scheme: str, kind: str, others: Iterable[str] = ()) -> list[str]:
        """The subjects of a scheme that have to be looked at, in order."""
        found = {subject for subject in self._touched if subject.startswith(f"{kind}/")}
        found |= {subject for subject, due in self._due if due == scheme}
        found |= set(others)
        if scheme in self._whole:
            levels = self.step.tables["levels"].c
            found |= {row.subject for row in self.step.rows("levels", levels.scheme == scheme)}
        return sorted(found)

    def _unit(self, subject: str, scheme: str, moved: Worked) -> None:
        if (subject, scheme) in self._aside:
            return
        fresh = self._from_nothing or scheme in self._whole or self.step.state(subject, scheme) is None
        try:
            rewrites = self._worked_out(subject, scheme, moved, fresh)
        except _NOT_THE_UNITS_FAULT:
            raise
        except Exception as error:
            if isinstance(error, StoreError) and not isinstance(error, DamagedError):
                raise
            touched = self._touched.get(subject)
            self.put_aside(subject, scheme, touched[0].position if touched else self.step.after.position, error)
            return
        if rewrites is not None:
            self._pending += rewrites
            self.moved += 1

    def _worked_out(self, subject: str, scheme: str, moved: Worked, fresh: bool) -> list[Rewrite] | None:
        """What a unit changes. Where that fails as nobody foresaw: once more, from nothing."""
        try:
            return moved(subject, fresh)
        except (*_NOT_THE_UNITS_FAULT, LevelbookError):
            raise
        except Exception as error:
            self.step.windows.let_go(subject)
            rewrites = self._works_out[scheme](subject, True)
            self.recovered.append(Unexpected(subject, scheme, trace_of(error)))
            return rewrites

    def _write(self) -> None:
        self.step.write(self._pending)
        self._pending = []

    def _in_order(self, subject: str, fresh: bool) -> list[Rewrite] | None:
        rewrites = None if fresh else reputation_running.go_on_with(self.step, subject, self._new.get(subject, []))
        if rewrites is None:
            self._judged_again.append(subject)
        return rewrites or None

    def _reputation(self, subject: str, fresh: bool) -> list[Rewrite] | None:
        if fresh:
            return reputation_view.advance(self.step, subject, SINCE_EVER)
        found = reputation_view.concerned_by(self.step, subject, self._touched.get(subject, []))
        instants = [at for at in (found.restart, self._due.get((subject, reputation.SCHEME))) if at is not None]
        if not instants:
            return reputation_view.wait_for(self.step, subject, found.dues)
        return reputation_view.advance(self.step, subject, min(instants))

    def _tier(self, subject: str, fresh: bool) -> list[Rewrite] | None:
        touched = self._touched.get(subject, [])
        if fresh:
            return tier_view.advance(self.step, subject, SINCE_EVER, touched)
        found = [tier_view.restart_of(self.step, subject, touched), self._due.get((subject, tier.SCHEME))]
        instants = [at for at in found if at is not None]
        return tier_view.advance(self.step, subject, min(instants), touched) if instants else None

    def _open_day(self, subject: str, fresh: bool) -> list[Rewrite] | None:
        touched, is_due = self._touched.get(subject, []), (subject, tier.SCHEME) in self._due
        rewrites = None if fresh or is_due else tier_view.add_to_open_day(self.step, subject, touched)
        if rewrites is None:
            self._stepped_again.append(subject)
        return rewrites or None

    def _creator(self, subject: str, fresh: bool) -> list[Rewrite] | None:
        name = subject.partition("/")[2]
        touched = self._touched.get(subject, [])
        if fresh and not touched and not has_subject(self.step.store, subject, self.step.after.position):
            return None  # bound, and not heard of itself
        months = None if fresh else creator_view.months_of(self.step, subject, touched)
        if months is not None and name in self._bound:
            months |= creator_view.months_since(self.step, subject, month_of(self._bound[name]))
        rejudge = any(event.type == "creator.registered" for event in touched)
        found = creator_view.advance(self.step, subject, months, rejudge=rejudge)
        if found.agencies_from is not None:
            self._changed_for_agencies(name, found.agencies_from)
        return found.rewrites

    def _changed_for_agencies(self, creator: str, month: int) -> None:
        """Every agency that ever bound a creator looks again at its months from one on."""
        table = self.step.tables["bindings"].c
        for row in self.step.rows("bindings", table.creator == creator):
            self._agencies[row.mcn] = min(month, self._agencies.get(row.mcn, month))

    def _agency(self, subject: str, fresh: bool) -> list[Rewrite] | None:
        step = self.step
        table = step.tables["bindings"].c
        creators = {row.creator for row in step.rows("bindings", table.mcn == subject)}
        stale = sorted(name for name in creators if (f"creator/{name}", creator_level.SCHEME) in self._aside)
        if stale:
            raise LevelbookError(f"it rests on creator/{stale[0]}, which is set aside itself")
        first = SINCE_FIRST_MONTH if fresh else self._agency_changed(subject)
        if first is None:
            return None
        rewrites = mcn_view.advance(step, subject, first)
        self._boards |= mcn_view.months_in(step, subject, rewrites, first)
        return rewrites

    def _agency_changed(self, subject: str) -> int | None:
        """The earliest month of an agency that may come out otherwise; None where none can."""
        months = [self._agencies[subject]] if subject in self._agencies else []
        months += mcn_view.months_of(self.step, subject, self._touched.get(subject, []))
        if (subject, mcn_level.SCHEME) in self._due:
            months.append(month_of(self.step.before.as_of) - 1)
        return min(months, default=None)

    # --- setting aside ------------------------------------------------------------------------------------------------

    def put_aside_subject(self, subject: str, position: int, error: Exception, schemes: Collection[str] = ()) -> None:
        """Set a subject aside, in these schemes or all that it has."""
        for scheme in schemes_of(subject.partition("/")[0]):
            if not schemes or scheme.code in schemes:
                self.put_aside(subject, scheme.code, position, error)

    def put_aside(self, subject: str, scheme: str, position: int, error: Exception) -> None:
        if (subject, scheme) in self._aside:
            return
        self._aside.add((subject, scheme))
        self.set_aside += 1
        self.step.windows.let_go(subject)
        if scheme == creator_level.SCHEME:  # agencies that rest on it are stale, too
            self._changed_for_agencies(subject.partition("/")[2], SINCE_FIRST_MONTH)
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
    """Work out what was set aside anew, of these subjects or all, at the moment where the live build stands."""
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
        units.move_agencies()
        if watch is not None:
            watch.note(StoodAt(live.position, live.as_of))
        still = {(row.subject, row.scheme) for row in step.rows("set_aside")}
    return Retried([unit for unit in chosen if unit not in still], [unit for unit in chosen if unit in still])
