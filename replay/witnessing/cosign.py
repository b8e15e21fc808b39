"""Cosigning: C2SP tlog-witness's `add-checkpoint`, with statuses as it has them."""

import os
from hashlib import sha256
from pathlib import Path
from typing import Final

from replay.errors import LevelbookError
from replay.proving.checkpoint import Checkpoint, origin_of
from replay.proving.cosigning import CosignRequest, parse_request
from replay.proving.log_tree import is_consistent, root_of_whole
from replay.proving.notes import sign
from replay.proving.strict_text import MalformedError
from replay.proving.trust import Judgement, TrustPolicy, judge
from replay.store.base.store import Store
from replay.store.beside import sync
from replay.witnessing.kept import Cosigned, Grade, Witness, keeping
from replay.witnessing.recompute import RecomputedOtherwise, recompute

BAD_REQUEST: Final = 400
FORBIDDEN: Final = 403
NOT_FOUND: Final = 404
CONFLICT: Final = 409
UNPROCESSABLE: Final = 422


class CosignRefused(LevelbookError):
    """A witness does not cosign, and says why."""

    def __init__(self, http_status: int, text: str, size: int | None = None) -> None:
        super().__init__(text)
        self.http_status = http_status
        self.size = size
        """What it cosigned last, where the request does not go on from there."""


def cosign(witness: Witness, found: bytes, trust: TrustPolicy, time_s: int, ledger: Store | None = None) -> str:
    """The witness's signature lines under the checkpoint of a request, made at a time in seconds since 1970.

    What is cosigned is kept before it is signed. A witness that recomputes needs the `ledger`, whose log it is. Raises
    CosignRefused.
    """
    request = _read(found)
    checkpoint = request.checkpoint
    _check_signed(request, trust)
    with keeping(witness) as kept:
        before = kept.cosigned(checkpoint.origin)
        _check_goes_on(witness, request, before)
        if checkpoint.size > before.size:
            whole = []
            if witness.grade == Grade.RECOMPUTED:
                try:
                    whole = recompute(_of(ledger, checkpoint), kept, checkpoint.origin, before, checkpoint.size)
                except RecomputedOtherwise as error:
                    raise CosignRefused(UNPROCESSABLE, str(error)) from None
                _check_root(checkpoint, root_of_whole(whole))
            note = request.note.whole.encode()
            kept.note_down(checkpoint.origin, Cosigned(checkpoint.size, checkpoint.root, tuple(whole), note))
    return "".join(sign(request.note.text, key, time_s).line for key in witness.keys)


def _read(found: bytes) -> CosignRequest:
    try:
        return parse_request(found)
    except MalformedError as error:
        raise CosignRefused(BAD_REQUEST, f"what is to be cosigned cannot be read: {error}") from None


def _check_signed(request: CosignRequest, trust: TrustPolicy) -> None:
    origin = request.checkpoint.origin
    judged = judge(request.note, trust, origin)
    if not judged.log_is_known:
        raise CosignRefused(NOT_FOUND, f"no log line of the trust file is of {origin}; add the keys that it announced")
    if not judged.is_signed:
        raise CosignRefused(FORBIDDEN, f"the checkpoint is not signed as the trust file asks: {unsigned(judged)}")


def unsigned(judged: Judgement) -> str:
    """Which keys did not sign, and which signed wrongly."""
    named = [f"{what} {key.name}+{key.key_id.hex()}" for what, keys in (
        ("no signature of", judged.missing), ("a wrong signature of", judged.wrong)) for key in keys]  # fmt: skip
    return ", ".join(named)


def _check_goes_on(witness: Witness, request: CosignRequest, before: Cosigned) -> None:
    origin, size, root = request.checkpoint
    if request.old_size != before.size:
        fewer = (
            f" Its checkpoint covers only {size}: a ledger that was restored from an older backup has signed a second"
            " history if it went on"
        )
        raise CosignRefused(
            CONFLICT,
            f"{before.size} records of {origin} were cosigned, and the request goes on from {request.old_size}:"
            f" ask again, going on from {before.size}.{fewer if size < before.size else ''}",
            before.size,
        )
    if size == before.size and root != before.root:
        raise CosignRefused(CONFLICT, _two_histories(witness, request, before), before.size)
    if not _proves(request, before):
        raise CosignRefused(UNPROCESSABLE, _two_histories(witness, request, before))


def _proves(request: CosignRequest, before: Cosigned) -> bool:
    _, size, root = request.checkpoint
    if before.size == 0:
        return not request.path
    return is_consistent(before.size, before.root, size, root, request.path)


def _two_histories(witness: Witness, request: CosignRequest, before: Cosigned) -> str:
    """Say which sizes contradict one another, having kept what shows it."""
    origin, size, _ = request.checkpoint
    path = _keep(witness, request, before)
    return (
        f"the checkpoint of {origin} over {size} records does not go on from the one over {before.size} that was"
        f" cosigned: the ledger has signed two histories, or the proof is not one. Both notes are in {path}"
    )


def _keep(witness: Witness, request: CosignRequest, before: Cosigned) -> Path:
    shown = f"{before.note.decode()}\n{request.text}".encode()
    name = f"contradiction-{before.size}-{request.checkpoint.size}-{sha256(shown).hexdigest()[:16]}.txt"
    path = witness.folder / name
    with path.open("wb") as file:
        file.write(shown)
        file.flush()
        os.fsync(file.fileno())
    sync(path.parent)
    return path


def _of(ledger: Store | None, checkpoint: Checkpoint) -> Store:
    if ledger is None:
        raise CosignRefused(UNPROCESSABLE, "a witness that recomputes needs the ledger's records; name it with --db")
    if origin_of(ledger.identity.id) != checkpoint.origin:
        raise CosignRefused(
            NOT_FOUND,
            f"the ledger read here is {ledger.identity.id}, and the checkpoint is of {checkpoint.origin}",
        )
    return ledger


def _check_root(checkpoint: Checkpoint, computed: bytes) -> None:
    if computed != checkpoint.root:
        raise CosignRefused(
            UNPROCESSABLE,
            f"the checkpoint over {checkpoint.size} records has the root {checkpoint.root.hex()}, but the records come"
            f" to {computed.hex()}: they were changed, or those signed were others",
        )
