"""The parameters of each scheme's policy, as marshmallow schemas: their names, kinds and bounds."""

from typing import Any, Final, get_args

from marshmallow import RAISE, Schema, ValidationError, fields, validate, validates_schema

from domain.calendar import parse_instant, parse_month
from domain.events import CATEGORY_PATTERN, ID_PATTERN, Tier
from domain.merchant_reputation.facts import KINDS
from domain.policy import STATUSES

TENTHS_MAX: Final = 10**6
BOUND_TENTHS_MAX: Final = 10**12
ID: Final = validate.Regexp(
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

    def __init__(self, low: int, high: int, *, required: bool = True, data_key: str | None = None) -> None:
        bounds = validate.Range(low, high, error=f"must be a whole number from {low} to {high}")
        super().__init__(strict=True, required=required, validate=bounds, data_key=data_key)
        self.error_messages["invalid"] = f"must be a whole number from {low} to {high}"

    def _deserialize(self, value: Any, attr: str | None, data: Any, **rest: Any) -> Any:
        if isinstance(value, bool):
            raise self.make_error("invalid")
        return super()._deserialize(value, attr, data, **rest)


class Strict(Schema):
    class Meta:
        unknown = RAISE


# --- merchant-reputation ----------------------------------------------------------------------------------------------


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
    zh = fields.String(required=True, validate=validate.Length(1, 32))
    en = fields.String(required=True, validate=validate.Length(1, 32))
    from_tenths = Whole(1, BOUND_TENTHS_MAX)


class _Publication(Strict):
    day = Whole(1, 28)
    hour = Whole(0, 23)


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


def _rising(levels: list[dict[str, Any]]) -> None:
    bounds, codes = [level["from_tenths"] for level in levels], [level["code"] for level in levels]
    if not levels:
        raise ValidationError("must name at least one level")
    if bounds != sorted(set(bounds)):
        raise ValidationError("must stand in rising order of from_tenths")
    if len(set(codes)) < len(codes):
        raise ValidationError("must not name a level code twice")


class _ReputationParameters(Strict):
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


# --- merchant-tier ----------------------------------------------------------------------------------------------------


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


class _TierParameters(Strict):
    statistics_from = parameter(Instant(required=True))
    scope = parameter(fields.Nested(_Scope, required=True))
    initial_tier = parameter(fields.String(required=True, validate=validate.OneOf(get_args(Tier))))
    window_days = parameter(Whole(1, 366))
    wait_days = parameter(Whole(1, 366))
    fast_upgrade = parameter(fields.Nested(_FastUpgrade, required=True))
    clear_out_days = parameter(Whole(1, 3_660))
    good_stars = parameter(Whole(1, 5))
    tiers = parameter(fields.List(fields.Nested(_Tier), required=True, validate=_all_tiers))


# --- creator-level ----------------------------------------------------------------------------------------------------


class Month(fields.String):
    """A month such as "2020-06"."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **rest: Any) -> str:
        text = super()._deserialize(value, attr, data, **rest)
        try:
            parse_month(text)
        except ValueError as error:
            raise ValidationError(str(error)) from None
        return text


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


def _rising_bands(key: str) -> Any:
    """Bands begin at 0 and rise, with scores or points that never fall."""

    def check(bands: list[dict[str, int]]) -> None:
        begins = [band[key] for band in bands]
        scores = [band.get("score", band.get("points", 0)) for band in bands]
        if begins[:1] != [0] or begins != sorted(set(begins)) or scores != sorted(scores):
            raise ValidationError("must begin at 0 and rise, and their scores must not fall")

    return check


class _CreatorParameters(Strict):
    first_month = parameter(Month(required=True))
    sales_bands = parameter(fields.List(fields.Nested(_SalesBand), required=True, validate=_rising_bands("from_fen")))
    behaviour_bands = parameter(
        fields.List(fields.Nested(_BehaviourBand), required=True, validate=_rising_bands("from_percent"))
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


# --- mcn-level --------------------------------------------------------------------------------------------------------


class _PointsBand(Strict):
    from_ = Whole(0, 10**15, data_key="from")
    points = Whole(0, 10_000)


def _bands() -> fields.List[Any]:
    return fields.List(fields.Nested(_PointsBand), required=True, validate=_rising_bands("from_"))


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


class _McnParameters(Strict):
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


# --- benefits, of any scheme ------------------------------------------------------------------------------------------


class _Benefit(Strict):
    from_rank = Whole(-1, 100)
    reputation_hundredths_min = Whole(0, 500, required=False)
    zh = fields.String(required=True, validate=validate.Length(1, 64))
    en = fields.String(required=True, validate=validate.Length(1, 128))


class BenefitParameter(Strict):
    """A parameter whose name begins with `benefit_`."""

    value = fields.Nested(_Benefit, required=True)
    source = fields.String(required=True, validate=validate.Length(1, 1_000))
    status = fields.String(required=True, validate=validate.OneOf(STATUSES))


PARAMETERS: Final[dict[str, type[Schema]]] = {
    "merchant-reputation": _ReputationParameters,
    "merchant-tier": _TierParameters,
    "creator-level": _CreatorParameters,
    "mcn-level": _McnParameters,
}
"""By scheme."""
