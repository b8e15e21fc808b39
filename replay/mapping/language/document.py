"""The mapping file: which columns become which events. Strict TOML, every fault of it told at once.

Four constructs and no more: placeholders in texts, one comparison, tables of values, exact decimal scaling.
"""

import json
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from marshmallow import RAISE, Schema, ValidationError, fields, validate

from domain.events import CATALOGUE
from replay.errors import FaultyMapping, UsageError
from replay.mapping.language.kinds import FLAG, NUMBER, TEXT, fields_of
from replay.mapping.language.texts import Condition, Template, parse_condition, parse_template
from replay.mapping.language.zones import Zone, zone_of
from replay.parsing.unpacking import printable

QUERY: Final = "query"
FORMATS: Final = ("csv", "tsv", "parquet", "arrow", "jsonl", QUERY)
ENCODINGS: Final = ("utf-8", "utf-8-sig", "gbk", "gb18030", "utf-16")
STRICT: Final = "strict"
EVENTS_MAX: Final = 32
"""So many events may one row give."""
REQUIRED: Final = ("type", "subject", "id", "time")
_OPTIONAL: Final = ("source", "recordedtime", "actor", "correlationid", "causationid")
_NEEDED: Final = {TEXT: "text", NUMBER: "a whole number", FLAG: "true or false"}
_TYPES: Final = [name for name, row in CATALOGUE.items() if not row.internal]

Value = Template | int | bool
"""Of an attribute or a field of data: a text with placeholders, or what TOML says it is."""


class EventMapping(NamedTuple):
    """One event that a row may give."""

    type: str
    attributes: dict[str, Template]
    """By name, `source` among them."""
    data: dict[str, Value]
    when: Condition | None

    @property
    def columns(self) -> list[str]:
        """Every column that it is made of, in the order in which they are first named."""
        found: dict[str, None] = {}
        for template in (*self.attributes.values(), *self.data.values()):
            if isinstance(template, Template):
                found |= dict.fromkeys(template.columns)
        if self.when is not None:
            found[self.when.column] = None
        return list(found)


class Mapping(NamedTuple):
    """A mapping that can be used."""

    name: str
    """The file, for messages."""
    format: str
    encoding: str
    delimiter: str
    zone: Zone
    ignored: frozenset[str]
    """Columns that may be there and are not looked at."""
    values: dict[str, dict[str, str]]
    events: list[EventMapping]

    @property
    def columns(self) -> list[str]:
        """Every column that an event is made of, in the order in which they are first named."""
        return list(dict.fromkeys(column for event in self.events for column in event.columns))


def read_mapping(path: Path) -> Mapping:
    """The mapping in a file; raises UsageError where there is none, FaultyMapping with a line for each fault."""
    shown = printable(str(path))
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise UsageError(f"there is no mapping {shown}; 'levelbook map new FILE' proposes one") from None
    except IsADirectoryError:
        raise UsageError(f"the mapping {shown} is a folder; name the file in it") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FaultyMapping(f"{shown}: cannot be read as TOML in UTF-8: {error}") from None
    return mapping_of(content, shown)


def mapping_of(content: dict[str, Any], name: str) -> Mapping:
    """The mapping that the content of a file says; raises FaultyMapping with a line for each fault."""
    try:
        loaded = _MappingSchema().load(content)
    except ValidationError as error:
        raise FaultyMapping("\n".join(f"{name}: {line}" for line in _lines(error.messages))) from None
    events = [_event_of(event, loaded["source"]) for event in loaded["event"]]
    mapping = Mapping(
        name,
        loaded["format"],
        loaded["encoding"],
        loaded.get("delimiter") or ("\t" if loaded["format"] == "tsv" else ","),
        loaded["zone"],
        frozenset() if loaded["columns"] == STRICT else frozenset(loaded["columns"]),
        loaded["values"],
        events,
    )
    if faults := _faults_between(mapping):
        raise FaultyMapping("\n".join(f"{name}: {line}" for line in faults))
    return mapping


def _event_of(loaded: dict[str, Any], source: Template) -> EventMapping:
    attributes = {"source": source} | {key: loaded[key] for key in (*REQUIRED[1:], *_OPTIONAL) if key in loaded}
    return EventMapping(loaded["type"], attributes, loaded["data"], loaded.get("when"))


def _faults_between(mapping: Mapping) -> list[str]:
    """What only shows where parts of a mapping are held against one another."""
    found = []
    for number, event in enumerate(mapping.events, 1):
        place = f"event {number} ({event.type})"
        for key, template in (*event.attributes.items(), *event.data.items()):
            for table in template.tables if isinstance(template, Template) else ():
                if table not in mapping.values:
                    known = ", ".join(mapping.values) or "none"
                    found.append(f"{place}: {key}: there is no [values.{table}]; tables of values are: {known}")
        found += [f"{place}: {fault}" for fault in _faults_of_data(event)]
    both = sorted(mapping.ignored & set(mapping.columns))
    found += [f"columns: {column} is said to be left aside, but an event is made of it; take it out" for column in both]
    return found


def _faults_of_data(event: EventMapping) -> Iterator[str]:
    """Fields that its type does not know or lacks, and values that can never fit."""
    known = fields_of(event.type)
    for name, value in event.data.items():
        if name not in known:
            yield f"data.{name}: is not a field of {event.type}; its fields are: {', '.join(known) or 'none'}"
        elif not isinstance(value, Template) and (FLAG if isinstance(value, bool) else NUMBER) != known[name].kind:
            yield f"data.{name}: found {json.dumps(value)}; must be {_NEEDED[known[name].kind]}"
    for name, kind in known.items():
        if kind.required and name not in event.data:
            yield f"data.{name}: is missing; {event.type} needs it"


class _Parsed(fields.String):
    """A text that is read further; `parse` raises ValueError, saying what is wrong with it."""

    def __init__(self, parse: Callable[[str], Any], *, invalid: str = "must be text", **options: Any) -> None:
        super().__init__(**options)
        self._parse = parse
        self.error_messages["invalid"] = invalid

    def _deserialize(self, value: Any, attr: str | None, data: Any, **rest: Any) -> Any:
        text = super()._deserialize(value, attr, data, **rest)
        try:
            return self._parse(text)
        except ValueError as error:
            raise ValidationError(str(error)) from None


class _ValueField(_Parsed):
    """A text with placeholders, a whole number, or true or false."""

    def __init__(self) -> None:
        super().__init__(parse_template, invalid="must be text, a whole number, or true or false")

    def _deserialize(self, value: Any, attr: str | None, data: Any, **rest: Any) -> Any:
        return value if type(value) in (int, bool) else super()._deserialize(value, attr, data, **rest)


class _ColumnsField(fields.Field[Any]):
    """ "strict", or the columns that are left aside."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **rest: Any) -> Any:
        names = isinstance(value, list) and all(isinstance(item, str) for item in value)
        if value != STRICT and not names:
            raise ValidationError('must be "strict", or a list of the columns that are left aside')
        return value


class _StrictSchema(Schema):
    """Unknown keys are faults, with the keys that there are."""

    class Meta:
        unknown = RAISE

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.error_messages["unknown"] = f"is not known; keys here are: {', '.join(self.declared_fields)}"
        for field in self.declared_fields.values():
            if field.error_messages["required"] == fields.Field.default_error_messages["required"]:
                field.error_messages["required"] = "is missing"


class _EventSchema(_StrictSchema):
    type = fields.String(
        required=True, validate=validate.OneOf(_TYPES, error=f"found {{input}}; types are: {', '.join(_TYPES)}")
    )
    subject = _Parsed(parse_template, required=True)
    id = _Parsed(parse_template, required=True)
    time = _Parsed(parse_template, required=True)
    when = _Parsed(parse_condition)
    source = _Parsed(parse_template)
    recordedtime = _Parsed(parse_template)
    actor = _Parsed(parse_template)
    correlationid = _Parsed(parse_template)
    causationid = _Parsed(parse_template)
    data = fields.Dict(keys=fields.String(), values=_ValueField(), load_default=dict)

    class Meta:
        unknown = RAISE


def _one_character(value: str) -> None:
    if len(value) != 1 or value in '"\r\n' or not value.isascii():
        raise ValidationError('must be one ASCII character, such as ";" or "\\t"')


def _known_encoding(value: str) -> None:
    if value not in ENCODINGS:
        raise ValidationError(f"found {value}; encodings are: {', '.join(ENCODINGS)}")


class _MappingSchema(_StrictSchema):
    format = fields.String(
        required=True,
        validate=validate.OneOf(FORMATS, error=f"found {{input}}; formats are: {', '.join(FORMATS)}"),
        error_messages={"required": f"is missing; formats are: {', '.join(FORMATS)}"},
    )
    encoding = fields.String(load_default="utf-8", validate=_known_encoding)
    delimiter = fields.String(validate=_one_character)
    source = _Parsed(parse_template, required=True)
    zone = _Parsed(
        zone_of,
        required=True,
        error_messages={
            "required": 'is missing; say in which zone times without an offset are, as "Asia/Shanghai" or "+08:00"'
        },
    )
    columns = _ColumnsField(load_default=STRICT)
    values = fields.Dict(
        keys=fields.String(),
        values=fields.Dict(keys=fields.String(), values=fields.String(error_messages={"invalid": "must be text"})),
        load_default=dict,
    )
    event = fields.List(
        fields.Nested(_EventSchema),
        required=True,
        validate=validate.Length(1, EVENTS_MAX, error=f"must be 1 to {EVENTS_MAX} [[event]] tables"),
        error_messages={"required": "is missing; write an [[event]] table for each event that a row gives"},
    )

    class Meta:
        unknown = RAISE


def _lines(messages: Any, place: str = "") -> list[str]:
    """marshmallow's tree of messages as lines that name the place and what is wrong there."""
    if not isinstance(messages, dict):
        return [f"{place or 'the mapping'}: {message}" for message in messages]
    found = []
    for key, below in messages.items():
        if isinstance(key, int):
            inner = f"{place} {key + 1}"
        elif key in ("value", "key", "_schema"):
            inner = place
        else:
            inner = f"{place}.{key}" if place else str(key)
        found += _lines(below, inner)
    return found
