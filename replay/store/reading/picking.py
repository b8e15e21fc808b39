"""The columns of a row out of its record alone, for rows that have left a store."""

from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, UnsetType

from domain.calendar import parse_instant
from domain.events import CATALOGUE
from replay.errors import damaged
from replay.store.reading.row import content_hash_of


class RecordedEvent(msgspec.Struct):
    """What of a recorded event becomes columns."""

    data: Raw
    id: str
    source: str
    time: str
    type: str
    recordedtime: str | UnsetType = UNSET


class Picked(msgspec.Struct):
    """What of a record becomes columns."""

    event: RecordedEvent
    position: int
    recorded_at: str
    stream: str
    version: int


Pick = Callable[[Picked, bytes], Any]
_decoder: Final = msgspec.json.Decoder(Picked)


def picked(record: bytes, position: int) -> Picked:
    """What becomes columns of the record at a position. Raises DamagedError where it is no record."""
    try:
        return _decoder.decode(record)
    except (msgspec.MsgspecError, RecursionError):
        raise damaged(f"the record at position {position}") from None


@lru_cache(16)
def recorded_instant(text: str) -> int:
    return parse_instant(text)


def ref_of(found: Picked) -> str | None:
    """What the event is about."""
    refs = _refs(found.event.type)
    if not refs:
        return None
    data = msgspec.json.decode(found.event.data)
    return " ".join(str(data[name]) for name in refs)


@cache
def _refs(event_type: str) -> tuple[str, ...]:
    row = CATALOGUE.get(event_type)
    if row is None:
        raise damaged(f"a record of the type {event_type!r}, which this levelbook does not know,")
    return tuple(row.refs)


PICKS: Final[Mapping[str, Pick]] = {
    "position": lambda found, _: found.position,
    "stream": lambda found, _: found.stream,
    "version": lambda found, _: found.version,
    "type": lambda found, _: found.event.type,
    "source": lambda found, _: found.event.source,
    "event_id": lambda found, _: found.event.id,
    "ref": lambda found, _: ref_of(found),
    "occurred_at": lambda found, _: parse_instant(found.event.time),
    "recorded_at": lambda found, _: recorded_instant(found.recorded_at),
    "content_hash": lambda _, record: content_hash_of(record),
    "record": lambda _, record: record,
}
"""By column, how it follows from the record; the chain does not, which needs the records before."""


class _Buyer(msgspec.Struct):
    buyer: str


class _Payment(msgspec.Struct):
    data: _Buyer


class _PaidRecord(msgspec.Struct):
    event: _Payment


_paid: Final = msgspec.json.Decoder(_PaidRecord)


def alias_in(record: bytes, position: int) -> str:
    """The alias in the record of a payment. Raises DamagedError where there is none."""
    try:
        return _paid.decode(record).event.data.buyer
    except (msgspec.MsgspecError, RecursionError):
        raise damaged(f"the record at position {position}") from None
