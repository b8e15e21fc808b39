"""One subject's part of what a compiled fold of reputations gives, as plain objects that tests compare."""

from typing import Final, NamedTuple

from domain.merchant_reputation.rule import STATES, Account, State, Verdict
from replay.schemes.merchant_reputation.folded import Folded, account_from


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
