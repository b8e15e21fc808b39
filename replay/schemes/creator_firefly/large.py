"""The Firefly level of a large creator: account, months, changes and verdicts of the compiled fold."""

from collections.abc import Sequence
from typing import ClassVar

from domain.creator_firefly import account
from domain.creator_firefly.rule import SCHEME
from domain.policy import start_of_month, terms_of
from replay.columnar.columns import no_rows
from replay.history.timeline import Moment
from replay.policies.catalog import shipped
from replay.replaying.base import COMMON_NOTES, Policies, Replay
from replay.replaying.known import LargeKnown
from replay.replaying.self_telling import SelfTelling
from replay.replaying.values import LevelChange
from replay.schemes.creator_firefly.fold import fold_firefly
from replay.schemes.creator_firefly.folded import firefly_of
from replay.schemes.creator_firefly.replay import FireflyReplay


class LargeFirefly(SelfTelling, FireflyReplay):
    """One replay of one large creator; nothing here lacks a cause of its own instant."""

    note_words: ClassVar[tuple[str, ...]] = COMMON_NOTES

    @staticmethod
    def load_loops() -> None:
        fold_firefly(no_rows(), terms_of(shipped(SCHEME), start_of_month), 0, judges=True)

    def __init__(self, subject: str, known: LargeKnown, moment: Moment, policies: Policies) -> None:
        Replay.__init__(self, subject, known, moment, policies)  # type: ignore[arg-type]
        self.terms = terms_of(policies.own, start_of_month)
        self.spans = account.spans_of(self.terms)
        folded = fold_firefly(known.columns, self.terms, moment.as_of, judges=True)
        assert folded.verdicts is not None, "they were asked for"
        self.verdicts = folded.verdicts
        self.run, self.months, self.level_changes = firefly_of(folded, 0)

    def changes(self) -> Sequence[LevelChange]:
        self.events.look_up([change.position for change in self.level_changes if change.position is not None])
        return super().changes()


Large = LargeFirefly
