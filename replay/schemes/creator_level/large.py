"""The level of a large creator: evaluations and verdicts of the compiled fold."""

from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from domain.calendar import month_start
from domain.creator_level.contributions import DaysBefore
from domain.creator_level.facts import CONTENT, Verdict, evaluation_period, rules_of
from domain.creator_level.rule import SCHEME, Figures, Rules
from domain.events import Event
from domain.policy import Policy, terms_of
from replay.columnar.columns import CREATOR_SCORED, CREDIT_DEDUCTED, CREDIT_RESTORED, SALE_SETTLED, no_rows
from replay.history.timeline import Moment
from replay.policies.catalog import shipped
from replay.replaying.base import COMMON_NOTES, Policies, Replay
from replay.replaying.known import LargeKnown
from replay.replaying.large import LargeReplay
from replay.replaying.values import Instants
from replay.replaying.verdicts import Verdicts
from replay.schemes.creator_level.fold import fold_creators
from replay.schemes.creator_level.folded import creator_of, figures_of
from replay.schemes.creator_level.replay import CreatorReplay, Month


class LargeCreator(LargeReplay, CreatorReplay):
    """One replay of one large creator."""

    note_words: ClassVar[tuple[str, ...]] = COMMON_NOTES

    @staticmethod
    def load_loops() -> None:
        fold_creators(no_rows(), terms_of(shipped(SCHEME), evaluation_period), 0, judges=True)

    def __init__(self, subject: str, known: LargeKnown, moment: Moment, policies: Policies) -> None:
        Replay.__init__(self, subject, known, moment, policies)  # type: ignore[arg-type]
        self.terms = terms_of(policies.own, evaluation_period)
        self._rules = {term.policy.hash: rules_of(term.policy) for term in self.terms}
        folded = fold_creators(known.columns, self.terms, moment.as_of, judges=True)
        assert folded.verdicts is not None, "they were asked for"
        self.verdicts = self._with_unused(folded.verdicts)
        found = creator_of(folded, 0, self.terms)
        self.registered_at, self.months = found.registered_at, found.months

    def figures(self, month: int, rules: Rules) -> Figures:
        """As a version counts them that judges nothing yet."""
        policies: list[Policy] = [policy for policy in self.policies.previewed if rules_of(policy) == rules]
        terms = terms_of(policies[:1], evaluation_period)
        return figures_of(fold_creators(self.columns, terms, self.moment.as_of), 0, month)

    def _with_unused(self, verdicts: Verdicts) -> Verdicts:
        position, at = self._published
        if not len(position):
            return verdicts
        unused = np.full(len(position), self.words.index(Verdict.NOT_USED), np.int8)
        none = np.zeros(len(position), np.int64)
        columns = [
            np.concatenate([old, new]) for old, new in zip(verdicts[1:], (at, position, unused, none), strict=True)
        ]
        order = np.lexsort((columns[1], columns[0]))
        return Verdicts(np.array([0, len(order)], np.int64), *(column[order] for column in columns))

    @cached_property
    def _published(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The positions of published content that took part, and when it was."""
        places = np.array(self.events.places(CONTENT), np.int64).reshape(-1, 2)
        took_part = places[:, 1] <= self.until
        took_part &= ~np.isin(places[:, 0], np.array([*self.retracted], np.int64))
        position, at = places[took_part].T
        return position, at

    def days_before(self, month: Month) -> DaysBefore:
        rows = self._gating_rows(self._gate_of(month)._replace(ends=month_start(month.month)))
        what, amount = self.columns.what[rows], self.columns.amount[rows]
        scores = amount[what == CREATOR_SCORED]
        return DaysBefore(int(scores.sum()), len(scores), int(amount[what == CREDIT_DEDUCTED].sum()))

    def gating(self, month: Month) -> list[Event]:
        positions = self.columns.position[self._gating_rows(self._gate_of(month))].tolist()
        return sorted(self.events.at(positions), key=lambda event: (event.occurred_at, event.position))

    def _gating_rows(self, instants: Instants) -> NDArray[np.int64]:
        """The rows of the scores and deductions of a while that count."""
        low, high = np.searchsorted(self.verdicts.at, instants).tolist()
        counted = self.verdicts.verdict[low:high] == self.words.index(Verdict.COUNTED)
        rows = self.rows_at(self.verdicts.position[low:high][counted].tolist())
        return rows[np.isin(self.columns.what[rows], (CREATOR_SCORED, CREDIT_DEDUCTED))]

    def own_noted(self) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
        return np.zeros(0, np.int64), np.zeros(0, np.int8)

    def month_told(self, month: int) -> CreatorReplay:
        begins, ends = month_start(month), month_start(month + 1)
        known = self.with_retractions(self.leading_to(month, (SALE_SETTLED,), (CREDIT_RESTORED,)))
        position, at = self._published
        known += self.events.at(position[(at >= begins) & (at < ends)].tolist())
        known.sort(key=lambda event: event.position)
        found = CreatorReplay(self.subject, known, self.moment, self.policies)
        found.registered_at = self.registered_at
        found.elsewhere = self.named_elsewhere(known)
        return found


Large = LargeCreator
