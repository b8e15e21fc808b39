"""Names within a policy. They stand beside it (`replay.policies.names`), so that a translation changes no hash, and are
refused in it; but the first policies had all of theirs in themselves, and those are still read.
"""

import json
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from domain.languages import LANGUAGES
from replay.policies.benefits import BENEFIT_PREFIX
from replay.policies.parameters.fields import NAME_CHARS_MAX

_FIRST_LANGUAGES: Final = ("en", "zh")
"""Those of the names in the first policies."""
_WORDS: Final = frozenset({*_FIRST_LANGUAGES, *LANGUAGES})


class _Item(NamedTuple):
    """A level or benefit as a policy has it, and where."""

    place: str
    group: str
    content: dict[str, Any]

    @property
    def is_named(self) -> bool:
        return bool(_WORDS & self.content.keys())


def faults_within(parameters: dict[str, Any], once_named: frozenset[str]) -> list[str]:
    """What is wrong with the names in a policy's parameters, by place.

    `once_named` says which of "levels" and "benefits" had names in the first policies of the scheme: where each of
    these has one, and nothing else, it is such a policy.
    """
    items = list(_items(parameters))
    is_first = all(item.is_named == (item.group in once_named) for item in items)
    check = _faults_of_first if is_first else _refused
    return [fault for item in items if item.is_named for fault in check(item)]


def without_names(parameters: dict[str, Any]) -> dict[str, Any]:
    """The parameters as they would be without names: what the schemas look at."""
    return {name: _without_names(name, parameter) for name, parameter in parameters.items()}


def _items(parameters: dict[str, Any]) -> Iterator[_Item]:
    """The levels that are written out, and the benefits."""
    for name, parameter in parameters.items():
        value = parameter.get("value") if isinstance(parameter, dict) else None
        if name == "levels" and isinstance(value, list):
            for number, level in enumerate(value):
                if isinstance(level, dict):
                    yield _Item(f"parameters.levels.value.{number}", "levels", level)
        if name.startswith(BENEFIT_PREFIX) and isinstance(value, dict):
            yield _Item(f"parameters.{name}.value", "benefits", value)


def _faults_of_first(item: _Item) -> Iterator[str]:
    longest = NAME_CHARS_MAX[item.group]
    for language in _FIRST_LANGUAGES:
        name = item.content.get(language)
        if name is None:
            yield f"{item.place}.{language}: missing data for required field"
        elif not (isinstance(name, str) and 1 <= len(name) <= longest):
            yield f"{item.place}.{language}: must be a text of 1 to {longest} characters"


def _refused(item: _Item) -> Iterator[str]:
    for language in sorted(_WORDS & item.content.keys()):
        found = json.dumps(item.content[language], ensure_ascii=False)
        yield (
            f"{item.place}.{language}: a policy has codes and no names, which would change its hash; put the name into"
            f" names/{language}.toml beside the policy, under [{item.group}], found {found}"
        )


def _without_names(name: str, parameter: Any) -> Any:
    if not isinstance(parameter, dict) or not (name == "levels" or name.startswith(BENEFIT_PREFIX)):
        return parameter
    value = parameter.get("value")
    kept = [_plain(item) for item in value] if isinstance(value, list) else _plain(value)
    return parameter | ({"value": kept} if "value" in parameter else {})


def _plain(item: Any) -> Any:
    return {key: value for key, value in item.items() if key not in _WORDS} if isinstance(item, dict) else item
