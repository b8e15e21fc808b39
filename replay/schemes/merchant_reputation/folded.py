"""What a compiled fold of reputations gives: arrays over all subjects, and one subject's account."""

from typing import TYPE_CHECKING, NamedTuple

from domain.merchant_reputation.rule import Account
from replay.replaying.verdicts import Verdicts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class FoldedMonths(NamedTuple):
    """Every month in which something happened, by subject and in order: `domain.merchant_reputation.running.Month`."""

    starts: "NDArray[np.int64]"
    """As in Verdicts."""
    month: "NDArray[np.int32]"
    begun: "NDArray[np.int64]"
    """A row a month, the fields of Account in their order: the account at the month's start."""
    closing: "NDArray[np.int64]"
    """In the same way: at its close, or at `as_of` if that is before."""
    verdicts: "NDArray[np.int32]"
    """A row a month: by the number of the Verdict, how many there were of it; 0 is no verdict's number."""
    state: "NDArray[np.int8]"
    """At the close, under the month's own rules: index into `domain.merchant_reputation.rule.STATES`."""
    level: "NDArray[np.int16]"
    """In the same way: index into `Folded.codes`."""


class Changes(NamedTuple):
    """Every change of state or level, by subject and in order: `domain.merchant_reputation.account.Change`."""

    starts: "NDArray[np.int64]"
    """As in Verdicts."""
    at: "NDArray[np.int64]"
    position: "NDArray[np.int64]"
    """Of the event that caused it; 0 where the rules changed."""
    verdict: "NDArray[np.int8]"
    """Of the finding it came with; 0 where there is none: an opening, or rules that changed."""
    tenths: "NDArray[np.int64]"
    """What it moved the points by."""
    points: "NDArray[np.int64]"
    """After it, in tenths."""
    state_before: "NDArray[np.int8]"
    """Index into `domain.merchant_reputation.rule.STATES`."""
    level_before: "NDArray[np.int16]"
    """Index into `Folded.codes`."""
    state: "NDArray[np.int8]"
    level: "NDArray[np.int16]"
    """After it."""


class Folded(NamedTuple):
    """What the rules make of the subjects of some Columns."""

    subjects: list[str]
    codes: list[str | None]
    """The codes of levels, by the numbers that stand for them; 0 is no level."""
    findings: Verdicts
    months: FoldedMonths
    accounts: "NDArray[np.int64]"
    """A row a subject, the fields of Account in their order: where it stands at `as_of`."""
    changes: Changes


def account_of(folded: Folded, subject: int) -> Account:
    """Where a subject stands at `as_of`."""
    return account_from(folded.accounts[subject].tolist())


def account_from(row: list[int]) -> Account:
    """An account from its fields in their order."""
    points, growth, cap, month_end, opened_at, is_open, closed_at, closed_position, netting = row
    return Account(points, growth, cap, month_end, opened_at, is_open == 1, closed_at, closed_position, netting)
