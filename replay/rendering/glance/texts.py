"""What the rules at a glance are told with: `glance.toml` of a scheme over that of all, in one language."""

import tomllib
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, NamedTuple

from domain.policy import Policy
from replay.policies.benefits import BENEFIT_PREFIX
from replay.policies.names import benefit_names


class Texts(NamedTuple):
    """The words for the rules of one scheme in one language."""

    scheme: str
    language: str

    def __call__(self, key: str, **values: Any) -> str:
        return self._said("texts", key).format_map(values)

    def section(self, code: str) -> str:
        return self._said("sections", code)

    def column(self, code: str) -> str:
        return self._said("columns", code)

    def called(self, group: str, code: str) -> str:
        """What a code of a policy is called; of one that is not known, the code itself."""
        found = glance_words(self.scheme).get(group, {}).get(code)
        return code if found is None else str(found[self.language])

    def parameter(self, policy: Policy, name: str) -> str:
        """What a parameter of a policy is called; of one that is not known, its name."""
        if name.startswith(BENEFIT_PREFIX):
            code = name.removeprefix(BENEFIT_PREFIX)
            return benefit_names(policy, code, policy.parameters[name].value)[self.language]
        return self.called("parameters", name)

    def _said(self, group: str, code: str) -> str:
        own = glance_words(self.scheme).get(group, {})
        return str((own if code in own else _shared()[group])[code][self.language])


@cache
def glance_words(scheme: str) -> dict[str, Any]:
    """The words and facts that only a scheme has, and the order of its sections."""
    return tomllib.loads(glance_file(scheme).read_text("utf-8"))


@cache
def _shared() -> dict[str, Any]:
    return tomllib.loads((files("domain") / "rules" / "glance.toml").read_text("utf-8"))


def glance_file(scheme: str) -> Traversable:
    return files("domain") / scheme.replace("-", "_") / "glance.toml"
