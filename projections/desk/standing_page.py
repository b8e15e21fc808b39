"""Where a subject stands in one scheme: its level, what is missing to the next, what the level brings."""

from typing import Any, NamedTuple

from domain.policy import Policy
from projections.desk.schemes.facet import SchemePages, Told
from projections.desk.schemes.registry import pages_of
from replay.replaying.base import Policies


class SchemeCard(NamedTuple):
    """One scheme's card."""

    told: Told
    policy: Policy
    in_force: bool
    """Whether that version was in force at the moment; false is a reconstruction."""
    to_next: int | None
    """What is missing to the next level, in the unit of the score; None at the top and where nothing counts."""
    facet: SchemePages
    facts: Any
    """What the scheme's own part of the card shows; None for schemes without one."""


def standing_of(told: Told, as_of: int) -> SchemeCard:
    policy, facet = told.policy(told.level["policy_hash"]), pages_of(told.scheme)
    return SchemeCard(
        told,
        policy,
        as_of >= policy.in_force_from,
        None if facet.to_next is None else facet.to_next(told, policy),
        facet,
        None if facet.facts is None else facet.facts.of(told, policy),
    )


def all_versions(policies: Policies) -> list[Policy]:
    """Every version that took part."""
    return [*policies.own, *policies.beside]
