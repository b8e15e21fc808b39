"""What is shown of many merchants at once: where they stand, and what publications have made effective.

What `shown` and `effective_of` of `domain.merchant_reputation.account` draw from one run, this draws from all folded
months, by the same functions of the rule. tests/replay/schemes/test_fold.py holds both equal.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from domain.calendar import day_of, month_of, month_of_day, month_start
from domain.merchant_reputation.account import published_months
from domain.merchant_reputation.rule import NEVER, NEW, STATES, Account, Span, State, level_of, state_of
from domain.merchant_reputation.running import span_at
from replay.columnar.jit import compiled
from replay.schemes.merchant_reputation.fold import table_of
from replay.schemes.merchant_reputation.folded import Folded, FoldedMonths
from replay.schemes.merchant_reputation.loop import Table, account_at, rules_at


class Standings(NamedTuple):
    """By subject, a state (index into `domain.merchant_reputation.rule.STATES`) and a level (into `Folded.codes`)."""

    state: NDArray[np.int8]
    level: NDArray[np.int16]
    number: NDArray[np.int64]
    """Of where it stands: the points in tenths. Of what is effective: the instant since which it is, NEVER before the
    first publication."""


class AllShown(NamedTuple):
    """What is shown of each subject: the `Shown` and the `EffectivePublication` of its account."""

    standing: Standings
    effective: Standings


class Published(NamedTuple):
    """The months that were published, the latest first."""

    month: Any
    at: Any
    span: Any


def shown_of_all(folded: Folded, spans: Sequence[Span], as_of: int) -> AllShown:
    """Where every subject stands at the instant up to which it was folded, and what is effective."""
    _, table = table_of(spans)
    subjects, opened_at = len(folded.subjects), folded.accounts[:, _OPENED_AT]
    first = int(opened_at.min(initial=NEVER))
    found = [] if first == NEVER else list(published_months(spans, as_of, month_of(first)))
    months = np.array([month for month, _ in found], np.int64)
    published = Published(
        months,
        np.array([at for _, at in found], np.int64),
        np.array([spans.index(span_at(spans, month_start(month))) for month in months.tolist()], np.int64),
    )
    out = AllShown(_room(subjects), _room(subjects))
    showing = compiled(_show, *_PARTS, allocates=False)
    showing(folded.accounts, folded.months, published, table, spans.index(span_at(spans, as_of)), out)
    return out


_OPENED_AT: Final = Account._fields.index("opened_at")
_NOT_ONBOARDED: Final = STATES.index(State.NOT_ONBOARDED)
_UNRATED: Final = STATES.index(State.UNRATED)


def _room(subjects: int) -> Standings:
    return Standings(np.zeros(subjects, np.int8), np.zeros(subjects, np.int16), np.zeros(subjects, np.int64))


# --- the loop ---------------------------------------------------------------------------------------------------------


def _show(accounts: Any, months: FoldedMonths, published: Published, table: Table, span: int, out: AllShown) -> None:
    for subject in range(len(accounts)):
        account = account_at(accounts, subject)
        _write(out.standing, subject, account, table, span, account.points if account.open else 0)
        first = NEVER if account.opened_at == NEVER else month_of_day(day_of(account.opened_at))
        place, effective, is_published = months.starts[subject + 1], out.effective, False
        for publication in range(len(published.month)):
            month = published.month[publication]
            if month < first:
                break
            while place > months.starts[subject] and months.month[place - 1] > month:
                place -= 1
            closing = account_at(months.closing, place - 1) if place > months.starts[subject] else NEW
            state, level = effective.state[subject], effective.level[subject]
            since = effective.number[subject]
            at = published.at[publication]
            _write(effective, subject, closing, table, published.span[publication], at)
            if is_published and (effective.state[subject] != state or effective.level[subject] != level):
                effective.state[subject], effective.level[subject], effective.number[subject] = state, level, since
                break
            is_published = True
        if not is_published:
            effective.state[subject] = _NOT_ONBOARDED if first == NEVER else _UNRATED
            effective.number[subject] = NEVER


def _write(standings: Standings, subject: int, account: Account, table: Table, span: int, number: int) -> None:
    level = level_of(account, rules_at(table, span))
    standings.state[subject] = state_of(account, level)
    standings.level[subject] = table.codes[span, level]
    standings.number[subject] = number


_PARTS: Final = (account_at, _write, rules_at, level_of, state_of, day_of, month_of_day)
