"""What levels are called where no policy is at hand: no two schemes have the same code."""

from functools import cache

from replay.policies.names import shipped_names
from replay.schemes.registry import SCHEMES


@cache
def shipped_level_names(language: str) -> dict[str, str]:
    """The names that come with the program, by code."""
    found = (shipped_names(scheme, language).levels for scheme in SCHEMES)
    return {code: name for names in found for code, name in names.items()}
