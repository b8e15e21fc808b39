"""What is said of a field that bears a value of another JSON type: what was found, what is needed, how to write it."""

import json
import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from msgspec import inspect

from replay.parsing.strict_json import OddNumber, shown

_WRITTEN_CHARS_MAX: Final = 64
"""Longer values are not written out once more as they should be."""


class Needed(NamedTuple):
    """What a field takes."""

    kind: inspect.Type
    description: str
    example: Any
    optional: bool = False


def found_text(value: Any) -> str:
    """What was found, with the name of its JSON type."""
    if value is None:
        return "found null"
    return f"found {shown(value)}, which is {_kind_of(value)}"


def needed_text(needed: Needed) -> str:
    """What is needed, with how JSON writes it."""
    if isinstance(needed.kind, inspect.StrType | inspect.LiteralType):
        return f"text, in quotes: {needed.description.removeprefix('text').lstrip(': ')}"
    if isinstance(needed.kind, inspect.IntType | inspect.BoolType):
        return f"{needed.description}, without quotes"
    return needed.description


def hint(needed: Needed, value: Any, fits: Callable[[Any], bool]) -> str:
    """What to write: the value as it was meant, where that can be known, else an example."""
    if value is None:
        leave = "leave the field out, or " if needed.optional else ""
        return f"{leave}write for example {_written(needed.example)}"
    meant = _meant(needed.kind, value)
    if meant is not None and fits(meant):
        return f"write {_written(meant)}"
    return f"write for example {_written(needed.example)}"


def _meant(kind: inspect.Type, value: Any) -> Any:
    """The value in the JSON type that is needed; None where it says no such thing."""
    if isinstance(value, dict | list) or len(str(value)) > _WRITTEN_CHARS_MAX:
        return None
    if isinstance(kind, inspect.IntType):
        return _integer(value) if type(value) is str else None  # 129.0 may be yuan, where fen are needed
    if isinstance(kind, inspect.BoolType):
        return {"true": True, "1": True, "false": False, "0": False}.get(str(value).lower())
    if isinstance(kind, inspect.StrType | inspect.LiteralType):
        return str(value) if not isinstance(value, bool) else None
    return None


def _integer(text: str) -> int | None:
    """The integer that a text such as "12900" says; None for another."""
    return int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else None


def _kind_of(value: Any) -> str:
    if isinstance(value, bool):
        return "a truth value"
    if isinstance(value, int | OddNumber):
        return "a number"
    if isinstance(value, str):
        return "text"
    return "a list" if isinstance(value, list) else "an object"


def _written(value: Any) -> str:
    return json.dumps(value)
