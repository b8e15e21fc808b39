"""What levels and benefits are called, by language: words that no policy's hash covers, so that a translation changes
no hash.

Of a code, in this order: the name that a policy of the first form has in itself; that in `names/` beside a policy's
file (`--policies`); that which comes with the program, in `domain/<scheme>/names/`; the code itself.
"""

import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Final

from domain.languages import LANGUAGES
from domain.policy import Naming, Policy

_NO_NAMES: Final = Naming({}, {})


def level_names(policy: Policy, codes: Iterable[str], language: str) -> dict[str, str]:
    """What levels of a policy are called in a language, by their codes."""
    named = _beside(policy, language, "levels") | _within_levels(policy, language)
    return {code: named.get(code, code) for code in codes}


def benefit_names(policy: Policy, code: str, value: Mapping[str, Any]) -> dict[str, str]:
    """What a benefit of a policy, whose value is given, is called, by language."""
    return {
        language: value.get(language) or _beside(policy, language, "benefits").get(code, code) for language in LANGUAGES
    }


@cache
def shipped_names(scheme: str, language: str) -> Naming:
    """The names that come with the program. The tests check their form, and that no code lacks one."""
    return names_of(tomllib.loads(names_file(scheme, language).read_text("utf-8")))


def names_file(scheme: str, language: str) -> Traversable:
    return files("domain") / scheme.replace("-", "_") / "names" / f"{language}.toml"


def names_of(content: Mapping[str, dict[str, str]]) -> Naming:
    """The names that a file of them says, whose form has been checked."""
    return Naming(content.get("levels", {}), content.get("benefits", {}))


def _beside(policy: Policy, language: str, group: str) -> dict[str, str]:
    """The names that stand beside policies, by code: those beside its own file before those of the program."""
    shipped, own = shipped_names(policy.scheme, language), policy.names.get(language, _NO_NAMES)
    return {**getattr(shipped, group), **getattr(own, group)}


def _within_levels(policy: Policy, language: str) -> dict[str, str]:
    """The names of levels that a policy of the first form has in itself, by code."""
    levels = policy.parameters["levels"].value if "levels" in policy.parameters else ()
    return {level["code"]: level[language] for level in levels if isinstance(level, dict) and language in level}
