"""The parameters of a policy of `creator-level`."""

from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from replay.policies.parameters.fields import BOUND_TENTHS_MAX, ID, Month, Strict, Whole, parameter, rising_bands


class _SalesBand(Strict):
    from_fen = Whole(0, BOUND_TENTHS_MAX)
    score = Whole(0, 100)


class _BehaviourBand(Strict):
    from_percent = Whole(0, 100)
    score = Whole(0, 100)


class _Weights(Strict):
    sales_percent = Whole(0, 100)
    behaviour_percent = Whole(0, 100)

    @validates_schema(skip_on_field_errors=True)
    def whole(self, data: dict[str, Any], **_: Any) -> None:
        if sum(data.values()) != 100:
            raise ValidationError(f"must add up to 100 percent, found {sum(data.values())}")


class _Gates(Strict):
    days = Whole(1, 366)
    reputation_hundredths_min = Whole(0, 500, required=False)
    deducted_max = Whole(0, BOUND_TENTHS_MAX, required=False)


class Parameters(Strict):
    once_named = frozenset({"benefits"})

    first_month = parameter(Month(required=True))
    sales_bands = parameter(fields.List(fields.Nested(_SalesBand), required=True, validate=rising_bands("from_fen")))
    behaviour_bands = parameter(
        fields.List(fields.Nested(_BehaviourBand), required=True, validate=rising_bands("from_percent"))
    )
    weights = parameter(fields.Nested(_Weights, required=True))
    gates = parameter(fields.Nested(_Gates, required=True))
    levels = parameter(fields.List(fields.String(validate=ID), required=True, validate=validate.Length(1, 100)))

    @validates_schema(skip_on_field_errors=True)
    def each_level_is_named(self, data: dict[str, Any], **_: Any) -> None:
        value = {name: item["value"] for name, item in data.items()}
        best = sum(
            value["weights"][f"{name}_percent"] * max(band["score"] for band in value[f"{name}_bands"])
            for name in ("sales", "behaviour")
        )
        if (best + 50) // 100 >= len(value["levels"]):
            raise ValidationError("must name a level for every score that the bands can give", "levels")
