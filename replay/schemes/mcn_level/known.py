"""What is known of a large agency: its own columns, its creators' and those of what other agencies bound of these."""

from collections.abc import Callable, Collection, Sequence
from typing import Any

from replay.columnar.archive import open_archive
from replay.columnar.columns import CREATOR_BOUND, CREATOR_UNBOUND, Columns
from replay.columnar.subject import columns_of_rows, subject_columns, subjects_columns, together
from replay.replaying.known import LargeKnown
from replay.replaying.records import Lend, Records
from replay.store.base.store import Store
from replay.store.searching.across import sealed_rows_of_bindings, sealed_rows_of_retractions


def known_of(
    lend: Lend, subject: str, position: int, meanwhile: Callable[[], None], also: Collection[str] = ()
) -> LargeKnown:
    """What a replay of an agency rests on; `meanwhile` is done where a second process reads its creators' records.

    `also` are the ids of creators that are read as if it had bound them.
    """
    with lend() as store:
        archive = open_archive(store, store.segments_path())
        own = subject_columns(store, archive, subject, position)
        creators = sorted({*also, *_bound_in(own)})
        streams = [f"creator/{creator}" for creator in creators]
        others = columns_of_rows(store, _of_others(store, subject, creators, position))
        beside = others.position.tolist()
        columns = together([own, others, *subjects_columns(store, archive, streams, position, meanwhile)])
    return LargeKnown(columns, Records(lend, subject, position, streams, beside))


def _bound_in(own: Columns) -> list[str]:
    """The ids of the creators that an agency ever bound or unbound."""
    import numpy as np

    binds = (own.what == CREATOR_BOUND) | (own.what == CREATOR_UNBOUND)
    return [own.creators[number] for number in np.unique(own.key[binds]).tolist()]


def _of_others(store: Store, subject: str, creators: Sequence[str], position: int) -> list[tuple[Any, ...]]:
    """The rows of other agencies' bindings of some creators, and of what retracts these, or would."""
    rows = [row for row in sealed_rows_of_bindings(store, creators, position) if row[1] != subject]
    found = list(rows)
    while rows:
        rows = list(sealed_rows_of_retractions(store, {(row[1], *row[5:]) for row in rows}, position))
        found += rows
    return found
