"""Which schemes' answers are described, and by which schemas."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from marshmallow import Schema

from projections.contract.parts.facets import facet_of
from projections.contract.schemes.creator_firefly import FireflyAnswer, FireflyExplained
from projections.contract.schemes.creator_level import CreatorAnswer, CreatorExplained
from projections.contract.schemes.mcn_level import McnAnswer, McnExplained
from projections.contract.schemes.merchant_reputation import ReputationAnswer, ReputationExplained
from projections.contract.schemes.merchant_tier import TierAnswer, TierExplained


class Answers(NamedTuple):
    """What only one scheme's answers look like."""

    replay: type[Schema]
    explain: type[Schema]


ANSWERS: Final[Mapping[str, Answers]] = {
    "merchant-reputation": Answers(ReputationAnswer, ReputationExplained),
    "merchant-tier": Answers(TierAnswer, TierExplained),
    "creator-level": Answers(CreatorAnswer, CreatorExplained),
    "creator-firefly": Answers(FireflyAnswer, FireflyExplained),
    "mcn-level": Answers(McnAnswer, McnExplained),
}
"""In the order in which they are listed and documented."""


def answers_of(scheme: str) -> Answers:
    """Raises UsageError for a scheme without."""
    return facet_of(ANSWERS, scheme, "answers")
