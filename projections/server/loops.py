"""The compiled loops that are kept are loaded beside the first answers: whoever asks for a large subject finds them."""

from threading import Event, Thread
from typing import Final

from projections.http.problems import Problem
from projections.reading.reader import Reading
from replay.columnar.jit import is_at_hand
from replay.columnar.size import MANY_RECORDS
from replay.errors import LevelbookError

AFTER_SECONDS: Final = 1
"""First the process is ready and gives its first answers."""
END_SECONDS: Final = 5
"""How long the end of a process waits for what is being loaded: one scheme's loops, and the compiler itself."""


class LoopLoader:
    """Loads in a thread of its own until it is ended; nothing where the ledger has few records or no loop is kept."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._ended = Event()
        self.is_over = Event()
        """Whether everything is loaded that will be."""
        self._thread = Thread(target=self._work, daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._ended.set()
        self._thread.join(END_SECONDS)

    def _work(self) -> None:
        try:
            if not self._ended.wait(AFTER_SECONDS) and is_at_hand() and _has_many(self._reading):
                self._load()
        finally:
            self.is_over.set()

    def _load(self) -> None:
        from replay.schemes.warming import load_kept

        for _ in load_kept():
            if self._ended.is_set():
                return
        self._reading.freeze()


def _has_many(reading: Reading) -> bool:
    """Whether a subject of the ledger may be large; False where that cannot be read, as whoever asks is told."""
    try:
        with reading.store() as store:
            return store.head().position >= MANY_RECORDS
    except (LevelbookError, Problem):
        return False
