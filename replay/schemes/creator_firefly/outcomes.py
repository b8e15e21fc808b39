"""What decisions say of many creators' Firefly levels, out of the compiled fold."""

import numpy as np

from domain.creator_firefly.account import level_of, rules_at, spans_of
from domain.creator_firefly.rule import Account
from domain.policy import start_of_month, term_at, terms_of
from replay.columnar.columns import Columns
from replay.history.timeline import Moment
from replay.replaying.base import Policies
from replay.replaying.outcomes import FoldedOutcomes, subjects_of_kind
from replay.schemes.creator_firefly.fold import fold_firefly
from replay.schemes.creator_firefly.replay import FireflyReplay, standing_of


def fold(columns: Columns, policies: Policies, moment: Moment) -> FoldedOutcomes:
    """What every creator of some columns, which hold what was known, comes to at a moment."""
    terms = terms_of(policies.own, start_of_month)
    rules, policy = rules_at(spans_of(terms), moment.as_of), term_at(terms, moment.as_of).policy
    folded = fold_firefly(columns, terms, moment.as_of, judges=True)
    subjects = subjects_of_kind(columns, "creator")
    accounts = [Account(*row) for row in folded.accounts[subjects].tolist()]
    assert folded.verdicts is not None, "they were asked for"
    return FoldedOutcomes(
        [columns.subjects[number] for number in subjects],
        subjects,
        [standing_of(level_of(account, rules)) for account in accounts],
        [account.earned for account in accounts],
        [policy] * len(subjects),
        FireflyReplay.words,
        folded.verdicts,
        np.arange(len(subjects) + 1) * 2,
        np.array([(account.earned, account.balance) for account in accounts], np.int64).reshape(-1),
    )
