"""What a layer has of each scheme is gathered in one registry; a scheme that is not in it is refused by name."""

from collections.abc import Mapping
from typing import TypeVar

from replay.errors import UsageError

Facet = TypeVar("Facet")


def facet_of(facets: Mapping[str, Facet], scheme: str, what: str) -> Facet:
    """A scheme's own part of a layer, such as its answers, text or pages. Raises UsageError for one without."""
    if scheme not in facets:
        raise UsageError(f"there is no scheme {scheme!r} with {what}; known are {', '.join(facets)}")
    return facets[scheme]
