"""What a policy must say, as marshmallow schemas: every fault of a file is found at once.

Only policies from outside go through here (`--policies`, `policy check`, `policy adopt`); those that come with the
program are checked by its tests.
"""

import json
from typing import Any, Final, get_args

from marshmallow import RAISE, Schema, ValidationError, fields, validate, validates_schema

from domain.calendar import parse_instant
from domain.events import ID_PATTERN, Scheme
from domain.policy import STATUSES
from domain.reputation_facts import KINDS

TENTHS_MAX: Final = 10**6
BOUND_TENTHS_MAX: Final = 10**12
_ID: Final = validate.Regexp(
    rf"{ID_PATTERN}\Z", error="must be 1 to 64 letters, digits, '.', '_' or '-', beginning with a letter or digit"
)
_CLASSES: Final = ("good", "neutral", "bad")


class Instant(fields.String):
    """A time with an offset; TOML's own times arrive here as texts."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **rest: Any) -> str:
        text = super()._deserialize(value, attr, data, **rest)
        try:
            parse_instant(text)
        except ValueError as error:
            raise ValidationError(str(error)) from None
        return text


class Whole(fields.Integer):
    """A whole number within bounds; `true` is none."""

    def __init__(self, low: int, high: int, *, required: bool = True) -> None:
        bounds = validate.Range(low, high, error=f"must be a whole number from {low} to {high}")
        super().__init__(strict=True, required=required, validate=bounds)
        self.error_messages["invalid"] = f"must be a whole number from {low} to {high}"

    def _deserialize(self, value: Any, attr: str | None, data: Any, **rest: Any) -> Any:
        if isinstance(value, bool):
            raise self.make_error("invalid")
        return super()._deserialize(value, attr, data, **rest)


class _Strict(Schema):
    class Meta:
        unknown = RAISE


class _ReviewTenths(_Strict):
    good = Whole(-TENTHS_MAX, TENTHS_MAX)
    neutral = Whole(-TENTHS_MAX, TENTHS_MAX)
    bad = Whole(-TENTHS_MAX, TENTHS_MAX)


class _StarClasses(_Strict):
    good = fields.List(Whole(1, 5), required=True)
    neutral = fields.List(Whole(1, 5), required=True)
    bad = fields.List(Whole(1, 5), required=True)

    @validates_schema(skip_on_field_errors=True)
    def each_star_once(self, data: dict[str, Any], **_: Any) -> None:
        stars = sorted(star for name in _CLASSES for star in data[name])
        if stars != [1, 2, 3, 4, 5]:
            raise ValidationError(f"must name each of the stars 1 to 5 once, found {stars}")


class _GrowthCap(_Strict):
    from_ = fields.String(required=True, data_key="from")
    tenths = Whole(0, BOUND_TENTHS_MAX, required=False)


class _Level(_Strict):
    code = fields.String(required=True, validate=_ID)
    zh = fields.String(required=True, validate=validate.Length(1, 32))
    en = fields.String(required=True, validate=validate.Length(1, 32))
    from_tenths = Whole(1, BOUND_TENTHS_MAX)


class _Publication(_Strict):
    day = Whole(1, 28)
    hour = Whole(0, 23)


def _parameter(value: fields.Field[Any]) -> fields.Nested:
    """A parameter around its value."""
    schema = _Strict.from_dict(
        {
            "value": value,
            "source": fields.String(required=True, validate=validate.Length(1, 1_000)),
            "status": fields.String(required=True, validate=validate.OneOf(STATUSES)),
        }
    )
    return fields.Nested(schema, required=True)


def _rising(levels: list[dict[str, Any]]) -> None:
    bounds, codes = [level["from_tenths"] for level in levels], [level["code"] for level in levels]
    if not levels:
        raise ValidationError("must name at least one level")
    if bounds != sorted(set(bounds)):
        raise ValidationError("must stand in rising order of from_tenths")
    if len(set(codes)) < len(codes):
        raise ValidationError("must not name a level code twice")


class _ReputationParameters(_Strict):
    statistics_from = _parameter(Instant(required=True))
    star_classes = _parameter(fields.Nested(_StarClasses, required=True))
    review_tenths = _parameter(fields.Nested(_ReviewTenths, required=True))
    default_tenths = _parameter(Whole(-TENTHS_MAX, TENTHS_MAX))
    review_hours = _parameter(Whole(1, 10_000))
    amount_fen_min = _parameter(Whole(0, BOUND_TENTHS_MAX))
    counted_kinds = _parameter(fields.List(fields.String(validate=validate.OneOf(KINDS)), required=True))
    pair_cap_tenths = _parameter(Whole(0, BOUND_TENTHS_MAX))
    growth_caps = _parameter(fields.List(fields.Nested(_GrowthCap), required=True))
    levels = _parameter(fields.List(fields.Nested(_Level), required=True, validate=_rising))
    publication = _parameter(fields.Nested(_Publication, required=True))


class _PolicySchema(_Strict):
    scheme = fields.String(required=True, validate=validate.OneOf(get_args(Scheme)))
    id = fields.String(required=True, validate=_ID)
    in_force_from = Instant(required=True)
    preview_from = Instant()
    recalculates_from = Instant()
    parameters = fields.Dict(required=True)


_PARAMETERS: Final[dict[str, type[Schema]]] = {"merchant-reputation": _ReputationParameters}


def faults_of(canonical: str) -> list[str]:
    """Every fault of a policy's canonical JSON, by the place where it stands; none when it can be used."""
    content = json.loads(canonical)
    found = _lines(_PolicySchema().validate(content), content)
    schema = _PARAMETERS.get(content.get("scheme"))
    if schema is None:
        return found or [f"scheme: {content['scheme']} is not judged by this levelbook yet"]
    parameters = content.get("parameters")
    if isinstance(parameters, dict):
        errors = schema().validate(parameters)
        found += _lines(errors, parameters, "parameters.")
        if not errors.keys() & {"levels", "growth_caps"}:
            found += _caps_that_fit_no_level(parameters)
    return found


def _caps_that_fit_no_level(parameters: dict[str, Any]) -> list[str]:
    """Growth caps begin at no level (""), and at levels that there are, in their order."""
    codes = ["", *(level["code"] for level in parameters["levels"]["value"])]
    starts = [cap["from"] for cap in parameters["growth_caps"]["value"]]
    place = "parameters.growth_caps.value"
    unknown = [code for code in starts if code not in codes]
    if unknown:
        return [f"{place}: must begin at levels that there are, found {', '.join(unknown)}"]
    if starts[:1] != [""] or [codes.index(code) for code in starts] != sorted({codes.index(code) for code in starts}):
        return [f'{place}: must begin with from = "" and rise in the order of levels, found {json.dumps(starts)}']
    return []


def _lines(messages: Any, value: Any, place: str = "") -> list[str]:
    """marshmallow's tree of messages as lines that name the place, what is wrong, and what was found there."""
    if not isinstance(messages, dict):
        return [f"{place.rstrip('.') or 'the policy'}: {_text(message)}{_found(value)}" for message in messages]
    lines = []
    for key, below in messages.items():
        inner = value if key == "_schema" else _at(value, key)
        lines += _lines(below, inner, place if key == "_schema" else f"{place}{key}.")
    return lines


def _at(value: Any, key: Any) -> Any:
    try:
        return value[key]
    except (LookupError, TypeError):
        return None


def _found(value: Any) -> str:
    """What stands in a place, unless it is large or nothing."""
    return "" if value is None or isinstance(value, (dict, list)) else f", found {json.dumps(value)}"


def _text(message: str) -> str:
    return message[:1].lower() + message[1:].rstrip(".")
