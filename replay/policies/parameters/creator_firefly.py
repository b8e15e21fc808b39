"""The parameters of a policy of `creator-firefly`."""

from typing import Any

from marshmallow import ValidationError, fields

from replay.policies.parameters.fields import BOUND_TENTHS_MAX, ID, Strict, Whole, parameter, rising_bands


class _Level(Strict):
    code = fields.String(required=True, validate=ID)
    from_points = Whole(0, BOUND_TENTHS_MAX)


def _codes_differ(levels: list[dict[str, Any]]) -> None:
    codes = [level["code"] for level in levels]
    if len({*codes}) < len(codes):
        raise ValidationError("must not name a level code twice")


class Parameters(Strict):
    levels = parameter(
        fields.List(fields.Nested(_Level), required=True, validate=[rising_bands("from_points"), _codes_differ])
    )
