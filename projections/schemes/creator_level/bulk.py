"""The view of `creator-level` filled from columns, by the compiled folds, and what creators add to agencies."""

from collections import defaultdict
from typing import Any

import numpy as np

from domain.calendar import month_of, month_start
from domain.creator_level.rule import SCHEME, Figures
from domain.policy import term_at
from projections.schemes.creator_level.view import (
    Judging,
    MonthFigures,
    MonthMade,
    figures_row,
    judging_of,
    month_row,
    standing_of,
)
from projections.schemes.shared.bulk_rows import named
from projections.schemes.shared.filling import Filling
from projections.views.monthly_rows import EvaluatedRow, changes_of, history_row, level_row
from projections.views.step import judged_by, numbered
from projections.views.tables import SUMS
from replay.columnar.columns import EVENT_RETRACTED, WHATS
from replay.schemes.creator_level.fold import NONE, UNREGISTERED, CreatorFolded, fold_creators
from replay.schemes.mcn_level.fold import Slots, fold_parts


def fill(filling: Filling) -> None:
    judging = judging_of(filling.step)
    folded = fold_creators(filling.columns, judging.terms, filling.as_of)
    filling.insert("creator_figures", _figures_rows(filling, folded))
    filling.insert("mcn_parts", _parts_columns(filling, filling.slots()))
    evaluated = _evaluated(filling, folded, judging)
    months, history, levels = [], [], []
    nobody = judged_by(judging.policies, term_at(judging.terms, filling.as_of).policy)
    registered = (folded.registered_at != UNREGISTERED).tolist()
    for subject in filling.of_kind("creator"):
        name, rows = filling.columns.subjects[subject], evaluated.get(subject, [])
        standing = standing_of(registered=registered[subject])
        months += [item.row for item in rows]
        history += numbered([history_row(name, standing, item) for item in changes_of(rows)], None)
        levels.append(level_row(name, standing, rows, nobody))
    filling.insert("creator_months", months)
    filling.insert("history", history)
    filling.insert("levels", levels)
    next_month, ahead = month_start(month_of(filling.as_of) + 1), _registered_ahead(filling)
    filling.calendar(SCHEME, {subject: min(next_month, ahead[subject]) for subject in filling.of_kind("creator")})


def _registered_ahead(filling: Filling) -> list[int]:
    columns = filling.columns
    rows = (columns.at > filling.as_of) & ~filling.retracted & (columns.what == WHATS["creator.registered"])
    found: list[int] = filling.earliest(columns.subject[rows], columns.at[rows]).tolist()
    return found


def _figures_rows(filling: Filling, folded: CreatorFolded) -> list[dict[str, Any]]:
    """Figures of every closed month that has any, or in which anything took part."""
    end = month_of(filling.as_of)
    counts = _counts(filling, month_start(end))
    figures = {
        (subject, month): values
        for subject, month, values in zip(
            folded.subjects.tolist(), folded.months.tolist(), folded.figures.tolist(), strict=True
        )
        if month < end
    }
    empty = [0, 0, 0, 0, 0, NONE]
    rows = []
    for subject, month in sorted(counts.keys() | figures.keys()):
        *values, last = figures.get((subject, month), empty)
        events = counts.get((subject, month), 0)
        found = MonthFigures(events, Figures(month, *values), None if last == NONE else last, [])
        if found.is_kept:
            rows.append(figures_row(filling.columns.subjects[subject], found))
    return rows


def _counts(filling: Filling, end: int) -> dict[tuple[int, int], int]:
    """By creator and month, how many of its records before an instant took part."""
    columns = filling.columns
    of_creator = np.zeros(len(columns.subjects), np.bool_)
    of_creator[filling.of_kind("creator")] = True
    rows = of_creator[columns.subject] & ~filling.retracted & (columns.what != EVENT_RETRACTED) & (columns.at < end)
    if not rows.any():
        return {}
    at = columns.at[rows]
    first = month_of(int(at.min()))
    begins = np.array([month_start(month) for month in range(first, month_of(end) + 1)], np.int64)
    places = np.searchsorted(begins, at, side="right") - 1
    keys, counts = np.unique(columns.subject[rows].astype(np.int64) * len(begins) + places, return_counts=True)
    return {
        (key // len(begins), first + key % len(begins)): count
        for key, count in zip(keys.tolist(), counts.tolist(), strict=True)
    }


def _parts_columns(filling: Filling, slots: Slots) -> dict[str, list[Any]]:
    parts = fold_parts(filling.columns, slots, filling.as_of)
    rows = (parts.months < month_of(filling.as_of)) & parts.figures.any(axis=1)
    return {
        "mcn": named(slots.agencies, parts.agencies[rows]),
        "month": parts.months[rows].tolist(),
        "creator": named(slots.creators, parts.creators[rows]),
        **{name: parts.figures[rows, place].tolist() for place, name in enumerate(SUMS)},
    }


def _evaluated(filling: Filling, folded: CreatorFolded, judging: Judging) -> dict[int, list[EvaluatedRow]]:
    """By creator, the row of each evaluation."""
    found: dict[int, list[EvaluatedRow]] = defaultdict(list)
    for subject, *values in folded.evaluations.tolist():
        made = MonthMade(*values)
        row = month_row(filling.columns.subjects[subject], made, judging)
        found[subject].append(EvaluatedRow(month_start(made.month + 1), row))
    return found
