"""Checks that were made of a ledger, kept beside it so that an auditor can show them: no facts, and no part of it."""

from typing import Any, Final, NamedTuple

import msgspec

from replay.errors import DamagedError, StoreError
from replay.store.base.store import Store

SOUND: Final = "sound"
UNSOUND: Final = "not sound"
NONE: Final = "none"
"""There is nothing of the kind to check."""
NOT_CHECKED: Final = "not checked"


class Check(msgspec.Struct, frozen=True):
    """One run of `levelbook verify`: when, of what, by which program, and each verdict."""

    at: str
    """By the ledger's clock."""
    ledger: str
    head: str
    """The last record that fitted, as `levelbook head` names it."""
    noted: str | None
    """The head that was given to be looked for."""
    ledger_verdict: str
    segments_verdict: str
    views_verdict: str
    problems: list[str]
    program: str
    service_verdict: str = NOT_CHECKED
    """Of what the service keeps; checks of earlier versions did not look at it."""

    def to_json(self) -> dict[str, Any]:
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found


class Audit(msgspec.Struct, frozen=True, tag_field="kind", tag="audit"):
    """One run of `levelbook audit`: when, up to which record, of what, and what came of it."""

    at: str
    """By the ledger's clock."""
    ledger: str
    head: str
    """The last record that there was, as `levelbook head` names it."""
    scheme: str | None
    period: str | None
    subject: str | None
    """Of which decisions; None for all."""
    audited: int
    reproduced: int
    restated: int
    """How many come out otherwise as known now."""
    announced_otherwise: int
    program: str

    def to_json(self) -> dict[str, Any]:
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found


def keep(store: Store, check: Check | Audit) -> tuple[str | None, str | None]:
    """Keep a check or an audit: where it is, or why it could not be kept."""
    try:
        return store.keep_check(msgspec.json.encode(check).decode()), None
    except (StoreError, OSError) as error:
        return None, str(error)


class KeptChecks(NamedTuple):
    """Checks and audits that were kept, the earliest first; of those that cannot be read their numbers, from 1 on."""

    checks: list[Check]
    damaged: list[int]
    audits: list[Audit]


def kept(store: Store) -> KeptChecks:
    """Every check that was kept."""
    found = KeptChecks([], [], [])
    for number, line in enumerate(store.kept_checks(), 1):
        try:
            if _kind_of(line) is None:
                found.checks.append(msgspec.json.decode(line, type=Check))
            else:
                found.audits.append(msgspec.json.decode(line, type=Audit))
        except msgspec.MsgspecError:
            found.damaged.append(number)
    return found


class _Kind(msgspec.Struct):
    kind: str | None = None


def _kind_of(line: str) -> str | None:
    """What a kept line says that it is of; checks say nothing."""
    return msgspec.json.decode(line, type=_Kind).kind


def damaged_checks(store: Store, numbers: list[int]) -> DamagedError:
    """The error where checks cannot be read; the others are listed all the same."""
    named = ", ".join(map(str, numbers))
    return DamagedError(f"of the checks kept beside {store.name}, these are damaged and cannot be read: {named}")
