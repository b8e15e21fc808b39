"""One step of the views: from one moment to the next, and what every scheme's view needs to take it.

A step is computed first and written afterwards. What a scheme has to change is a list of rewrites: rows that go, and
rows that come in their place.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cached_property
from operator import attrgetter
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, bindparam, delete, insert, select

from domain.events import (
    CORRECTION_TYPES,
    CreatorNamed,
    CreditDeducted,
    CreditGranted,
    CreditRestored,
    Data,
    Event,
    MerchantOnboarded,
    MerchantTierSet,
    NoData,
)
from domain.policy import Policy
from projections.views.changes import LevelWatch, Unit, units_of
from projections.views.database import Build, Views
from projections.views.readahead import Windows
from projections.views.tables import Tables
from replay.columnar.columns import WHATS
from replay.history.timeline import RETRACTED, Moment, event_at, event_of_row
from replay.policies.catalog import DEFAULT, Choice, adopted_policies
from replay.replaying.base import Policies
from replay.schemes.registry import SCHEMES, choose_where_given
from replay.store.base.store import Store
from replay.store.searching.across import event_rows_with_refs, row_named

SINCE_EVER: Final = -(2**62)
LIFE_TYPES: Final = frozenset(
    {
        *("merchant.onboarded", "merchant.closed", "merchant.tier_set", "creator.registered", "mcn.onboarded"),
        RETRACTED,
    }
)
"""Rare types that are asked for often: the views keep them by subject. Of agencies the movements of credit, too."""


SUBJECTS_AT_ONCE: Final = 500
"""How many subjects are asked for in one query."""


class Rewrite(NamedTuple):
    """Rows of a table that go, and rows that come in their place."""

    table: str
    keys: dict[str, Any] | None
    """Those go whose columns have these values; None: none goes."""
    rows: Sequence[dict[str, Any]]
    since: tuple[str, Any] | None = None
    """And of these only those whose column has this value or a greater one."""


class Step:
    """A move of one build from a moment to the next, within one transaction."""

    def __init__(
        self,
        store: Store,
        connection: Connection,
        tables: Tables,
        before: Moment,
        after: Moment,
        windows: Windows | None = None,
        watch: LevelWatch | None = None,
        choice: Choice = DEFAULT,
    ) -> None:
        """`choice`: what the build is judged by, where not by the ledger's policies."""
        self.store = store
        self._choice = choice
        self._watch = watch
        self.windows = Windows() if windows is None else windows
        self.connection = connection
        self.tables = tables
        self.before = before
        self.after = after
        self.prepared: dict[str, Any] = {}
        """What a scheme's view works out once for the whole step."""
        self._looked_up: dict[tuple[str, str], list[Row[Any]]] = {}
        self._levels: dict[str, dict[str, Row[Any]]] = {}
        self._adopted: dict[str, dict[str, bool]] = {}
        self._retracted: dict[tuple[str, int], frozenset[int]] = {}
        self._about: dict[tuple[str, str], list[Event]] = {}
        self._about_rows: dict[tuple[str, str], list[Any]] = {}

    @cached_property
    def policies(self) -> dict[str, Policies]:
        """By scheme, what judges at the step's end."""
        return {code: self.policies_at(code, self.after) for code in SCHEMES}

    def policies_at(self, scheme: str, moment: Moment) -> Policies:
        """What judges at a moment."""
        return choose_where_given(self.store, SCHEMES[scheme].replay, moment, self._choice)

    def revisions(self) -> dict[str, list[list[str]]]:
        """By scheme, id and hash of the revisions that judge."""
        return {
            scheme: [[policy.id, policy.hash] for policy in (*item.own, *item.beside)]
            for scheme, item in self.policies.items()
        }

    def policies_json(self) -> str:
        """The same as a build notes it."""
        return json.dumps(self.revisions(), sort_keys=True, separators=(",", ":"))

    def is_assumed(self, scheme: str, policy_hash: str) -> bool:
        """Whether a revision that was adopted rests on assumed parameters."""
        if scheme not in self._adopted:
            adopted = adopted_policies(self.store, scheme)
            self._adopted[scheme] = {item.policy.hash: bool(item.policy.assumed) for item in adopted}
        return self._adopted[scheme].get(policy_hash, True)  # nothing is shown as published that is not known to be

    def level(self, subject: str, scheme: str) -> Row[Any] | None:
        """How a subject stands before the step: its row in `levels`; None where it has no view yet."""
        if subject not in self._levels:
            self.prepare([subject])
        return self._levels[subject].get(scheme)

    def state(self, subject: str, scheme: str) -> str | None:
        """The state that a subject stands in before the step; None where it has no view yet."""
        level = self.level(subject, scheme)
        return None if level is None else level.state

    def prepare(self, subjects: Collection[str], tables: Sequence[str] = ()) -> None:
        """Look up together what is asked of many subjects: levels, and whole tables' rows for `rows_of`."""
        levels = self.tables["levels"]
        found: dict[str, dict[str, Row[Any]]] = {subject: {} for subject in subjects}
        for some in batched(sorted(subjects), SUBJECTS_AT_ONCE):
            for row in self.connection.execute(select(levels).where(levels.c.subject.in_(some))):
                found[row.subject][row.scheme] = row
            for name in tables:
                self._looked_up |= {(name, subject): [] for subject in some}
                table = self.tables[name]
                rows: Sequence[Row[Any]] = self.connection.execute(select(table).where(table.c.subject.in_(some))).all()
                for of_subject in rows:
                    self._looked_up[name, of_subject.subject].append(of_subject)
        self._levels |= found

    def rows_of(self, table: str, subject: str, order: str) -> list[Row[Any]]:
        """A subject's rows as they stood before the step, in order."""
        rows = self._looked_up.get((table, subject))
        if rows is None:
            found = self.tables[table]
            rows = list(self.connection.execute(select(found).where(found.c.subject == subject)))
            self._looked_up[table, subject] = rows
        return sorted(rows, key=attrgetter(order))

    def forget(self, table: str, subject: str) -> None:
        """Rows were written that `rows_of` may be asked for."""
        self._looked_up.pop((table, subject), None)

    def read_orders(self, orders: Collection[tuple[str, str]]) -> None:
        """Read together the known records about orders, by (subject, order), that `about` will be asked for."""
        self._about_rows |= {wanted: [] for wanted in orders}
        for row in event_rows_with_refs(self.store, orders, self.after.position):
            self._about_rows[row[0], row[-1]].append(row[:-1])

    def about(self, subject: str, orders: Collection[str]) -> list[Event]:
        """The known events about a subject's orders. Raises DamagedError."""
        missing = [(subject, order) for order in orders if (subject, order) not in self._about_rows]
        if missing:
            self.read_orders(missing)
        found: list[Event] = []
        for order in orders:
            key = (subject, order)
            if key not in self._about:
                self._about[key] = [event_of_row(row) for row in self._about_rows[key]]
            found += self._about[key]
        return found

    def rows(self, table: str, *where: ColumnElement[bool], order: str | None = None) -> Sequence[Row[Any]]:
        """Rows of the build as they stand."""
        found = self.tables[table]
        query = select(found).where(*where)
        return self.connection.execute(query if order is None else query.order_by(found.c[order])).all()

    def write(self, rewrites: Iterable[Rewrite]) -> None:
        """Write many rewrites with few statements: first all rows go, then all come."""
        rewrites = list(rewrites)
        self._tell_watch(rewrites)
        gone: dict[tuple[str, str, tuple[str, ...]], list[dict[str, Any]]] = defaultdict(list)
        come: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for table, keys, rows, since in rewrites:
            come[table] += rows
            if keys is not None:
                bound = {f"of_{name}": value for name, value in keys.items()}
                column, value = since or ("", None)
                gone[table, column, tuple(keys)].append(bound | ({"since": value} if since else {}))
        for (name, column, key), values in gone.items():
            found = self.tables[name]
            query = delete(found).where(*(found.c[part] == bindparam(f"of_{part}") for part in key))
            self.connection.execute(query.where(found.c[column] >= bindparam("since")) if column else query, values)
        for name, made in come.items():
            if made:
                self.connection.execute(insert(self.tables[name]), made)

    def note_level(self, unit: Unit, before: dict[str, Any] | None, after: dict[str, Any]) -> None:
        """Tell who watches that a level is written, how it stood and how it stands."""
        if self._watch is not None:
            self._watch.replaced(unit, before, after)

    def _tell_watch(self, rewrites: Sequence[Rewrite]) -> None:
        if self._watch is None:
            return
        told = [item for item in rewrites if item.table in ("levels", "set_aside")]
        self._watch.about_to_write({unit for item in told for unit in units_of(item.keys, item.rows)})
        for item in told:
            for unit in units_of(item.keys, item.rows) if item.table == "levels" else ():
                self._watch.written(unit, item.rows[-1] if item.rows else None)

    def life(self, subject: str) -> list[Event]:
        """The subject's stored events that take part at the step's end, by (`occurred_at`, position)."""
        retracted = self.retracted(subject)
        found = [event_of_life(row) for row in self.rows_of("life", subject, "position")]
        return sorted(
            (event for event in found if event.position not in retracted and event.type != RETRACTED),
            key=lambda event: (event.occurred_at, event.position),
        )

    def retracted(self, subject: str, position: int | None = None) -> frozenset[int]:
        """The positions that known retractions take out, as known at the step's end or an earlier position."""
        known = self.after.position if position is None else position
        key = (subject, known)
        if key not in self._retracted:
            rows = self.rows_of("life", subject, "position")
            known_ones = [(row.position, row.value) for row in rows if row.type == RETRACTED and row.position <= known]
            self._retracted[key] = frozenset(standing_retractions(known_ones))
        return self._retracted[key]

    def taking_out(self, subject: str, events: Iterable[Event], position: int | None = None) -> list[Event]:
        """The events without those that known retractions take out and without the retractions, each once."""
        retracted = self.retracted(subject, position)
        by_position = {event.position: event for event in events}
        return [
            by_position[at] for at in sorted(by_position) if at not in retracted and by_position[at].type != RETRACTED
        ]

    def ahead(self, events: Iterable[Event]) -> list[int]:
        """The instants of events that are known and still to occur."""
        return [
            event.occurred_at
            for event in events
            if event.occurred_at > self.after.as_of and event.type in WHATS and event.type not in CORRECTION_TYPES
        ]

    def touched(self, events: Sequence[Event]) -> list[Event]:
        """The events themselves; in the place of a retraction what it takes out or brings back."""
        found = []
        for event in events:
            named: Event | None = event
            while named is not None and named.type == RETRACTED:
                target = self.target(named)
                named = event_at(self.store, target) if target else None
            if named is not None:
                found.append(named)
        return found

    def target(self, retraction: Event) -> int:
        """The position of what a retraction names; 0 where it names nothing that it can take out."""
        data = retraction.data
        named = row_named(self.store, data.source, data.event)
        if named is None or named.stream != retraction.originator_id or named.type == "level.decided":
            return 0
        return named.position if named.position < retraction.position else 0


def batched(items: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """Items in stretches of at most so many."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def standing_retractions(retractions: Iterable[tuple[int, int]]) -> set[int]:
    """What (position, target) retractions take out: the latest first, one that is itself taken out does nothing."""
    gone: set[int] = set()
    for position, target in sorted(retractions, reverse=True):
        if position not in gone and target:
            gone.add(target)
    return gone


# --- kept events ------------------------------------------------------------------------------------------------------


def is_life(event: Event) -> bool:
    return event.type in LIFE_TYPES or (event.type.startswith("credit.") and event.originator_id.startswith("mcn/"))


def life_row(event: Event, target: int) -> dict[str, Any]:
    """A stored event as a row; `target` is what a retraction names."""
    about, value = _life_values(event.data)
    return {
        "subject": event.originator_id,
        "position": event.position,
        "at": event.occurred_at,
        "type": event.type,
        "about": about,
        "value": target if event.type == RETRACTED else value,
    }


def _life_values(data: Data) -> tuple[str | None, int]:
    match data:
        case MerchantOnboarded():
            return data.category, 0
        case MerchantTierSet():
            return data.level, 0
        case CreditDeducted():
            return data.violation, data.points
        case CreditRestored():
            return data.violation, 0
        case CreditGranted():
            return None, data.points
        case _:
            return None, 0


def event_of_life(row: Row[Any]) -> Event:
    """A stored event: what rules read of it, without where it came from."""
    return Event(row.subject, 0, row.position, row.at, 0, "", "", row.type, _life_data(row))


def _life_data(row: Row[Any]) -> Data:
    match row.type:
        case "merchant.onboarded":
            return MerchantOnboarded(category=row.about)
        case "merchant.tier_set":
            return MerchantTierSet(level=row.about)
        case "credit.deducted":
            return CreditDeducted(violation=row.about, points=row.value)
        case "credit.restored":
            return CreditRestored(violation=row.about)
        case "credit.granted":
            return CreditGranted(points=row.value)
        case _:
            return NoData()


def binding_of(row: Row[Any]) -> Event:
    """A binding or unbinding that takes part."""
    name = "creator.bound" if row.binds else "creator.unbound"
    return Event(row.mcn, 0, row.position, row.at, 0, "", "", name, CreatorNamed(creator=row.creator))


# --- rows that all schemes have ---------------------------------------------------------------------------------------


def judged_by(policies: Collection[Policy], policy: Policy) -> dict[str, Any]:
    """By which policy a row was judged, and whether any that took part rests on assumed parameters."""
    return {"policy": policy.id, "policy_hash": policy.hash, "assumed": any(item.assumed for item in policies)}


def numbered(rows: Iterable[dict[str, Any]], kept: Row[Any] | None) -> list[dict[str, Any]]:
    """History rows from the last stored one on, each with its number and the instant at which the next begins."""
    following = [dict(row) for row in rows]
    first = 0 if kept is None else kept.number + 1
    for number, row in enumerate(following, first):
        row["number"] = number
        row["to_at"] = following[number - first + 1]["from_at"] if number - first + 1 < len(following) else None
    if kept is None:
        return following
    last = dict(kept._mapping) | {"to_at": following[0]["from_at"] if following else None}
    return [last, *following]


def level_rewrite(row: dict[str, Any]) -> Rewrite:
    """The subject's one row of the scheme in `levels`."""
    return Rewrite("levels", {"subject": row["subject"], "scheme": row["scheme"]}, [row])


def each(table: str, keys: dict[str, Any], column: str, values: Iterable[Any]) -> list[Rewrite]:
    """Rows with these keys go for each value of a further column."""
    return [Rewrite(table, keys | {column: value}, []) for value in values]


def calendar_rewrite(subject: str, scheme: str, instants: Iterable[int]) -> Rewrite:
    """When the subject next changes by time alone; no row where never."""
    next_at = min(instants, default=None)
    rows = [] if next_at is None else [{"subject": subject, "scheme": scheme, "next_at": next_at}]
    return Rewrite("calendar", {"subject": subject, "scheme": scheme}, rows)


def build_step(views: Views, connection: Connection, build: Build) -> Step:
    """A step that moves a build nowhere, for work at its moment."""
    moment = Moment(build.as_of, 0, build.position)
    choice = views.choice(connection, build)
    return Step(views.store, connection, views.tables(build.build), moment, moment, choice=choice)
