"""The policy files that come with the program, and which of them a replay uses."""

from functools import cache
from importlib.resources import files
from typing import Any

from domain.calendar import shanghai_text
from domain.policy import Policy, parse_policy


@cache
def shipped(scheme: str) -> tuple[Policy, ...]:
    """The versions of a scheme's policy, the earliest first."""
    folder = files("domain") / "policies" / scheme
    found = [parse_policy(file.read_text("utf-8")) for file in folder.iterdir() if file.name.endswith(".toml")]
    return tuple(sorted(found, key=lambda policy: policy.in_force_from))


def schemes() -> list[str]:
    """The schemes that have a policy, in alphabetical order."""
    return sorted(folder.name for folder in (files("domain") / "policies").iterdir() if folder.is_dir())


def policy_json(policy: Policy) -> dict[str, Any]:
    """A policy with the source and status of each of its parameters."""
    return {
        "scheme": policy.scheme,
        "id": policy.id,
        "hash": policy.hash,
        "in_force_from": shanghai_text(policy.in_force_from),
        "parameters": {
            name: {"value": item.value, "source": item.source, "status": item.status}
            for name, item in policy.parameters.items()
        },
    }


def policy_at(scheme: str, instant: int) -> Policy:
    """The version in force at an instant; before the first version, the first."""
    versions = shipped(scheme)
    in_force = [policy for policy in versions if policy.in_force_from <= instant]
    return in_force[-1] if in_force else versions[0]
