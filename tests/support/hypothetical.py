"""Events laid over plain replays of known events, and what every way must hold to."""

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import TypeVar

import msgspec

from domain.events import CATALOGUE, Event
from replay.history.timeline import Moment
from replay.replaying.base import Policies, Replay
from replay.replaying.hypothetical import Hypothetical, Overlay, Way, Ways

SOURCE = "urn:hypothetical"
Made = TypeVar("Made", bound=Replay)


def laid(known: Sequence[Event], events: Sequence[Hypothetical], as_of: int) -> list[Event]:
    """The known events, and behind them the hypothetical ones up to an instant."""
    some = sorted((event for event in events if event.occurred_at <= as_of), key=lambda event: event.occurred_at)
    last = max((event.position for event in known), default=0)
    added = [
        Event(
            *(event.subject, last + number, last + number, event.occurred_at, 0, SOURCE, f"h-{number}", event.type),
            msgspec.convert(dict(event.data), CATALOGUE[event.type].data),
        )
        for number, event in enumerate(some, 1)
    ]
    return [*known, *added]


def overlay(
    made: Callable[[list[Event], Moment, Policies], Made], known: Sequence[Event], policies: Callable[[int], Policies]
) -> Overlay[Made]:
    """What lays events over the replay that is made of the known ones, under the policies of an instant."""

    def lay(events: Sequence[Hypothetical], as_of: int) -> Made:
        return made(laid(known, events, as_of), Moment(as_of, 0, len(known)), policies(as_of))

    return lay


def reaches(then: Replay, level: str) -> bool:
    """Whether a replay has a level or a higher one, among those of the version that judges it."""
    codes, has = list(then.level_codes(then.policy)), then.standing().level
    return has is not None and level in codes and codes.index(has) >= codes.index(level)


def assert_proved(found: Ways, lay: Overlay[Replay], as_of: int) -> None:
    """Every way reaches the next level when it says, with the level that it says, not before and with nothing less."""
    assert found.next_level is not None or not found.ways
    for way in found.ways:
        _assert_reached(way, str(found.next_level), lay, as_of)


def _assert_reached(way: Way, level: str, lay: Overlay[Replay], as_of: int) -> None:
    then = lay(way.events, way.reached_at)
    assert reaches(then, level), way
    assert then.standing().level == way.level, way
    assert all(as_of <= event.occurred_at <= way.reached_at for event in way.events), way
    assert not reaches(lay(way.events, way.reached_at - 1), level), way
    less = [] if way.less is None else [way.less, *way.others_less]
    assert len(less) == len(way.asks), way
    for events in less:
        assert not reaches(lay(events, way.reached_at), level), (way, events)


def assert_no_part_reaches(way: Way, level: str, lay: Overlay[Replay]) -> None:
    """Of six events or fewer, none can be left out."""
    if len(way.events) > 6:
        return
    for count in range(len(way.events)):
        for part in combinations(way.events, count):
            assert not reaches(lay(part, way.reached_at), level), (way, part)
