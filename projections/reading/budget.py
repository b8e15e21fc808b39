"""How many events the replays of a process rest on at a time: counted by index before any is read.

A replay takes about a kilobyte an event. What is counted is what stands in memory: a replay gives back what it took
when nobody holds it any more, whoever that was.
"""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from weakref import finalize

from projections.http.problems import Problem
from replay.replaying.base import Replay


class Budget:
    """The events that replays may rest on, for every thread of a process.

    `let_go` is called when there is no room: it evicts a cached replay, and says whether there was one.
    """

    def __init__(self, events: int, let_go: Callable[[], bool]) -> None:
        self._events, self._let_go = events, let_go
        self._lock = Lock()
        self._taken = 0
        self._given_back: deque[int] = deque()
        """A replay may end anywhere, also where the lock is held: who takes next counts what it gave back."""

    def take(self, events: int, subject: str) -> None:
        """Count events before they are read. Raises Problem where there is no room for them now, or never."""
        if events > self._events:
            raise _too_large(subject, events, self._events)
        while True:
            with self._lock:
                if self.taken + events <= self._events:
                    self._taken += events
                    return
            if not self._let_go():
                raise _no_room(events, self._events)

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
    def room(self, events: int, subject: str) -> Iterator[None]:
        """Room for events while something is made of them and dropped again."""
        self.take(events, subject)
        try:
            yield
        finally:
            self.give_back(events)

    def making(self, events: int, subject: str, make: Callable[[], Replay]) -> Replay:
        """A replay that takes room for as long as anybody holds it."""
        self.take(events, subject)
        try:
            made = make()
            _ = made.judged  # what takes long and much is done here, where it is counted and done once
        except BaseException:
            self.give_back(events)
            raise
        finalize(made, self.give_back, events).atexit = False
        return made


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
