"""The view of `creator-firefly` filled from columns, by the compiled fold."""

from collections import defaultdict
from typing import Final

import numpy as np

from domain.creator_firefly.account import Change, Month
from domain.creator_firefly.facts import READ_TYPES
from domain.creator_firefly.rule import SCHEME, Account
from domain.events import CORRECTION_TYPES
from projections.schemes.creator_firefly.rows import history_row, judging_of, level_row, month_row
from projections.schemes.shared.filling import Filling
from projections.views.step import numbered
from replay.columnar.columns import WHATS
from replay.schemes.creator_firefly.fold import BY_POLICY, FireflyFolded, fold_firefly


def fill(filling: Filling) -> None:
    judging, subjects = judging_of(filling.step), filling.columns.subjects
    folded = fold_firefly(filling.columns, judging.terms, filling.as_of)
    accounts, changes = folded.accounts.tolist(), _changes(folded)
    months, history, levels = [], [], []
    for subject, number, level, *sums in folded.months.tolist():
        months.append(month_row(subjects[subject], Month(number, folded.codes[level], *sums), judging))
    for subject in filling.of_kind("creator"):
        name, changed = subjects[subject], changes[subject]
        history += numbered([history_row(name, change, judging) for change in changed], None)
        levels.append(level_row(name, Account(*accounts[subject]), changed, judging, filling.as_of))
    filling.insert("firefly_months", months)
    filling.insert("history", history)
    filling.insert("levels", levels)
    ahead = _ahead(filling)
    filling.calendar(SCHEME, {subject: ahead[subject] for subject in filling.of_kind("creator")})


def _changes(folded: FireflyFolded) -> dict[int, list[Change]]:
    """By subject, its changes in order."""
    found: dict[int, list[Change]] = defaultdict(list)
    for subject, at, level, earned, position in folded.changes.tolist():
        before = found[subject][-1].after if found[subject] else None
        found[subject].append(
            Change(at, before, folded.codes[level], earned, None if position == BY_POLICY else position)
        )
    return found


def _ahead(filling: Filling) -> list[int]:
    """By subject, the first instant after the step's end of something that is read and known already."""
    columns = filling.columns
    rows = (columns.at > filling.as_of) & ~filling.retracted & np.isin(columns.what, _OCCURRING)
    found: list[int] = filling.earliest(columns.subject[rows], columns.at[rows]).tolist()
    return found


_OCCURRING: Final = [WHATS[name] for name in READ_TYPES if name not in CORRECTION_TYPES]
