"""The policy files that come with the program, and which of them a replay uses."""

from functools import cache
from importlib.resources import files

from domain.policy import Policy, parse_policy


@cache
def shipped(scheme: str) -> tuple[Policy, ...]:
    """The versions of a scheme's policy, the earliest first."""
    folder = files("domain") / "policies" / scheme
    found = [parse_policy(file.read_text("utf-8")) for file in folder.iterdir() if file.name.endswith(".toml")]
    return tuple(sorted(found, key=lambda policy: policy.in_force_from))


def policy_at(scheme: str, instant: int) -> Policy:
    """The version in force at an instant; before the first version, the first."""
    versions = shipped(scheme)
    in_force = [policy for policy in versions if policy.in_force_from <= instant]
    return in_force[-1] if in_force else versions[0]
