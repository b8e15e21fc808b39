"""How many events the replays of a process rest on at a time: counted by index before any is read.

A replay takes about a kilobyte an event. What is counted is what stands in memory: a replay gives back what it took
when nobody holds it any more, whoever that was. While it is made it may take more, which soon comes back: whoever lacks
only that waits for it.
"""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition, Lock
from time import monotonic
from typing import Final
from weakref import finalize

from projections.http.problems import Problem
from replay.replaying.base import Replay

WAIT_SECONDS: Final = 30
"""How long one waits for what others take only while they make something."""
WAITING_MAX: Final = 10
"""So many may wait at a time: they hold threads that others need."""


class Budget:
    """The events that replays may rest on, for every thread of a process.

    `let_go` is called when there is no room: it evicts a cached replay, and says whether there was one.
    """

    def __init__(self, events: int, let_go: Callable[[], bool]) -> None:
        self._events, self._let_go = events, let_go
        self._lock = Lock()
        self._made = Condition(self._lock)
        """Told when something that was being made is."""
        self._taken = 0
        self._passing = 0
        """Of what is taken, what is only while something is made."""
        self._waiting = 0
        self._given_back: deque[int] = deque()
        """A replay may end anywhere, also where the lock is held: who takes next counts what it gave back."""

    def take(self, events: int, subject: str, passing: int = 0) -> None:
        """Count events before they are read, and for how many more there is to be room until they are.

        Raises Problem where there is no room for them now, or never.
        """
        if events > self._events:
            raise _too_large(subject, events, self._events)
        until = monotonic() + WAIT_SECONDS
        while not self._took(events, passing):
            if not self._let_go() and not self._waited(events + passing, until):
                raise _no_room(events, self._events)

    def _took(self, events: int, passing: int) -> bool:
        with self._lock:
            if self.taken + events + passing > self._events:
                return False
            self._taken += events + passing
            self._passing += passing
            return True

    def _waited(self, wanted: int, until: float) -> bool:
        """Wait for something that is being made to be made; False where nothing is, or not in time."""
        with self._made:
            if self.taken + wanted <= self._events:
                return True
            if not self._passing or self._waiting >= WAITING_MAX:
                return False
            self._waiting += 1
            try:
                return self._made.wait(until - monotonic())
            finally:
                self._waiting -= 1

    def _end_passing(self, passing: int) -> None:
        with self._made:
            self._taken -= passing
            self._passing -= passing
            self._made.notify_all()

    @property
    def taken(self) -> int:
        """What is taken now; to be asked with the lock held, or by tests."""
        while self._given_back:
            self._taken -= self._given_back.popleft()
        return self._taken

    def while_empty(self, do: Callable[[], None]) -> None:
        """Do what must not meet a replay: where one stands in memory or is being made, it is left undone."""
        with self._lock:
            if not self.taken:
                do()

    def give_back(self, events: int) -> None:
        self._given_back.append(events)

    @contextmanager
    def room(self, events: int, subject: str, peak: int = 0) -> Iterator[None]:
        """Room for events, or for as many as `peak` where that is more, while something is made of them and dropped."""
        passing = self._beyond(events, peak)
        self.take(events, subject, passing)
        try:
            yield
        finally:
            self.give_back(events)
            self._end_passing(passing)

    def making(self, events: int, subject: str, make: Callable[[], Replay], peak: int = 0) -> Replay:
        """A replay that takes room for as long as anybody holds it, and while it is made for as many events as `peak`,
        where that is more.
        """
        passing = self._beyond(events, peak)
        self.take(events, subject, passing)
        try:
            made = make()
            _ = made.judged  # what takes long and much is done here, where it is counted and done once
        except BaseException:
            self.give_back(events)
            raise
        finally:
            self._end_passing(passing)
        finalize(made, self.give_back, events).atexit = False
        return made

    def _beyond(self, events: int, peak: int) -> int:
        """How much is taken only while something is made; one that takes more than there is is made alone."""
        return max(0, min(peak, self._events) - events)


def _no_room(events: int, at_most: int) -> Problem:
    detail = (
        f"this needs {events} events, and with the replays under way that is more than {at_most};"
        " ask again when they are done"
    )
    return Problem(503, "no-room", "Too much is replayed now", detail, headers={"Retry-After": "5"})


def _too_large(subject: str, events: int, at_most: int) -> Problem:
    detail = (
        f"to replay {subject} takes {events} events, and this service replays {at_most} at a time; read its level"
        f" from the views, or start the service with --replay-events {events} or more (about 1 KB of memory"
        " each, in every process)"
    )
    return Problem(422, "too-many-events", "The subject is too large to replay here", detail)


def no_memory() -> Problem:
    detail = "the service has no memory left for this now; ask again, or in parts (month, limit)"
    return Problem(503, "no-memory", "Too much is asked at a time", detail, headers={"Retry-After": "5"})
