"""What the keys of the JSON answers mean: a marshmallow schema an answer, each with its version.

A version rises when a key goes, or changes its meaning; new keys may come within one. The tests load
answers of every command through these schemas.
"""

from collections.abc import Iterator
from typing import Any, Final

from marshmallow import Schema, fields

from projections.contract.parts.changes import DiffAnswer, HistoryAnswer
from projections.contract.parts.hypothetical import WaysAnswer, WhatIfAnswer
from projections.contract.parts.rules import RulesAnswer
from projections.contract.schemes.registry import ANSWERS, Answers, answers_of


def _schemas(own: Answers) -> dict[str, type[Schema]]:
    shared = {
        "history": HistoryAnswer,
        "diff": DiffAnswer,
        "what-if": WhatIfAnswer,
        "ways": WaysAnswer,
        "rules": RulesAnswer,
    }
    return {"replay": own.replay, "explain": own.explain, **shared}


SCHEMAS: Final[dict[tuple[str, str], tuple[int, type[Schema]]]] = {
    (command, scheme): (1, schema) for scheme, own in ANSWERS.items() for command, schema in _schemas(own).items()
}
"""By command and scheme: version and schema of its JSON answer."""


def describe(name: str | None, scheme: str | None) -> dict[str, Any]:
    """The keys of one answer, or of all: place, type, description. Raises UsageError for a scheme without answers."""
    if scheme is not None:
        answers_of(scheme)
    chosen = {
        f"{command} {judging}": found
        for (command, judging), found in SCHEMAS.items()
        if name in (None, command) and scheme in (None, judging)
    }
    return {kind: {"version": version, "keys": list(_keys(schema(), ""))} for kind, (version, schema) in chosen.items()}


def _keys(schema: Schema, place: str) -> Iterator[dict[str, str]]:
    for name, field in schema.fields.items():
        key = f"{place}{field.data_key or name}"
        inner = field.inner if isinstance(field, fields.List) else field
        listed = "[]" if isinstance(field, fields.List) else ""
        yield {"key": key + listed, "type": _type(inner, field), "description": field.metadata["description"]}
        if isinstance(field, fields.Dict) and isinstance(field.value_field, fields.Nested):
            yield from _keys(field.value_field.schema, f"{key}.*.")
        if isinstance(inner, fields.Nested):
            yield from _keys(inner.schema, f"{key}{listed}.")


def _type(inner: fields.Field[Any], field: fields.Field[Any]) -> str:
    names = {fields.String: "text", fields.Integer: "integer", fields.Boolean: "boolean", fields.Raw: "any"}
    name = names.get(type(inner), "object")
    return f"{name} or null" if field.allow_none else name
