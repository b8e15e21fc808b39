"""Where the parameters of two policies differ, leaf by leaf."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from domain.policy import Policy


class DifferingValue(NamedTuple):
    """A value that is another in the candidate, or stands in one policy alone: None there."""

    parameter: str
    path: str
    """Where it stands within the parameter, such as "bronze-2.from_tenths"; empty for the whole of it."""
    old: Any
    new: Any


def differing(old: Policy, new: Policy) -> list[DifferingValue]:
    """What differs, parameter by parameter in the order of the old policy, then of the new one."""
    names = dict.fromkeys((*old.parameters, *new.parameters))
    values = ((name, _value(old, name), _value(new, name)) for name in names)
    return [DifferingValue(name, *leaf) for name, one, other in values for leaf in _leaves("", one, other)]


def _value(policy: Policy, name: str) -> Any:
    return policy.parameters[name].value if name in policy.parameters else None


def _leaves(path: str, old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:
    if old == new:
        return
    one, other = _parts(old), _parts(new)
    if one is None or other is None:
        yield path, old, new
        return
    for name in dict.fromkeys((*one, *other)):
        yield from _leaves(f"{path}.{name}" if path else name, one.get(name), other.get(name))


def _parts(value: Any) -> Mapping[str, Any] | None:
    """The parts of a value by name: entries that bear a code by that, others by their number; None of a leaf."""
    if isinstance(value, dict):
        return value
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        return None
    return {str(item.get("code", number)): item for number, item in enumerate(value, 1)}
