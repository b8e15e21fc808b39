"""Creators' levels at a glance: the bands of both scores, their weights, the gates, what each level brings."""

from collections.abc import Mapping
from typing import Any

from domain.creator_level.facts import rules_of
from domain.creator_level.rule import Rules, level_of
from domain.policy import Policy
from domain.rules.comparison import decimal_text
from replay.rendering.glance import figures
from replay.rendering.glance.form import OwnRules, RuleColumn, RuleRow, RuleSection
from replay.rendering.glance.parts import levels_section, table
from replay.rendering.glance.texts import Texts


def own(policy: Policy, texts: Texts) -> OwnRules:
    """What only this scheme says."""
    value = {name: item.value for name, item in policy.parameters.items()}
    rules = rules_of(policy)
    from_score = {code: _least(rank, rules) or texts("nothing") for rank, code in enumerate(rules.levels)}
    columns = {RuleColumn("from_score", texts.column("from_score"), "rule.rounding"): from_score}
    return OwnRules(
        [levels_section(policy, texts, rules.levels, columns), _scores(value, texts)], _values(value, texts)
    )


def _least(rank: int, rules: Rules) -> str | None:
    """The least weighted score that is rounded to a level: found by the rule itself, in hundredths of a score."""
    weighed = rules._replace(sales_percent=1, behaviour_percent=0)
    found = next((score for score in range(100 * len(rules.levels)) if level_of(score, 0, weighed) >= rank), None)
    return None if found is None else decimal_text(found, 100)


def _scores(value: Mapping[str, Any], texts: Texts) -> RuleSection:
    """By score, from which settled amount and from which share of good goods on."""
    sales = {band["score"]: figures.yuan(band["from_fen"]) for band in reversed(value["sales_bands"])}
    shares = {band["score"]: f"{band['from_percent']} %" for band in reversed(value["behaviour_bands"])}
    columns = [
        RuleColumn("score", texts.column("score")),
        RuleColumn("settled_from", texts.column("settled_from"), "sales_bands"),
        RuleColumn("share_from", texts.column("share_from"), "behaviour_bands"),
    ]
    nothing = texts("nothing")
    rows = [
        RuleRow(str(score), ((str(score),), (sales.get(score, nothing),), (shares.get(score, nothing),)))
        for score in sorted(sales.keys() | shares.keys())
    ]
    return table("scores", texts, columns, rows)


def _values(value: Mapping[str, Any], texts: Texts) -> dict[str, str]:
    gates = value["gates"]
    found = {
        "sales_percent": str(value["weights"]["sales_percent"]),
        "behaviour_percent": str(value["weights"]["behaviour_percent"]),
        "gate_days": str(gates["days"]),
        "first_month": value["first_month"],
    }
    if "reputation_hundredths_min" in gates:
        found["reputation_min"] = figures.mean(gates["reputation_hundredths_min"])
    if "deducted_max" in gates:
        found["deducted_max"] = figures.count(gates["deducted_max"])
    return found | {"every_gate" if len(gates) > 1 else "no_gates": texts("without")}
