"""The parameters of a policy of `merchant-tier`."""

from typing import Any, get_args

from marshmallow import ValidationError, fields, validate, validates_schema

from domain.fields import CATEGORY_PATTERN, Tier
from replay.policies.parameters.fields import BOUND_TENTHS_MAX, Instant, Strict, Whole, parameter


class _UpBounds(Strict):
    complaint_below = Whole(0, 10**6)
    product_above = Whole(0, 10**4)
    service_above = Whole(0, 10**4)


class _DownBounds(Strict):
    complaint_above = Whole(0, 10**6)
    product_below = Whole(0, 10**4)
    service_below = Whole(0, 10**4)


class _Tier(Strict):
    code = fields.String(required=True, validate=validate.OneOf(get_args(Tier)))
    up = fields.Nested(_UpBounds)
    down = fields.Nested(_DownBounds)
    orders_limit = Whole(1, BOUND_TENTHS_MAX, required=False)
    gmv_limit_fen = Whole(1, BOUND_TENTHS_MAX, required=False)

    @validates_schema(skip_on_field_errors=True)
    def limits_where_it_can_rise(self, data: dict[str, Any], **_: Any) -> None:
        if "up" in data and not {"orders_limit", "gmv_limit_fen"} <= data.keys():
            raise ValidationError("a tier that can rise must have orders_limit and gmv_limit_fen")


class _Scope(Strict):
    category = fields.String(required=True, validate=validate.Regexp(CATEGORY_PATTERN))
    joined_before = Instant(required=True)


class _FastUpgrade(Strict):
    limit_share_percent = Whole(0, 1_000)
    reviews_share_percent = Whole(0, 1_000)


def _all_tiers(tiers: list[dict[str, Any]]) -> None:
    found = [tier["code"] for tier in tiers]
    if found != list(get_args(Tier)):
        raise ValidationError(f"must be {', '.join(get_args(Tier))} in this order")
    if "down" in tiers[0] or "up" in tiers[-1]:
        raise ValidationError("the lowest tier cannot fall and the highest cannot rise: leave out their down and up")


class Parameters(Strict):
    once_named = frozenset({"benefits"})

    statistics_from = parameter(Instant(required=True))
    scope = parameter(fields.Nested(_Scope, required=True))
    initial_tier = parameter(fields.String(required=True, validate=validate.OneOf(get_args(Tier))))
    window_days = parameter(Whole(1, 366))
    wait_days = parameter(Whole(1, 366))
    fast_upgrade = parameter(fields.Nested(_FastUpgrade, required=True))
    clear_out_days = parameter(Whole(1, 3_660))
    good_stars = parameter(Whole(1, 5))
    tiers = parameter(fields.List(fields.Nested(_Tier), required=True, validate=_all_tiers))
