"""What the fields of an event's data take, as far as a mapping has to know: text, a whole number, or true and false."""

from functools import cache
from typing import Final, NamedTuple

from msgspec import inspect

from domain.events import CATALOGUE

TEXT: Final = "text"
NUMBER: Final = "number"
FLAG: Final = "flag"


class FieldKind(NamedTuple):
    """What a field takes."""

    kind: str
    required: bool
    nullable: bool
    """Whether it may be null."""


@cache
def fields_of(event_type: str) -> dict[str, FieldKind]:
    """The fields of the data of a type of the catalogue, by name."""
    info = inspect.type_info(CATALOGUE[event_type].data)
    assert isinstance(info, inspect.StructType)
    return {field.encode_name: _kind_of(field) for field in info.fields}


def _kind_of(field: inspect.Field) -> FieldKind:
    members = [_bare(kind) for kind in _members(_bare(field.type))]
    nullable = any(isinstance(kind, inspect.NoneType) for kind in members)
    if any(isinstance(kind, inspect.BoolType) for kind in members):
        return FieldKind(FLAG, field.required, nullable)
    is_number = any(isinstance(kind, inspect.IntType) for kind in members)
    return FieldKind(NUMBER if is_number else TEXT, field.required, nullable)


def _members(kind: inspect.Type) -> tuple[inspect.Type, ...]:
    return kind.types if isinstance(kind, inspect.UnionType) else (kind,)


def _bare(kind: inspect.Type) -> inspect.Type:
    return _bare(kind.type) if isinstance(kind, inspect.Metadata) else kind
