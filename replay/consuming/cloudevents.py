"""CloudEvents in messages: structured, in batches, or binary (attributes in headers); JSON without headers, too."""

from typing import Final

import msgspec

from replay.consuming.messages import TopicMessage
from replay.parsing.arrays import Elements
from replay.parsing.refusals import Reason, Refusal, RefusalError
from replay.parsing.strict_json import readable, shown
from replay.store.reading.row import encode_json

ATTRIBUTE_PREFIX: Final = "ce_"
CONTENT_TYPE: Final = "content-type"
_EVENTS: Final = "application/cloudevents"
_STRUCTURED: Final = f"{_EVENTS}+json"
_BATCHED: Final = f"{_EVENTS}-batch+json"
BLANKS: Final = b" \t\r\n"
"""What may stand around a JSON value."""
_json_decoder: Final = msgspec.json.Decoder(msgspec.Raw)


def events_in(message: TopicMessage) -> list[bytes | Refusal]:
    """The events of a message as lines; none of a tombstone. Raises RefusalError where it cannot be read as any."""
    media_type = header_text(CONTENT_TYPE, message.header(CONTENT_TYPE))
    form = media_type.partition(";")[0].strip().lower()
    attributes = [(name[len(ATTRIBUTE_PREFIX) :], value) for name, value in message.headers if _is_attribute(name)]
    if attributes and not form.startswith(_EVENTS):
        return [_binary(message.value, attributes, media_type)]
    if message.value is None:
        return []
    if form.startswith(_EVENTS) and form not in (_STRUCTURED, _BATCHED):
        raise RefusalError(
            Reason.WRONG_FORM,
            f"{CONTENT_TYPE}: found {shown(media_type)}, a form that is not read here; send {_STRUCTURED}",
        )
    is_batch = form == _BATCHED or (not form.startswith(_EVENTS) and message.value.lstrip(BLANKS).startswith(b"["))
    return elements_of(message.value) if is_batch else [message.value]


def elements_of(value: bytes) -> list[bytes | Refusal]:
    """The elements of a batch. Raises RefusalError where it is no whole JSON array."""
    elements = Elements()
    found: list[bytes | Refusal] = [*elements.feed(value)]
    if not elements.ended or elements.beyond:
        raise RefusalError(
            Reason.NOT_JSON,
            f"found a batch that {'goes on behind' if elements.beyond else 'ends before'} the end of its JSON array,"
            f" with {len(found)} elements; send it whole, and nothing else with it",
        )
    return found


def header_text(name: str, value: bytes | None) -> str:
    """A header as text; empty where there is none. Raises RefusalError."""
    try:
        return (value or b"").decode()
    except UnicodeDecodeError as error:
        raise RefusalError(
            Reason.NOT_UTF8, f"header {shown(name)}: is not valid UTF-8 ({error.reason}); send it as UTF-8"
        ) from None


def _is_attribute(name: str) -> bool:
    return name.startswith(ATTRIBUTE_PREFIX)


def _binary(value: bytes | None, attributes: list[tuple[str, bytes | None]], media_type: str) -> bytes:
    """An event whose attributes are headers, in structured form. What stands twice stands twice in it, too."""
    parts = [
        encode_json(name) + b":" + (b"null" if text is None else encode_json(header_text(name, text)))
        for name, text in attributes
    ]
    if media_type and all(name != "datacontenttype" for name, _ in attributes):
        parts.append(b'"datacontenttype":' + encode_json(media_type))
    if value is not None and value.strip(BLANKS):
        parts.append(b'"data":' + whole_json(value))
    return b"{" + b",".join(parts) + b"}"


def whole_json(value: bytes) -> bytes:
    """A value that is one JSON value and nothing behind it, or it could add attributes to its event.

    Raises RefusalError for any other, for what is no UTF-8, and for nesting over the limit.
    """
    readable(value)
    try:
        _json_decoder.decode(value)
    except msgspec.DecodeError as error:
        raise RefusalError(
            Reason.NOT_JSON, f"data: the message's value is not JSON ({error}); send the data as JSON"
        ) from None
    return value
