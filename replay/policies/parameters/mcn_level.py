"""The parameters of a policy of `mcn-level`."""

from typing import Any

from marshmallow import ValidationError, fields, validate

from replay.policies.parameters.fields import BOUND_TENTHS_MAX, ID, Month, Strict, Whole, parameter, rising_bands


class _PointsBand(Strict):
    from_ = Whole(0, 10**15, data_key="from")
    points = Whole(0, 10_000)


def _bands() -> fields.List[Any]:
    return fields.List(fields.Nested(_PointsBand), required=True, validate=rising_bands("from_"))


class _Observation(Strict):
    service_min = Whole(0, 10_000)
    credit_min = Whole(-BOUND_TENTHS_MAX, BOUND_TENTHS_MAX)


class _Credit(Strict):
    start = Whole(0, BOUND_TENTHS_MAX)
    max = Whole(0, BOUND_TENTHS_MAX)


class _TopCreators(Strict):
    level = fields.String(required=True, validate=ID)
    bands = _bands()


class _McnLevel(Strict):
    code = fields.String(required=True, validate=ID)
    from_ = Whole(0, 100_000, data_key="from")


class _Board(Strict):
    code = fields.String(required=True, validate=ID)
    ranks_by = fields.String(
        required=True, validate=validate.OneOf(["total", "operating", "growth", "service", "bonus"])
    )


def _from_zero(levels: list[dict[str, Any]]) -> None:
    bounds = [level["from_"] for level in levels]
    if bounds[:1] != [0] or bounds != sorted(set(bounds)):
        raise ValidationError("must begin at 0 and rise")
    _each_once(levels)


def _each_once(named: list[dict[str, Any]]) -> None:
    codes = [item["code"] for item in named]
    if len(set(codes)) < len(codes):
        raise ValidationError("must not name a code twice")


class Parameters(Strict):
    once_named = frozenset({"benefits"})

    first_month = parameter(Month(required=True))
    evaluation_day = parameter(Whole(1, 28))
    novice_months = parameter(Whole(0, 120))
    observation = parameter(fields.Nested(_Observation, required=True))
    credit = parameter(fields.Nested(_Credit, required=True))
    settled_bands = parameter(_bands())
    orders_bands = parameter(_bands())
    top_creators = parameter(fields.Nested(_TopCreators, required=True))
    live_minutes_bands = parameter(_bands())
    showcase_share_bands = parameter(_bands())
    showcase_creators_bands = parameter(_bands())
    good_share_bands = parameter(_bands())
    service_bands = parameter(_bands())
    worry_free_bands = parameter(_bands())
    levels = parameter(fields.List(fields.Nested(_McnLevel), required=True, validate=_from_zero))
    boards = parameter(fields.List(fields.Nested(_Board), required=True, validate=_each_once))
