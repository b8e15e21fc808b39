"""The Firefly level of a large creator: account, months, changes and verdicts of the compiled fold."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from domain.calendar import month_of
from domain.creator_firefly import account
from domain.creator_firefly.rule import SCHEME
from domain.policy import start_of_month, terms_of
from replay.columnar.columns import no_rows
from replay.history.timeline import Moment
from replay.policies.catalog import shipped
from replay.replaying.base import COMMON_NOTES, Policies, Replay
from replay.replaying.known import LargeKnown
from replay.replaying.large import LargeReplay
from replay.replaying.values import LevelChange
from replay.schemes.creator_firefly.fold import fold_firefly
from replay.schemes.creator_firefly.folded import firefly_of
from replay.schemes.creator_firefly.replay import FireflyReplay


class LargeFirefly(LargeReplay, FireflyReplay):
    """One replay of one large creator: it tells of every verdict itself, for columns hold what led to each."""

    note_words: ClassVar[tuple[str, ...]] = COMMON_NOTES
    took_part = ()
    """Nothing here lacks a cause of its own instant."""

    @staticmethod
    def load_loops() -> None:
        fold_firefly(no_rows(), terms_of(shipped(SCHEME), start_of_month), 0, judges=True)

    def __init__(self, subject: str, known: LargeKnown, moment: Moment, policies: Policies) -> None:
        Replay.__init__(self, subject, known, moment, policies)  # type: ignore[arg-type]
        self._terms = terms_of(policies.own, start_of_month)
        self.spans = account.spans_of(self._terms)
        folded = fold_firefly(known.columns, self._terms, moment.as_of, judges=True)
        assert folded.verdicts is not None, "they were asked for"
        self.verdicts = folded.verdicts
        self.run, self.months, self.level_changes = firefly_of(folded, 0)
        self._looked_up: int | None = None

    def changes(self) -> Sequence[LevelChange]:
        self.events.look_up([change.position for change in self.level_changes if change.position is not None])
        return super().changes()

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
        judged = self.verdicts.position[self.verdicts_in(month, None)].tolist()
        self.events.look_up([*judged, *self.notes_in(month, None)])


Large = LargeFirefly
