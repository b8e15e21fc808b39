"""The events that are taken in as an AsyncAPI document, for those who send them: generated, as their schemas are."""

from typing import Any, Final

from domain.version import PROGRAM_VERSION
from projections.contract.events import EVENT_TYPES, event_schema

ASYNCAPI: Final = "3.0.0"
MEDIA_TYPE: Final = "application/cloudevents+json"
_ABOUT: Final = (
    "Events that Levelbook records: CloudEvents 1.0 in JSON, an event a message. `source` and `id` identify one: sent"
    " again with the same content it changes nothing, with other content it is refused. What JSON Schema cannot say:"
    " that a date exists, that no text holds characters that nobody sees, that no key stands twice."
)
_CHANNEL: Final = (
    "A topic of Kafka that `levelbook consume --topic` names. In binary mode the attributes are headers `ce_…`, and"
    " the value is `data`."
)


def asyncapi_document() -> dict[str, Any]:
    """The document: one channel, whose messages are the event types; who runs it names the address."""
    return {
        "asyncapi": ASYNCAPI,
        "info": {
            "title": "Levelbook: events that are recorded",
            "version": PROGRAM_VERSION,
            "description": _ABOUT,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": MEDIA_TYPE,
        "channels": {
            "events": {
                "address": None,
                "description": _CHANNEL,
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in EVENT_TYPES},
            }
        },
        "operations": {
            "record": {
                "action": "receive",
                "channel": {"$ref": "#/channels/events"},
                "summary": "Each event is recorded once.",
            }
        },
        "components": {
            "messages": {name: _message(name) for name in EVENT_TYPES},
            "schemas": {name: _schema(name) for name in EVENT_TYPES},
        },
    }


def _message(event_type: str) -> dict[str, Any]:
    return {
        "name": event_type,
        "contentType": MEDIA_TYPE,
        "payload": {"$ref": f"#/components/schemas/{event_type}"},
    }


def _schema(event_type: str) -> dict[str, Any]:
    """Without its dialect: its keywords are among those that AsyncAPI's own form of schemas has."""
    return {name: value for name, value in event_schema(event_type).items() if name != "$schema"}
