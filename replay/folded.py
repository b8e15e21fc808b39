"""What a compiled fold of reputations gives: arrays over all subjects, and one subject's part as plain objects."""

from typing import TYPE_CHECKING, Final, NamedTuple

from domain.reputation import STATES, Account, State, Verdict

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Findings(NamedTuple):
    """Every verdict, by subject and within a subject in the order of judgement: `domain.reputation.Finding`."""

    starts: "NDArray[np.int64]"
    """By subject, where its findings begin; they end where those of the next subject begin. One more than subjects."""
    at: "NDArray[np.int64]"
    position: "NDArray[np.int64]"
    verdict: "NDArray[np.int8]"
    """The number of the Verdict."""
    tenths: "NDArray[np.int64]"


class Months(NamedTuple):
    """Every month in which something happened, by subject and in order: `domain.reputation.Month`."""

    starts: "NDArray[np.int64]"
    """As in Findings."""
    month: "NDArray[np.int32]"
    begun: "NDArray[np.int64]"
    """A row a month, the fields of Account in their order: the account at the month's start."""
    closing: "NDArray[np.int64]"
    """In the same way: at its close, or at `as_of` if that is before."""
    verdicts: "NDArray[np.int32]"
    """A row a month: by the number of the Verdict, how many there were of it; 0 is no verdict's number."""
    state: "NDArray[np.int8]"
    """At the close, under the month's own rules: index into `domain.reputation.STATES`."""
    level: "NDArray[np.int16]"
    """In the same way: index into `Folded.codes`."""


class Changes(NamedTuple):
    """Every change of state or level, by subject and in order: `domain.reputation_account.Change`."""

    starts: "NDArray[np.int64]"
    """As in Findings."""
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
    """Index into `domain.reputation.STATES`."""
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
    findings: Findings
    months: Months
    accounts: "NDArray[np.int64]"
    """A row a subject, the fields of Account in their order: where it stands at `as_of`."""
    changes: Changes


# --- one subject, as plain objects ------------------------------------------------------------------------------------


class FoldedMonth(NamedTuple):
    """One month of one subject."""

    month: int
    begun: Account
    closing: Account
    verdicts: dict[Verdict, int]
    """How many there were of each, where there were any."""
    state: State
    level: str | None


class FoldedChange(NamedTuple):
    """One change of one subject's state or level."""

    at: int
    position: int
    verdict: Verdict | None
    tenths: int
    points: int
    state_before: State
    level_before: str | None
    state: State
    level: str | None


def findings_of(folded: Folded, subject: int) -> list[tuple[int, int, Verdict, int]]:
    """A subject's findings in the order of judgement: at, position, verdict, tenths."""
    findings = folded.findings
    part = slice(findings.starts[subject], findings.starts[subject + 1])
    at, position, verdict, tenths = (column[part].tolist() for column in findings[1:])
    return list(zip(at, position, map(_BY_NUMBER.__getitem__, verdict), tenths, strict=True))


def account_of(folded: Folded, subject: int) -> Account:
    """Where a subject stands at `as_of`."""
    return account_from(folded.accounts[subject].tolist())


def months_of(folded: Folded, subject: int) -> list[FoldedMonth]:
    """A subject's months, the earliest first."""
    months, codes = folded.months, folded.codes
    part = slice(months.starts[subject], months.starts[subject + 1])
    return [
        FoldedMonth(
            month,
            account_from(begun),
            account_from(closing),
            {verdict: count for verdict, count in zip(_BY_NUMBER, counts, strict=True) if count},
            STATES[state],
            codes[level],
        )
        for month, begun, closing, counts, state, level in zip(
            *(column[part].tolist() for column in months[1:]), strict=True
        )
    ]


def changes_of(folded: Folded, subject: int) -> list[FoldedChange]:
    """A subject's changes, the earliest first."""
    changes, codes, states = folded.changes, folded.codes, STATES
    part = slice(changes.starts[subject], changes.starts[subject + 1])
    return [
        FoldedChange(
            at,
            position,
            _BY_NUMBER[verdict] if verdict else None,
            tenths,
            points,
            states[state_before],
            codes[level_before],
            states[state],
            codes[level],
        )
        for at, position, verdict, tenths, points, state_before, level_before, state, level in zip(
            *(column[part].tolist() for column in changes[1:]), strict=True
        )
    ]


_BY_NUMBER: Final = (Verdict.COUNTED, *Verdict)
"""Verdicts by their numbers; 0 is none's and is never counted."""


def account_from(row: list[int]) -> Account:
    """An account from its fields in their order."""
    points, growth, cap, month_end, opened_at, is_open, closed_at, closed_position, netting = row
    return Account(points, growth, cap, month_end, opened_at, is_open == 1, closed_at, closed_position, netting)
