"""The process that delivers: a thread for each endpoint, and one look at the views for all of them.

A receiver that is slow or away keeps its own thread waiting, and no other. What the endpoints' threads cannot do
because the views or their own tables cannot be read just now is tried again; what is wrong with the program ends it.
"""

from collections.abc import Callable
from random import Random
from threading import Condition, Event, Semaphore, Thread
from time import monotonic, sleep
from typing import Final

from projections.delivering.couriers import Courier, CourierTurn, Happened
from projections.delivering.deliveries import Deliveries
from projections.http.problems import Problem
from projections.reading.reader import Reading
from replay.errors import LevelbookError

LOOK_SECONDS: Final = 0.2
"""How often it is looked for changes and endpoints: a part of the time from a change to its message."""
AGAIN_SECONDS: Final = 1.0
AGAIN_SECONDS_MAX: Final = 60.0
"""So long it is waited at most where what is kept, or the views, cannot be used: it doubles."""
READING_AT_ONCE: Final = 8
"""So many endpoints read ledger and views at the same time: each takes connections."""
STOP_SECONDS: Final = 10
"""How long requests under way may take when it is stopped. What has not arrived by then is sent again."""
RESTING: Final = (CourierTurn.DISABLED, CourierTurn.WAITS, CourierTurn.FAILED)


class News:
    """Where the feed stood when it was last looked at, for every thread."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._place: tuple[str, int] | None = None
        self.stopping = Event()

    @property
    def place(self) -> tuple[str, int] | None:
        """The feed's name and its last number; None before the first look."""
        return self._place

    def seen(self, place: tuple[str, int]) -> None:
        """Wake whoever waits where this is another place."""
        with self._changed:
            if place != self._place:
                self._place = place
                self._changed.notify_all()

    def stop(self) -> None:
        """Wake whoever waits, for the last time."""
        self.stopping.set()
        with self._changed:
            self._changed.notify_all()

    def wait(self, place: tuple[str, int] | None, seconds: float) -> None:
        """Wait until the feed stands elsewhere than at a place, or so long."""
        with self._changed:
            self._changed.wait_for(lambda: self._place != place or self.stopping.is_set(), seconds)


class Deliverer:
    """All endpoints of a ledger, each in a thread, until it is stopped or with `once` until each has had its turn."""

    def __init__(
        self,
        deliveries: Deliveries,
        reading: Reading,
        *,
        once: bool,
        give_up_days: int,
        told: Callable[[Happened], None],
    ) -> None:
        self._deliveries, self._reading = deliveries, reading
        self._once, self._give_up_days, self._told = once, give_up_days, told
        self._news = News()
        self._threads: dict[str, Thread] = {}
        self._ended: dict[str, CourierTurn] = {}
        self._faults: list[BaseException] = []
        self._said: dict[str, str] = {}
        """What each endpoint waits for; that of the look by no name."""
        self._reads = Semaphore(READING_AT_ONCE)

    def run(self, stopped: Callable[[], bool]) -> dict[str, CourierTurn]:
        """Deliver. Gives how each endpoint stood at its end. Raises StoreError where another process delivers."""
        with self._deliveries.alone() as check_alone:
            try:
                while not stopped() and not self._faults:
                    check_alone()
                    self._look()
                    if self._once and not any(thread.is_alive() for thread in self._threads.values()):
                        break
                    sleep(LOOK_SECONDS)
            finally:
                self._stop()
        if self._faults:
            raise self._faults[0]
        return dict(self._ended)

    def _look(self) -> None:
        """See where the feed stands, and that every endpoint has its thread."""
        try:
            with self._reading.snapshot() as at:
                self._news.seen((at.feed, at.standing.number))
            names = [found.endpoint.id for found in self._deliveries.all()]
        except (Problem, LevelbookError) as error:
            if self._once:
                raise
            self._say("", error)
            return
        self._said.pop("", None)
        for name in names:
            thread = self._threads.get(name)
            if thread is None or not (thread.is_alive() or self._once):
                self._ended[name] = CourierTurn.MORE  # until a turn says otherwise it has not got everything
                self._threads[name] = Thread(target=self._bring, args=(name,), name=f"deliver-{name}", daemon=True)
                self._threads[name].start()

    def _bring(self, name: str) -> None:
        """One endpoint's thread."""
        courier = Courier(
            name,
            self._deliveries,
            self._reading,
            give_up_days=self._give_up_days,
            random=Random(),
            now=self._now,
            stopped=self._news.stopping.is_set,
            told=self._told,
            reads=self._reads,
        )
        failures = 0
        try:
            while not self._news.stopping.is_set():
                try:
                    if self._turned(name, courier):
                        return
                    failures = 0
                except (Problem, LevelbookError) as error:
                    if self._once:
                        raise
                    self._say(name, error)
                    self._news.stopping.wait(min(AGAIN_SECONDS * 2 ** min(failures, 10), AGAIN_SECONDS_MAX))
                    failures += 1
        except BaseException as fault:
            self._faults.append(fault)
        finally:
            courier.close()

    def _turned(self, name: str, courier: Courier) -> bool:
        """Let an endpoint have a turn; whether that was its last. Raises Problem, LevelbookError where it has none."""
        place = self._news.place
        turn = courier.turn()
        self._said.pop(name, None)
        self._ended[name] = turn
        if turn is CourierTurn.REMOVED or (self._once and turn is not CourierTurn.MORE):
            return True
        if turn in RESTING:
            self._news.stopping.wait(AGAIN_SECONDS / 2)
        elif turn is CourierTurn.CAUGHT_UP:
            self._news.wait(place, AGAIN_SECONDS)
        return False

    def _now(self) -> int:
        with self._reads, self._reading.store() as store:
            return store.now()

    def _say(self, name: str, error: Exception) -> None:
        """Tell what is waited for, once for all who wait for it, and again where it had come to an end."""
        problem = str(error)
        is_told = problem in list(self._said.values())
        self._said[name] = problem
        if not is_told:
            self._told(Happened("waiting", "", problem))

    def _stop(self) -> None:
        self._news.stop()
        until = monotonic() + STOP_SECONDS
        for thread in self._threads.values():
            thread.join(max(until - monotonic(), 0))
