"""Equal questions at a time are answered once: who comes second waits for what the first one makes."""

from collections.abc import Callable, Hashable
from threading import Event, Lock
from typing import Final, Generic, TypeVar

from projections.http.problems import Problem

WAITING_MAX: Final = 10
"""So many may wait at a time: they hold threads that others need."""
Made = TypeVar("Made")


class _Flight(Generic[Made]):
    """Something that is being made."""

    def __init__(self) -> None:
        self.is_over = Event()
        self.made: Made | None = None
        self.error: BaseException | None = None


class Flights(Generic[Made]):
    """What is being made in a process now, by what was asked."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._flights: dict[Hashable, _Flight[Made]] = {}
        self._waiting = 0

    def joined(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """What `make` makes, or what it makes for another who asked the same. Raises what it raises."""
        with self._lock:
            flight = self._flights.get(key)
            is_first = flight is None
            if flight is None:
                flight = self._flights[key] = _Flight()
            elif self._waiting >= WAITING_MAX:
                raise _too_many()
            else:
                self._waiting += 1
        if is_first:
            return self._made(key, flight, make)
        flight.is_over.wait()
        with self._lock:
            self._waiting -= 1
        if flight.error is not None:
            raise flight.error
        assert flight.made is not None
        return flight.made

    def _made(self, key: Hashable, flight: _Flight[Made], make: Callable[[], Made]) -> Made:
        try:
            flight.made = make()
        except BaseException as error:
            flight.error = error
            raise
        else:
            return flight.made
        finally:
            with self._lock:
                del self._flights[key]
            flight.is_over.set()


def _too_many() -> Problem:
    detail = "many ask the same and wait for it already; ask again in a moment"
    return Problem(503, "no-room", "Too much is replayed now", detail, headers={"Retry-After": "5"})
