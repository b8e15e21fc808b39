"""The outbox that Debezium reads: a row an event (id, aggregatetype, aggregateid, type, payload, time).

It comes as the row itself, with Debezium's envelope or without, or as its event router leaves it: the payload as the
value, the rest as headers, the aggregate's id as the key. The time is a column of its own: when Debezium sent a row is
not when its event happened, and is another time when it sends the row again.
"""

import re
from typing import Any, Final

import msgspec

from replay.consuming.cloudevents import BLANKS, header_text, whole_json
from replay.consuming.messages import EventsOf, TopicMessage
from replay.parsing.refusals import Reason, Refusal, RefusalError
from replay.parsing.strict_json import readable, shown
from replay.store.reading.row import encode_json

_COLUMNS: Final = ("id", "aggregatetype", "aggregateid", "type", "time")
_NEEDED: Final = f"a row with {', '.join(_COLUMNS)} and payload"
_WRAPPED: Final = {"schema", "payload"}
_NEW: Final = ("c", "r")
_GONE: Final = ("d", "t")
_NULL: Final = b"null"
_NESTING_MAX: Final = 32
"""How deep a message may be nested, with the schema of its rows, which is deeper than any event."""
_NUMBER: Final = re.compile(rb"-?[0-9]+")
Row = dict[str, bytes]
"""The values of a row as JSON, by column."""
_row_decoder: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


def outbox_of(source: str) -> EventsOf:
    """Reads the messages of an outbox, whose events come from this source."""

    def events_in(message: TopicMessage) -> list[bytes | Refusal]:
        if message.value is None:
            return []
        readable(message.value, _NESTING_MAX)
        row = _routed(message, message.value) if message.header("id") is not None else _row(message.value)
        return [] if row is None else [_event(source, row)]

    return events_in


def _routed(message: TopicMessage, value: bytes) -> Row:
    """What the event router made of a row."""
    found = {name: _header(name, message.header(name)) for name in _COLUMNS}
    found["type"] = found["type"] or _header("eventType", message.header("eventtype"))
    found["aggregatetype"] = found["aggregatetype"] or message.topic.rpartition(".")[2]
    found["aggregateid"] = found["aggregateid"] or _header("key", message.key)
    return {name: encode_json(text) for name, text in found.items()} | {"payload": _unwrapped(value)}


def _header(name: str, value: bytes | None) -> str:
    """A header, or the key, as text, without the quotes and the schema that a JSON converter gives it."""
    text = header_text(name, value)
    if not text.startswith(('"', "{")):
        return text
    readable(text.encode(), _NESTING_MAX)
    content = _unwrapped(text.encode())
    return _text(content) or ("" if content == _NULL else text)


def _row(value: bytes) -> Row | None:
    """The row of the table; None where it was taken away, as rows of an outbox are."""
    content = _unwrapped(value)
    if content.strip(BLANKS) == _NULL:
        return None
    row = _object(content)
    if "op" not in row or "aggregateid" in row:
        return row
    done = _value(row["op"])
    if done in _GONE:
        return None
    if "after" not in row:
        return row
    if done not in _NEW:
        raise RefusalError(
            Reason.WRONG_FORM,
            f"op: found {shown(done)}, but rows of an outbox are never changed; record a correction as an event of its"
            " own",
        )
    return _object(row["after"])


def _object(value: bytes) -> Row:
    try:
        return {name: bytes(found) for name, found in _row_decoder.decode(value).items()}
    except msgspec.MsgspecError as error:
        raise RefusalError(
            Reason.NOT_AN_OBJECT, f"found what is no row of an outbox ({error}); send {_NEEDED}"
        ) from None


def _unwrapped(value: bytes) -> bytes:
    """Without the schema that Kafka Connect's JSON converter may put beside a value."""
    if not value.lstrip(BLANKS).startswith(b"{") or b'"schema"' not in value:
        return value
    found = _object(value)
    return found["payload"] if found.keys() == _WRAPPED else value


def _value(value: bytes) -> Any:
    try:
        return msgspec.json.decode(value)
    except msgspec.DecodeError:
        return None


def _text(value: bytes | None) -> str:
    """A column as text, as which ids that are numbers are written; empty where there is none."""
    if value is None or _NUMBER.fullmatch(value):
        return (value or b"").decode()
    found = _value(value)
    return found if isinstance(found, str) else ""


def _event(source: str, row: Row) -> bytes:
    texts = {name: _text(row.get(name)) for name in _COLUMNS}
    if missing := [name for name, text in texts.items() if not text]:
        raise RefusalError(
            Reason.MISSING_FIELD,
            f"{missing[0]}: is no text in this row of an outbox; send {_NEEDED} (the event router keeps a column by"
            f" table.fields.additional.placement={missing[0]}:header)",
        )
    attributes = {
        "specversion": "1.0",
        "id": texts["id"],
        "source": source,
        "type": texts["type"],
        "subject": f"{texts['aggregatetype']}/{texts['aggregateid']}",
        "time": texts["time"],
    }
    return encode_json(attributes)[:-1] + b',"data":' + _payload(row.get("payload", _NULL)) + b"}"


def _payload(value: bytes) -> bytes:
    """The payload as JSON; where it is text, what the text holds."""
    found = _value(value) if value.lstrip(BLANKS).startswith(b'"') else None
    content = found.encode() if isinstance(found, str) else value
    return whole_json(content) if content.strip(BLANKS) else _NULL
