"""Policies: the dated parameters of a scheme, each with its source and status.

A revision is a policy's id and the SHA-256 of its canonical JSON: two files that say the same have
the same hash, however they are laid out.
"""

import json
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final, NamedTuple

from domain.calendar import day_of, day_start, day_text, instant_text, month_of, month_start, parse_instant
from domain.limits import INTEGER_DIGITS_MAX, NESTING_MAX
from domain.texts import invisible_character

STATUSES: Final = ("published", "reposted", "assumed")
HASH_SHOWN: Final = 12
"""So many digits of a hash tell revisions apart for people."""
_TOO_EXACT: Final = re.compile(r"[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{7}")
_DAY: Final = re.compile(r"\b[0-9]{4}-[0-9]{2}-[0-9]{2}\b")
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f]")
_LONG_AGO: Final = -(2**62)
_INSTANTS: Final = ("in_force_from", "preview_from", "recalculates_from")


class PolicyError(ValueError):
    """A policy text that cannot be used; the message says what is wrong with it."""


@dataclass(frozen=True)
class Parameter:
    """One parameter of a policy. Instants in `value` are RFC 3339 texts in UTC."""

    value: Any
    source: str
    status: str


class Naming(NamedTuple):
    """What levels and benefits are called in one language, by their codes."""

    levels: dict[str, str]
    benefits: dict[str, str]


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
    preview_from: int | None
    """From when on, before it is in force, results show what it would make of them."""
    parameters: dict[str, Parameter]
    content: str
    """The canonical JSON that is hashed."""
    names: Mapping[str, Naming] = field(default_factory=dict)
    """By language, names that stand beside its file; no part of what is hashed."""

    @property
    def revision(self) -> str:
        """As a revision is named: ID@HASH, the hash shortened."""
        return f"{self.id}@{self.hash[:HASH_SHOWN]}"

    @property
    def assumed(self) -> list[str]:
        """The parameters that no rule text gives, in alphabetical order."""
        return sorted(name for name, item in self.parameters.items() if item.status == "assumed")

    def later_text(self, name: str) -> str | None:
        """The day of the text that a parameter rests on, where that came after the version was in force; else None."""
        begun = day_text(day_of(self.in_force_from))
        return max((day for day in _DAY.findall(self.parameters[name].source) if day > begun), default=None)


class Term(NamedTuple):
    """The periods that a policy judges: from the instant at which the first begins to the next term."""

    begins: int
    policy: Policy


def terms_of(versions: Iterable[Policy], period_start: Callable[[int], int]) -> list[Term]:
    """Which of the versions in force judges which periods, the earliest first.

    A period is judged by the latest version that was in force at its close, or that recalculates it; what is before
    the first version, by the first (RULEBOOK §0, Policies). `period_start` gives the beginning of the period that
    holds an instant.
    """
    terms: list[Term] = []
    for policy in sorted(versions, key=lambda policy: policy.in_force_from):
        since = min(policy.in_force_from, policy.recalculates_from or policy.in_force_from)
        terms = [term for term in terms if term.begins < period_start(since)]
        terms.append(Term(period_start(since) if terms else _LONG_AGO, policy))
    return terms


def start_of_month(instant: int) -> int:
    """The beginning of the natural month that holds an instant: the period of monthly schemes."""
    return month_start(month_of(instant))


def start_of_day(instant: int) -> int:
    """The beginning of the day that holds an instant: the period of daily schemes."""
    return day_start(day_of(instant))


def term_at(terms: Sequence[Term], instant: int) -> Term:
    """The term that holds an instant; the first begins before all."""
    return next(term for term in reversed(terms) if term.begins <= instant)


def canonical_of(text: str) -> str:
    """The canonical JSON of a policy's TOML text: keys sorted, no blanks, instants in UTC.

    Raises PolicyError for what is no TOML, and for values of kinds that a policy does not hold.
    """
    if _TOO_EXACT.search(text):
        raise PolicyError("holds a time with more than six decimals; microseconds are the limit")
    try:
        content = _plain(tomllib.loads(text), NESTING_MAX)
    except RecursionError:
        raise PolicyError(f"is nested more than {NESTING_MAX} deep") from None
    except ValueError as error:
        raise error if isinstance(error, PolicyError) else PolicyError(f"is not TOML: {error}") from None
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def policy_of(canonical: str) -> Policy:
    """The policy that a canonical JSON text holds, whose form has been checked."""
    content = json.loads(canonical)
    instants = {name: parse_instant(content[name]) for name in _INSTANTS if name in content}
    return Policy(
        scheme=content["scheme"],
        id=content["id"],
        hash=sha256(canonical.encode()).hexdigest(),
        in_force_from=instants["in_force_from"],
        recalculates_from=instants.get("recalculates_from"),
        preview_from=instants.get("preview_from"),
        parameters={name: Parameter(**item) for name, item in content["parameters"].items()},
        content=canonical,
    )


def _plain(value: Any, depth: int) -> Any:
    """TOML values as canonical JSON has them: instants as texts in UTC, no floats, no characters that hide or act."""
    if depth == 0:
        raise PolicyError(f"is nested more than {NESTING_MAX} deep")
    if isinstance(value, dict):
        return {_plain(key, depth): _plain(item, depth - 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, depth - 1) for item in value]
    if isinstance(value, datetime):
        return _instant(value)
    if isinstance(value, int) and abs(value) >= 10**INTEGER_DIGITS_MAX:
        raise PolicyError(f"holds an integer of more than {INTEGER_DIGITS_MAX} digits")
    if isinstance(value, str) and (code := _unseen(value)):
        raise PolicyError(f"holds the character {code}, which cannot be seen; remove it")
    if isinstance(value, (bool, int, str)):
        return value
    raise PolicyError(f"{value!r} is neither text, an integer, a truth value nor a time with an offset")


def _unseen(text: str) -> str | None:
    control = _CONTROL.search(text)
    return invisible_character(text) if control is None else f"U+{ord(control.group()):04X}"


def _instant(value: datetime) -> str:
    if value.tzinfo is None:
        raise PolicyError(f"the time {value} has no offset")
    try:
        return instant_text(parse_instant(value.astimezone(UTC).isoformat()))
    except (ValueError, OverflowError):
        raise PolicyError(f"the time {value} does not exist in the calendar") from None
