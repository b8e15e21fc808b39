"""The reputation of a large merchant: the account, months, changes and verdicts of the compiled fold."""

from collections import Counter
from collections.abc import Collection, Sequence
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from domain.calendar import month_of
from domain.events import Event
from domain.merchant_reputation import account
from domain.merchant_reputation.facts import spans_of
from domain.merchant_reputation.rule import NEW, SCHEME, STATES, Account, Verdict
from domain.merchant_reputation.running import Month, Run
from domain.policy import start_of_month, terms_of
from replay.columnar.columns import (
    MERCHANT_CLOSED,
    MERCHANT_ONBOARDED,
    NO_NUMBER,
    ORDER_CLEARED,
    ORDER_FLAGGED,
    ORDER_RECEIVED,
    REVIEW_POSTED,
    no_rows,
)
from replay.history.same_instant import BEFORE_OPENING
from replay.history.timeline import Moment, taking_part
from replay.policies.catalog import shipped
from replay.replaying.base import COMMON_NOTES, Policies, Replay
from replay.replaying.in_columns import found_in
from replay.replaying.known import LargeKnown
from replay.replaying.large import LargeReplay
from replay.replaying.values import Judged, LevelChange, Standing, of_month
from replay.schemes.merchant_reputation.bearing import bearing_from
from replay.schemes.merchant_reputation.fold import fold_reputation
from replay.schemes.merchant_reputation.folded import Folded, account_from, account_of
from replay.schemes.merchant_reputation.late import Issue
from replay.schemes.merchant_reputation.month import MonthReplay
from replay.schemes.merchant_reputation.replay import ReputationReplay

_NO_ENTRY = [verdict.value for verdict in account.NO_ENTRY]


class LargeReputation(LargeReplay, ReputationReplay):
    """One replay of one large merchant."""

    note_words: ClassVar[tuple[str, ...]] = (*account.NOTES, BEFORE_OPENING, *COMMON_NOTES)

    @staticmethod
    def load_loops() -> None:
        fold_reputation(no_rows(), spans_of(terms_of(shipped(SCHEME), start_of_month)), 0)

    def __init__(self, subject: str, known: LargeKnown, moment: Moment, policies: Policies) -> None:
        Replay.__init__(self, subject, known, moment, policies)  # type: ignore[arg-type]
        self.opening = NEW
        self.terms = terms_of(policies.own, start_of_month)
        self.spans = spans_of(self.terms)
        self._folded = fold_reputation(known.columns, self.spans, moment.as_of)
        self.verdicts = self._folded.findings
        self.run = _run_of(self._folded)

    def counts_of(self, month: Month) -> Counter[Verdict]:
        of_month = self.verdicts.verdict[month.findings.start : month.findings.stop]
        counts = np.bincount(of_month).tolist()
        return Counter({Verdict(number): count for number, count in enumerate(counts) if count})

    def changes(self) -> Sequence[LevelChange]:
        folded = self._folded
        rows = zip(*(column.tolist() for column in folded.changes[1:]), strict=True)
        found = []
        for at, position, verdict, tenths, points, state_before, level_before, state, level in rows:
            before = Standing(str(STATES[state_before]), folded.codes[level_before], points - tenths)
            after = Standing(str(STATES[state]), folded.codes[level], points)
            judged = Judged(at, position, self.words[verdict], tenths) if verdict else None
            cause = judged.verdict if judged else "opened" if position else "policy"
            found.append(LevelChange(at, before, after, cause, position or None, judged))
        self.events.look_up([change.position for change in found if change.position])
        return found

    def verdicts_at(self, positions: Collection[int]) -> dict[int, Verdict]:
        """By position, the verdicts on those of some events that have one."""
        order, wanted = self._verdict_order, np.array(sorted(positions), np.int64)
        places, found = found_in(self.verdicts.position[order], wanted)
        numbers = self.verdicts.verdict[order[places[found]]].tolist()
        return dict(zip(wanted[found].tolist(), map(Verdict, numbers), strict=True))

    @cached_property
    def _after_each(self) -> NDArray[np.int64]:
        return np.cumsum(self.verdicts.tenths)

    def balance(self, index: int) -> int:
        return int(self._after_each[index])

    def known_by(self, position: int) -> int:
        return int(np.searchsorted(self.known.by_position[1], position, "right"))

    def published_by(self, moment: Moment, policies: Policies) -> list[account.Publication]:
        spans = spans_of(terms_of(policies.own, start_of_month))
        folded = fold_reputation(self.columns, spans, moment.as_of, known=moment.position)
        return [*account.publications(_run_of(folded), spans, moment.as_of)][::-1]

    def touched(self, issues: Sequence[Issue]) -> set[int]:
        """As `late.touched` says of each record: those between the first that it bears on and the last that it was
        recorded behind.
        """
        ends = np.array([issue.month_end for issue in issues], np.int64)
        known = np.array([issue.position for issue in issues], np.int64)
        first = np.searchsorted(ends, bearing_from(self.columns), "right")
        last = np.searchsorted(known, self.columns.position, "left")
        is_late = first < last
        begun, over = (np.bincount(places[is_late], minlength=len(issues) + 1) for places in (first, last))
        return {*np.flatnonzero(np.cumsum(begun - over)).tolist()}

    # --- notes --------------------------------------------------------------------------------------------------------

    def own_noted(self) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
        columns = self.columns
        out = np.isin(columns.position, np.array([*self.retracted], np.int64))
        past = ~out & (columns.at <= self.moment.as_of)
        receipts = np.flatnonzero(past & (columns.what == ORDER_RECEIVED))
        receipts = receipts[~self._has_verdict(columns.position[receipts])]
        reviewed = np.isin(columns.key[receipts], self._scored(np.flatnonzero(past & (columns.what == REVIEW_POSTED))))
        flags = np.flatnonzero(~out & ((columns.what == ORDER_FLAGGED) | (columns.what == ORDER_CLEARED)))
        superseded = _but_the_last(flags, columns.key[flags])
        early = self._closed_before_opening(np.flatnonzero(past & (columns.what == MERCHANT_CLOSED)), past)
        number = self.note_words.index
        notes = [
            np.where(reviewed, number(account.REVIEWED_NOTE), number(account.PENDING)),
            np.full(len(superseded), number(account.SUPERSEDED)),
            np.full(len(early), number(BEFORE_OPENING)),
        ]
        return np.concatenate([receipts, superseded, early]), np.concatenate(notes).astype(np.int8)

    def _scored(self, reviews: NDArray[np.int64]) -> NDArray[np.int32]:
        """The orders whose entry is a review."""
        columns, order = self.columns, self._verdict_order
        places = np.searchsorted(self.verdicts.position[order], columns.position[reviews])
        is_entry = ~np.isin(self.verdicts.verdict[order[places]], _NO_ENTRY)
        return np.unique(columns.key[reviews[is_entry]])

    def _closed_before_opening(self, closings: NDArray[np.int64], past: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Closings that wiped nothing, behind which an opening of the same instant stands."""
        columns = self.columns
        closings = closings[~self._has_verdict(columns.position[closings])]
        opened = np.flatnonzero(past & (columns.what == MERCHANT_ONBOARDED))
        last = dict(zip(columns.at[opened].tolist(), columns.position[opened].tolist(), strict=True))
        rows = zip(closings.tolist(), columns.at[closings].tolist(), columns.position[closings].tolist(), strict=True)
        return np.array([row for row, at, position in rows if last.get(at, 0) > position], np.int64)

    # --- one month ----------------------------------------------------------------------------------------------------

    def month_told(self, month: int) -> "MonthOfLarge":
        before = [found for found in self.run.months if found.month < month]
        opening = before[-1].closing if before else NEW
        known = self.with_retractions(self._leading_to(month, opening))
        found = MonthOfLarge(self, known, opening)
        found.elsewhere = self.named_elsewhere(known)
        return found

    def bearing_ahead(self) -> tuple[Sequence[Event], Account]:
        """What led to the verdicts of the month of `as_of`, and everything of the orders whose credits are not due."""
        month = month_of(self.moment.as_of)
        before = [found for found in self.run.months if found.month < month]
        opening = before[-1].closing if before else NEW
        noted = self.noted
        pending = noted.position[noted.note == self.note_words.index(account.PENDING)]
        rows = self._leading_to(month, opening) | self.about_keys_of(self.rows_at(pending.tolist()))
        return taking_part(self.with_retractions(rows), self.moment.as_of), opening

    def _leading_to(self, month: int, opening: Account) -> NDArray[np.bool_]:
        """The rows of what is told of a month and of what led to it: half of what concerns the month's orders.

        A verdict rests on what its order's events were until then, and on flags whenever they came; what a note says of
        a receipt or flag may lie behind it. What happened in the month and is neither judged nor noted led to nothing.
        """
        columns = self.columns
        instants = begins, ends = of_month(month)
        judged = self.rows_at(self.verdicts.position[self.verdicts_in(instants, None)].tolist())
        noted = self.rows_at(self.notes_in(instants, None))
        is_flag = (columns.what == ORDER_FLAGGED) | (columns.what == ORDER_CLEARED)
        of_judged = self.about_keys_of(judged) & ((columns.at < ends) | is_flag)
        of_shop = (columns.key == NO_NUMBER) & (columns.at >= begins) & (columns.at < ends)
        is_closing = columns.position == opening.closed_position
        found: NDArray[np.bool_] = of_judged | self.about_keys_of(noted) | of_shop | is_closing
        return found


class MonthOfLarge(MonthReplay):
    """A month of a large merchant: what became of its orders before and after is known of the whole."""

    def __init__(self, whole: LargeReputation, known: list[Event], opening: Account) -> None:
        super().__init__(whole.subject, known, whole.moment, whole.policies, opening)
        self._whole = whole

    @cached_property
    def settled(self) -> dict[int, Verdict]:
        return self._whole.verdicts_at(self.events)


def _run_of(folded: Folded) -> Run:
    """The account, and every month, its findings by their places among the verdicts."""
    months = folded.months
    ends = np.cumsum(months.verdicts.sum(axis=1)).tolist()
    begins = [0, *ends][:-1]
    rows = zip(months.month.tolist(), months.begun.tolist(), months.closing.tolist(), begins, ends, strict=True)
    found = [
        Month(month, account_from(begun), account_from(closing), range(begin, end))
        for month, begun, closing, begin, end in rows
    ]
    return Run(account_of(folded, 0), [], found)


def _but_the_last(rows: NDArray[np.int64], keys: NDArray[np.int32]) -> NDArray[np.int64]:
    """Of rows in order, those behind which another of the same key stands."""
    _, last = np.unique(keys[::-1], return_index=True)
    is_last = np.zeros(len(rows), np.bool_)
    is_last[len(rows) - 1 - last] = True
    found: NDArray[np.int64] = rows[~is_last]
    return found


Large = LargeReputation
