"""The secrets of a ledger: whether they are there, its own, and hidden from others. Nothing of them is shown."""

import os
from pathlib import Path
from stat import S_IMODE
from typing import Final

from projections.doctor.observations import OK, WARN, Observation, Observations
from replay.sealing.keys import SIGNING_VARIABLE, signers
from replay.store.base.store import Store
from replay.store.buyers import KEY_VARIABLE, key_of
from replay.store.evidence.announced import announcements

OTHERS: Final = 0o077
"""The rights of everybody but the owner."""


def buyer_key_found(store: Store) -> Observations:
    """The key for buyers, without which nothing of theirs can be recorded."""
    key_of(store)
    yield from _hidden("buyer_key", KEY_VARIABLE, store.key_path())


def signing_key_found(store: Store) -> Observations:
    """The secret by which checkpoints are signed, where the ledger has announced keys."""
    if not announcements(store):
        yield Observation("signing_key", OK, "no_keys", {})
        return
    signers(store)
    yield from _hidden("signing_key", SIGNING_VARIABLE, store.signing_path())


def _hidden(check: str, variable: str, path: Path | None) -> Observations:
    """Where a secret that was found lies, and whether others may read it."""
    if variable in os.environ or path is None:
        yield Observation(check, OK, "given", {"variable": variable})
        return
    mode = S_IMODE(path.stat().st_mode)
    told = {"path": str(path), "mode": f"{mode:04o}"}
    yield Observation(check, WARN, "open", told) if mode & OTHERS else Observation(check, OK, "kept", told)
