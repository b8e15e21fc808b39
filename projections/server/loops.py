"""The compiled loops that are kept are loaded beside the first answers: whoever asks for a large subject finds them."""

from typing import Final

from projections.http.problems import Problem
from projections.reading.reader import Reading
from replay.columnar.jit import is_at_hand
from replay.columnar.size import MANY_RECORDS
from replay.errors import LevelbookError
from replay.schemes.loading import Loading

AFTER_SECONDS: Final = 1
"""First the process is ready and gives its first answers."""


class LoopLoader(Loading):
    """Loads nothing where the ledger has few records or no loop is kept."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        super().__init__(AFTER_SECONDS)

    def is_wanted(self) -> bool:
        return is_at_hand() and _has_many(self._reading)

    def loaded(self) -> None:
        self._reading.freeze()


def _has_many(reading: Reading) -> bool:
    """Whether a subject of the ledger may be large; False where that cannot be read, as whoever asks is told."""
    try:
        with reading.store() as store:
            return store.head().position >= MANY_RECORDS
    except (LevelbookError, Problem):
        return False
