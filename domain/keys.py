"""The keys of a record: version 1 of the map by which evidence shows that nothing of a subject was left out.

Fixed for ever, for what is signed rests on it: docs/reference/key-chains.md. A change is another version, beside it.
"""

from typing import Final

from domain.events import BINDING_TYPES

MAP_VERSION: Final = 1
TYPES_OF_KEYS: Final = {"bindings": BINDING_TYPES, "retracts": ("event.retracted",)}
"""By how keys begin that are not those of streams, the types of the records that have them; the rest is their `ref`."""
_KINDS: Final = {name: kind for kind, types in TYPES_OF_KEYS.items() for name in types}


def stream_key(stream: str) -> str:
    """The key that every record of a stream has."""
    return f"stream {stream}"


def bindings_key(creator_id: str) -> str:
    """The key of what binds a creator, by its id, and unbinds it, whichever agency says so."""
    return f"bindings {creator_id}"


def retracts_key(source: str, event_id: str) -> str:
    """The key of what retracts an event, in whichever stream."""
    return f"retracts {source} {event_id}"


def key_beside_stream(event_type: str, ref: str | None) -> str | None:
    """The key that a record has besides that of its stream, by its type and what it is about; most have none."""
    kind = _KINDS.get(event_type)
    return None if kind is None or ref is None else f"{kind} {ref}"


def keys_of(event_type: str, stream: str, ref: str | None) -> tuple[str, ...]:
    """All keys of a record."""
    other = key_beside_stream(event_type, ref)
    return (stream_key(stream),) if other is None else (stream_key(stream), other)
