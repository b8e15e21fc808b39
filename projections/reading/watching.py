"""Whether the ledger that a service reads can be reached: polled, whether there are requests or not."""

from collections.abc import Callable
from threading import Event, Thread
from time import monotonic
from typing import Final

from projections.http.problems import Problem
from projections.reading.reader import Reading
from replay.errors import LevelbookError

LOOK_SECONDS: Final = 2


class LedgerWatch:
    """Looks at the ledger in a thread of its own until it is ended, and tells once why it is lost."""

    def __init__(self, reading: Reading, lost_seconds: float, lost: Callable[[str], None]) -> None:
        self._reading = reading
        self._lost_seconds = lost_seconds
        self._lost = lost
        self._ended = Event()
        self._thread = Thread(target=self._look, daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._ended.set()

    def _look(self) -> None:
        reached = monotonic()
        while not self._ended.wait(min(LOOK_SECONDS, self._lost_seconds / 4)):
            why = _why_away(self._reading)
            if why is None:
                reached = monotonic()
            elif monotonic() - reached >= self._lost_seconds:
                self._lost(why)
                return


def _why_away(reading: Reading) -> str | None:
    """Why the ledger cannot be read now; None where it can."""
    try:
        with reading.store() as store:
            store.head()
    except Problem as problem:
        return problem.detail
    except LevelbookError as error:
        return str(error)
    return None
