"""The benefits that a level brings: data of its policy, like every other number (RULEBOOK §5)."""

from typing import Any, Final

from domain.policy import Policy
from domain.rules.comparison import Comparison
from replay.policies.names import benefit_names

BENEFIT_PREFIX: Final = "benefit_"


def benefits_json(
    policy: Policy | None, level: int | None, reputation: tuple[int, int] | None, held_before: list[str] | None
) -> dict[str, Any]:
    """The benefits held at a level, and which were won and lost since the period before.

    `level` is the rank of the level, None for none; `reputation` a mean as (sum in hundredths, days);
    `held_before` the codes held in the period before, None where there is none to compare with.
    """
    held = [] if policy is None else held_benefits(policy, level, reputation)
    codes = [item["code"] for item in held]
    before = held_before or []
    return {
        "held": held,
        "won": [code for code in codes if held_before is not None and code not in before],
        "lost": [code for code in before if code not in codes],
    }


def held_benefits(policy: Policy, level: int | None, reputation: tuple[int, int] | None = None) -> list[dict[str, Any]]:
    """The benefits held at a level, each with its names and with what of it is published."""
    return [item for item in _all(policy) if _is_held(item, level, reputation)]


def _all(policy: Policy) -> list[dict[str, Any]]:
    found = []
    for name, item in policy.parameters.items():
        if name.startswith(BENEFIT_PREFIX):
            code = name.removeprefix(BENEFIT_PREFIX)
            said = item.value | benefit_names(policy, code, item.value)
            found.append({"code": code, **dict(sorted(said.items())), "status": item.status, "source": item.source})
    return found


def _is_held(item: dict[str, Any], level: int | None, reputation: tuple[int, int] | None) -> bool:
    if level is None or level < item["from_rank"]:
        return False
    if "reputation_hundredths_min" not in item:
        return True
    total, days = reputation or (0, 0)
    return Comparison("reputation_mean", total, days, ">=", item["reputation_hundredths_min"]).met
