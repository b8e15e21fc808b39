"""Whether each id stands once in a set: two processes that record at the same moment do not see one another's."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final, NamedTuple

from replay.history.timeline import event_at, events_of, retracted_positions
from replay.sharding.opened import LedgerSet
from replay.store.base import Store
from replay.store.queries import EVERYTHING
from replay.store.searching.across import names_between, places_named

_AT_ONCE: Final = 5_000


class StandingTwice(NamedTuple):
    """An id that records of two ledgers bear."""

    source: str
    event_id: str
    shards: tuple[int, int]
    positions: tuple[int, int]
    subjects: tuple[str, str]
    is_settled: bool
    """Whether at least one of the two is retracted, so that no more than one of them counts."""


def standing_twice(opened: LedgerSet, since: Sequence[int], up_to: Sequence[int]) -> Iterator[StandingTwice]:
    """Those that bear the id of a record behind a position of its ledger and up to another, by ledger; each once."""
    seen = set[tuple[str, str]]()
    for number, store in enumerate(opened.stores):
        names = names_between(store, since[number], up_to[number])
        while some := dict(islice(names, _AT_ONCE)):
            for other, beside in enumerate(opened.stores):
                if other == number:
                    continue
                for name, position in places_named(beside, some).items():
                    if position <= up_to[other] and name not in seen:
                        seen.add(name)
                        first, last = sorted([(number, some[name]), (other, position)])
                        yield _pair(opened, name, first, last)


def _pair(opened: LedgerSet, name: tuple[str, str], first: tuple[int, int], last: tuple[int, int]) -> StandingTwice:
    """The two records, each given by its shard and position."""
    both = [(opened.stores[number], position) for number, position in (first, last)]
    subjects = [event_at(store, position).originator_id for store, position in both]
    is_settled = any(_is_retracted(*at, subject) for at, subject in zip(both, subjects, strict=True))
    (one, other), (at, then) = subjects, (first, last)
    return StandingTwice(*name, (at[0], then[0]), (at[1], then[1]), (one, other), is_settled)


def _is_retracted(store: Store, position: int, subject: str) -> bool:
    return position in retracted_positions(list(events_of(store, subject, EVERYTHING)))
