"""What decisions say of many merchants' reputations, out of the compiled fold."""

import numpy as np

from domain.merchant_reputation.account import shown
from domain.merchant_reputation.facts import spans_of
from domain.merchant_reputation.rule import Account
from domain.policy import start_of_month, term_at, terms_of
from replay.columnar.columns import Columns
from replay.history.timeline import Moment
from replay.replaying.base import Policies
from replay.replaying.outcomes import FoldedOutcomes, subjects_of_kind
from replay.replaying.values import Standing
from replay.schemes.merchant_reputation.fold import fold_reputation
from replay.schemes.merchant_reputation.folded import account_of
from replay.schemes.merchant_reputation.replay import ReputationReplay

_POINTS, _GROWTH, _CAP = (Account._fields.index(name) for name in ("points", "growth", "cap"))


def fold(columns: Columns, policies: Policies, moment: Moment) -> FoldedOutcomes:
    """What every merchant of some columns, which hold what was known, comes to at a moment."""
    terms = terms_of(policies.own, start_of_month)
    spans = spans_of(terms)
    folded = fold_reputation(columns, spans, moment.as_of)
    subjects = subjects_of_kind(columns, "merchant")
    found = [shown(account_of(folded, number), spans, moment.as_of) for number in subjects]
    policy = term_at(terms, moment.as_of).policy
    months = folded.months
    judged = months.verdicts.any(axis=1)
    figures = np.stack(
        [
            months.month.astype(np.int64),
            months.begun[:, _POINTS],
            months.closing[:, _GROWTH],
            months.closing[:, _CAP],
            months.closing[:, _POINTS],
        ],
        axis=1,
    )[judged]
    before = np.concatenate(([0], np.cumsum(judged)))[months.starts]
    starts = np.array([*before[subjects], before[-1]], np.int64)
    return FoldedOutcomes(
        [columns.subjects[number] for number in subjects],
        subjects,
        [Standing(str(item.state), item.level, item.points_tenths) for item in found],
        [item.points_tenths for item in found],
        [policy] * len(subjects),
        ReputationReplay.words,
        folded.findings,
        starts * figures.shape[1],
        figures.reshape(-1),
    )
