"""The view of `merchant-tier` filled from columns, by the compiled fold."""

from collections import defaultdict

import numpy as np

from domain.merchant_tier.facts import end_of, last_closed_day
from domain.merchant_tier.rule import CAUSES, NEVER, SCHEME, STATES, Account, Change
from projections.schemes.merchant_tier.view import WITHOUT_FIGURES, day_rows, history_rows, judging_of, level_row
from projections.schemes.shared.bulk_rows import named
from projections.schemes.shared.filling import LATEST, Filling
from projections.views.step import numbered
from projections.views.tables import DAY_FIGURES
from replay.schemes.merchant_tier.fold import TierFolded, fold_tier


def fill(filling: Filling) -> None:
    judging = judging_of(filling.step)
    folded = fold_tier(filling.columns, judging.terms, last_closed_day(filling.as_of))
    subjects = filling.columns.subjects
    states = [STATES[number] for number in folded.states.tolist()]
    kept = np.array([str(state) not in WITHOUT_FIGURES for state in states], np.bool_)
    rows = kept[folded.figure_subjects] if len(folded.figure_subjects) else np.zeros(0, np.bool_)
    figures = folded.figures[rows]
    filling.insert(
        "tier_figures",
        {
            "subject": named(subjects, folded.figure_subjects[rows]),
            "day": folded.figure_days[rows].tolist(),
            **{name: figures[:, place].tolist() for place, name in enumerate(DAY_FIGURES)},
        },
    )
    days, history = [], []
    for subject, changes in _tier_changes(folded).items():
        of_subject = day_rows(subjects[subject], changes, judging, 0)
        days += of_subject
        history += numbered(history_rows(of_subject, changes), None)
    filling.insert("tier_days", days)
    filling.insert("history", history)
    accounts = [Account(*account) for account in folded.accounts.tolist()]
    filling.insert(
        "levels",
        [
            level_row(filling.step, subjects[subject], states[subject], accounts[subject])
            for subject in filling.of_kind("merchant")
        ],
    )
    next_days = folded.next_days.tolist()
    filling.calendar(
        SCHEME,
        {
            subject: end_of(next_days[subject]) if next_days[subject] != NEVER else LATEST
            for subject in filling.of_kind("merchant")
        },
    )


def _tier_changes(folded: TierFolded) -> dict[int, list[Change]]:
    """By subject, its changes in order."""
    found: dict[int, list[Change]] = defaultdict(list)
    for subject, day, cause, position, before, after in folded.moves.tolist():
        found[subject].append(Change(day, CAUSES[cause], Account(*before), Account(*after), position))
    return found
