"""The parameters of a policy of `merchant-reputation`."""

from typing import Any, Final

from marshmallow import ValidationError, fields, validate, validates_schema

from domain.merchant_reputation.facts import KINDS
from replay.policies.parameters.fields import BOUND_TENTHS_MAX, ID, TENTHS_MAX, Instant, Strict, Whole, parameter

_CLASSES: Final = ("good", "neutral", "bad")


class _ReviewTenths(Strict):
    good = Whole(-TENTHS_MAX, TENTHS_MAX)
    neutral = Whole(-TENTHS_MAX, TENTHS_MAX)
    bad = Whole(-TENTHS_MAX, TENTHS_MAX)


class _StarClasses(Strict):
    good = fields.List(Whole(1, 5), required=True)
    neutral = fields.List(Whole(1, 5), required=True)
    bad = fields.List(Whole(1, 5), required=True)

    @validates_schema(skip_on_field_errors=True)
    def each_star_once(self, data: dict[str, Any], **_: Any) -> None:
        stars = sorted(star for name in _CLASSES for star in data[name])
        if stars != [1, 2, 3, 4, 5]:
            raise ValidationError(f"must name each of the stars 1 to 5 once, found {stars}")


class _GrowthCap(Strict):
    from_ = fields.String(required=True, data_key="from")
    tenths = Whole(0, BOUND_TENTHS_MAX, required=False)


class _Level(Strict):
    code = fields.String(required=True, validate=ID)
    from_tenths = Whole(1, BOUND_TENTHS_MAX)


class _Publication(Strict):
    day = Whole(1, 28)
    hour = Whole(0, 23)


def _rising(levels: list[dict[str, Any]]) -> None:
    bounds, codes = [level["from_tenths"] for level in levels], [level["code"] for level in levels]
    if not levels:
        raise ValidationError("must name at least one level")
    if bounds != sorted(set(bounds)):
        raise ValidationError("must stand in rising order of from_tenths")
    if len(set(codes)) < len(codes):
        raise ValidationError("must not name a level code twice")


class Parameters(Strict):
    once_named = frozenset({"levels", "benefits"})

    statistics_from = parameter(Instant(required=True))
    star_classes = parameter(fields.Nested(_StarClasses, required=True))
    review_tenths = parameter(fields.Nested(_ReviewTenths, required=True))
    default_tenths = parameter(Whole(-TENTHS_MAX, TENTHS_MAX))
    review_hours = parameter(Whole(1, 10_000))
    amount_fen_min = parameter(Whole(0, BOUND_TENTHS_MAX))
    counted_kinds = parameter(fields.List(fields.String(validate=validate.OneOf(KINDS)), required=True))
    pair_cap_tenths = parameter(Whole(0, BOUND_TENTHS_MAX))
    growth_caps = parameter(fields.List(fields.Nested(_GrowthCap), required=True))
    levels = parameter(fields.List(fields.Nested(_Level), required=True, validate=_rising))
    publication = parameter(fields.Nested(_Publication, required=True))
