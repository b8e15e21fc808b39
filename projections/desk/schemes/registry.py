"""Which schemes have pages, and what each shows of its own."""

from collections.abc import Mapping
from typing import Final

from projections.contract.parts.facets import facet_of
from projections.desk.schemes.creator_firefly import FIREFLY
from projections.desk.schemes.creator_level import CREATOR
from projections.desk.schemes.facet import SchemePages
from projections.desk.schemes.mcn_level import MCN
from projections.desk.schemes.merchant_reputation import REPUTATION
from projections.desk.schemes.merchant_tier import TIER

PAGES: Final[Mapping[str, SchemePages]] = {
    "merchant-reputation": REPUTATION,
    "merchant-tier": TIER,
    "creator-level": CREATOR,
    "creator-firefly": FIREFLY,
    "mcn-level": MCN,
}


def pages_of(scheme: str) -> SchemePages:
    """Raises UsageError for a scheme without."""
    return facet_of(PAGES, scheme, "pages")
