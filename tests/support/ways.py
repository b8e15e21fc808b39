"""What every way of a merchant must hold to: plain replays with its events, and with less."""

from collections.abc import Callable, Iterable, Sequence

from domain.events import CORRECTION_TYPES, Event
from replay.replaying.base import Replay
from replay.replaying.hypothetical import Hypothetical, Way
from tests.support.hypothetical import reaches

Lay = Callable[[Sequence[Hypothetical], int], Replay]
"""Events and an instant → the same replay with them, at that instant."""


def until(known: Iterable[Event], as_of: int) -> list[Event]:
    """What is known of the time up to an instant, and all corrections."""
    return [event for event in known if event.occurred_at <= as_of or event.type in CORRECTION_TYPES]


def assert_way_proved(way: Way, lay: Lay, begins: int, before: int) -> None:
    """That a way does what it says: from `begins` on its events lie, and `before` it the level is not reached."""
    assert all(event.occurred_at >= begins for event in way.events)
    assert reaches(lay(way.events, way.reached_at), way.level), "it reaches the level"
    assert not reaches(lay(way.events, before), way.level), "and not earlier"
    for less in () if way.less is None else (way.less, *way.others_less):
        assert len(less) <= len(way.events)
        assert not reaches(lay(less, way.reached_at), way.level), "and not with one unit less"
    assert (way.less is None) == (not way.events)


def first_reached(replay: Replay, level: str, after: int) -> int | None:
    """The first change after an instant to a level or a higher one."""
    codes = list(replay.level_codes(replay.policy))
    for change in replay.changes():
        found = change.after.level
        if change.at > after and found in codes and codes.index(found) >= codes.index(level):
            return change.at
    return None
