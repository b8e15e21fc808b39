"""What a process of the service reads from: pooled stores, the views, and cached replays."""

import gc
import logging
from asyncio import sleep
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from time import monotonic
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, Table, select
from starlette.concurrency import run_in_threadpool

from projections.http.parameters import wrong
from projections.http.problems import Problem, no_views, not_reached, unavailable
from projections.http.settings import REPLAY_EVENTS
from projections.reading.budget import Budget
from projections.reading.flights import Flights
from projections.reading.freshness import Judges, ViewsStanding
from projections.reading.lending import Lending
from projections.reading.point_reads import Level, PointRead
from projections.reading.points import Answered, Points, Work
from projections.views.belonging import SeenHistory, check_placed, placed
from projections.views.changes import last_number
from projections.views.database import Build, Views, has_live, open_views
from projections.views.definitions import check_definitions
from projections.views.location import has_views, views_path
from projections.views.rows import SubjectRows, rows_through
from projections.views.tables import Tables
from replay.errors import BusyError, StoreError, UsageError
from replay.history.readers import Reader
from replay.history.timeline import Asked, Moment, resolve
from replay.objects.naming import FilesPlace
from replay.policies.catalog import DEFAULT, Choice
from replay.replaying.base import Policies, Replay
from replay.schemes.registry import choose, judging_subject, scheme_of
from replay.schemes.replaying import peak_under, replay_of, weight_under
from replay.store.base.store import Store
from replay.store.beside import OpenedFile, examining_mode
from replay.store.sqlite import SqliteStore

KEPT_EVENTS: Final = 200_000
"""Replays are cached until those in the cache rest on so many events together."""
WAIT_SECONDS: Final = 5
"""How long a reader may wait for the views to come to a position."""
REACHED_SECONDS: Final = 0.05

_log = logging.getLogger("levelbook.service")
ReplayKey = tuple[str, str, Moment, tuple[str, ...], Reader]
"""The key of a cached replay: subject, scheme or part of it, placed moment, revisions of the policies and which one was
asked for, reader.
"""


class Snapshot(NamedTuple):
    """The live views at one moment: everything read by one connection belongs together."""

    connection: Connection
    build: Build
    tables: Tables
    standing: ViewsStanding
    feed: str
    """What the feed of changes is called: another name once the views were made again from nothing."""


class Reading:
    """Read-only access for every thread of a process; opened at the first need, closed at the process's end."""

    def __init__(self, location: str, replay_events: int = REPLAY_EVENTS, segments: FilesPlace | None = None) -> None:
        self.location = location
        self._budget = Budget(replay_events, self._let_go_of_one)
        self._flights: Flights[Replay] = Flights()
        self._kept_max = min(KEPT_EVENTS, replay_events)
        self._stores = Lending(location, self._forget, segments)
        self._views: Views | None = None
        self._lock = Lock()
        self._kept: OrderedDict[ReplayKey, Replay] = OrderedDict()
        self._kept_events = 0
        self._judges: dict[str, Judges] = {}
        self.points = Points(self._stores, self.views, self._point_in_thread)
        """Levels of single subjects, for the event loop."""
        self._views_file: OpenedFile | None = None
        """Which file the views were opened from, with SQLite."""
        self._history = SeenHistory()

    @contextmanager
    def store(self) -> Iterator[Store]:
        """A store that no other thread uses meanwhile."""
        with self._stores.lent() as found:
            yield found

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """The live views at one moment. Raises Problem where there are none yet, OtherHistory where they do not fit."""
        views = self.views()
        try:
            with views.reading() as connection:
                live = views.live(connection)
                number = last_number(connection, views.changes)
                with self.store() as store:
                    self._history.check(store, live.position, live.chain)
                    head = store.head().position
                standing = ViewsStanding(live.build, live.position, live.as_of, live.chain, live.policies, number, head)
                yield Snapshot(connection, live, views.tables(live.build), standing, views.feed_in(connection))
        except BusyError:
            raise  # the views are whole: opened anew they would only take more connections
        except StoreError:
            with self._lock:
                if self._views is views:
                    self._close_views()
            raise

    async def reached(self, position: int) -> None:
        """Wait until the views have come to a position. Raises Problem where the ledger or time ends before."""
        until = monotonic() + WAIT_SECONDS
        while True:
            at, head = await run_in_threadpool(self._positions)
            if at >= position:
                return
            if position > head:
                raise wrong("min_position", f"{position} is behind the end of the ledger, which is at {head}")
            if monotonic() >= until:
                raise not_reached(position, at)
            await sleep(REACHED_SECONDS)

    def judges(self, policies: str) -> Judges:
        """What is shown of the policies that judged where the views stand."""
        found = self._judges.get(policies)
        if found is None:
            with self.store() as store:
                found = Judges(store, policies)
            self._judges = {policies: found}  # they change when a policy does, and rarely go back
        return found

    def moment(self) -> Moment | None:
        """Where the views stand, as a moment to replay at; None where there are none."""
        try:
            with self.snapshot() as at:
                position, as_of = at.standing.position, at.standing.as_of
        except Problem:
            return None
        with self.store() as store:
            return resolve(store, Asked(position=position))._replace(as_of=as_of)

    @property
    def changes(self) -> Table:
        return self.views().changes

    def feed_cursor(self, number: int) -> str:
        """Where a reader of changes goes on who has seen everything up to a number."""
        return f"{self.views().feed}.{number}"

    def views(self) -> Views:
        """The views, which may be read from any thread. Raises Problem where there are none yet."""
        with self._lock:
            if self._views is not None and self._is_replaced():
                _log.warning(
                    "%s: the file of the views was removed or replaced; it is read anew", self._views.store.name
                )
                self._close_views()
            if self._views is None:
                self._views = self._open_views()
            return self._views

    def replay(
        self, subject: str, scheme: str | None, moment: Moment, reader: Reader, choice: Choice = DEFAULT
    ) -> Replay:
        """A replay, from the cache where it is in it. It is computed lazily: ask for its parts in one thread."""
        with self.store() as store:
            judging, moment = judging_subject(store, subject, scheme), placed(store, moment)
            policies = choose(store, judging, moment, choice)
            events = weight_under(store, judging, subject, moment.position)

        def peak() -> int:
            with self.store() as store:
                return peak_under(store, judging, subject, moment.position)

        @contextmanager
        def lend() -> Iterator[Store]:
            with self.store() as store:
                yield store
                check_placed(store, moment)

        def make() -> Replay:
            return replay_of(lend, judging, subject, moment, policies, None, choice).shown_to(reader)

        revisions = (*revisions_of(policies), choice.policy or "")
        return self.kept((subject, judging.scheme, moment, revisions, reader), events, make, peak)

    def kept(
        self, key: ReplayKey, events: int, make: Callable[[], Replay], peak: Callable[[], int] = lambda: 0
    ) -> Replay:
        """A replay from the cache, or one that is made now and cached; it rests on so many events, and takes the memory
        of `peak` while it is made, where that is more.

        Raises Problem where there is no room for so many.
        """

        def kept_now() -> Replay:
            found = self._find(key)
            if found is None:
                found = self._budget.making(events, key[0], make, peak())
                self._keep(key, found)
            return found

        return self._find(key) or self._flights.joined(key, kept_now)

    @contextmanager
    def room(self, subject: str, scheme: str, position: int, times: int) -> Iterator[None]:
        """Room for what replays a subject so many times beside what is cached. Raises Problem where there is none."""
        with self.store() as store:
            judging = scheme_of(scheme).replay
            events = weight_under(store, judging, subject, position)
            peak = peak_under(store, judging, subject, position)
        with self._budget.room(events * times, subject, events * (times - 1) + peak):
            yield

    def freeze(self) -> None:
        """Let the garbage collector look no more through what is in memory now, unless a replay is: that has to end."""
        self._budget.while_empty(gc.freeze)

    def let_go(self) -> None:
        """Empty the cache: there is no memory left."""
        with self._lock:
            self._kept.clear()
            self._kept_events = 0
        gc.collect()

    def close(self) -> None:
        self.points.close()
        self._stores.close()
        with self._lock:
            self._close_views()

    def _forget(self) -> None:
        """Let go of everything that was read before the ledger was lost or replaced."""
        with self._lock:
            self._judges = {}
            self._kept.clear()
            self._kept_events = 0
            self._close_views()

    def _is_replaced(self) -> bool:
        """Whether the file of the views is another one than was opened: removed, and perhaps made again."""
        return self._views_file is not None and not self._views_file.is_current()

    def _close_views(self) -> None:
        if self._views is not None:
            self._views.close()
            self._views.store.close()
            self._views = None

    def _open_views(self) -> Views:
        store = self._stores.open()
        views = None
        try:
            if has_views(store):
                if isinstance(store, SqliteStore):
                    path = views_path(store)
                    self._views_file = OpenedFile(path, examining_mode(path))
                views = open_views(store, only_read=True)
            if views is None or not has_live(views):
                raise no_views()
            check_definitions(views)
        except UsageError as error:  # of another ledger or form: not the caller's fault
            store.close()
            raise unavailable(error) from None
        except BaseException:
            if views is not None:
                views.close()
            store.close()
            raise
        return views

    def _point_in_thread(self, subject: str, scheme: str | None, work: Work[Answered]) -> Answered:
        with self.store() as store, self.snapshot() as at:
            levels = at.tables["levels"].c
            where = [levels.subject == subject, *([] if scheme is None else [levels.scheme == scheme])]
            query = levels_query(at, self.changes, *where).order_by(levels.scheme)
            found = [Level(*row) for row in at.connection.execute(query)]

            def rows(level: Level) -> SubjectRows:
                return rows_through(at.connection, at.tables, level.subject, level.scheme)

            return work(store, PointRead(at.standing, found, rows))

    def _positions(self) -> tuple[int, int]:
        """Of the views, and of the ledger."""
        with self.snapshot() as at:
            return at.standing.position, at.standing.head

    def _find(self, key: ReplayKey) -> Replay | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def _keep(self, key: ReplayKey, replay: Replay) -> None:
        with self._lock:
            if key not in self._kept:
                self._kept_events += replay.weight
            self._kept[key] = replay
            while self._kept_events > self._kept_max and len(self._kept) > 1:
                self._drop_one()

    def _let_go_of_one(self) -> bool:
        with self._lock:
            return self._drop_one()

    def _drop_one(self) -> bool:
        """Evict the least recently used replay; False where none is cached."""
        if not self._kept:
            return False
        _, dropped = self._kept.popitem(last=False)
        self._kept_events -= dropped.weight
        return True


def levels_query(at: Snapshot, changes: Table, *where: ColumnElement[bool]) -> Select[Any]:
    """Levels as `v1_levels` shows them, with the position at which each last changed: the fields of `Level`."""
    levels, aside = at.tables["levels"], at.tables["set_aside"]
    stale = aside.c.subject.is_not(None)
    is_aside = (aside.c.subject == levels.c.subject) & (aside.c.scheme == levels.c.scheme)
    is_change = (changes.c.subject == levels.c.subject) & (changes.c.scheme == levels.c.scheme)
    joined = levels.outerjoin(aside, is_aside).outerjoin(changes, is_change)
    return select(*levels.c, stale, changes.c.position).select_from(joined).where(*where)


def revisions_of(policies: Policies) -> tuple[str, ...]:
    return tuple(policy.hash for policy in (*policies.own, *policies.beside, *policies.previewed))
