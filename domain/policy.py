"""Policies: the dated parameters of a scheme, each with its source and status.

A revision is a policy's id and the SHA-256 of its canonical JSON: two files that say the same have
the same hash, however they are laid out.
"""

import json
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final, NamedTuple

from domain.calendar import instant_text, month_of, month_start, parse_instant

STATUSES: Final = ("published", "reposted", "assumed")
_LONG_AGO: Final = -(2**62)


class PolicyError(ValueError):
    """A policy text that cannot be used; the message says what is wrong with it."""


@dataclass(frozen=True)
class Parameter:
    """One parameter of a policy. Instants in `value` are RFC 3339 texts in UTC."""

    value: Any
    source: str
    status: str


@dataclass(frozen=True, eq=False)
class Policy:
    """A revision of a scheme's policy."""

    scheme: str
    id: str
    hash: str
    in_force_from: int
    """The instant from which it counts."""
    recalculates_from: int | None
    """Once in force, it judges periods that close from then on, too."""
    parameters: dict[str, Parameter]
    content: str
    """The canonical JSON that is hashed."""

    @property
    def revision(self) -> str:
        """As a revision is named: ID@HASH, the hash shortened."""
        return f"{self.id}@{self.hash[:12]}"

    @property
    def assumed(self) -> list[str]:
        """The parameters that no rule text gives, in alphabetical order."""
        return sorted(name for name, item in self.parameters.items() if item.status == "assumed")


class Term(NamedTuple):
    """The months that a policy judges: from the instant at which the first begins to the next term."""

    begins: int
    policy: Policy


def terms_of(versions: Iterable[Policy]) -> list[Term]:
    """Which of the versions in force judges which months, the earliest first.

    A month is judged by the latest version that was in force at its close, or that recalculates it; what
    is before the first version, by the first (RULEBOOK §0, Policies).
    """
    terms: list[Term] = []
    for policy in sorted(versions, key=lambda policy: policy.in_force_from):
        since = min(policy.in_force_from, policy.recalculates_from or policy.in_force_from)
        begins = month_start(month_of(since)) if terms else _LONG_AGO
        terms = [term for term in terms if term.begins < begins]
        terms.append(Term(begins if terms else _LONG_AGO, policy))
    return terms


def canonical_of(text: str) -> str:
    """The canonical JSON of a policy's TOML text: keys sorted, no blanks, instants in UTC.

    Raises PolicyError for what is no TOML, and for values of kinds that a policy does not hold.
    """
    try:
        content = _plain(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise PolicyError(f"is not TOML: {error}") from None
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def policy_of(canonical: str) -> Policy:
    """The policy that a canonical JSON text holds, whose form has been checked."""
    content = json.loads(canonical)
    recalculates = content.get("recalculates_from")
    return Policy(
        scheme=content["scheme"],
        id=content["id"],
        hash=sha256(canonical.encode()).hexdigest(),
        in_force_from=parse_instant(content["in_force_from"]),
        recalculates_from=None if recalculates is None else parse_instant(recalculates),
        parameters={name: Parameter(**item) for name, item in content["parameters"].items()},
        content=canonical,
    )


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
