"""The tier of a large merchant: days, changes and verdicts of the compiled fold."""

from functools import cached_property
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from domain.calendar import day_of
from domain.events import Event
from domain.merchant_tier.facts import end_of, history_of, last_closed_day, spans_of
from domain.merchant_tier.running import Window
from domain.merchant_tier.values import SCHEME, History
from domain.policy import start_of_day, terms_of
from replay.columnar.columns import (
    COMPLAINT_DISMISSED,
    MERCHANT_CLOSED,
    MERCHANT_ONBOARDED,
    ORDER_COMPLAINED,
    ORDER_PAID,
    REVIEW_POSTED,
    TIER_SET,
    no_rows,
)
from replay.columnar.rows import rows_of_subject
from replay.history.same_instant import BEFORE_OPENING
from replay.history.timeline import Moment, taking_part
from replay.policies.catalog import shipped
from replay.replaying.base import COMMON_NOTES, Policies, Replay
from replay.replaying.known import LargeKnown
from replay.replaying.large import LargeReplay
from replay.schemes.merchant_tier.fold import fold_tier
from replay.schemes.merchant_tier.folded import notes_of, tier_of
from replay.schemes.merchant_tier.replay import TierReplay

_ACTS: Final = (MERCHANT_ONBOARDED, MERCHANT_CLOSED, TIER_SET)


class LargeTier(LargeReplay, TierReplay):
    """One replay of one large merchant."""

    note_words: ClassVar[tuple[str, ...]] = (BEFORE_OPENING, *COMMON_NOTES)

    @staticmethod
    def load_loops() -> None:
        fold_tier(no_rows(), terms_of(shipped(SCHEME), start_of_day), last_closed_day(0), judges=True)

    def __init__(self, subject: str, known: LargeKnown, moment: Moment, policies: Policies) -> None:
        Replay.__init__(self, subject, known, moment, policies)  # type: ignore[arg-type]
        self._terms = terms_of(policies.own, start_of_day)
        self.day = last_closed_day(moment.as_of)
        self.spans = spans_of(self._terms)
        self._folded = fold_tier(known.columns, self._terms, self.day, judges=True)
        assert self._folded.verdicts is not None, "they were asked for"
        self.verdicts = self._folded.verdicts
        found = tier_of(self._folded, 0, self.day)
        self.run, self.state, self.window = found.run, found.state, Window(found.days)

    @property
    def until(self) -> int:
        return end_of(self.day)

    @cached_property
    def first_opened(self) -> int | None:
        rows = rows_of_subject(self.columns, 0, self.until, MERCHANT_ONBOARDED)
        return day_of(int(self.columns.at[rows].min())) if len(rows) else None

    def bearing_ahead(self) -> History:
        as_of = self.moment.as_of
        acts = self.with_retractions(np.isin(self.columns.what, _ACTS))
        found, _ = history_of(taking_part(acts, as_of), self._terms, day_of(as_of))
        folded = fold_tier(self.known_until(as_of).columns, self._terms, day_of(as_of))
        return found._replace(days=tier_of(folded, 0, day_of(as_of)).days)

    def own_noted(self) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
        noted = notes_of(self.columns, self._folded, 0, self.day)
        rows = self.rows_at(noted)
        return rows, np.full(len(rows), self.note_words.index(BEFORE_OPENING), np.int8)

    def month_told(self, month: int) -> "MonthOfTier":
        acts = np.isin(self.columns.what, _ACTS)
        counted = (ORDER_PAID, ORDER_COMPLAINED, REVIEW_POSTED)
        known = self.with_retractions(acts | self.leading_to(month, counted, (COMPLAINT_DISMISSED,)))
        found = MonthOfTier(self, known)
        found.elsewhere = self.named_elsewhere(known)
        return found


class MonthOfTier(TierReplay):
    """A plain replay of what bears on a month. Only what it tells of that month's events is whole."""

    def __init__(self, whole: LargeTier, known: list[Event]) -> None:
        super().__init__(whole.subject, known, whole.moment, whole.policies)
        self._whole = whole

    @cached_property
    def cleared_out(self) -> bool:
        return self._whole.cleared_out


Large = LargeTier
