"""The Firefly plan at a glance: five levels by the points that a creator ever earned, and what each brings."""

from domain.policy import Policy
from replay.rendering.glance import figures
from replay.rendering.glance.form import OwnRules, RuleColumn
from replay.rendering.glance.parts import levels_section
from replay.rendering.glance.texts import Texts


def own(policy: Policy, texts: Texts) -> OwnRules:
    """What only this scheme says."""
    levels = {level["code"]: figures.count(level["from_points"]) for level in policy.parameters["levels"].value}
    columns = {RuleColumn("from_points", texts.column("from_points"), "levels"): levels}
    return OwnRules([levels_section(policy, texts, [*levels], columns)], {})
