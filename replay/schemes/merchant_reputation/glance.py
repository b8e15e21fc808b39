"""The standard of merchant reputation at a glance: twenty grades with their bounds, the growth caps, what counts."""

from collections.abc import Iterator, Mapping
from typing import Any

from domain.limits import DAY_MICROS, HOUR_MICROS
from domain.merchant_reputation.facts import KINDS
from domain.policy import Policy
from replay.rendering.glance import figures
from replay.rendering.glance.form import NO_LEVEL, OwnRules, RuleColumn
from replay.rendering.glance.parts import levels_section
from replay.rendering.glance.texts import Texts


def own(policy: Policy, texts: Texts) -> OwnRules:
    """What only this scheme says."""
    value = {name: item.value for name, item in policy.parameters.items()}
    levels = value["levels"]
    codes = [level["code"] for level in levels]
    from_points = {level["code"]: figures.points(level["from_tenths"]) for level in levels}
    columns = {
        RuleColumn("from_points", texts.column("from_points"), "levels"): from_points,
        RuleColumn("growth_cap", texts.column("growth_cap"), "growth_caps"): dict(_caps(value, codes, texts)),
    }
    return OwnRules([levels_section(policy, texts, codes, columns)], _values(value, texts))


def _caps(value: Mapping[str, Any], codes: list[str], texts: Texts) -> Iterator[tuple[str, str]]:
    """By level, how far the points may grow in the month after one that was closed at it."""
    begins, said = {cap["from"]: cap for cap in value["growth_caps"]}, ""
    for code in (NO_LEVEL, *codes):
        if code in begins:
            tenths = begins[code].get("tenths")
            said = texts("without") if tenths is None else figures.points(tenths)
        yield code, said


def _values(value: Mapping[str, Any], texts: Texts) -> dict[str, str]:
    review, stars, hours = value["review_tenths"], value["star_classes"], value["review_hours"]
    days, rest = divmod(hours, DAY_MICROS // HOUR_MICROS)
    kinds = value["counted_kinds"]
    return {
        **{name: figures.points(tenths, signed=True) for name, tenths in review.items()},
        **{
            f"{name}_stars": texts("list_sign").join(map(str, found)) or texts("nothing")
            for name, found in stars.items()
        },
        "default": figures.points(value["default_tenths"], signed=True),
        "review_time": texts("hours", hours=hours) if rest else texts("days", days=days),
        "amount_min": figures.yuan(value["amount_fen_min"]),
        "counted": _named(kinds, texts),
        "uncounted": _named([kind for kind in KINDS if kind not in kinds], texts),
        "pair_cap": figures.points(value["pair_cap_tenths"]),
        "statistics_from": figures.instant(value["statistics_from"]),
    }


def _named(kinds: list[str], texts: Texts) -> str:
    return texts("list_sign").join(texts.called("kinds", kind) for kind in kinds) or texts("nothing")
