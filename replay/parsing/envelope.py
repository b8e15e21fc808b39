"""An event's envelope as others write it → the ledger's own, and the extension attributes beside it.

CloudEvents lets an attribute be null, which is as if it were not there, any JSON media type stand in
`datacontenttype`, and whoever hands an event on add attributes of their own (RULEBOOK §0, Event catalogue).
"""

import re
from enum import StrEnum
from typing import Any, Final, get_type_hints

import msgspec
from msgspec import UNSET, UnsetType

from domain.events import Envelope
from domain.extensions import DOCUMENTED_EXTENSIONS, EXTENSION_NAME_PATTERN, Extension, MediaType

EXTENSION_NAME: Final = re.compile(EXTENSION_NAME_PATTERN)


class Undocumented(StrEnum):
    """What becomes of extension attributes that CloudEvents does not document."""

    REFUSE = "refuse"
    KEEP = "keep"
    DROP = "drop"


def _received() -> type[msgspec.Struct]:
    """The class of envelopes as others write them: what may be left out may be null, and extensions may be there."""
    hints: dict[str, Any] = get_type_hints(Envelope, include_extras=True)
    hints |= {"datacontenttype": MediaType} | dict.fromkeys(DOCUMENTED_EXTENSIONS, Extension)
    required = {field.name for field in msgspec.structs.fields(Envelope) if field.required}
    fields: list[Any] = []
    for name, kind in sorted(hints.items()):
        if name in required or name == "data":
            fields.append((name, kind) if name in required else (name, kind, UNSET))
        else:
            fields.append((name, kind | None | UnsetType, UNSET))
    return msgspec.defstruct("Received", fields, kw_only=True, forbid_unknown_fields=True)


RECEIVED: Final = _received()
ATTRIBUTES: Final = frozenset(field.name for field in msgspec.structs.fields(Envelope))


def own_and_extensions(given: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Well-formed attributes that are not null: those of the ledger's own form, and the extensions beside them."""
    there = {name: value for name, value in given.items() if value is not None and value is not UNSET}
    own = {name: value for name, value in there.items() if name in ATTRIBUTES and name != "datacontenttype"}
    return own, {name: value for name, value in there.items() if name not in ATTRIBUTES}


def as_texts(value: dict[str, Any], undocumented: Undocumented) -> tuple[dict[str, Any], dict[str, Any]]:
    """Attributes without nulls, extensions as text; apart those extensions that are kept beyond the documented.

    An integer, true and false of an extension become the text that JSON has for them. With DROP, extensions that
    are not documented are gone. What has no name that CloudEvents knows for an attribute stays, to be refused.
    """
    given, kept = {}, {}
    for name, item in value.items():
        if item is None:
            continue
        if name in ATTRIBUTES:
            given[name] = item
        elif name in DOCUMENTED_EXTENSIONS or undocumented is Undocumented.REFUSE:
            given[name] = _as_text(item)
        elif EXTENSION_NAME.fullmatch(name) is None:
            given[name] = item
        elif undocumented is Undocumented.KEEP:
            kept[name] = _as_text(item)
    return given, kept


def _as_text(item: Any) -> Any:
    if isinstance(item, bool):
        return "true" if item else "false"
    return str(item) if type(item) is int else item
