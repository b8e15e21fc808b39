"""The tiers at a glance: both bounds of each indicator, the daily limits, how a tier rises, falls and ends."""

from collections.abc import Mapping
from typing import Any, Final

from domain.merchant_tier.facts import codes_of
from domain.policy import Policy
from replay.rendering.glance import figures
from replay.rendering.glance.form import OwnRules, RuleColumn
from replay.rendering.glance.parts import levels_section
from replay.rendering.glance.texts import Texts

_BOUNDS: Final = {
    "up_complaint": ("up", "complaint_below"),
    "up_product": ("up", "product_above"),
    "up_service": ("up", "service_above"),
    "down_complaint": ("down", "complaint_above"),
    "down_product": ("down", "product_below"),
    "down_service": ("down", "service_below"),
}
_LIMITS: Final = {"orders_limit": ("orders_limit", figures.count), "gmv_limit": ("gmv_limit_fen", figures.yuan)}


def own(policy: Policy, texts: Texts) -> OwnRules:
    """What only this scheme says."""
    value = {name: item.value for name, item in policy.parameters.items()}
    tiers = value["tiers"]
    columns = {}
    for code, (way, bound) in _BOUNDS.items():
        found = {tier["code"]: figures.percent(tier[way][bound]) for tier in tiers if way in tier}
        columns[RuleColumn(code, texts.column(code), "tiers")] = found
    for code, (limit, written) in _LIMITS.items():
        found = {tier["code"]: written(tier[limit]) if limit in tier else texts("without") for tier in tiers}
        columns[RuleColumn(code, texts.column(code), "tiers")] = found
    return OwnRules([levels_section(policy, texts, codes_of(policy), columns, "tiers")], _values(value, texts))


def _values(value: Mapping[str, Any], texts: Texts) -> dict[str, str]:
    counted = ("window_days", "wait_days", "clear_out_days", "good_stars", "initial_tier")
    return {
        **{name: str(value[name]) for name in counted},
        "category": texts.called("categories", value["scope"]["category"]),
        "joined_before": figures.instant(value["scope"]["joined_before"]),
        "limit_share": str(value["fast_upgrade"]["limit_share_percent"]),
        "reviews_share": str(value["fast_upgrade"]["reviews_share_percent"]),
        "lowest": value["tiers"][0]["code"],
        "statistics_from": figures.instant(value["statistics_from"]),
    }
