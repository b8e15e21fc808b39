"""A mapping, held against the columns of a table, as functions of a row: made once, called for every row."""

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from operator import eq, ge, gt, itemgetter, le, lt, ne
from typing import Any, Final, NamedTuple

import msgspec

from replay.mapping.language.document import EventMapping, Mapping, Value
from replay.mapping.language.kinds import FLAG, NUMBER, FieldKind, fields_of
from replay.mapping.language.texts import NUMBER as DECIMAL
from replay.mapping.language.texts import Condition, Placeholder, Template, scaled
from replay.mapping.language.zones import Zone, with_offset
from replay.parsing.refusals import Columns, Reason, RefusalError
from replay.parsing.strict_json import shown

Row = Sequence[str]
"""The values of a row as text, in the order of its columns; what is null is empty."""
Maker = Callable[[Row], Any]
"""What a field becomes of a row; None where it is left out. Raises RefusalError, naming column and value."""

ORDERED: Final = {"<": lt, "<=": le, ">": gt, ">=": ge}
INSTANTS: Final = ("time", "recordedtime")
NEEDED: Final = ("source", "subject", "id", "time")
WHOLE: Final = re.compile(r"-?[0-9]{1,18}")
FLAGS: Final = {"true": True, "false": False}
_encode: Final = msgspec.json.encode
BEGINNING: Final = {"specversion": "1.0"}
"""What every event has before all else."""


class MappedEvent(NamedTuple):
    """One event of a mapping as functions of a row."""

    type: str
    when: Callable[[Row], bool] | None
    attributes: list[tuple[str, Maker]]
    data: list[tuple[str, Maker]]
    columns: dict[str, list[str]]
    """Of each attribute, and of each field as `data.<name>`: the columns that it is made of."""

    def told_of(self, values: dict[str, str]) -> Columns:
        """By field, the columns that it is made of, with what a row has in them."""
        return {
            field: ", ".join(f"{column} = {shown(values[column])}" for column in columns)
            for field, columns in self.columns.items()
            if columns
        }

    def line(self, row: Row) -> bytes:
        """The event of a row as a line; empty where the row has none. Raises RefusalError."""
        if self.when is not None and not self.when(row):
            return b""
        event: dict[str, Any] = BEGINNING | {"type": self.type}
        for name, make in self.attributes:
            value = make(row)
            if value is not None:
                event[name] = value
        data: dict[str, Any] = {}
        for name, make in self.data:
            value = make(row)
            if value is not None:
                data[name] = None if value is _NULL else value
        event["data"] = data
        return _encode(event)


_NULL: Final = object()


def encoded_text(text: str) -> str:
    """What stands between the quotes of a string of JSON."""
    return _encode(text)[1:-1].decode()


def compiled(mapping: Mapping, columns: Sequence[str]) -> list[MappedEvent]:
    """The events of a mapping over rows that have these columns, each named once and all there."""
    at = {column: index for index, column in enumerate(columns)}
    return [_Compiler(mapping, at).event(event) for event in mapping.events]


class _Compiler:
    """Turns what a mapping says of one event into functions of a row."""

    def __init__(self, mapping: Mapping, at: dict[str, int]) -> None:
        self._mapping = mapping
        self._at = at

    def event(self, event: EventMapping) -> MappedEvent:
        kinds = fields_of(event.type)
        columns = {name: template.columns for name, template in event.attributes.items()}
        columns |= {
            f"data.{name}": value.columns if isinstance(value, Template) else [] for name, value in event.data.items()
        }
        return MappedEvent(
            event.type,
            None if event.when is None else self._when(event.when),
            [(name, self._attribute(name, template)) for name, template in event.attributes.items()],
            [(name, self._field(f"data.{name}", value, kinds[name])) for name, value in event.data.items()],
            columns,
        )

    def _attribute(self, name: str, template: Template) -> Maker:
        if name in NEEDED and name not in INSTANTS:
            return self._needed_text(name, template)
        text = self._text(name, template)
        if name in INSTANTS:
            text = _instant(name, template, text, self._mapping.zone, self._at)
        return _needed(name, template, text) if name in NEEDED else _or_left_out(text)

    def _field(self, name: str, value: Value, kind: FieldKind) -> Maker:
        if not isinstance(value, Template):
            return lambda _: value
        text = self._text(name, value)
        made = _or_left_out(text)
        if kind.nullable:
            made = _or_null(text)
        elif kind.required:
            made = self._needed_text(name, value)
        if kind.kind == NUMBER:
            return _whole(name, value, made, self._at)
        return _flag(name, value, made, self._at) if kind.kind == FLAG else made

    def _needed_text(self, name: str, template: Template) -> Maker:
        """A text that must be there: mostly one column as it is, between fixed texts, made in one step."""
        found = template.placeholders
        if len(found) != 1 or found[0] != Placeholder(found[0].column):
            return _needed(name, template, self._text(name, template))
        at = template.parts.index(found[0])
        before, after = ("".join(map(str, part)) for part in (template.parts[:at], template.parts[at + 1 :]))
        return _between(name, found[0].column, self._at[found[0].column], before, after)

    def _text(self, name: str, template: Template) -> Callable[[Row], str]:
        """The text of a template; empty when all of its columns are."""
        if not template.placeholders:
            fixed = "".join(map(str, template.parts))
            return lambda _: fixed
        if len(template.parts) == 1:
            return self._placeholder(name, template.placeholders[0])
        parts = [part if isinstance(part, str) else self._placeholder(name, part) for part in template.parts]
        return _joined(name, template, parts)

    def _placeholder(self, name: str, placeholder: Placeholder) -> Callable[[Row], str]:
        value: Callable[[Row], str] = itemgetter(self._at[placeholder.column])
        if placeholder.table is not None:
            return _looked_up(name, placeholder, value, self._mapping.values[placeholder.table])
        return value if placeholder.times is None else _times(name, placeholder.column, placeholder.times, value)

    def _when(self, when: Condition) -> Callable[[Row], bool]:
        value: Callable[[Row], str] = itemgetter(self._at[when.column])
        if when.operator in ORDERED:
            return in_order(when, value)
        compare, wanted = eq if when.operator == "==" else ne, when.value
        return lambda row: compare(value(row), wanted)


def _looked_up(
    name: str, placeholder: Placeholder, value: Callable[[Row], str], table: dict[str, str]
) -> Callable[[Row], str]:
    def look(row: Row) -> str:
        text = value(row)
        if text in table:
            return table[text]
        if text == "":
            return text
        raise RefusalError(
            Reason.NOT_MAPPED,
            f"{name}: column {placeholder.column}: found {shown(text)}, which [values.{placeholder.table}] of the"
            " mapping does not have; add it there, or mend the row",
        )

    return look


def _times(name: str, column: str, times: int, value: Callable[[Row], str]) -> Callable[[Row], str]:
    def multiply(row: Row) -> str:
        text = value(row)
        try:
            return str(scaled(text, times)) if text else text
        except ValueError as error:
            raise RefusalError(
                Reason.NOT_EXACT, f"{name}: column {column}: found {shown(text)}, which {error}; mend the row"
            ) from None

    return multiply


def _joined(name: str, template: Template, parts: list[str | Callable[[Row], str]]) -> Callable[[Row], str]:
    columns = template.columns

    def join(row: Row) -> str:
        found = [part if isinstance(part, str) else part(row) for part in parts]
        if "" not in found:
            return "".join(found)
        values = [text for text, part in zip(found, parts, strict=True) if not isinstance(part, str)]
        if not any(values):
            return ""
        raise _empty(name, [column for column, text in zip(columns, values, strict=True) if not text])

    return join


def _empty(name: str, columns: Sequence[str]) -> RefusalError:
    which = f'column {", ".join(columns)}: found ""' if columns else "the mapping has an empty text for it"
    return RefusalError(
        Reason.COLUMN_EMPTY,
        f"{name}: {which}, but the event needs a value; mend the row, or leave such rows out by"
        " when = \"column != ''\"",
    )


def _needed(name: str, template: Template, text: Callable[[Row], Any]) -> Maker:
    columns = template.columns

    def need(row: Row) -> str:
        if found := text(row):
            return str(found)
        raise _empty(name, columns)

    return need


def _between(name: str, column: str, at: int, before: str, after: str) -> Maker:
    def between(row: Row) -> str:
        if value := row[at]:
            return f"{before}{value}{after}"
        raise _empty(name, [column])

    return between


def _or_left_out(text: Callable[[Row], str]) -> Maker:
    return lambda row: text(row) or None


def _or_null(text: Callable[[Row], str]) -> Maker:
    return lambda row: text(row) or _NULL


def _found(template: Template, row: Row, at: dict[str, int]) -> str:
    """The columns of a template and what a row has in them."""
    return ", ".join(f"column {column}: found {shown(row[at[column]])}" for column in template.columns) or "the mapping"


def _instant(
    name: str, template: Template, text: Callable[[Row], str], zone: Zone, at: dict[str, int]
) -> Callable[[Row], str]:
    def instant(row: Row) -> str:
        found = text(row)
        try:
            return with_offset(found, zone) if found else found
        except ValueError as error:
            reason = Reason.IMPOSSIBLE_TIME if "exist" in str(error) else Reason.MALFORMED_TIME
            where = _found(template, row, at)
            raise RefusalError(reason, f"{name}: {where}, which {error}") from None

    return instant


def _whole(name: str, template: Template, made: Maker, at: dict[str, int]) -> Maker:
    def whole(row: Row) -> Any:
        text = made(row)
        if text is None or text is _NULL:
            return text
        if WHOLE.fullmatch(text):
            return int(text)
        hint = "" if any(part.times for part in template.placeholders) else "; {column|x100} makes fen of yuan"
        raise RefusalError(
            Reason.WRONG_TYPE, f"{name}: {_found(template, row, at)}, which is no whole number{hint}; mend the row"
        )

    return whole


def _flag(name: str, template: Template, made: Maker, at: dict[str, int]) -> Maker:
    def flag(row: Row) -> Any:
        text = made(row)
        if text is None or text is _NULL:
            return text
        if (known := FLAGS.get(text.lower())) is not None:
            return known
        raise RefusalError(
            Reason.WRONG_TYPE,
            f"{name}: {_found(template, row, at)}, which is neither true nor false; say by a table of values of the"
            " mapping which is which",
        )

    return flag


def in_order(when: Condition, value: Callable[[Row], str]) -> Callable[[Row], bool]:
    compare, bound = ORDERED[when.operator], Decimal(when.value)

    def hold(row: Row) -> bool:
        text = value(row)
        if not text:
            return False  # nothing is neither more nor less
        if DECIMAL.fullmatch(text) is None:
            raise RefusalError(
                Reason.WRONG_TYPE,
                f"when: column {when.column}: found {shown(text)}, which is no decimal number to be compared by"
                f" {when.operator}; mend the row",
            )
        return bool(compare(Decimal(text), bound))

    return hold
