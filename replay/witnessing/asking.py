"""Asking witnesses to cosign a ledger's last checkpoint, over HTTP or by files, and keeping what they answered.

Only the right lines of keys that the trust file names as witnesses are kept; of others nothing is known.
"""

from typing import Final, NamedTuple

from replay.errors import LevelbookError, UsageError
from replay.proving.cosigning import CosignRequest
from replay.proving.notes import NoteSignature, VerifierKey, is_right, parse_note, parse_signatures
from replay.proving.strict_text import MalformedError, number_of
from replay.proving.trust import TrustPolicy
from replay.sealing.proofs import consistency
from replay.store.base.store import Store
from replay.store.evidence.checkpoints import StoredCheckpoint, add_cosignature, latest_stored

ANSWER_SECONDS: Final = 600
"""How long a witness may take: one that recomputes a long ledger takes minutes at first."""
ANSWER_BYTES_MAX: Final = 1 << 20
SIZE_TYPE: Final = "text/x.tlog.size"


class Answered(NamedTuple):
    """What came of asking."""

    kept: tuple[VerifierKey, ...]
    """Whose lines are kept now and were not before."""
    known: tuple[VerifierKey, ...]
    """Whose lines were kept before."""
    strange: tuple[NoteSignature, ...]
    """Lines of keys that the trust file names as nobody's."""


class WitnessRefused(LevelbookError):
    """A witness did not cosign."""


def last_checkpoint(store: Store) -> StoredCheckpoint:
    """What is to be cosigned, as the ledger alone signed it. Raises UsageError where there is none."""
    found = latest_stored(store)
    if found is None:
        raise UsageError(f"{store.name} has no checkpoint that could be cosigned; 'levelbook checkpoint' makes one")
    return found


def request_from(store: Store, old_size: int) -> CosignRequest:
    """To cosign the last checkpoint, after `old_size` records. Raises UsageError where it covers fewer."""
    size, note = last_checkpoint(store)
    if old_size > size:
        raise UsageError(
            f"a witness cosigned {old_size} records, and the last checkpoint of {store.name} covers {size}: was it"
            " restored from an older backup? Then nothing may be signed before what was lost is recorded again"
        )
    return CosignRequest(old_size, tuple(consistency(store, old_size, size)), parse_note(note))


def take_answer(store: Store, trust: TrustPolicy, lines: str) -> Answered:
    """Keep a witness's signature lines under the last checkpoint.

    Raises WitnessRefused where the answer is none, or a line of a known witness is not right for this checkpoint.
    """
    size, note = last_checkpoint(store)
    text = parse_note(note).text
    try:
        found = parse_signatures(lines)
    except MalformedError as error:
        raise WitnessRefused(f"the answer is no cosignature: {error}") from None
    keys = {(key.name, key.key_id): key for key in trust.witnesses.values()}
    right, strange = [], []
    for line in found:
        key = keys.get((line.name, line.key_id))
        if key is None:
            strange.append(line)
        elif not is_right(text, key, line):
            raise WitnessRefused(
                f"the line of {key.name}+{key.key_id.hex()} is not right for the checkpoint over {size} records;"
                " nothing was kept: was it made for another one?"
            )
        else:
            right.append((key, line))
    with store.writing() as transaction:
        are_new = [add_cosignature(transaction, size, f"{k.name}+{k.key_id.hex()}", line.line) for k, line in right]
    kept, known = ([k for (k, _), new in zip(right, are_new, strict=True) if new == wanted] for wanted in (True, False))
    return Answered(tuple(kept), tuple(known), tuple(strange))


def ask(store: Store, url: str) -> str:
    """The answer of the witness at a URL, its submission prefix. Raises WitnessRefused, which says what it said."""
    status, media_type, answer = _post(url, request_from(store, 0))
    if status == 409 and media_type == SIZE_TYPE:
        try:
            size = number_of(answer.removesuffix("\n"))
        except MalformedError as error:
            raise _refused(url, status, str(error)) from None
        status, _, answer = _post(url, request_from(store, size))
    if status != 200:
        raise _refused(url, status, answer)
    return answer


def _refused(url: str, status: int, said: str) -> WitnessRefused:
    return WitnessRefused(
        f"the witness at {url} did not cosign and answered {status}: {said.strip()[:1_000] or 'nothing'}"
    )


def _post(url: str, request: CosignRequest) -> tuple[int, str, str]:
    """(status, media type, body)."""
    from urllib.error import HTTPError, URLError
    from urllib.request import Request, urlopen

    if not url.startswith(("http://", "https://")):
        raise UsageError(f"{url!r} is no address of a witness: it begins with https:// or http://")
    try:
        asked = Request(f"{url.rstrip('/')}/add-checkpoint", request.text.encode(), method="POST")
        with urlopen(asked, timeout=ANSWER_SECONDS) as response:
            return (
                response.status,
                response.headers.get_content_type(),
                response.read(ANSWER_BYTES_MAX).decode("utf-8", "replace"),
            )
    except HTTPError as error:
        with error:
            return error.code, error.headers.get_content_type(), error.read(ANSWER_BYTES_MAX).decode("utf-8", "replace")
    except (URLError, ValueError, OSError) as error:
        raise WitnessRefused(
            f"the witness at {url} cannot be reached: {error}; the checkpoint stands, ask again"
        ) from None
