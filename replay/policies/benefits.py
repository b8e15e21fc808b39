"""The benefits that a level brings: data of its policy, like every other number (RULEBOOK §5)."""

from functools import lru_cache
from typing import Any, Final, NamedTuple

from domain.policy import Policy
from domain.rules.comparison import Comparison
from replay.policies.names import benefit_names

BENEFIT_PREFIX: Final = "benefit_"


class Entitled(NamedTuple):
    """By what benefits are held: the rank of a level, None for none, and the mean reputation as (sum in hundredths,
    days).
    """

    rank: int | None = None
    reputation: tuple[int, int] | None = None


NOTHING_HELD: Final = Entitled()


def benefits_json(
    policy: Policy | None, holding: Entitled, held_before: list[dict[str, Any]] | None, next_rank: int | None
) -> dict[str, Any]:
    """The benefits held at a level, which were won and lost since the period before, and what would come next.

    `held_before` are those held in the period before, None where there is none to compare with; `next_rank` the rank of
    the level that is reached next.
    """
    held = [] if policy is None else held_benefits(policy, holding)
    codes, before = codes_of(held), codes_of(held_before or [])
    gone = [item for item in held_before or [] if item["code"] not in codes]
    return {
        "held": held,
        "won": [code for code in codes if held_before is not None and code not in before],
        "lost": codes_of(gone),
        "gone": gone,
        "next": [] if policy is None else next_benefits(policy, codes, next_rank),
    }


def beside_json(held: list[dict[str, Any]], others: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The benefits of now beside those of another version: which are kept, gained and lost."""
    now, then = codes_of(held), codes_of(others)
    return {
        "kept": [item for item in others if item["code"] in now],
        "gained": [item for item in others if item["code"] not in now],
        "lost": [item for item in held if item["code"] not in then],
    }


def codes_of(benefits: list[dict[str, Any]]) -> list[str]:
    return [item["code"] for item in benefits]


def held_benefits(policy: Policy, holding: Entitled) -> list[dict[str, Any]]:
    """The benefits held at a level, each with its names and with what of it is published."""
    return [item for item in every_benefit(policy) if _is_held(item, holding)]


def next_benefits(policy: Policy, held: list[str], next_rank: int | None) -> list[dict[str, Any]]:
    """Those that are not held and that the next level, or the reputation that they also need, would bring."""
    if next_rank is None:
        return []
    return [item for item in every_benefit(policy) if item["from_rank"] <= next_rank and item["code"] not in held]


@lru_cache(64)
def every_benefit(policy: Policy) -> tuple[dict[str, Any], ...]:
    """Every benefit that a policy names, held or not."""
    found = []
    for name, item in policy.parameters.items():
        if name.startswith(BENEFIT_PREFIX):
            code = name.removeprefix(BENEFIT_PREFIX)
            said = item.value | benefit_names(policy, code, item.value) | {"later_text": policy.later_text(name)}
            found.append({"code": code, **dict(sorted(said.items())), "status": item.status, "source": item.source})
    return tuple(found)


def _is_held(item: dict[str, Any], holding: Entitled) -> bool:
    if holding.rank is None or holding.rank < item["from_rank"]:
        return False
    if "reputation_hundredths_min" not in item:
        return True
    total, days = holding.reputation or (0, 0)
    return Comparison("reputation_mean", total, days, ">=", item["reputation_hundredths_min"]).met
