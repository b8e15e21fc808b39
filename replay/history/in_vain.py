"""Retractions that retract nothing: those that name no event of their subject which was recorded before them."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from domain.calendar import shanghai_text
from domain.events import Event
from replay.history.timeline import EVERYTHING, RETRACTED
from replay.schema.versions import INDEX_OF_RETRACTIONS
from replay.store.base import Store

LISTED_MAX: Final = 20
LOOKED_AT_MAX: Final = 1_000
"""Of how many retractions, the latest, a status says whether they retract anything."""
_AT_ONCE: Final = 300

Name = tuple[str, str, str]
"""Subject, source and id of an event."""


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


def places_of(store: Store, names: Collection[Name]) -> dict[Name, int]:
    """Where those of some events stand that are recorded and that a retraction can name; found by index."""
    ordered = sorted(names)
    found = {}
    for start in range(0, len(ordered), _AT_ONCE):
        some = ordered[start : start + _AT_ONCE]
        first, other = "(CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT))", "(?, ?, ?)"
        values = ", ".join([first] + [other] * (len(some) - 1))
        # A cross join keeps SQLite from going through all records.
        rows = store.query(
            f"WITH wanted (stream, source, event_id) AS (VALUES {values})"
            " SELECT r.stream, r.source, r.event_id, r.position FROM wanted CROSS JOIN records AS r"
            " WHERE r.source = wanted.source AND r.event_id = wanted.event_id AND r.stream = wanted.stream"
            " AND r.type <> 'level.decided'",
            [part for name in some for part in name],
        )
        found.update({(stream, source, event_id): position for stream, source, event_id, position in rows})
    return found


class _Retraction(NamedTuple):
    """A record of that kind, by its columns."""

    position: int
    stream: str
    source: str
    event_id: str
    ref: str
    recorded_at: int

    @property
    def name(self) -> Name:
        return self.stream, self.source, self.event_id

    @property
    def named(self) -> Name:
        source, _, event_id = self.ref.partition(" ")
        return self.stream, source, event_id


def retracting_nothing(store: Store, retractions: int) -> dict[str, Any] | None:
    """How many of a ledger's latest retractions retract nothing, and the last of these; None where they have no index.

    `retractions` is how many there are in all. A retraction that a later one took back is left out. It costs an index
    entry and a look-up for each retraction that is looked at, whatever else the ledger holds.
    """
    if not retractions:
        return {"looked_at": 0, "count": 0, "latest": []}
    if not store.has_index(INDEX_OF_RETRACTIONS):
        return None
    rows = store.query(
        "SELECT position, stream, source, event_id, ref, recorded_at FROM records WHERE type = 'event.retracted'"
        " ORDER BY recorded_at DESC, position DESC LIMIT ?",
        (LOOKED_AT_MAX,),
    )
    latest = [_Retraction(*row) for row in rows]
    found = list(_in_vain(latest, places_of(store, {item.named for item in latest})))
    shown = [_json(item, later) for item, later in found[:LISTED_MAX]]
    return {"looked_at": len(latest), "count": len(found), "latest": shown}


def _in_vain(latest: Sequence[_Retraction], places: Mapping[Name, int]) -> Iterator[tuple[_Retraction, int | None]]:
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


def _json(item: _Retraction, later: int | None) -> dict[str, Any]:
    _, source, event_id = item.named
    return {
        "position": item.position,
        "subject": item.stream,
        "source": item.source,
        "event": item.event_id,
        "learned_at": shanghai_text(item.recorded_at),
        "names": {"source": source, "event": event_id, "position": later},
    }
