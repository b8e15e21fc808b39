"""Compiles the loops of every scheme and keeps them, or loads those that are kept: nobody waits for them later.

Nothing is folded; what is kept is what folds of any ledger load.
"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from domain.merchant_reputation.facts import spans_of
from domain.policy import start_of_month, terms_of
from replay.columnar.columns import no_rows
from replay.columnar.jit import NotKept, kept_alone, kept_in
from replay.policies.catalog import shipped
from replay.schemes.creator_firefly.large import LargeFirefly
from replay.schemes.creator_level.large import LargeCreator
from replay.schemes.mcn_level.large import LargeAgency
from replay.schemes.merchant_reputation.effective import shown_of_all
from replay.schemes.merchant_reputation.fold import fold_reputation
from replay.schemes.merchant_reputation.large import LargeReputation
from replay.schemes.merchant_tier.large import LargeTier

_LARGE: Final = (LargeReputation, LargeTier, LargeCreator, LargeFirefly, LargeAgency)


def load_kept() -> Iterator[str]:
    """Load what replays of large subjects need of the kept loops, scheme by scheme: each that was looked for.

    Compiles nothing: a scheme whose loops are not kept goes without, and so does the rest of its loops.
    """
    for replay in _LARGE:
        with suppress(NotKept), kept_alone():
            replay.load_loops()
        yield replay.scheme


def warm() -> Path | None:
    """Load every loop, which compiles and keeps those that are not kept yet: where they are kept.

    None where nothing can be kept, as in the minute after the program was installed.
    """
    for replay in _LARGE:
        replay.load_loops()
    nothing, as_of = no_rows(), 0
    spans = spans_of(terms_of(shipped(LargeReputation.scheme), start_of_month))
    shown_of_all(fold_reputation(nothing, spans, as_of), spans, as_of)
    return kept_in()
