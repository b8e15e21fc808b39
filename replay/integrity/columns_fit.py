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
from replay.integrity.borne import BorneAliases
from replay.integrity.key_chains import Misfit
from replay.store.reading.row import BUYER_MARK, Row, encode_json
from replay.store.record import PLAIN_V, RECORD_V, RecordedEnvelope, reference

Columns = tuple[Any, ...]
"""The columns of a `Row`: a plain tuple, for they are read by the million."""

# --- many together ----------------------------------------------------------------------------------------------------


def which_fit(rows: Sequence[Columns], ledger_id: str, borne: BorneAliases) -> list[bool]:
    """Of each row, whether it is sure that `check_columns` finds nothing; of damaged or unusual ones it never is.

    The aliases in the records of which it is sure are added to `borne`.
    """
    fits = [False] * len(rows)
    numbers: dict[str, list[int]] = defaultdict(list)
    for number, event_type in enumerate(map(_TYPE, rows)):
        numbers[event_type].append(number)
    for event_type, found in numbers.items():
        try:
            sure = _sure(event_type, [rows[number] for number in found], ledger_id, borne)
        except _UNSURE:
            continue
        for number in sure:
            fits[found[number]] = True
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
_BEGINNING: Final = b'{"backfill":false,"event":{"data":'
"""Of nearly all records; the others begin as `_OTHER_BEGINNING` has it."""
_DATA_AT: Final = len(_BEGINNING)
_EVENT_AT: Final = _BEGINNING.index(b'{"data":')
_TEXT: Final = rb'"[ !#-\[\]-~]*"'
_OTHER_BEGINNING: Final = re.compile(
    rb'\{"backfill":(?:true|false),"event":(\{(?:"actor":%b,)?(?:"causationid":%b,)?(?:"correlationid":%b,)?"data":)'
    % (_TEXT, _TEXT, _TEXT)
)
PAID: Final = "order.paid"
_CLAIM: Final = re.compile(rb',"recordedtime":%b\Z' % _TEXT)


class _Events(NamedTuple):
    """What records hold of events, where all but the data of these is what the columns of their rows say."""

    rows: list[int]
    """Numbers of rows."""
    datas: list[bytes]
    contents: list[bytes]
    """The events without their recordedtime."""


def _sure(event_type: str, rows: Sequence[Columns], ledger_id: str, borne: BorneAliases) -> list[int]:
    """The numbers of the rows of a type that are sure to fit.

    The data of events are decoded and encoded again, a line each: as no canonical JSON holds a line end, equal lines in
    equal number are equal one by one.
    """
    numbers, datas, contents = _events_in(event_type, rows, ledger_id)
    lines = b"\n".join(datas)
    decoder, reference_of = _data_reader(event_type)
    decoded = decoder.decode_lines(lines)
    if len(decoded) != len(datas) or _encoder.encode_lines(decoded) != lines + b"\n":
        return []
    sure = [rows[number] for number in numbers]
    if list(map(reference_of, decoded)) != list(map(_REF, sure)):
        return []
    if event_type == PAID:
        contents = [
            content.replace(b'"buyer":"%b"' % data.buyer.encode(), BUYER_MARK, 1)
            for content, data in zip(contents, decoded, strict=True)
        ]
    if [sha256(content).digest() for content in contents] != list(map(_CONTENT_HASH, sure)):
        return []
    if event_type == PAID:
        borne.add(map(_STREAM, sure), [data.buyer for data in decoded])
    return numbers


def _events_in(event_type: str, rows: Sequence[Columns], ledger_id: str) -> _Events:
    """The events in records that are in canonical form around the data of events.

    Raises what `_UNSURE` lists where columns are unusual.
    """
    positions, streams, versions, _, sources, names, _, occurred, recorded, _, _, records = zip(*rows, strict=True)
    texts = "".join([ledger_id, *streams, *sources, *names])
    if not texts.isprintable() or '"' in texts or "\\" in texts:
        raise ValueError(texts)  # JSON may write it otherwise
    if {*map(type, positions), *map(type, versions)} != {int}:
        raise ValueError(positions)  # of a text the same would be written
    shanghai_text(max(occurred))  # raises OverflowError behind the last instant of the calendar
    ends = [
        f',"datacontenttype":"application/json","id":"{name}","source":"{source}","specversion":"1.0"'
        f',"subject":"{stream}","time":"{instant_text(at)}","type":"{event_type}"}},"ledger":"{ledger_id}"'
        f',"position":{position},"recorded_at":"{_text(recorded_at)}","stream":"{stream}"'
        f',"v":{PLAIN_V},"version":{version}}}'
        for position, stream, version, source, name, at, recorded_at in zip(
            positions, streams, versions, sources, names, occurred, recorded, strict=True
        )
    ]
    numbers: list[int] = []
    datas: list[bytes] = []
    contents: list[bytes] = []
    for number, (record, end) in enumerate(zip(records, map(str.encode, ends), strict=True)):
        if record.startswith(_BEGINNING) and record.endswith(end):
            data, content = record[_DATA_AT : -len(end)], record[_EVENT_AT : record.rindex(_EVENT_ENDS)]
        elif (other := _other_event(record, end)) is not None:
            data, content = other
        else:
            continue
        numbers.append(number)
        datas.append(data)
        contents.append(content)
    return _Events(numbers, datas, contents)


def _other_event(record: bytes, end: bytes) -> tuple[bytes, bytes] | None:
    """The data and the event where there are attributes before the data, or a recordedtime behind the id."""
    behind_id = end[end.index(b',"source":') :]
    begin = _OTHER_BEGINNING.match(record)
    if begin is None or not record.endswith(behind_id):
        return None
    identity = end[: -len(behind_id)]
    data = _CLAIM.sub(b"", record[begin.end() : -len(behind_id)])
    if not data.endswith(identity):
        return None
    content = begin[1] + data + behind_id[: behind_id.rindex(_EVENT_ENDS)]
    return data.removesuffix(identity), content


_STREAM, _TYPE, _REF, _CONTENT_HASH = (
    itemgetter(Row._fields.index(name)) for name in ("stream", "type", "ref", "content_hash")
)
_encoder: Final = msgspec.json.Encoder()


@cache
def _data_reader(event_type: str) -> tuple[msgspec.json.Decoder[Any], Callable[[Any], str | None]]:
    """Reads the data of events of one type as strictly as `_reader` does."""
    return msgspec.json.Decoder(_plain(CATALOGUE[event_type].data)), _reference_of(event_type)


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


def add_borne(row: Columns, borne: BorneAliases) -> None:
    """Add the alias in a record that fits to those that are borne."""
    if _TYPE(row) == PAID:
        borne.add([_STREAM(row)], [_reader(PAID).decode(row[-1]).event.data.buyer])


def check_columns(columns: Columns, ledger_id: str) -> None:
    """Raises Misfit where the columns of a row do not follow from its record."""
    row = Row._make(columns)
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


def row_of(record: bytes, ledger_id: str) -> Row:
    """The row that a record's bytes alone make, its chain empty. Raises Misfit where they make none of this ledger."""
    try:
        event_type = _type_decoder.decode(record).event.type
        reader = _reader(event_type)
        found = reader.decode(record)
    except KeyError:
        raise Misfit(f"the record is of the type {event_type!r}, which this levelbook does not know") from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Misfit(f"the record cannot be read: {error}") from None
    event = found.event
    if encode_json(found) != record or found.v != (PLAIN_V if found.extensions is UNSET else RECORD_V):
        raise Misfit("the record is not in canonical form")
    _expect("stream", found.stream, event.subject)
    _expect("ledger", ledger_id, found.ledger)
    return Row(
        *(found.position, found.stream, found.version, event.type, event.source, event.id),
        *(reader.reference(event.data), _instant(event.time), _recorded_instant(found.recorded_at)),
        *(_content_hash(found, record), b"", record),
    )


class _Typed(msgspec.Struct):
    type: str


class _OfType(msgspec.Struct):
    event: _Typed


_type_decoder: Final = msgspec.json.Decoder(_OfType)


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
_recorded_instant: Final = lru_cache(maxsize=4)(_instant)


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
