"""What a compiled fold of Firefly levels says of one creator, as the values that its plain replay is made of."""

from collections.abc import Sequence
from typing import NamedTuple, overload

from domain.creator_firefly.account import Change, Month
from domain.creator_firefly.facts import Finding, Run
from domain.creator_firefly.rule import NEW, NOT_REGISTERED, VERDICTS, Account
from replay.columnar.rows import part_of
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
    of_subject = folded.months[part_of(folded.months[:, 0], subject)]
    months = [Month(month, codes[level], *sums) for _, month, level, *sums in of_subject.tolist()]
    changes = changes_of(folded, subject)
    registered_by = changes[0].position if changes else None
    return FoldedFirefly(
        Run(account, registered_by, FindingsInColumns(folded, subject, account.registered_at)), months, changes
    )


def changes_of(folded: FireflyFolded, subject: int) -> list[Change]:
    """Each change of a subject's level, the first with its registration, the earliest first."""
    found: list[Change] = []
    for _, at, level, earned, position in folded.changes[part_of(folded.changes[:, 0], subject)].tolist():
        before = found[-1].after if found else None
        by = None if position == BY_POLICY else position
        found.append(Change(at, before, folded.codes[level], earned, by))
    return found


class FindingsInColumns(Sequence[Finding]):
    """Every finding of a subject, made into a value where it is asked for."""

    def __init__(self, folded: FireflyFolded, subject: int, registered_at: int) -> None:
        assert folded.verdicts is not None and folded.movements is not None, "the fold was asked for verdicts"
        part = slice(*folded.verdicts.starts[subject : subject + 2].tolist())
        self._columns = [column[part] for column in (*folded.verdicts[1:4], *folded.movements)]
        self._registered_at = registered_at

    def __len__(self) -> int:
        return len(self._columns[0])

    @overload
    def __getitem__(self, index: int) -> Finding: ...
    @overload
    def __getitem__(self, index: slice) -> list[Finding]: ...
    def __getitem__(self, index: int | slice) -> Finding | list[Finding]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        index = range(len(self))[index]
        at, position, verdict, points, _, _, decided_by = (int(column[index]) for column in self._columns)
        if verdict == NOT_REGISTERED:
            return Finding(at, position, VERDICTS[verdict], points, NEW, NEW, None)
        before, after = self._account(index - 1), self._account(index)
        return Finding(at, position, VERDICTS[verdict], points, before, after, decided_by or None)

    def _account(self, index: int) -> Account:
        """After a finding; before the first one since the registration nothing was earned."""
        _, _, verdict, _, earned, balance, _ = self._columns
        if index < 0 or verdict[index] == NOT_REGISTERED:
            return Account(self._registered_at, 0, 0)
        return Account(self._registered_at, int(earned[index]), int(balance[index]))
