"""Fields that the parameters of several schemes are made of, and the parameters that any scheme may have."""

from typing import Any, ClassVar, Final

from marshmallow import RAISE, Schema, ValidationError, fields, validate

from domain.calendar import parse_instant, parse_month
from domain.fields import ID_PATTERN
from domain.policy import STATUSES

TENTHS_MAX: Final = 10**6
BOUND_TENTHS_MAX: Final = 10**12
NAME_CHARS_MAX: Final = {"levels": 32, "benefits": 128}
"""How long a name may be."""
ID: Final = validate.Regexp(
    rf"{ID_PATTERN}\Z", error="must be 1 to 64 letters, digits, '.', '_' or '-', beginning with a letter or digit"
)


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

    def __init__(self, low: int, high: int, *, required: bool = True, data_key: str | None = None) -> None:
        bounds = validate.Range(low, high, error=f"must be a whole number from {low} to {high}")
        super().__init__(strict=True, required=required, validate=bounds, data_key=data_key)
        self.error_messages["invalid"] = f"must be a whole number from {low} to {high}"

    def _deserialize(self, value: Any, attr: str | None, data: Any, **rest: Any) -> Any:
        if isinstance(value, bool):
            raise self.make_error("invalid")
        return super()._deserialize(value, attr, data, **rest)


class Strict(Schema):
    once_named: ClassVar[frozenset[str]] = frozenset()
    """Of a scheme's parameters: what had its names within the scheme's first policies, of "levels" and "benefits"."""

    class Meta:
        unknown = RAISE


class Month(fields.String):
    """A month such as "2020-06"."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **rest: Any) -> str:
        text = super()._deserialize(value, attr, data, **rest)
        try:
            parse_month(text)
        except ValueError as error:
            raise ValidationError(str(error)) from None
        return text


def parameter(value: fields.Field[Any]) -> fields.Nested:
    """A parameter around its value."""
    schema = Strict.from_dict(
        {
            "value": value,
            "source": fields.String(required=True, validate=validate.Length(1, 1_000)),
            "status": fields.String(required=True, validate=validate.OneOf(STATUSES)),
        }
    )
    return fields.Nested(schema, required=True)


def rising_bands(key: str) -> Any:
    """Bands begin at 0 and rise, with scores or points that never fall."""

    def check(bands: list[dict[str, int]]) -> None:
        begins = [band[key] for band in bands]
        scores = [band.get("score", band.get("points", 0)) for band in bands]
        if begins[:1] != [0] or begins != sorted(set(begins)) or scores != sorted(scores):
            raise ValidationError("must begin at 0 and rise, and their scores must not fall")

    return check


def names_by_code(group: str) -> fields.Dict:
    """What levels or benefits are called, by code."""
    name = fields.String(validate=validate.Length(1, NAME_CHARS_MAX[group]))
    return fields.Dict(keys=fields.String(validate=ID), values=name)


class _Benefit(Strict):
    from_rank = Whole(-1, 100)
    reputation_hundredths_min = Whole(0, 500, required=False)


class BenefitParameter(Strict):
    """A parameter whose name begins with `benefit_`."""

    value = fields.Nested(_Benefit, required=True)
    source = fields.String(required=True, validate=validate.Length(1, 1_000))
    status = fields.String(required=True, validate=validate.OneOf(STATUSES))
