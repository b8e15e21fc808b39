"""What subjects are like, apart from their levels: by which a trial's movements are grouped."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from domain.events import Event
from replay.columnar.columns import (
    CREATOR_REGISTERED,
    MCN_ONBOARDED,
    MERCHANT_ONBOARDED,
    WHATS,
    Columns,
    positions_taken_out,
)
from replay.history.timeline import retracted_positions

NEVER: Final = 2**62
_OPENINGS: Final = ("merchant.onboarded", "creator.registered", "mcn.onboarded")
_OPENING_NUMBERS: Final = (MERCHANT_ONBOARDED, CREATOR_REGISTERED, MCN_ONBOARDED)


class Traits(NamedTuple):
    """Of some subjects, in their order, at one moment."""

    begun: NDArray[np.int64]
    """The instant of the first opening, registration or onboarding; NEVER before it."""
    records: NDArray[np.int64]
    """How many records had happened and were known, of those that some rule reads."""
    categories: list[str]
    """That of the first opening; empty where there is none."""


def traits_of(subjects: Sequence[str], known: Sequence[Sequence[Event]], as_of: int) -> Traits:
    """Out of what was known of each subject; events of other streams do not count."""
    begun, records, categories = [], [], []
    for subject, events in zip(subjects, known, strict=True):
        own = [e for e in events if e.originator_id == subject and e.occurred_at <= as_of and e.type in WHATS]
        out = retracted_positions(list(events))
        openings = [event for event in own if event.type in _OPENINGS and event.position not in out]
        first = min(openings, key=lambda event: (event.occurred_at, event.position), default=None)
        begun.append(NEVER if first is None else first.occurred_at)
        records.append(len(own))
        categories.append("" if first is None else getattr(first.data, "category", ""))
    return Traits(np.array(begun, np.int64), np.array(records, np.int64), categories)


def traits_in(columns: Columns, subjects: Sequence[str], as_of: int) -> Traits:
    """The same out of columns that hold what was known, of some of their subjects; of one that they lack, nothing."""
    happened = columns.at <= as_of
    records = np.bincount(columns.subject[happened], minlength=len(columns.subjects) + 1)
    rows = np.flatnonzero(happened & np.isin(columns.what, _OPENING_NUMBERS))
    rows = rows[~np.isin(columns.position[rows], positions_taken_out(columns))]
    owners, first = np.unique(columns.subject[rows], return_index=True)
    begun = np.full(len(columns.subjects) + 1, NEVER, np.int64)
    begun[owners] = columns.at[rows[first]]
    texts = [""] * (len(columns.subjects) + 1)
    for owner, row in zip(owners.tolist(), rows[first].tolist(), strict=True):
        if columns.what[row] == MERCHANT_ONBOARDED:
            texts[owner] = columns.texts[columns.detail[row]]
    numbers = {name: number for number, name in enumerate(columns.subjects)}
    places = np.array([numbers.get(name, len(columns.subjects)) for name in subjects], np.int64)
    return Traits(begun[places], records[places].astype(np.int64), [texts[place] for place in places.tolist()])
