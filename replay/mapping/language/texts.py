"""The small language of a mapping: a text with placeholders, and one comparison."""

import re
from decimal import Decimal
from typing import Final, NamedTuple

OPERATORS: Final = ("==", "!=", "<=", ">=", "<", ">")
_PART: Final = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_SCALE: Final = re.compile(r"x([0-9]{1,9})")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_COMPARISON: Final = re.compile(r"\s*(.+?)\s*(==|!=|<=|>=|<|>)\s*(.*?)\s*", re.DOTALL)
NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
"""A decimal number as tables have them."""
_NUMBER_CHARS_MAX: Final = 64


class Placeholder(NamedTuple):
    """A column in a text: as it is, looked up in a table of values, or multiplied."""

    column: str
    table: str | None = None
    times: int | None = None


class Template(NamedTuple):
    """Fixed texts and placeholders in their order."""

    parts: tuple[str | Placeholder, ...]

    @property
    def placeholders(self) -> list[Placeholder]:
        return [part for part in self.parts if isinstance(part, Placeholder)]

    @property
    def columns(self) -> list[str]:
        return [part.column for part in self.placeholders]

    @property
    def tables(self) -> list[str]:
        return [part.table for part in self.placeholders if part.table is not None]


class Condition(NamedTuple):
    """`column op value`: == and != compare texts, the others decimal numbers."""

    column: str
    operator: str
    value: str


def parse_template(text: str) -> Template:
    """`{column}`, `{column|TABLE}` and `{column|x100}` in a text; `{{` and `}}` are braces."""
    parts: list[str | Placeholder] = []
    end = 0
    for found in _PART.finditer(text):
        fixed = text[end : found.start()]
        end = found.end()
        whole = found.group()
        if whole in ("{{", "}}"):
            parts.append(fixed + whole[0])
            continue
        if found[1] is None:
            raise ValueError(f"a brace stands alone in {text!r}; write {{column}}, or {whole * 2} for a brace")
        parts += [fixed, _placeholder(found[1])]
    parts.append(text[end:])
    return Template(tuple(part for part in parts if part != ""))


def parse_condition(text: str) -> Condition:
    """`column op value`; the value may stand in quotes."""
    found = _COMPARISON.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no comparison; write: column op value, op being one of {' '.join(OPERATORS)}")
    column, operator, value = found.groups()
    if value[:1] in ("'", '"') and value[-1:] == value[:1] and len(value) > 1:
        value = value[1:-1]
    if operator not in ("==", "!=") and NUMBER.fullmatch(value) is None:
        raise ValueError(f"{operator} compares decimal numbers, and {value!r} is none; texts have == and !=")
    return Condition(column, operator, value)


def scaled(text: str, times: int) -> int:
    """A decimal number times a whole one, exactly. Raises ValueError, saying why, where that is no whole number."""
    if len(text) > _NUMBER_CHARS_MAX or NUMBER.fullmatch(text) is None:
        raise ValueError("is no decimal number")
    top, below = Decimal(text).as_integer_ratio()
    number, rest = divmod(top * times, below)
    if rest:
        raise ValueError(f"times {times} is no whole number" if times > 1 else "is no whole number")
    return number


def _placeholder(inside: str) -> Placeholder:
    column, bar, rest = inside.partition("|")
    if not column:
        raise ValueError(f"{{{inside}}} names no column; write {{column}}")
    if not bar:
        return Placeholder(column)
    if times := _SCALE.fullmatch(rest):
        if int(times[1]) == 0:
            raise ValueError(f"{{{inside}}} multiplies by zero; write for example {{{column}|x100}}")
        return Placeholder(column, times=int(times[1]))
    if _NAME.fullmatch(rest) is None:
        raise ValueError(
            f"{{{inside}}}: behind the bar stands the name of a table of values, or x and a whole number, as in"
            f" {{{column}|x100}}"
        )
    return Placeholder(column, table=rest)
