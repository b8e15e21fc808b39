"""What a compiled fold of tiers says of one merchant, as the values that its plain replay is made of."""

from typing import Final, NamedTuple

from domain.calendar import day_start
from domain.merchant_tier.running import Change, Run
from domain.merchant_tier.values import CAUSES, STATES, Account, Day, State
from replay.columnar.columns import WHATS, Columns
from replay.columnar.rows import part_of, rows_of_subject
from replay.history.same_instant import ACT_TYPES, BEFORE_OPENING, LifeAct, acts_before_opening
from replay.schemes.merchant_tier.fold import TierFolded


class FoldedTier(NamedTuple):
    """One merchant after the last closed day."""

    days: list[Day]
    """Those with figures up to the last closed one."""
    run: Run
    """Its `next_day` counts what is known of later days, too."""
    state: State


def tier_of(folded: TierFolded, subject: int, last_day: int) -> FoldedTier:
    """What a fold up to the close of `last_day` says of a subject."""
    part = part_of(folded.figure_subjects, subject)
    figures = zip(folded.figure_days[part].tolist(), folded.figures[part].tolist(), strict=True)
    days = [Day(day, *values) for day, values in figures if day <= last_day]
    changes = [
        Change(day, CAUSES[cause], Account(*before), Account(*after), position)
        for _, day, cause, position, _, before, after in folded.moves[
            part_of(folded.moves["subject"], subject)
        ].tolist()
    ]
    account = Account(*folded.accounts[subject].tolist())
    return FoldedTier(days, Run(account, changes, int(folded.next_days[subject])), STATES[folded.states[subject]])


def notes_of(columns: Columns, folded: TierFolded, subject: int, last_day: int) -> dict[int, str]:
    """By position, why a closing or a notice of a subject up to the close of `last_day` did nothing."""
    if folded.accounts[subject]["cleared_out"]:
        return {}
    rows = rows_of_subject(columns, subject, day_start(last_day + 1) - 1, *_ACTS)
    acts = [
        LifeAct(_ACTS[what], at, position)
        for what, at, position in zip(
            columns.what[rows].tolist(), columns.at[rows].tolist(), columns.position[rows].tolist(), strict=True
        )
    ]
    return dict.fromkeys(acts_before_opening(acts), BEFORE_OPENING)


_ACTS: Final = {WHATS[name]: name for name in ACT_TYPES}
