"""Whether the columns of rows follow from their bytes: of many at once where all is as it should be, else one by one.

Both prove the canonical form of a record by encoding it again. Looking at many together only says of which it is sure;
`check_columns` is asked of the others, and says what is wrong.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cache, lru_cache, partial
from hashlib import sha256
from operator import attrgetter, itemgetter
from typing import Any, Final, NamedTuple, get_type_hints

import msgspec
from msgspec import UNSET

from domain.calendar import instant_text, parse_instant, shanghai_text
from domain.events import CATALOGUE, Envelope
from domain.limits import HOUR_MICROS, SECOND_MICROS
from replay.integrity.key_chains import Misfit
from replay.store.record import (
    BUYER_MARK,
    PLAIN_V,
    RECORD_V,
    RecordedEnvelope,
    Row,
    encode_json,
    reference,
)

# --- many together ----------------------------------------------------------------------------------------------------


def which_fit(rows: Sequence[Row], ledger_id: str) -> list[bool]:
    """Of each row, whether it is sure that `check_columns` finds nothing; of damaged or unusual ones it never is."""
    fits = [False] * len(rows)
    try:
        by_type = _events_by_type(rows, ledger_id)
    except _UNSURE:
        return fits
    for event_type, found in by_type.items():
        try:
            are_sure = _all_fit(event_type, [rows[number] for number, _ in found], [event for _, event in found])
        except _UNSURE:
            continue
        for number, _ in found:
            fits[number] = are_sure
    return fits


_UNSURE: Final = (
    msgspec.MsgspecError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What damaged and unusual rows may lead to."""
_BEGINNINGS: Final = (b'{"backfill":false,"event":', b'{"backfill":true,"event":')
_END: Final = b',"ledger":"%b","position":%%d,"recorded_at":"%%b","stream":"%%b","v":%d,"version":%%d}'
PAID: Final = "order.paid"
_PLAIN_TEXT: Final = re.compile(r"[A-Za-z0-9._/-]+")
"""Texts that stand in JSON as they are."""


def _events_by_type(rows: Sequence[Row], ledger_id: str) -> dict[str, list[tuple[int, bytes]]]:
    """By type, the numbers of the rows whose records are what their columns make of an event, and that event's bytes.

    Around the event, such a record is in canonical form.
    """
    false, true = _BEGINNINGS
    form = _END % (_plain_text(ledger_id), PLAIN_V)
    found: dict[str, list[tuple[int, bytes]]] = defaultdict(list)
    if {*map(type, map(_POSITION, rows)), *map(type, map(_VERSION, rows))} - {int}:
        return found  # of others the form would cut decimals off
    for number, row in enumerate(rows):
        position, stream, version, event_type, _, _, _, _, recorded_at, _, _, record = row
        end = form % (position, _recorded_text(recorded_at), _plain_text(stream), version)
        begin = false if record.startswith(false) else true
        if record.startswith(begin) and record.endswith(end):
            found[event_type].append((number, record[len(begin) : -len(end)]))
    return found


def _all_fit(event_type: str, rows: Sequence[Row], events: Sequence[bytes]) -> bool:
    """Whether events are in canonical form and the columns of their rows follow from them.

    A line each: as no canonical JSON holds a line end, equal lines in equal number are equal one by one.
    """
    lines = b"\n".join(events)
    decoder, reference_of = _line_reader(event_type)
    decoded = decoder.decode_lines(lines)
    if len(decoded) != len(events) or _encoder.encode_lines(decoded) != lines + b"\n":
        return False
    _, streams, _, types, sources, names, refs, occurred, _, hashes, _, _ = zip(*rows, strict=True)
    shanghai_text(max(occurred))  # raises OverflowError behind the last instant of the calendar
    return (
        list(map(_NAMED, decoded)) == list(zip(streams, types, sources, names, strict=True))
        and list(map(_TIME, decoded)) == [_text_of(instant) for instant in occurred]
        and list(map(reference_of, map(_DATA, decoded))) == list(refs)
        and [sha256(content).digest() for content in _contents(event_type, decoded, events)] == list(hashes)
    )


def _contents(event_type: str, decoded: Sequence[Any], events: Sequence[bytes]) -> Sequence[bytes]:
    """What content hashes are of: no recordedtime, and the buyer a mark. Changes what was decoded."""
    contents = [
        event if item.recordedtime is UNSET else _without_recordedtime(item)
        for item, event in zip(decoded, events, strict=True)
    ]
    if event_type != PAID:
        return contents
    return [
        content.replace(b'"buyer":"%b"' % item.data.buyer.encode(), BUYER_MARK, 1)
        for content, item in zip(contents, decoded, strict=True)
    ]


def _without_recordedtime(event: Any) -> bytes:
    event.recordedtime = UNSET
    return encode_json(event)


@lru_cache(10_000)
def _plain_text(text: str) -> bytes:
    """Raises ValueError for a text that JSON may write otherwise."""
    if _PLAIN_TEXT.fullmatch(text) is None:
        raise ValueError(text)
    return text.encode()


@lru_cache(100)
def _recorded_text(instant: int) -> bytes:
    return instant_text(instant).encode()


def _text_of(instant: int) -> str:
    """The instant as `instant_text` writes it; what is of one hour is worked out once."""
    seconds, micros = divmod(instant, SECOND_MICROS)
    hour, rest = divmod(seconds, _HOUR_SECONDS)
    return f"{_hour_text(hour)}{_IN_HOUR[rest]}{micros:06d}Z"


_HOUR_SECONDS: Final = HOUR_MICROS // SECOND_MICROS
_IN_HOUR: Final = [f"{second // 60:02d}:{second % 60:02d}." for second in range(_HOUR_SECONDS)]


@lru_cache(10_000)
def _hour_text(hour: int) -> str:
    return instant_text(hour * HOUR_MICROS)[: len("2022-11-30T00:")]


_POSITION: Final = itemgetter(Row._fields.index("position"))
_VERSION: Final = itemgetter(Row._fields.index("version"))
_encoder: Final = msgspec.json.Encoder()
_NAMED: Final = attrgetter("subject", "type", "source", "id")
_TIME: Final = attrgetter("time")
_DATA: Final = attrgetter("data")


@cache
def _line_reader(event_type: str) -> tuple[msgspec.json.Decoder[Any], Callable[[Any], str | None]]:
    """Reads events of one type as strictly as `_reader` does."""
    return msgspec.json.Decoder(_plain_event(event_type)), _reference_of(event_type)


# --- one by one -------------------------------------------------------------------------------------------------------


class _Reader(NamedTuple):
    """How records of one type are read."""

    decode: Callable[[bytes], Any]
    reference: Callable[[Any], str | None]


@cache
def _reader(event_type: str) -> _Reader:
    """Reads whole records of one type, strictly; what it has read encodes to the same bytes again."""
    decoder = msgspec.json.Decoder(_plain(RecordedEnvelope, event=_plain_event(event_type)))
    return _Reader(decoder.decode, _reference_of(event_type))


def _plain_event(event_type: str) -> type[msgspec.Struct]:
    return _plain(Envelope, data=_plain(CATALOGUE[event_type].data))


def _reference_of(event_type: str) -> Callable[[Any], str | None]:
    """What an event's data are about."""
    refs = CATALOGUE[event_type].refs
    return attrgetter(refs[0]) if len(refs) == 1 else partial(reference, event_type)


def _plain(struct: type[msgspec.Struct], **others: Any) -> type[msgspec.Struct]:
    """The struct with its fields' JSON types alone: their forms were the business of the intake."""
    types = get_type_hints(struct) | others
    fields = [
        (field.name, types[field.name])
        if field.required or field.name in others
        else (field.name, types[field.name], field.default)
        for field in msgspec.structs.fields(struct)
    ]
    return msgspec.defstruct(struct.__name__, fields, kw_only=True, forbid_unknown_fields=True)


def check_columns(row: Row, ledger_id: str) -> None:
    try:
        reader = _reader(row.type)
        record = reader.decode(row.record)
    except (msgspec.MsgspecError, UnicodeDecodeError, KeyError, RecursionError) as error:
        _expect("type", row.type, _type_in(row.record))
        raise Misfit(f"the record cannot be read: {error}") from None
    event = record.event
    try:
        recorded_text, occurred_at = _text(row.recorded_at), _instant(event.time)
    except OverflowError:
        raise Misfit("recorded_at lies outside the calendar") from None
    if encode_json(record) != row.record or record.v != (PLAIN_V if record.extensions is UNSET else RECORD_V):
        raise Misfit("the record is not in canonical form")
    found = (
        *_IN_RECORD(record),
        occurred_at,
        reader.reference(event.data),
        _content_hash(record, row.record),
    )
    expected = (*_IN_COLUMNS(row), recorded_text, ledger_id, row.occurred_at, row.ref, row.content_hash)
    if found != expected:
        for name, column, value in zip(_COMPARED, expected, found, strict=True):
            _expect(name, column, value)


_COMPARED: Final = (
    *("position", "stream", "subject", "version", "type", "source", "event_id"),
    *("recorded_at", "ledger", "occurred_at", "ref", "content_hash"),
)
_IN_RECORD: Final = attrgetter(
    *("position", "stream", "event.subject", "version", "event.type", "event.source", "event.id"),
    *("recorded_at", "ledger"),
)
_IN_COLUMNS: Final = itemgetter(
    *(Row._fields.index(name) for name in ("position", "stream", "stream", "version", "type", "source", "event_id"))
)


def _instant(text: str) -> int:
    """The instant that a stored text names; it has the one form in which instants are stored."""
    try:
        if len(text) == _INSTANT_CHARS and text[10] == "T" and text.endswith("Z"):
            return parse_instant(text)
    except ValueError as error:
        raise Misfit(f"the record names the time {text!r}, which {error}") from None
    raise Misfit(f"the record names the time {text!r}, which is not in canonical form")


def _type_in(record: bytes) -> object:
    """The type that a record names, read as loosely as it can be."""
    try:
        return msgspec.json.decode(record)["event"]["type"]
    except (msgspec.MsgspecError, UnicodeDecodeError, KeyError, TypeError, RecursionError) as error:
        raise Misfit(f"the record cannot be read: {error}") from None


_INSTANT_CHARS: Final = len("2022-11-30T00:00:00.000000Z")
_EVENT_BEGINS: Final = b',"event":'
_EVENT_ENDS: Final = b',"ledger":'
_text: Final = lru_cache(maxsize=4)(instant_text)


def _content_hash(outer: Any, record: bytes) -> bytes:
    """The hash of an event's content as the intake made it: no recordedtime, no extensions, the buyer a mark."""
    event = outer.event
    if event.recordedtime is UNSET and outer.extensions is UNSET:
        content = record[record.index(_EVENT_BEGINS) + len(_EVENT_BEGINS) : record.rindex(_EVENT_ENDS)]
    else:
        event.recordedtime = UNSET
        content = encode_json(event)
    if event.type == PAID:
        content = content.replace(b'"buyer":"%b"' % event.data.buyer.encode(), BUYER_MARK, 1)
    return sha256(content).digest()


def _expect(name: str, column: object, value: object) -> None:
    if column != value:
        raise Misfit(f"the column {name} holds {_shown(column)}, but the record says {_shown(value)}")


def _shown(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else repr(value)
