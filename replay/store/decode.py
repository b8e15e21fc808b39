"""Reading records back as events, lifted to the present form of their types."""

from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec import UNSET

from domain.calendar import parse_instant
from domain.events import CATALOGUE, Data, Envelope, Event
from replay.errors import LevelbookError, damaged
from replay.store.record import RECORD_V, RecordedEnvelope

_record_decoder: Final = msgspec.json.Decoder(RecordedEnvelope)
_envelope_decoder: Final = msgspec.json.Decoder(Envelope)


def read_record(event_type: str, record: bytes) -> Event:
    """The event in a record, its data lifted to the present form of its type.

    Raises DamagedError for a record that cannot be read, and LevelbookError for one of a later version or another
    type than this program knows.
    """
    try:
        outer = _record_decoder.decode(record)
    except (msgspec.MsgspecError, RecursionError):
        raise damaged(f"a record of type {event_type}") from None
    if outer.v > RECORD_V:
        raise LevelbookError(
            f"position {outer.position} is a record of version {outer.v}; this levelbook reads up to {RECORD_V}:"
            " use a newer one"
        )
    if event_type not in CATALOGUE:
        raise LevelbookError(
            f"position {outer.position} is a record of the type {event_type!r}, which this levelbook does not know:"
            " use a newer one, or 'levelbook verify' tells whether the record was changed"
        )
    try:
        envelope = _envelope_decoder.decode(outer.event)
        assert envelope.data is not UNSET
        data = lifted(CATALOGUE[event_type].data, msgspec.json.decode(envelope.data), outer.v)
    except (msgspec.MsgspecError, RecursionError):
        raise damaged(f"the record at position {outer.position}") from None
    return Event(
        originator_id=outer.stream,
        originator_version=outer.version,
        position=outer.position,
        occurred_at=parse_instant(envelope.time),
        recorded_at=parse_instant(outer.recorded_at),
        source=envelope.source,
        id=envelope.id,
        type=event_type,
        data=data,
        causation=None if envelope.causationid is UNSET else envelope.causationid,
    )


def lifted(data_class: type[Data], data: dict[str, Any], version: int, now: int = RECORD_V) -> Data:
    """Stored data as the present class: each version's `upcast_v<n>_v<n+1>` in turn, where there is one."""
    for step in range(version, now):
        upcast: Callable[[dict[str, Any]], None] | None = getattr(data_class, f"upcast_v{step}_v{step + 1}", None)
        if upcast is not None:
            upcast(data)
    return msgspec.convert(data, data_class)
