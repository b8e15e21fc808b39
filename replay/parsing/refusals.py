"""Refusals: why a line was not recorded. Each has a name, and a fixture that produces it."""

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

Columns = Mapping[str, str]
"""Of an event that a row of a table gave: by field (`data.amount`), the columns it is made of, and what is in them."""
_FIELD: Final = re.compile(r"(?:^|; |and |\()((?:data\.)?[a-z_]+)(?=:| and id:)")


class Reason(StrEnum):
    """The name of a refusal; the error gallery holds an input for each."""

    LINE_TOO_LONG = "line_too_long"
    NOT_UTF8 = "not_utf8"
    BYTE_ORDER_MARK = "byte_order_mark"
    NESTED_TOO_DEEP = "nested_too_deep"
    NOT_JSON = "not_json"
    NOT_FINITE = "not_finite"
    DUPLICATE_KEY = "duplicate_key"
    NOT_AN_OBJECT = "not_an_object"
    LONE_SURROGATE = "lone_surrogate"
    CONTROL_CHARACTER = "control_character"
    BIDI_CHARACTER = "bidi_character"
    INVISIBLE_CHARACTER = "invisible_character"
    UNKNOWN_FIELD = "unknown_field"
    MISSING_FIELD = "missing_field"
    WRONG_TYPE = "wrong_type"
    WRONG_FORM = "wrong_form"
    OUT_OF_BOUNDS = "out_of_bounds"
    UNKNOWN_TYPE = "unknown_type"
    RESERVED_TYPE = "reserved_type"
    RESERVED_SOURCE = "reserved_source"
    WRONG_SUBJECT = "wrong_subject"
    MALFORMED_TIME = "malformed_time"
    IMPOSSIBLE_TIME = "impossible_time"
    CONFLICT = "conflict"
    AHEAD_OF_RECORD = "ahead_of_record"
    BACKFILL_UNDATED = "backfill_undated"
    BACKFILL_FUTURE = "backfill_future"
    BACKFILL_LATE = "backfill_late"
    OTHER_SHARD = "other_shard"
    NOT_MAPPED = "not_mapped"
    NOT_EXACT = "not_exact"
    COLUMN_EMPTY = "column_empty"
    ROW_SHAPE = "row_shape"


class Listing(NamedTuple):
    """A list of what is known, as a message holds it, and what stands for it once it was listed."""

    whole: str
    short: str


def listing(what: str, names: Iterable[str]) -> Listing:
    """The list of the known `what` (in the plural)."""
    return Listing(f"known {what} are {', '.join(names) or 'none'}", f"the known {what} are listed above")


class Refusal(NamedTuple):
    """Why one line was refused: what was found, why it is refused, what to do."""

    reason: Reason
    message: str
    listings: tuple[Listing, ...] = ()
    """The lists of what is known that the message holds."""

    def shortened_after(self, listed: set[Listing]) -> str:
        """The message with those lists cut short that were shown before; the others are added to `listed`."""
        message = self.message
        for found in self.listings:
            if found in listed:
                message = message.replace(found.whole, found.short)
        listed.update(self.listings)
        return message


def told_of_row(refusal: Refusal, columns: Columns) -> Refusal:
    """A refusal with the columns and values of the fields that it names; of an event that no row gave as it is."""
    fields = _FIELD.findall(refusal.message)
    found = dict.fromkeys(columns[field] for field in fields if columns.get(field))
    if not found:
        return refusal
    return refusal._replace(message=f"{refusal.message} (in the row: {', '.join(found)})")


class RefusalError(Exception):
    """Carries a refusal up to the line that it is about."""

    def __init__(self, reason: Reason, message: str, listings: tuple[Listing, ...] = ()) -> None:
        super().__init__(message)
        self.refusal = Refusal(reason, message, listings)
