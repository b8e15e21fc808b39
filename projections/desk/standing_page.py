"""Where a subject stands in one scheme: its level, what comes next, and what is needed for it."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from domain.policy import Policy
from projections.desk.language import DeskWords
from projections.desk.moment import Sight
from projections.desk.schemes.facet import SchemePages, Told
from projections.desk.schemes.registry import pages_of
from projections.reading.disputes import Dispute, claims_on, disputed
from projections.text.schemes.ahead.parts import Section
from projections.text.schemes.ahead.registry import sections_ahead
from replay.replaying.base import Policies


class SchemeCard(NamedTuple):
    """One scheme's card."""

    told: Told
    policy: Policy
    in_force: bool
    """Whether that version was in force at the moment; false is a reconstruction."""
    facet: SchemePages
    sections: Sequence[Section]
    """What comes next."""
    disputes: Sequence[Dispute]
    """What was announced or decided and is not what is known now, the latest period first."""


def standing_of(
    told: Told, own: dict[str, Any], as_of: int, words: DeskWords, disputes: Sequence[Dispute] = ()
) -> SchemeCard:
    """A card from what is told of a level and the keys that only its scheme's answers have."""
    policy = told.policy(told.level["policy_hash"])
    found = {"scheme": told.scheme, "state": told.level["state"], "level": told.level["level"], **own}
    sections = sections_ahead(found, words.shared.naming(told.level_names))
    return SchemeCard(told, policy, as_of >= policy.in_force_from, pages_of(told.scheme), sections, disputes)


def disputes_of(sight: Sight, subject: str, told: Told) -> list[Dispute]:
    """The disputes about a level at the moment of a page; none of one that is set aside, whose history is not whole."""
    if told.set_aside is not None:
        return []
    claims = claims_on(sight.store, subject, told.scheme, sight.moment, sight.reader)
    return disputed(claims, told.rows["history"])


def all_versions(policies: Policies) -> list[Policy]:
    """Every version that took part."""
    return [*policies.own, *policies.beside]
