"""The thresholds of a policy, and the policies that differ from it in one of them by a step."""

import json
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any, Final, NamedTuple

from domain.policy import Policy, policy_of
from replay.replaying.base import Replay
from replay.replaying.values import Measure

STEPS_IN_A_THRESHOLD: Final = 100
"""A step is a hundredth of the threshold, and at least one of its unit."""


class Threshold(NamedTuple):
    """A number on which levels rest."""

    parameter: str
    path: str
    """Where it stands within the parameter, such as "LV3.up.product_above"; empty for the whole of it."""
    value: int
    step: int
    measure: Measure | None
    """What is held against it; None where that is no figure of a decision."""
    keys: tuple[str | int, ...]
    """Where it stands in the policy's JSON."""

    @property
    def level(self) -> str:
        """The level within which it stands, where it does."""
        return self.path.partition(".")[0]


def thresholds_of(replay: type[Replay], policy: Policy) -> list[Threshold]:
    """Every threshold of a policy, in the order of its parameters."""
    found = []
    for name, item in policy.parameters.items():
        for keys, names, value in numbers_in(item.value):
            pattern = "/".join((name, *names))
            measures = [measure for path, measure in replay.thresholds.items() if _is_at(pattern, path)]
            if measures:
                step = max(1, value // STEPS_IN_A_THRESHOLD)
                place = ("parameters", name, "value", *keys)
                found.append(Threshold(name, ".".join(names), value, step, measures[0], place))
    return found


def _is_at(place: str, pattern: str) -> bool:
    return place.count("/") == pattern.count("/") and fnmatchcase(place, pattern)


def numbers_in(value: Any) -> Iterator[tuple[tuple[str | int, ...], tuple[str, ...], int]]:
    """Every integer within a value: by which keys it is found, how its place is named, and itself."""
    if isinstance(value, bool):
        return
    if isinstance(value, int):
        yield (), (), value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from (((key, *keys), (key, *names), number) for keys, names, number in numbers_in(item))
    elif isinstance(value, list):
        for place, item in enumerate(value):
            name = str(item.get("code", place + 1)) if isinstance(item, dict) else str(place + 1)
            yield from (((place, *keys), (name, *names), number) for keys, names, number in numbers_in(item))


def with_threshold(policy: Policy, threshold: Threshold, value: int) -> Policy | None:
    """The policy with another value for a threshold; None where no policy can have that."""
    from replay.policies.document import faults_of

    content = json.loads(policy.content)
    with_number(content, threshold.keys, value)
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return None if value < 0 or faults_of(canonical) else policy_of(canonical)


def with_number(content: Any, keys: Sequence[str | int], value: int) -> None:
    """Put a number in its place in a policy's JSON."""
    place = content
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
