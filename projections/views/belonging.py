"""Whether views belong to the ledger beside which they lie: to its records, and to its clock.

A build keeps the chain hash of its position. A ledger that bears another one there, or ends before, was restored from
a backup or replaced since then, and nothing that is added to it may be judged on top of what the views hold.
"""

from time import monotonic
from typing import Final

from domain.calendar import instant_text
from domain.limits import CLOCK_BEHIND_MICROS_MAX
from projections.views.database import Build, DamagedViews
from replay.history.timeline import Moment
from replay.store import queries
from replay.store.base.store import Store

SEEN_SECONDS: Final = 0.05
"""How long a reader takes the ledger to be the one that it was."""


class OtherHistory(DamagedViews):
    """The views rest on records that the ledger beside them does not hold."""

    exit_status = 4


class AheadOfClock(DamagedViews):
    """The views stand later than the ledger's clock does."""


def chain_at(store: Store, position: int) -> str | None:
    """The ledger's chain hash at a position, in hexadecimal digits; None behind its end."""
    if position == 0:
        return store.identity.chain_start.hex()
    chain = queries.chain_at(store, position)
    return None if chain is None else chain.hex()


def placed(store: Store, moment: Moment) -> Moment:
    """A moment with the chain hash of its position, by which a cache of it is distinguished from another history's.

    Raises OtherHistory where the ledger ends before.
    """
    chain = chain_at(store, moment.position)
    if chain is None:
        raise _moved(store)
    return moment._replace(chain=chain)


def check_placed(store: Store, moment: Moment) -> None:
    """Raises OtherHistory unless the ledger still holds what it held when the moment was placed."""
    if chain_at(store, moment.position) != moment.chain:
        raise _moved(store)


def _moved(store: Store) -> OtherHistory:
    return OtherHistory(f"{store.name} was restored from a backup or replaced while it was read; ask again")


def other_history(store: Store, position: int, chain: str) -> str | None:
    """Why views that stand at a position with a chain hash are not of this ledger; None where they are."""
    found = chain_at(store, position)
    return None if found == chain else _other_history(store, position, found)


def _other_history(store: Store, position: int, found: str | None) -> str:
    there = "bears another chain hash there" if found else f"ends before, at position {store.head().position}"
    return (
        f"the views of {store.name} are of another history: they stand at position {position}, and the ledger {there};"
        " it was restored from a backup or replaced since then. 'levelbook rebuild' makes views of the ledger as it is"
    )


def ahead_of_clock(store: Store, as_of: int, now: int) -> str | None:
    """Why views stand later than the ledger's clock, both instants; None where they do not."""
    if as_of <= now + CLOCK_BEHIND_MICROS_MAX:
        return None
    return (
        f"the views of {store.name} stand at {instant_text(as_of)}, but the clock says {instant_text(now)}: it is"
        " behind, or had jumped forward when they were moved. Set the clock right; where it is right,"
        " 'levelbook rebuild' makes views of the present"
    )


class SeenHistory:
    """Checks for a reader, again and again, that views are of the ledger: it is asked when they moved, or time passed.

    Of use to several threads: at worst one checks too often.
    """

    def __init__(self) -> None:
        self._seen: tuple[int, str] | None = None
        self._until = 0.0

    def check(self, store: Store, position: int, chain: str) -> None:
        """Raises OtherHistory."""
        if self._seen == (position, chain) and monotonic() < self._until:
            return
        problem = other_history(store, position, chain)
        if problem is not None:
            raise OtherHistory(problem)
        self._seen, self._until = (position, chain), monotonic() + SEEN_SECONDS


def check_history(store: Store, build: Build) -> None:
    """Raises OtherHistory unless the ledger holds, at the build's position, the record that it stood at."""
    problem = other_history(store, build.position, build.chain)
    if problem is not None:
        raise OtherHistory(problem)


def check_clock(store: Store, as_of: int, now: int) -> None:
    """Raises AheadOfClock where views stand more than 5 s later than the ledger's clock says."""
    problem = ahead_of_clock(store, as_of, now)
    if problem is not None:
        raise AheadOfClock(problem)


def check_belongs(store: Store, build: Build) -> None:
    """Raises OtherHistory or AheadOfClock unless a build is of this ledger and its present."""
    check_history(store, build)
    check_clock(store, build.as_of, store.now())


def problems_of(store: Store, build: Build) -> list[str]:
    """What is reported of a build that is of another history, or ahead of the clock."""
    found = (other_history(store, build.position, build.chain), ahead_of_clock(store, build.as_of, store.now()))
    return [problem for problem in found if problem is not None]


def end_of_step(store: Store, build: Build, events_max: int) -> tuple[int, str]:
    """The last position of a build's next step and the chain hash there, seen together with the build's own.

    Raises OtherHistory unless the ledger goes on from where the build stands.
    """
    found = queries.chains_from(store, build.position, build.position + events_max)
    chains = {0: store.identity.chain_start.hex()} | {position: chain.hex() for position, chain in found.items()}
    if chains.get(build.position) != build.chain:
        raise OtherHistory(_other_history(store, build.position, chains.get(build.position)))
    return list(chains.items())[-1]
