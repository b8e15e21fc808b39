"""Retractions that retract nothing: those that name no event of their subject which was recorded before them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from domain.calendar import shanghai_text
from domain.events import Event
from replay.history.timeline import RETRACTED
from replay.schema.versions import INDEX_OF_RETRACTIONS
from replay.store.base.store import Store
from replay.store.queries import Name
from replay.store.reading.asked import EVERYTHING
from replay.store.searching.across import Retraction, latest_retractions, places_of

LISTED_MAX: Final = 20
LOOKED_AT_MAX: Final = 1_000
"""Of how many retractions, the latest, a status says whether they retract anything."""


def retractions_in_vain(known: list[Event], elsewhere: Mapping[tuple[str, str], int]) -> dict[int, int | None]:
    """Positions of the retractions that name no earlier event of their subject, each with where that came later.

    None where it is not known at all. `elsewhere`: where events stand that are named and not among the known ones.
    """
    retractions = [event for event in known if event.type == RETRACTED]
    if not retractions:
        return {}
    found: dict[int, int | None] = {}
    known_by_name = {(event.source, event.id): event for event in known}
    for retraction in retractions:
        name = (retraction.data.source, retraction.data.event)
        named = known_by_name.get(name)
        if named is None:
            if elsewhere.get(name, EVERYTHING) > retraction.position:
                found[retraction.position] = None
            continue
        is_own = named.originator_id == retraction.originator_id and named.type != "level.decided"
        if not is_own or named.position >= retraction.position:
            is_later = is_own and named.position > retraction.position
            found[retraction.position] = named.position if is_later else None
    return found


def retracting_nothing(store: Store, retractions: int) -> dict[str, Any] | None:
    """How many of a ledger's latest retractions retract nothing, and the last of these; None where they have no index.

    `retractions` is how many there are in all. A retraction that a later one took back is left out. It costs an index
    entry and a look-up for each retraction that is looked at, whatever else the ledger holds.
    """
    if not retractions:
        return {"looked_at": 0, "count": 0, "latest": []}
    if not store.has_index(INDEX_OF_RETRACTIONS):
        return None
    latest = latest_retractions(store, LOOKED_AT_MAX)
    found = list(_in_vain(latest, places_of(store, {item.named for item in latest})))
    shown = [_json(item, later) for item, later in found[:LISTED_MAX]]
    return {"looked_at": len(latest), "count": len(found), "latest": shown}


def _in_vain(latest: Sequence[Retraction], places: Mapping[Name, int]) -> Iterator[tuple[Retraction, int | None]]:
    """Those of retractions, the latest first, that stand and name nothing earlier; with where what they name came."""
    taken_back: set[Name] = set()
    for item in latest:
        if item.name in taken_back:
            continue
        place = places.get(item.named)
        if place is not None and place < item.position:
            taken_back.add(item.named)
        else:
            yield item, place if place is not None and place > item.position else None


def _json(item: Retraction, later: int | None) -> dict[str, Any]:
    _, source, event_id = item.named
    return {
        "position": item.position,
        "subject": item.stream,
        "source": item.source,
        "event": item.event_id,
        "learned_at": shanghai_text(item.recorded_at),
        "names": {"source": source, "event": event_id, "position": later},
    }
