"""What a process of the service reads from: stores lent to one thread at a time, the views, replays kept a while."""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Final, NamedTuple

from sqlalchemy import Connection

from projections.place import has_views
from projections.service.problems import no_views
from projections.view_tables import Tables
from projections.views import Build, Views, has_live, open_views
from replay.policies import DEFAULT, Choice
from replay.replays import Policies, Replay
from replay.schemes import choose, judging_of
from replay.store import Store, open_store
from replay.timeline import Moment

KEPT_EVENTS: Final = 200_000
"""Replays are kept until those kept rest on so many events together."""

_Key = tuple[str, str, Moment, tuple[str, ...]]


class Snapshot(NamedTuple):
    """The live views at one moment: everything read by one connection belongs together."""

    connection: Connection
    build: Build
    tables: Tables


class Reading:
    """Read-only access for every thread of a process; opened at the first need, closed at the process's end."""

    def __init__(self, location: str) -> None:
        self.location = location
        self._free: list[Store] = []
        self._views: Views | None = None
        self._lock = Lock()
        self._kept: OrderedDict[_Key, Replay] = OrderedDict()
        self._kept_events = 0

    @contextmanager
    def store(self) -> Iterator[Store]:
        """A store that no other thread uses meanwhile."""
        with self._lock:
            found = self._free.pop() if self._free else None
        found = found or open_store(self.location)
        try:
            yield found
        finally:
            with self._lock:
                self._free.append(found)

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """The live views at one moment. Raises Problem where there are none yet."""
        views = self.views()
        with views.reading() as connection:
            live = views.live(connection)
            yield Snapshot(connection, live, views.tables(live.build))

    def views(self) -> Views:
        """The views, which may be read from any thread. Raises Problem where there are none yet."""
        with self._lock:
            if self._views is None:
                self._views = self._open_views()
            return self._views

    def replay(self, subject: str, scheme: str | None, moment: Moment, choice: Choice = DEFAULT) -> Replay:
        """A replay, from those kept where it is among them. It is computed lazily: ask for its parts in one thread."""
        with self.store() as store:
            judging = judging_of(store, subject, scheme)
            policies = choose(store, judging, moment, choice)
            key = (subject, judging.scheme, moment, _revisions(policies))
            kept = self._find(key)
            if kept is not None:
                return kept
            found = judging(subject, judging.load(store, subject, moment.position), moment, policies)
        self._keep(key, found)
        return found

    def close(self) -> None:
        with self._lock:
            for store in self._free:
                store.close()
            self._free.clear()
            if self._views is not None:
                self._views.close()
                self._views.store.close()
                self._views = None

    def _open_views(self) -> Views:
        store = open_store(self.location)
        views = None
        try:
            if has_views(store):
                views = open_views(store)
            if views is None or not has_live(views):
                raise no_views()
        except BaseException:
            if views is not None:
                views.close()
            store.close()
            raise
        return views

    def _find(self, key: _Key) -> Replay | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def _keep(self, key: _Key, replay: Replay) -> None:
        with self._lock:
            if key not in self._kept:
                self._kept_events += len(replay.known)
            self._kept[key] = replay
            while self._kept_events > KEPT_EVENTS and len(self._kept) > 1:
                _, dropped = self._kept.popitem(last=False)
                self._kept_events -= len(dropped.known)


def _revisions(policies: Policies) -> tuple[str, ...]:
    return tuple(policy.hash for policy in (*policies.own, *policies.creators, *policies.previewed))
