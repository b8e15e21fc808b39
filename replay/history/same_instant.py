"""Order within one instant, as an explanation tells of it: the cause that an event lacks, recorded after it.

Events of one instant are judged by position. Where producers round to seconds, a review may so be taken in before the
payment of its order: it has an unknown order, and stays so. Nothing is judged here: what has been judged is looked at
once more, among the events that took part.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from domain.events import Event

BEFORE_OPENING: Final = "before_opening"
"""The note on a closing or a notice that did nothing because the opening of the same instant stands after it."""
_OPENING: Final = "merchant.onboarded"
_CAUSES: Final[dict[str, tuple[str, ...]]] = {
    "unknown_order": ("order.paid", "sale.settled"),
    "not_bound": ("creator.bound",),
    "before_start": (_OPENING,),
    "closed": (_OPENING,),
    BEFORE_OPENING: (_OPENING,),
}
"""By verdict or note, what would have had to stand before."""
LACKING: Final = frozenset(_CAUSES)
"""The verdicts and notes that what lacks its cause may have."""
_ALL: Final = frozenset(name for names in _CAUSES.values() for name in names)
_About = tuple[str, str, str | None, int]
"""Whose event of which type it is, about which order or creator, and its instant."""


class Causes:
    """The events among some, in the order of processing, that others may lack."""

    def __init__(self, events: Iterable[Event]) -> None:
        self._places: dict[_About, list[int]] = defaultdict(list)
        for event in events:
            if event.type in _ALL:
                self._places[_about(event, event.type, event.occurred_at)].append(event.position)

    def after(self, event: Event, made: str, at: int) -> int | None:
        """The position of the first cause behind an event, at the instant at which that got one of the LACKING.

        None where it lacks none.
        """
        found = [self._first(event, name, at) for name in _CAUSES[made]]
        return next((position for position in found if position is not None), None)

    def opens_after(self, event: Event) -> bool:
        """Whether an opening of the same merchant and instant stands after an event."""
        return self._first(event, _OPENING, event.occurred_at) is not None

    def _first(self, event: Event, cause: str, at: int) -> int | None:
        places = self._places.get(_about(event, cause, at), [])
        place = bisect_right(places, event.position)
        return places[place] if place < len(places) else None


class LifeAct(NamedTuple):
    """An opening, a closing or a notice."""

    type: str
    at: int
    position: int


ACT_TYPES: Final = (_OPENING, "merchant.closed", "merchant.tier_set")


def acts_before_opening(acts: Sequence[LifeAct]) -> list[int]:
    """Positions of a merchant's closings and notices that came while it was not open, and before an opening of the
    same instant; all are given in the order of processing.
    """
    last_opening = {act.at: act.position for act in acts if act.type == _OPENING}
    found, is_open = [], False
    for act in acts:
        if act.type == _OPENING:
            is_open = True
            continue
        if not is_open and last_opening.get(act.at, 0) > act.position:
            found.append(act.position)
        is_open = is_open and act.type != "merchant.closed"
    return found


def _about(event: Event, cause: str, at: int) -> _About:
    """What a cause of a type would have to be for an event judged at an instant."""
    of = None if cause == _OPENING else getattr(event.data, "order", None) or getattr(event.data, "creator", None)
    return (event.originator_id, cause, of, at)
