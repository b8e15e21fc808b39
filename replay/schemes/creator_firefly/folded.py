"""What a compiled fold of Firefly levels says of one creator, as the values that its plain replay is made of."""

from typing import NamedTuple

import numpy as np

from domain.creator_firefly.account import Change, Month
from domain.creator_firefly.facts import Finding, Run
from domain.creator_firefly.rule import NEW, NOT_REGISTERED, VERDICTS, Account
from replay.schemes.creator_firefly.fold import BY_POLICY, FireflyFolded


class FoldedFirefly(NamedTuple):
    """One creator at the instant of the fold."""

    run: Run
    months: list[Month]
    """Every month in which points were judged since the registration."""
    changes: list[Change]


def firefly_of(folded: FireflyFolded, subject: int) -> FoldedFirefly:
    """What a fold with verdicts says of a subject."""
    account, codes = Account(*folded.accounts[subject].tolist()), folded.codes
    low, high = np.searchsorted(folded.months[:, 0], (subject, subject + 1)).tolist()
    months = [Month(month, codes[level], *sums) for _, month, level, *sums in folded.months[low:high].tolist()]
    changes = changes_of(folded, subject)
    registered_by = changes[0].position if changes else None
    return FoldedFirefly(Run(account, registered_by, _findings_of(folded, subject, account)), months, changes)


def changes_of(folded: FireflyFolded, subject: int) -> list[Change]:
    """Each change of a subject's level, the first with its registration, the earliest first."""
    low, high = np.searchsorted(folded.changes[:, 0], (subject, subject + 1)).tolist()
    found: list[Change] = []
    for _, at, level, earned, position in folded.changes[low:high].tolist():
        before = found[-1].after if found else None
        by = None if position == BY_POLICY else position
        found.append(Change(at, before, folded.codes[level], earned, by))
    return found


def _findings_of(folded: FireflyFolded, subject: int, account: Account) -> list[Finding]:
    assert folded.verdicts is not None and folded.movements is not None, "the fold was asked for verdicts"
    part = slice(folded.verdicts.starts[subject], folded.verdicts.starts[subject + 1])
    columns = (*folded.verdicts[1:4], *folded.movements)
    found: list[Finding] = []
    before = Account(account.registered_at, 0, 0)
    for at, position, verdict, points, earned, balance, decided_by in zip(
        *(column[part].tolist() for column in columns), strict=True
    ):
        if verdict == NOT_REGISTERED:
            found.append(Finding(at, position, VERDICTS[verdict], points, NEW, NEW, None))
            continue
        after = Account(account.registered_at, earned, balance)
        found.append(Finding(at, position, VERDICTS[verdict], points, before, after, decided_by or None))
        before = after
    return found
