"""The catalogue as marshmallow schemas, derived from the typed classes of `domain.events`.

They are the careful reader: they find every fault of an event at once and say what to do. The
fast reader in `replay.parsing.fast` only ever accepts what these schemas accept.
"""

import re
from difflib import get_close_matches
from functools import cache
from typing import Any, Final

import msgspec
from marshmallow import RAISE, Schema, ValidationError, fields
from msgspec import inspect

from domain.events import CATALOGUE
from domain.extensions import ASKED_ABOUT, Extension
from domain.fields import ID_PATTERN
from domain.limits import EXTENSIONS_MAX, KEY_CHARS_MAX
from replay.parsing.envelope import ATTRIBUTES, EXTENSION_NAME, RECEIVED
from replay.parsing.refusals import Listing, Reason, listing
from replay.parsing.strict_json import OddNumber, shown
from replay.parsing.wrong_types import Needed, found_text, hint, needed_text

ID_FORM: Final = re.compile(ID_PATTERN)


class Fault(str):
    """What is wrong with one field, the name of the refusal it leads to, and the list of known fields in it."""

    reason: Reason
    listing: Listing | None

    def __new__(cls, reason: Reason, text: str, listing: Listing | None = None) -> "Fault":
        fault = super().__new__(cls, text)
        fault.reason = reason
        fault.listing = listing
        return fault


class Exact(fields.Field[Any]):
    """A field that takes values of its JSON type and bounds as they are and converts nothing."""

    def __init__(self, needed: Needed, **options: Any) -> None:
        self.needed = needed
        null = Fault(Reason.WRONG_TYPE, self._wrong_type(None))
        missing = Fault(Reason.MISSING_FIELD, f"is missing; must be {needed.description}")
        super().__init__(error_messages={"null": null, "required": missing}, **options)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **_: Any) -> Any:
        reason = _fault_reason(self.needed.kind, value)
        if reason is Reason.WRONG_TYPE:
            raise ValidationError([Fault(reason, self._wrong_type(value))])
        if reason is not None:
            raise ValidationError([Fault(reason, f"found {shown(value)}; must be {self.needed.description}")])
        return value

    def _wrong_type(self, value: Any) -> str:
        return f"{found_text(value)}; must be {needed_text(self.needed)}; {hint(self.needed, value, self._fits)}"

    def _fits(self, value: Any) -> bool:
        return _fault_reason(self.needed.kind, value) is None


class EventSchema(Schema):
    """The base of the derived schemas: unknown fields are refused, with the nearest known name."""

    what = "attributes"
    """What its fields are called."""

    class Meta:
        unknown = RAISE


@cache
def data_schema(event_type: str) -> EventSchema:
    """The schema of the `data` of a catalogued type."""
    schema = _derive(CATALOGUE[event_type].data)
    schema.what = f"fields of {event_type}"
    return schema


@cache
def envelope_schema() -> EventSchema:
    """The schema of an event around its `data`."""
    return _derive(RECEIVED)


@cache
def _extension_field() -> "Exact":
    return Exact(_needed(inspect.type_info(Extension)))


def extension_faults(kept: dict[str, Any]) -> list[Fault]:
    """The faults of extension attributes that are kept although CloudEvents does not document them."""
    found = []
    for name, value in sorted(kept.items()):
        try:
            _extension_field().deserialize(value)
        except ValidationError as error:
            (fault,) = error.messages
            assert isinstance(fault, Fault)
            found.append(Fault(fault.reason, f"{name}: {fault}"))
    if len(kept) > EXTENSIONS_MAX:
        text = (
            f"found {len(kept)} extension attributes; an event may bear {EXTENSIONS_MAX}: leave out what is not needed"
        )
        found.append(Fault(Reason.OUT_OF_BOUNDS, text))
    return found


def faults(schema: EventSchema, value: dict[str, Any], prefix: str = "") -> list[Fault]:
    """Every fault of an object, by field name in alphabetical order; none when it is well formed."""
    found = []
    for name, messages in sorted(schema.validate(value).items()):
        first = messages[0]
        if isinstance(first, Fault):
            found.append(Fault(first.reason, f"{prefix}{name}: {first}"))
        else:
            found.append(_unknown_field(schema, name, prefix))
    return found


def _unknown_field(schema: EventSchema, name: str, prefix: str) -> Fault:
    short = name if ID_FORM.fullmatch(name) else shown(name)
    near = get_close_matches(name[:KEY_CHARS_MAX], schema.fields, n=1)
    of_envelope = schema.fields.keys() >= ATTRIBUTES
    if of_envelope and name in ASKED_ABOUT:
        return Fault(
            Reason.UNKNOWN_FIELD,
            f"{name}: is an extension attribute that {ASKED_ABOUT[name]}; leave it out, or ingest with --extensions"
            " keep to record it, or --extensions drop",
        )
    if of_envelope and not near and EXTENSION_NAME.fullmatch(name):
        return Fault(
            Reason.UNKNOWN_FIELD,
            f"{short}: is an extension attribute that CloudEvents does not document; leave it out, or ingest with"
            " --extensions keep to record it, or --extensions drop",
        )
    text = f"{prefix}{short}: is not a known field; "
    if near:
        return Fault(Reason.UNKNOWN_FIELD, f"{text}did you mean '{near[0]}'?")
    known = listing(schema.what, sorted(ATTRIBUTES if of_envelope else schema.fields))
    return Fault(Reason.UNKNOWN_FIELD, text + known.whole, known)


def _derive(struct: type[msgspec.Struct]) -> EventSchema:
    info = inspect.type_info(struct)
    assert isinstance(info, inspect.StructType)
    schema = EventSchema.from_dict({field.encode_name: _field(field) for field in info.fields})
    built = schema()
    assert isinstance(built, EventSchema)
    return built


def _field(field: inspect.Field) -> fields.Field[Any]:
    if field.encode_name == "data":
        return _DataField()
    _, allow_none = _plain(field.type)
    return Exact(_needed(field.type, optional=not field.required), required=field.required, allow_none=allow_none)


def _needed(kind: inspect.Type, *, optional: bool = False) -> Needed:
    plain, _ = _plain(kind)
    return Needed(plain, _describe(kind, plain), _example(kind, plain), optional)


class _DataField(Exact):
    """`data` is an object; its fields are the business of the type's own schema."""

    def __init__(self) -> None:
        kind = inspect.DictType(inspect.StrType(), inspect.AnyType())
        super().__init__(Needed(kind, "a JSON object, as {...}", {"order": "o-88121"}, optional=True))


def _plain(kind: inspect.Type) -> tuple[inspect.Type, bool]:
    """The kind of a field without its wrappings, and whether it may be null."""
    if isinstance(kind, inspect.Metadata):
        return _plain(kind.type)
    if not isinstance(kind, inspect.UnionType):
        return kind, False
    members = [_plain(member)[0] for member in kind.types]
    values = [member for member in members if not isinstance(member, inspect.NoneType)]
    assert len(values) == 1, kind
    return values[0], len(values) < len(members)


def _describe(kind: inspect.Type, plain: inspect.Type) -> str:
    if isinstance(kind, inspect.Metadata):
        return str((kind.extra_json_schema or {})["description"])
    if isinstance(kind, inspect.UnionType):
        return _describe(next(k for k in kind.types if not isinstance(k, inspect.NoneType)), plain)
    if isinstance(plain, inspect.LiteralType):
        return " or ".join(f'"{value}"' for value in plain.values)
    return _DESCRIPTIONS[type(plain)]


def _example(kind: inspect.Type, plain: inspect.Type) -> Any:
    if isinstance(kind, inspect.Metadata):
        return (kind.extra_json_schema or {})["examples"][0]
    if isinstance(kind, inspect.UnionType):
        return _example(next(k for k in kind.types if not isinstance(k, inspect.NoneType)), plain)
    assert isinstance(plain, inspect.LiteralType)
    return plain.values[0]


_DESCRIPTIONS: Final = {inspect.StrType: "text", inspect.IntType: "an integer"}


def _fault_reason(kind: inspect.Type, value: Any) -> Reason | None:
    if isinstance(kind, inspect.DictType):
        return None if type(value) is dict else Reason.WRONG_TYPE
    if isinstance(kind, inspect.BoolType):
        return None if type(value) is bool else Reason.WRONG_TYPE
    if isinstance(kind, inspect.IntType):
        return _integer_fault(kind, value)
    if type(value) is not str:
        return Reason.WRONG_TYPE
    if isinstance(kind, inspect.LiteralType):
        return None if value in kind.values else Reason.WRONG_FORM
    assert isinstance(kind, inspect.StrType)
    return _text_fault(kind, value)


def _integer_fault(kind: inspect.IntType, value: Any) -> Reason | None:
    if isinstance(value, OddNumber) and value.lstrip("-").isdigit():
        return Reason.OUT_OF_BOUNDS
    if type(value) is not int:
        return Reason.WRONG_TYPE
    low = kind.ge is not None and value < kind.ge
    high = kind.le is not None and value > kind.le
    return Reason.OUT_OF_BOUNDS if low or high else None


def _text_fault(kind: inspect.StrType, value: str) -> Reason | None:
    if kind.pattern is not None and re.search(kind.pattern, value) is None:
        return Reason.WRONG_FORM
    if kind.max_length is not None and len(value) > kind.max_length:
        return Reason.OUT_OF_BOUNDS
    if kind.min_length is not None and len(value) < kind.min_length:
        return Reason.OUT_OF_BOUNDS
    return None
