"""What the schemas of answers are written with: a function a kind of key, each with what it means."""

from typing import Any, Final

from marshmallow import RAISE, Schema, fields, validate

MONTH: Final = r"\A[0-9]{4}-[0-9]{2}\Z"
INSTANT: Final = r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(\.[0-9]{6})?\+08:00\Z"
HASH: Final = r"\A[0-9a-f]{64}\Z"
POINTS: Final = r"\A[+-]?[0-9]+\.[0-9]\Z"


def text_key(description: str, form: str | None = None, **options: Any) -> fields.String:
    check = None if form is None else validate.Regexp(form)
    return fields.String(required=True, validate=check, metadata={"description": description}, **options)


def choice_key(names: Any, description: str, **options: Any) -> fields.String:
    return fields.String(
        required=True, validate=validate.OneOf(list(names)), metadata={"description": description}, **options
    )


def points_key(description: str, **options: Any) -> fields.String:
    return text_key(f"{description}; points with one decimal", POINTS, **options)


def instant_key(description: str, **options: Any) -> fields.String:
    return text_key(f"{description}; RFC 3339, Shanghai", INSTANT, **options)


def whole_key(description: str, **options: Any) -> fields.Integer:
    return fields.Integer(required=True, strict=True, metadata={"description": description}, **options)


def flag_key(description: str, *, allow_none: bool = False) -> fields.Boolean:
    return fields.Boolean(required=True, allow_none=allow_none, metadata={"description": description})


def texts_key(description: str) -> fields.List[Any]:
    return fields.List(fields.String(), required=True, metadata={"description": description})


def list_key(schema: type[Schema], description: str, **options: Any) -> fields.List[Any]:
    return fields.List(fields.Nested(schema), required=True, metadata={"description": description}, **options)


def nested_key(schema: type[Schema], description: str, *, required: bool = True, **options: Any) -> fields.Nested:
    return fields.Nested(schema, required=required, metadata={"description": description}, **options)


class Answer(Schema):
    """An object of an answer: it holds these keys and no others."""

    class Meta:
        unknown = RAISE
