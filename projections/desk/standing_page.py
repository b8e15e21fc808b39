"""Where a subject stands in one scheme: its level, what is missing to the next, what the level brings."""

from typing import Any, NamedTuple

from domain.creator_level import facts as creator_facts
from domain.mcn_level import facts as mcn_facts
from domain.merchant_reputation import facts as reputation_facts
from domain.merchant_tier import facts as tier_facts
from domain.merchant_tier.rule import NO_LIMIT
from domain.policy import Policy
from projections.desk.moment import Told
from replay.policies.benefits import benefits_json
from replay.replaying.base import Policies


class Standing(NamedTuple):
    """One scheme's card."""

    told: Told
    policy: Policy
    in_force: bool
    """Whether that version was in force at the moment; false is a reconstruction."""
    to_next: int | None
    """What is missing to the next level, in the unit of the score; None at the top and where nothing counts."""
    benefits: list[dict[str, Any]]
    limits: tuple[int | None, int | None] | None
    """A tier's daily limits of orders and fen, None for no limit; None in other schemes."""


def standing_of(told: Told, as_of: int) -> Standing:
    policy = told.policy(told.level["policy_hash"])
    return Standing(
        told,
        policy,
        as_of >= policy.in_force_from,
        _to_next(told, policy),
        _benefits(told, policy),
        _limits(told, policy),
    )


def all_versions(policies: Policies) -> list[Policy]:
    """Every version that took part."""
    return [*policies.own, *policies.creators]


def _to_next(told: Told, policy: Policy) -> int | None:
    score, state = told.level["score"], told.level["state"]
    if told.scheme == "merchant-reputation" and state in ("rated", "unrated"):
        bounds: tuple[int, ...] = reputation_facts.rules_of(policy).level_bounds
    elif told.scheme == "mcn-level" and state == "rated":
        bounds = mcn_facts.rules_of(policy).level_bounds
    else:
        return None
    return next((bound - score for bound in bounds if bound > score), None)


def _benefits(told: Told, policy: Policy) -> list[dict[str, Any]]:
    """The benefits that the level brings, each with what of it is published."""
    state, level = told.level["state"], told.level["level"]
    if told.scheme == "mcn-level":
        if state == "not_onboarded":
            return []
        rank = -1 if level is None else mcn_facts.rules_of(policy).level_codes.index(level)
        held: list[dict[str, Any]] = benefits_json(policy, rank, None, None)["held"]
        return held
    if told.scheme != "creator-level" or level is None:
        return []
    month = told.rows["creator_months"][-1]
    reputation = (month["reputation_sum"], month["reputation_days"])
    found: list[dict[str, Any]] = benefits_json(
        policy, creator_facts.rules_of(policy).levels.index(level), reputation, None
    )["held"]
    return found


def _limits(told: Told, policy: Policy) -> tuple[int | None, int | None] | None:
    level = told.level["level"]
    if told.scheme != "merchant-tier" or level is None:
        return None
    tier = tier_facts.rules_of(policy).tiers[tier_facts.codes_of(policy).index(level)]
    orders, gmv = tier.orders_limit, tier.gmv_limit_fen
    return (None if orders == NO_LIMIT else orders, None if gmv == NO_LIMIT else gmv)
