"""Ways to a level, proved: each is laid over the replay, and so is what asks a unit less or comes an instant early.

What a scheme proposes and the proof denies is a fault of the program: it is left out, and named.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from domain.calendar import month_of, month_start
from replay.hypothetical.overlay import laid_over
from replay.replaying.base import Replay
from replay.replaying.hypothetical import PROVED_EVENTS_MAX, TOO_MANY_TO_PROVE, Hypothetical, NoWay, Way
from replay.schemes.registry import SCHEMES, ways_of


class Proved(NamedTuple):
    """The ways of one subject that hold."""

    next_level: str | None
    ways: tuple[Way, ...]
    unreachable: tuple[NoWay, ...]
    unproved: tuple[str, ...]
    """The kinds of those that were proposed and do not hold."""


def proved_ways(replay: Replay, events_max: int = PROVED_EVENTS_MAX) -> Proved:
    """The ways from where a replay stands to the next level; those of more than so many events are only told of.

    What came after its `as_of` in truth plays no part in them, but in an agency's, which may name creators whose
    records are read anew.
    """
    if not SCHEMES[replay.scheme].reads_others:
        replay = replay.with_open_future()
    found = ways_of(replay.scheme)(replay, overlay_of(replay))
    tried = [way for way in found.ways if len(way.events) <= events_max]
    long = [NoWay(way.kind, TOO_MANY_TO_PROVE, way.asks) for way in found.ways if len(way.events) > events_max]
    held = tuple(way for way in tried if proved(replay, way, found.next_level))
    unproved = tuple(way.kind for way in tried if way not in held)
    return Proved(found.next_level, held, (*long, *found.unreachable), unproved)


def overlay_of(replay: Replay) -> Callable[[Sequence[Hypothetical], int], Replay]:
    """What lays events over a replay."""
    return lambda events, as_of: laid_over(replay, events, as_of)


def proved(replay: Replay, way: Way, next_level: str | None = None) -> bool:
    """Whether a way reaches its level, and the next one no earlier than it says nor with one unit less of anything; and
    whether it counts towards the outside when the way says so.

    The way's own level may stand above the next one; without that it is the next one.
    """

    def reaches(events: Sequence[Hypothetical], as_of: int, level: str = next_level or way.level) -> bool:
        return reached(laid_over(replay, events, as_of), level)

    if not reaches(way.events, way.reached_at, way.level) or reaches(way.events, way.reached_at - 1):
        return False
    less = () if way.less is None else (way.less, *way.others_less)
    return not any(reaches(events, way.reached_at) for events in less) and _is_effective(replay, way)


def _is_effective(replay: Replay, way: Way) -> bool:
    """Whether a way's level counts from its instant on, where it names one, and not an instant earlier.

    What months bring that closed before it was reached may count already.
    """
    if way.effective_at is None:
        return True

    def counts(as_of: int) -> bool:
        found = laid_over(replay, way.events, as_of)
        return _is_at_least(found, found.effective().level, way.level)

    month_ends = month_start(month_of(way.reached_at) + 1) - 1
    return counts(way.effective_at) and (not counts(way.effective_at - 1) or counts(month_ends))


def reached(replay: Replay, level: str) -> bool:
    """Whether a replay stands at a level or above it."""
    return _is_at_least(replay, replay.standing().level, level)


def _is_at_least(replay: Replay, found: str | None, level: str) -> bool:
    codes = replay.level_codes(replay.policy)
    return found is not None and level in codes and found in codes and codes.index(found) >= codes.index(level)
