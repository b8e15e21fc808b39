"""Large replays that tell of every verdict themselves: their columns hold all that led to each."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from domain.calendar import month_of
from replay.replaying.base import Replay
from replay.replaying.large import LargeReplay
from replay.replaying.values import of_month


class SelfTelling(LargeReplay):
    """One such replay, of a scheme without notes of its own."""

    took_part = ()
    """Not held as events: what explanations ask of them, a scheme's own class finds in columns."""

    _looked_up: int | None = None
    """The month that was made ready last."""

    def own_noted(self) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
        return np.zeros(0, np.int64), np.zeros(0, np.int8)

    def teller(self, index: int) -> tuple[Replay, int]:
        self._look_up_month(month_of(int(self.verdicts.at[index])))
        return self, index

    def teller_of_note(self, position: int) -> Replay:
        self._look_up_month(month_of(self.notes.occurred_at(position)))
        return self

    def month_told(self, month: int) -> Replay:
        return self

    def _look_up_month(self, month: int) -> None:
        """Make ready what is told of a month, together, and let go of the month before."""
        if month == self._looked_up:
            return
        self._looked_up = month
        self.events.let_go()
        instants = of_month(month)
        judged = self.verdicts.position[self.verdicts_in(instants, None)].tolist()
        self.events.look_up([*judged, *self.notes_in(instants, None), *self.read_beside(judged)])

    def read_beside(self, judged: Sequence[int]) -> list[int]:
        """The positions of other events that are read where some verdicts are told."""
        return []
