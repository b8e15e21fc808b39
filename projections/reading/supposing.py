"""What is supposed of a replay of the service: laid over it within the budget, and kept nowhere."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from projections.reading.reader import Reading
from replay.hypothetical.asking import moved_to
from replay.hypothetical.laid import Supposed
from replay.hypothetical.overlay import overlaid
from replay.hypothetical.proving import Proved, proved_ways
from replay.policies.catalog import DEFAULT, Choice
from replay.replaying.base import Replay

WAY_EVENTS_MAX: Final = 500
"""Ways of so many events at most are proved while somebody waits; of longer ones it is told what they ask."""
_TIMES_PROVED: Final = 2
"""So many replays stand beside the one that ways lead from: one is made while the one before it goes."""


class Supposing(NamedTuple):
    """What is supposed: events, how far time moves on as it was asked, and by which policies what would be is judged.

    Buyers are never recognised here: whoever may replay could ask by a cap that bites whether somebody bought.
    """

    events: Sequence[Supposed] = ()
    to: str | None = None
    choice: Choice = DEFAULT


def supposed_beside(reading: Reading, now: Replay, supposing: Supposing, option: str) -> Replay:
    """The replay with what is supposed; errors name parameters that begin with `option`.

    Raises UsageError for what cannot be supposed, and Problem where there is no room for it.
    """
    with reading.room(now.subject, now.scheme, now.moment.position, 1):
        with reading.store() as store:
            until = moved_to(f"{option}to", supposing.to, now.moment.as_of, supposing.events, store.now())
        return overlaid(now, supposing.events, until, None, supposing.choice)


def ways_within(reading: Reading, now: Replay, events_max: int = WAY_EVENTS_MAX) -> Proved:
    """The ways from a replay, of no more events than that proved within the budget. Raises Problem without room."""
    with reading.room(now.subject, now.scheme, now.moment.position, _TIMES_PROVED):
        return proved_ways(now, events_max)
