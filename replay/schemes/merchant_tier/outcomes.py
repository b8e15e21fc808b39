"""What decisions say of many merchants' tiers, out of the compiled fold."""

import numpy as np
from numpy.typing import NDArray

from domain.calendar import day_start
from domain.merchant_tier.facts import last_closed_day, spans_of
from domain.merchant_tier.running import span_on
from domain.merchant_tier.values import STATES, State
from domain.policy import start_of_day, term_at, terms_of
from replay.columnar.columns import Columns
from replay.history.timeline import Moment
from replay.replaying.base import Policies
from replay.replaying.outcomes import FoldedOutcomes, subjects_of_kind
from replay.replaying.values import Standing
from replay.schemes.merchant_tier.fold import TierFolded, fold_tier
from replay.schemes.merchant_tier.replay import TierReplay


def fold(columns: Columns, policies: Policies, moment: Moment) -> FoldedOutcomes:
    """What every merchant of some columns, which hold what was known, comes to at a moment."""
    terms, day = terms_of(policies.own, start_of_day), last_closed_day(moment.as_of)
    folded = fold_tier(columns, terms, day, judges=True)
    span = span_on(spans_of(terms), day)
    subjects = subjects_of_kind(columns, "merchant")
    states = [STATES[number] for number in folded.states[subjects].tolist()]
    rated = np.array([state is State.RATED for state in states], np.bool_)
    accounts = folded.accounts[subjects]
    tiers = [tier if held else None for tier, held in zip(accounts["tier"].tolist(), rated.tolist(), strict=True)]
    figures = np.empty((len(subjects), 2 + folded.figures.shape[1]), np.int64)
    figures[:, 0], figures[:, 1] = day, np.where(rated, accounts["since"], 0)
    figures[:, 2:] = _sums(folded, day - span.rules.window_days + 1, day)[subjects]
    assert folded.verdicts is not None, "they were asked for"
    return FoldedOutcomes(
        [columns.subjects[number] for number in subjects],
        subjects,
        [
            Standing(str(state), None if tier is None else span.codes[tier])
            for state, tier in zip(states, tiers, strict=True)
        ],
        tiers,
        [term_at(terms, day_start(day)).policy] * len(subjects),
        TierReplay.words,
        folded.verdicts,
        np.arange(len(subjects) + 1) * figures.shape[1],
        figures.reshape(-1),
    )


def _sums(folded: TierFolded, first: int, last: int) -> NDArray[np.int64]:
    """By subject, the sums of its figures from one day to another, both included."""
    within = (folded.figure_days >= first) & (folded.figure_days <= last)
    owners, figures = folded.figure_subjects[within], folded.figures[within]
    sums = np.zeros((len(figures) + 1, figures.shape[1]), np.int64)
    np.cumsum(figures, axis=0, out=sums[1:])
    bounds = np.searchsorted(owners, np.arange(len(folded.states) + 1))
    return sums[bounds[1:]] - sums[bounds[:-1]]
