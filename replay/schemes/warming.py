"""Compiles the loops of every scheme and keeps them, so that nobody waits for them later.

Nothing is folded; what is kept is what folds of any ledger load.
"""

from pathlib import Path

import numpy as np

from domain.creator_level.facts import evaluation_period
from domain.merchant_reputation.facts import spans_of
from domain.merchant_tier.facts import last_closed_day
from domain.policy import start_of_day, start_of_month, terms_of
from replay.columnar.columns import TYPES, Columns
from replay.columnar.jit import kept_in
from replay.policies.catalog import shipped
from replay.schemes.creator_firefly.fold import fold_firefly
from replay.schemes.creator_level.fold import fold_creators
from replay.schemes.mcn_level.fold import fold_parts, slots_of
from replay.schemes.merchant_reputation.effective import shown_of_all
from replay.schemes.merchant_reputation.fold import fold_reputation
from replay.schemes.merchant_tier.fold import fold_tier


def warm() -> Path | None:
    """Load every loop, which compiles and keeps those that are not kept yet: where they are kept.

    None where nothing can be kept, as in the minute after the program was installed.
    """
    nothing, as_of = Columns._make([*(np.zeros(0, kind) for kind in TYPES.values()), [], [], []]), 0
    spans = spans_of(terms_of(shipped("merchant-reputation"), start_of_month))
    shown_of_all(fold_reputation(nothing, spans, as_of), spans, as_of)
    fold_tier(nothing, terms_of(shipped("merchant-tier"), start_of_day), last_closed_day(as_of))
    fold_creators(nothing, terms_of(shipped("creator-level"), evaluation_period), as_of)
    fold_firefly(nothing, terms_of(shipped("creator-firefly"), start_of_month), as_of)
    fold_parts(nothing, slots_of([nothing], as_of), as_of)
    return kept_in()
