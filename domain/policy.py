"""Policies: the dated parameters of a scheme, each with its source and status.

A revision is a policy's id and the SHA-256 of its canonical JSON: two files that say the same have
the same hash, however they are laid out.
"""

import json
import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from domain.calendar import instant_text, parse_instant

STATUSES = ("published", "reposted", "assumed")


class PolicyError(ValueError):
    """A policy text that cannot be used; the message says what is wrong with it."""


@dataclass(frozen=True)
class Parameter:
    """One parameter of a policy. Instants in `value` are RFC 3339 texts in UTC."""

    value: Any
    source: str
    status: str


@dataclass(frozen=True)
class Policy:
    """A revision of a scheme's policy."""

    scheme: str
    id: str
    hash: str
    in_force_from: int
    """The instant from which it counts."""
    parameters: dict[str, Parameter]

    @property
    def assumed(self) -> list[str]:
        """The parameters that no rule text gives, in alphabetical order."""
        return sorted(name for name, item in self.parameters.items() if item.status == "assumed")


def parse_policy(text: str) -> Policy:
    """The policy that a TOML text holds (its form is that of RULEBOOK §1).

    Raises PolicyError naming the first fault.
    """
    try:
        content = _plain(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise PolicyError(f"is not TOML: {error}") from None
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    try:
        return Policy(
            scheme=content["scheme"],
            id=content["id"],
            hash=sha256(canonical.encode()).hexdigest(),
            in_force_from=parse_instant(content["in_force_from"]),
            parameters={name: _parameter(name, item) for name, item in content["parameters"].items()},
        )
    except KeyError as error:
        raise PolicyError(f"lacks {error}") from None


def _parameter(name: str, item: dict[str, Any]) -> Parameter:
    missing = {"value", "source", "status"} - item.keys()
    if missing:
        raise PolicyError(f"the parameter {name} lacks {', '.join(sorted(missing))}")
    if item["status"] not in STATUSES:
        raise PolicyError(f"the parameter {name} has the status {item['status']!r}; known are {', '.join(STATUSES)}")
    return Parameter(item["value"], item["source"], item["status"])


def _plain(value: Any) -> Any:
    """TOML values as canonical JSON has them: instants as texts in UTC, and no floats."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise PolicyError(f"the time {value} has no offset")
        return instant_text(parse_instant(value.astimezone(UTC).isoformat()))
    if isinstance(value, (bool, int, str)):
        return value
    raise PolicyError(f"{value!r} is neither text, an integer, a truth value nor a time with an offset")
