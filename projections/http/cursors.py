"""Cursors: where a reader goes on, as a text that means nothing to him."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from typing import Any

import msgspec

from projections.http.parameters import NO_CONTROLS, wrong


def cursor_of(*values: str | int) -> str:
    return urlsafe_b64encode(msgspec.json.encode(values)).decode().rstrip("=")


def values_of(cursor: str, *kinds: type, field: str = "cursor") -> list[Any]:
    """What a cursor was made of. Raises Problem for a text that is none."""
    try:
        values = msgspec.json.decode(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (Error, ValueError, msgspec.MsgspecError, RecursionError):
        values = None
    if not isinstance(values, list) or [type(value) for value in values] != list(kinds):
        raise wrong(field, "is none that this service gave for such a page; begin again without it")
    if any(isinstance(value, str) and not re.fullmatch(NO_CONTROLS, value) for value in values):
        raise wrong(field, "is none that this service gave; begin again without it")
    if any(isinstance(value, int) and not -(2**62) < value < 2**62 for value in values):
        raise wrong(field, "is none that this service gave; begin again without it")
    return values
