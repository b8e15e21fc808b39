"""On whose events a replay rests, hypothetical ones among them: others would change nothing, and are refused."""

from collections.abc import Sequence
from typing import NamedTuple

from domain.events import BINDING_TYPES
from replay.errors import UsageError
from replay.history.timeline import RETRACTED
from replay.hypothetical.laid import Supposed
from replay.replaying.base import Replay
from replay.schemes.registry import SCHEMES, Scheme
from replay.store.base.store import Store
from replay.store.record import Candidate
from replay.store.searching.across import row_named

_CREATOR = "creator/"


class RestsOn(NamedTuple):
    """What a replay rests on, with hypothetical events."""

    streams: frozenset[str]
    """The streams that it reads whole."""
    new: frozenset[str]
    """The ids of creators among them whom only hypothetical events name."""


def reach(store: Store, replay: Replay, events: Sequence[Supposed]) -> RestsOn:
    """On what a replay rests with hypothetical events. Raises UsageError for one of them on which it does not."""
    scheme = SCHEMES[replay.scheme]
    streams = frozenset(scheme.replay.streams(store, replay.subject, replay.moment.position))
    named = {item.event.ref for item in events if _binds(item.event) and item.event.stream == replay.subject}
    new = frozenset(name for name in named if name is not None and _CREATOR + name not in streams)
    found = RestsOn(streams | {_CREATOR + name for name in new}, new)
    for item in events:
        if not _bears(store, scheme, found, events, item.event):
            rests = "it alone" if not scheme.reads_others else "it, on the creators that it bound, and their bindings"
            raise UsageError(
                f"{item.where} is of {item.event.stream}, and a replay of {replay.subject} in {scheme.code} rests on"
                f" {rests}; leave the event out, or ask what if of another subject"
            )
    return found


def _binds(event: Candidate) -> bool:
    return event.type in BINDING_TYPES


def _bears(store: Store, scheme: Scheme, found: RestsOn, events: Sequence[Supposed], event: Candidate) -> bool:
    if event.stream in found.streams:
        return True
    if not scheme.reads_others or not event.stream.startswith(f"{scheme.kind}/"):
        return False
    if event.type == RETRACTED:
        return _names_binding(store, found, events, event)
    return _binds(event) and _is_read(found, event.ref)


def _names_binding(store: Store, found: RestsOn, events: Sequence[Supposed], event: Candidate) -> bool:
    """Whether a retraction of another agency's names a binding of a creator that is read."""
    assert event.ref is not None, "retractions name an event"
    source, _, event_id = event.ref.partition(" ")
    for item in events:
        if (item.event.source, item.event.event_id) == (source, event_id):
            return _binds(item.event) and _is_read(found, item.event.ref)
    row = row_named(store, source, event_id)
    return row is not None and row.type in BINDING_TYPES and _is_read(found, row.ref)


def _is_read(found: RestsOn, creator: str | None) -> bool:
    return f"{_CREATOR}{creator}" in found.streams
