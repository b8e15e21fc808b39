"""Whether each id stands once in a set: two processes that record at the same moment do not see one another's."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final, NamedTuple

from replay.history.timeline import RETRACTED, event_at, events_of, retracted_positions
from replay.sharding.opened import LedgerSet
from replay.store.base.store import Store
from replay.store.searching.across import names_between, places_named, row_named

_AT_ONCE: Final = 5_000


class StandingTwice(NamedTuple):
    """An id that records of two ledgers bear."""

    source: str
    event_id: str
    shards: tuple[int, int]
    positions: tuple[int, int]
    subjects: tuple[str, str]
    """Of two that count, where there are two."""
    is_settled: bool
    """Whether all others are retracted, so that no more than one counts of those that bear it."""


def standing_twice(opened: LedgerSet, since: Sequence[int], up_to: Sequence[int]) -> Iterator[StandingTwice]:
    """Those that may have come to count twice by a record behind a position of its ledger and up to another; each once.

    By its own id, or as a retraction: one that is itself retracted lets what it named count again.
    """
    seen = set[tuple[str, str]]()
    for number, store in enumerate(opened.stores):
        names = _names(store, since[number], up_to[number])
        while some := dict(islice(names, _AT_ONCE)):
            found = {name: [(number, position)] for name, position in some.items() if name not in seen}
            for other, beside in enumerate(opened.stores):
                for name, position in places_named(beside, list(found)).items() if other != number else ():
                    if position <= up_to[other]:
                        found[name].append((other, position))
            for name, places in found.items():
                if len(places) > 1:
                    seen.add(name)
                    yield _standing(opened, name, sorted(places), up_to)


def _names(store: Store, after: int, last: int) -> Iterator[tuple[tuple[str, str], int]]:
    """What stands between two positions, and what its retractions name, those that are retracted in turn, too."""
    for name, position, type_, ref in names_between(store, after, last):
        yield name, position
        if type_ == RETRACTED:
            yield from _named(store, ref, position)


def _named(store: Store, ref: str, position: int) -> Iterator[tuple[tuple[str, str], int]]:
    """What a retraction at a position names; where that is one, what it names, and so on."""
    while ref:
        source, _, event_id = ref.partition(" ")
        found = row_named(store, source, event_id)
        if found is None or found.position >= position:  # a retraction reaches back
            return
        yield (source, event_id), found.position
        position, ref = found.position, found.ref or "" if found.type == RETRACTED else ""


def _standing(
    opened: LedgerSet, name: tuple[str, str], places: Sequence[tuple[int, int]], up_to: Sequence[int]
) -> StandingTwice:
    """Records that bear one id, each given by its shard and position."""
    subjects = {(at, position): event_at(opened.stores[at], position).originator_id for at, position in places}
    counting = [
        place
        for place in places
        if not _is_retracted(opened.stores[place[0]], place[1], subjects[place], up_to[place[0]])
    ]
    is_settled = len(counting) < 2
    one, other = (places if is_settled else counting)[:2]
    positions = (one[1], other[1])
    return StandingTwice(*name, (one[0], other[0]), positions, (subjects[one], subjects[other]), is_settled)


def _is_retracted(store: Store, position: int, subject: str, last: int) -> bool:
    return position in retracted_positions(list(events_of(store, subject, last)))
