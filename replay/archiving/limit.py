"""Up to which position records may leave: what the newest seal is over, and what was asked for within that."""

from typing import Final, NamedTuple

from replay.errors import UsageError
from replay.store.base.store import Store
from replay.store.evidence.seals import latest_seal
from replay.store.leaving.segments import archived_up_to
from replay.store.queries import recorded_up_to

MICROS_A_DAY: Final = 86_400_000_000


class ArchiveLimit(NamedTuple):
    """Where archiving ends."""

    before: int
    """Up to this position records have left already."""
    sealed: int
    """Up to this position the newest seal goes."""
    last: int
    """Up to this position they are to leave; never below `before`, never beyond `sealed`."""


def archive_limit(store: Store, below: int | None = None, older_than_days: int | None = None) -> ArchiveLimit:
    """What may leave a store: below a position, or recorded so many days ago; all that is sealed where neither is said.

    Raises UsageError where nothing is sealed yet.
    """
    seal = latest_seal(store)
    if seal is None:
        raise UsageError(
            f"nothing of {store.name} is sealed, and only what a seal is over is archived: 'levelbook checkpoint' makes"
            " one"
        )
    last = seal.size
    if below is not None:
        last = min(last, below - 1)
    if older_than_days is not None:
        last = min(last, _recorded_by(store, store.now() - older_than_days * MICROS_A_DAY, last))
    before = archived_up_to(store)
    return ArchiveLimit(before, seal.size, max(before, last))


def _recorded_by(store: Store, instant: int, last: int) -> int:
    """The last position up to one that was recorded at or before an instant: times rise with positions."""
    low, high = 0, last
    while low < high:
        middle = (low + high + 1) // 2
        found = recorded_up_to(store, middle)
        early = found is not None and found.recorded_at <= instant
        low, high = (middle, high) if early else (low, middle - 1)
    return low
