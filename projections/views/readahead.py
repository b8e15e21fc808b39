"""A following process's cache of merchants' latest events, so that it reads each of them once.

Windows are nothing but read-ahead: a process that begins without them reads the same events from the ledger. They are
dropped when another process has moved the build, and evicted, the least recently used first, when there are too many.
"""

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Final, Protocol

from domain.events import Event

if TYPE_CHECKING:
    from projections.views.recent import RecentRecords

EVENTS_MAX: Final = 300_000
"""Events cached in all, of about half a kilobyte each, and as much again where a run is cached."""


class ResumableRun(Protocol):
    """What was judged of a subject, to go on from."""

    @property
    def orders(self) -> Collection[str]:
        """Those of which it knows all events."""


class EventWindow:
    """A merchant's known events from an instant on, and those before it of the orders that they name."""

    def __init__(self, first: int, events: Iterable[Event]) -> None:
        self.first = first
        self.events = {event.position: event for event in events}
        self.orders: set[str] = set()
        """Those whose earlier events have been read."""
        self.run: ResumableRun | None = None
        """What was judged of them, to go on from."""

    def complete(self, earlier: Callable[[set[str]], Iterable[Event]]) -> list[Event]:
        """The events, once those before the window of orders that are new in it have been read."""
        named = {event.data.order for event in self.events.values() if hasattr(event.data, "order")}
        if new := named - self.orders:
            self.events |= {event.position: event for event in earlier(new)}
            self.orders |= new
        return list(self.events.values())


class Windows:
    """The windows of many merchants, all of them known up to where one build stands."""

    def __init__(self) -> None:
        self._standing: tuple[int, int] | None = None
        self._found: OrderedDict[str, EventWindow] = OrderedDict()
        self._count = 0
        """How many events were cached at the last step's end, and of which subjects how many."""
        self._sizes: dict[str, int] = {}
        self._changed: set[str] = set()
        self._recent: RecentRecords | None = None

    def begin(self, build: int, position: int) -> None:
        """Keep what is known up to the position where a build stands; drop anything else."""
        if self._standing != (build, position):
            self._found.clear()
            self._sizes.clear()
            self._count = 0
            self._recent = None
        self._standing = None

    def end(self, build: int, position: int) -> None:
        """The build stands at another position now, up to which every event was taken in."""
        self._standing = (build, position)
        for subject in self._changed & self._found.keys():
            self._count += len(self._found[subject].events) - self._sizes.get(subject, 0)
            self._sizes[subject] = len(self._found[subject].events)
        self._changed.clear()
        while self._count > EVENTS_MAX:
            self.let_go(next(iter(self._found)))

    def recent(self, position: int) -> "RecentRecords":
        """The records that are cached as columns; none is yet where this begins, at a position."""
        from projections.views.recent import RecentRecords

        if self._recent is None:
            self._recent = RecentRecords(position)
        return self._recent

    def take_in(self, subject: str, events: Iterable[Event]) -> None:
        """New events of a subject."""
        window = self._found.get(subject)
        if window is not None:
            window.events |= {event.position: event for event in events}
            self._changed.add(subject)

    def let_go(self, subject: str) -> None:
        """What is cached of a subject is not to be relied on."""
        self._found.pop(subject, None)
        self._count -= self._sizes.pop(subject, 0)

    def take_run(self, subject: str) -> ResumableRun | None:
        """The cached run of a subject. Who goes on with it caches it again; half a run is never gone on with."""
        window = self._found.get(subject)
        if window is None:
            return None
        kept, window.run = window.run, None
        return kept

    def orders_running(self, subject: str) -> Collection[str]:
        """The orders of which the cached run knows all events."""
        window = self._found.get(subject)
        return () if window is None or window.run is None else window.run.orders

    def keep_run(self, subject: str, kept: ResumableRun) -> None:
        """A run that stands where the views will stand."""
        window = self._found.get(subject)
        if window is not None:
            window.run = kept
            self._found.move_to_end(subject)

    def of(self, subject: str, first: int, read: Callable[[], Iterable[Event]]) -> EventWindow:
        """The window of a subject from an instant on, read where it is not cached or begins later."""
        window = self._found.pop(subject, None)
        if window is None or window.first > first:
            window = EventWindow(first, read())
        self._found[subject] = window
        self._changed.add(subject)
        return window
