"""Which schemes' answers say what comes next, and how a command prints it."""

from collections.abc import Iterator, Mapping
from typing import Final

from projections.contract.parts.facets import facet_of
from projections.text.schemes.ahead import creator_firefly, creator_level, mcn_level, merchant_reputation, merchant_tier
from projections.text.schemes.ahead.parts import Ahead, Found, Section, section_lines
from projections.text.words import Words

AHEAD: Final[Mapping[str, Ahead]] = {
    "merchant-reputation": merchant_reputation.ahead,
    "merchant-tier": merchant_tier.ahead,
    "creator-level": creator_level.ahead,
    "creator-firefly": creator_firefly.ahead,
    "mcn-level": mcn_level.ahead,
}


def sections_ahead(found: Found, words: Words) -> list[Section]:
    """What comes next. Raises UsageError for a scheme of which nothing is told."""
    return list(facet_of(AHEAD, found["scheme"], "a text of what comes next")(found, words))


def ahead_lines(found: Found, words: Words) -> Iterator[str]:
    """The same as a command prints it."""
    return section_lines(sections_ahead(found, words), words)
