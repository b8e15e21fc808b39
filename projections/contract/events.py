"""The event types as JSON Schema (2020-12), generated from the classes that the intake reads by.

A producer can check an event before it is sent. JSON Schema cannot say all that the intake demands: that a date exists,
that no text holds characters that nobody sees, that no key stands twice, that 1.0 is no integer.
"""

from typing import Any, Final

import msgspec

from domain.calendar import INSTANT_PATTERN
from domain.events import CATALOGUE
from domain.extensions import DOCUMENTED_EXTENSIONS
from domain.fields import ID_PATTERN
from domain.limits import INTEGER_DIGITS_MAX
from replay.errors import UsageError
from replay.parsing.envelope import RECEIVED
from replay.store.record import OWN_SOURCE

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_SHORT_INTEGER: Final = {
    "type": "integer",
    "minimum": 1 - 10**INTEGER_DIGITS_MAX,
    "maximum": 10**INTEGER_DIGITS_MAX - 1,
}
EVENT_TYPES: Final = tuple(name for name, row in CATALOGUE.items() if not row.internal)


def event_schemas(event_type: str | None) -> dict[str, Any]:
    """The schema of one type, or of all by type. Raises UsageError for a type that cannot be ingested."""
    if event_type is None:
        return {name: event_schema(name) for name in EVENT_TYPES}
    if event_type not in EVENT_TYPES:
        raise UsageError(f"{event_type!r} is no event type that can be ingested; known are {', '.join(EVENT_TYPES)}")
    return event_schema(event_type)


def event_schema(event_type: str) -> dict[str, Any]:
    """The schema of whole events of a type; that of their `data` has an `$id` of its own for `dataschema`."""
    row = CATALOGUE[event_type]
    data = _schema_of(row.data) | {"$id": f"urn:levelbook:schema:{event_type}"}
    schema = _schema_of(RECEIVED)
    properties: dict[str, Any] = schema["properties"]
    instant = {"pattern": f"^{INSTANT_PATTERN}$"}
    properties["time"] |= instant
    properties["recordedtime"] = {"anyOf": [properties["recordedtime"]["anyOf"][0] | instant, {"type": "null"}]}
    properties["type"] = {"const": event_type}
    properties["subject"] |= {"pattern": f"^(?:{'|'.join(row.kinds)})/{ID_PATTERN}$"}
    own = "".join(f"[{letter.upper()}{letter}]" if letter.isalpha() else letter for letter in OWN_SOURCE)
    properties["source"] |= {"not": {"pattern": f"^{own}"}}
    for name in DOCUMENTED_EXTENSIONS:
        properties[name]["anyOf"] += [_SHORT_INTEGER, {"type": "boolean"}]
    needs_data = bool(data.get("required"))
    properties["data"] = data if needs_data else {"anyOf": [data, {"type": "null"}]}
    return {
        "$schema": DIALECT,
        **schema,
        "title": event_type,
        "required": [*schema["required"], *(["data"] if needs_data else [])],
        "additionalProperties": {"type": "null"},  # an attribute that is null is as if it were not there
    }


def _schema_of(struct: type[msgspec.Struct]) -> dict[str, Any]:
    """A class as msgspec describes it, with the patterns as JSON Schema writes them."""
    _, components = msgspec.json.schema_components([struct])
    (schema,) = components.values()
    found: dict[str, Any] = _portable({"required": []} | schema)
    return found


def _portable(value: Any) -> Any:
    """Python ends a pattern by `\\Z`, JSON Schema by `$`."""
    if isinstance(value, dict):
        return {
            name: item.replace(r"\Z", "$") if name == "pattern" and isinstance(item, str) else _portable(item)
            for name, item in value.items()
        }
    return [_portable(item) for item in value] if isinstance(value, list) else value
