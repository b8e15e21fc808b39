"""Checks that were made of a ledger, kept beside it so that an auditor can show them: no facts, and no part of it."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from replay.errors import DamagedError, StoreError
from replay.store.base import Store

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


def keep(store: Store, check: Check) -> tuple[str | None, str | None]:
    """Keep a check: where it is, or why it could not be kept."""
    try:
        return store.keep_check(msgspec.json.encode(check).decode()), None
    except (StoreError, OSError) as error:
        return None, str(error)


def kept(store: Store) -> Iterator[Check]:
    """Every check that was kept, the earliest first. Raises DamagedError for one that cannot be read."""
    for number, line in enumerate(store.kept_checks(), 1):
        try:
            yield msgspec.json.decode(line, type=Check)
        except msgspec.MsgspecError:
            raise DamagedError(f"check {number} kept beside {store.name} is damaged and cannot be read") from None
