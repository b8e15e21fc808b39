"""JSON read strictly: what other readers quietly repair is refused here by name."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from domain.limits import INTEGER_DIGITS_MAX, NESTING_MAX
from domain.texts import invisible_character
from replay.parsing.refusals import Reason, RefusalError

_STRUCTURE: Final = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[\]{}]')
_BIDI: Final = re.compile("[\u202a-\u202e\u2066-\u2069]")
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f]")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_SHOWN_CHARS_MAX: Final = 60


class OddNumber(str):
    """A number that is no integer of the ledger's size, as it was written: 1.5, 1e3, 10^30."""


def parse_object(line: bytes) -> dict[str, Any]:
    """The JSON object that a line holds.

    Raises RefusalError for anything but one object in valid UTF-8, for repeated keys, NaN and
    infinities, nesting over the limit, and for control, bidirectional-override, invisible and lone
    surrogate characters in any text. Numbers that are not integers come back as OddNumber.
    """
    value = parse_unchecked(line)
    for item in _texts(value):
        _check_text(item)
    return value


def parse_unchecked(line: bytes) -> dict[str, Any]:
    """The same whatever characters its texts hold, for an object of whose texts only some are recorded."""
    value = _load(readable(line))
    if not isinstance(value, dict):
        raise RefusalError(
            Reason.NOT_AN_OBJECT,
            f"found {shown(value)}, which is not a JSON object; write one event a line, as {{...}}",
        )
    return value


def readable(value: bytes, nesting_max: int = NESTING_MAX) -> str:
    """JSON as text that any reader survives, not read yet: UTF-8, and no deeper than so. Raises RefusalError."""
    text = _decode(value)
    _check_nesting(text, nesting_max)
    return text


def shown(value: object) -> str:
    """A found value for a message: ASCII only and never long."""
    text = str(value) if isinstance(value, OddNumber) else json.dumps(value, default=str)
    return text if len(text) <= _SHOWN_CHARS_MAX else f"{text[:_SHOWN_CHARS_MAX]}... ({len(text)} characters)"


def _decode(line: bytes) -> str:
    if line.startswith(b"\xef\xbb\xbf"):
        raise RefusalError(
            Reason.BYTE_ORDER_MARK,
            "found a byte order mark before the event, in the middle of the file, as where files were joined; JSON does"
            " not allow it: take it out",
        )
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RefusalError(
            Reason.NOT_UTF8,
            f"found byte 0x{line[error.start]:02x} at column {error.start + 1}, which is not UTF-8;"
            " save the file as UTF-8",
        ) from None


def _check_nesting(text: str, nesting_max: int) -> None:
    depth = 0
    for token in _STRUCTURE.finditer(text):
        mark = token.group()[0]
        depth += (mark in "{[") - (mark in "}]")
        if depth > nesting_max:
            raise RefusalError(
                Reason.NESTED_TOO_DEEP,
                f"found nesting deeper than {nesting_max} at column {token.start() + 1};"
                " no event needs more than 2, write the data flat",
            )


def _load(text: str) -> Any:
    try:
        return json.loads(
            text,
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=OddNumber,
            parse_constant=_refuse_constant,
        )
    except json.JSONDecodeError as error:
        raise RefusalError(
            Reason.NOT_JSON,
            f"found no valid JSON ({error.msg}: column {error.colno}); write one whole JSON object on one line",
        ) from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) == len(pairs):
        return result
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise RefusalError(
                Reason.DUPLICATE_KEY,
                f"found the key {shown(key)} twice in one object, so that readers would disagree about it; keep one",
            )
        seen.add(key)
    raise AssertionError("a shorter dict has a repeated key")


def _integer(text: str) -> int | OddNumber:
    digits = text.lstrip("-")
    return int(text) if len(digits) <= INTEGER_DIGITS_MAX else OddNumber(text)


def _refuse_constant(name: str) -> None:
    raise RefusalError(Reason.NOT_FINITE, f"found {name}, which is no JSON number; the ledger holds integers only")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, OddNumber):
        return
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def check_whole(text: str) -> None:
    """Raises RefusalError for half a character, which no UTF-8 has."""
    if found := _SURROGATE.search(text):
        raise RefusalError(
            Reason.LONE_SURROGATE,
            f"found half a character (U+{ord(found.group()):04X}) in {shown(text)}; write the whole character",
        )


def _check_text(text: str) -> None:
    check_whole(text)
    if found := _CONTROL.search(text):
        raise RefusalError(
            Reason.CONTROL_CHARACTER,
            f"found the control character U+{ord(found.group()):04X} in {shown(text)}; remove it",
        )
    if found := _BIDI.search(text):
        raise RefusalError(
            Reason.BIDI_CHARACTER,
            f"found U+{ord(found.group()):04X} in {shown(text)}, which turns the direction of text and can hide"
            " what it says; remove it",
        )
    if code := invisible_character(text):
        raise RefusalError(
            Reason.INVISIBLE_CHARACTER,
            f"found {code} in {shown(text)}, which shows nothing, so that two texts can look alike; remove it",
        )
