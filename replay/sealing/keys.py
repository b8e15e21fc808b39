"""The ledger's own keys, by which it signs its checkpoints: Ed25519 and, as the C2SP asks of new logs, ML-DSA-44.

Both are worked out from one secret of 32 bytes, in a file beside the store or in the environment. Their public halves
are records. A rotation announces the next keys before they take the place of those before, so that a kill at any
moment leaves a secret whose keys are in force.
"""

import hmac
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from domain.events import KeysAnnounced
from replay.errors import StoreError, UsageError
from replay.proving.checkpoint import origin_of
from replay.proving.notes import ED25519, ML_DSA_44, SigningKey
from replay.recording.own import check_reason
from replay.recording.own_record import record_own
from replay.store.base.identity import KEY_BYTES
from replay.store.base.store import Store
from replay.store.beside import beside, make_secret_file, secret_in, secret_of, sync
from replay.store.evidence.announced import ANNOUNCED, KEYS_STREAM, Announcement, announcements

SIGNING_VARIABLE: Final = "LEVELBOOK_SIGNING_KEY"
NEXT_VARIABLE: Final = "LEVELBOOK_NEXT_SIGNING_KEY"
ID_CHANCE_BYTES: Final = 16
KINDS: Final = (ED25519, ML_DSA_44)
NEXT: Final = ".next"
SECRET: Final = "key to sign with"


class Secret(NamedTuple):
    """What private keys are worked out from, and where it was found."""

    value: bytes
    where: str

    def keys(self, ledger_id: str) -> list[SigningKey]:
        """The private keys of a ledger, a kind each."""
        return [
            SigningKey(origin_of(ledger_id), kind, hmac.digest(self.value, _label(ledger_id, kind), "sha256"))
            for kind in KINDS
        ]

    def vkeys(self, ledger_id: str) -> list[str]:
        """The public keys."""
        return [key.verifier.text for key in self.keys(ledger_id)]


class Signers(NamedTuple):
    """Who signs now."""

    announcement: Announcement
    keys: list[SigningKey]
    """Those in force."""
    before: list[SigningKey]
    """Those that they replaced, where they can still sign and were not lost; none where there were none."""


class Rotated(NamedTuple):
    """What became of a rotation."""

    vkeys: list[str]
    replaced: list[str]
    left_to_do: str | None
    """Where the secret came from the environment."""


class ShownKeys(NamedTuple):
    """The public keys in force, and what led to them."""

    ledger: str
    vkeys: list[str]
    trust: str
    """A trust file of the ledger alone, as C2SP tlog-policy has it."""
    announced: list[dict[str, Any]]
    """Each announcement, the earliest first: `position`, `vkeys`, `replaces`, `lost`, `reason`."""


def new_keys(store: Store) -> list[str]:
    """Make the first keys of a ledger and announce them: the public ones. To be called while `checkpointing`.

    Raises UsageError where others were announced.
    """
    made = announcements(store)
    if made:
        raise UsageError(
            f"{store.name} announced its keys at position {made[-1].position}: 'levelbook key show' tells them, and"
            " 'levelbook key rotate' makes others"
        )
    secret = _from_environment(SIGNING_VARIABLE) or made_secret(store.signing_path(), SIGNING_VARIABLE)
    vkeys = secret.vkeys(store.identity.id)
    _announce(store, KeysAnnounced(lost=False, reason=None, replaces=[], vkeys=vkeys))
    return vkeys


def rotate_keys(store: Store, reason: str, *, lost: bool) -> Rotated:
    """Announce keys that take the place of those in force; `lost` where these can sign no more, or others can.

    To be called while `checkpointing`, and followed by a checkpoint and `settle_rotation`. Where a rotation was killed
    behind its announcement, it is gone on with. Raises UsageError for keys that are not there, and without any before.
    """
    check_reason(reason)
    ledger, made = store.identity.id, announcements(store)
    if not made:
        raise no_keys(store)
    last = made[-1]
    path, following = store.signing_path(), _from_environment(NEXT_VARIABLE)
    left_to_do = None if following is None else f"now put the secret of {NEXT_VARIABLE} into {SIGNING_VARIABLE}"
    if following is None:
        following = made_secret(
            None if path is None or SIGNING_VARIABLE in os.environ else beside(path, NEXT), NEXT_VARIABLE
        )
    vkeys = following.vkeys(ledger)
    if vkeys == last.vkeys:
        return Rotated(vkeys, last.said.replaces, left_to_do)
    if not lost and not any(found.vkeys(ledger) == last.vkeys for found in _secrets(store)):
        raise UsageError(
            f"the keys in force of {store.name} are not there to sign with: bring their secret back from its copy, or"
            " say with --lost that it is gone"
        )
    if any(vkeys == earlier.vkeys for earlier in made):
        raise UsageError(f"the keys of {following.where} were in force before; nothing was announced: make others")
    _announce(store, KeysAnnounced(lost=lost, reason=reason, replaces=last.vkeys, vkeys=vkeys))
    return Rotated(vkeys, last.vkeys, left_to_do)


def settle_rotation(store: Store) -> None:
    """Let the secret of keys that were announced take the place of the one before, where both lie beside the store."""
    path = store.signing_path()
    made = announcements(store)
    if path is None or not made or SIGNING_VARIABLE in os.environ:
        return
    following = secret_from_file(beside(path, NEXT))
    if following is not None and following.vkeys(store.identity.id) == made[-1].vkeys:
        beside(path, NEXT).replace(path)
        sync(path.parent)


def signers(store: Store) -> Signers:
    """The private keys that sign now. Raises UsageError where none were announced, or theirs are not there."""
    ledger, made = store.identity.id, announcements(store)
    if not made:
        raise no_keys(store)
    last = made[-1]
    found = {tuple(secret.vkeys(ledger)): secret for secret in _secrets(store)}
    secret = found.get(tuple(last.vkeys))
    if secret is None:
        where = ", ".join(held.where for held in found.values()) or _places(store)
        raise UsageError(
            f"the keys that {store.name} announced at position {last.position} are not there to sign with; looked for"
            f" in {where}. Bring their secret back from its copy, or 'levelbook key rotate --lost' announces others"
        )
    before = None if last.said.lost else found.get(tuple(last.said.replaces))
    return Signers(last, secret.keys(ledger), [] if before is None else before.keys(ledger))


def shown_keys(store: Store) -> ShownKeys:
    """The public keys in force. Raises UsageError where none were announced."""
    made = announcements(store)
    if not made:
        raise no_keys(store)
    trust = "".join(f"log {vkey}\n" for vkey in made[-1].vkeys) + "quorum none\n"
    announced = [{"position": found.position, **msgspec.to_builtins(found.said)} for found in made]
    return ShownKeys(store.identity.id, made[-1].vkeys, trust, announced)


def no_keys(store: Store) -> UsageError:
    """The error where a ledger has announced no keys."""
    return UsageError(f"{store.name} has no keys to sign with: 'levelbook key new' makes them")


def _label(ledger_id: str, kind: int) -> bytes:
    return b"levelbook signing key\x00" + ledger_id.encode() + bytes((kind,))


def _announce(store: Store, said: KeysAnnounced) -> None:
    record_own(store, KEYS_STREAM, ANNOUNCED, f"keys-{secrets.token_hex(ID_CHANCE_BYTES)}", said)


def _secrets(store: Store) -> Iterator[Secret]:
    """Every secret that can be found, the one for the present first. The environment comes before files."""
    given = [_from_environment(name) for name in (SIGNING_VARIABLE, NEXT_VARIABLE)]
    path = store.signing_path()
    if path is not None and given[0] is None:
        given += [secret_from_file(path), secret_from_file(beside(path, NEXT))]
    yield from (secret for secret in given if secret is not None)


def _places(store: Store) -> str:
    path = store.signing_path()
    return f"the variable {SIGNING_VARIABLE}" + ("" if path is None else f" and {path}")


def _from_environment(name: str) -> Secret | None:
    text = os.environ.get(name)
    if text is None:
        return None
    where = f"the environment variable {name}"
    return Secret(secret_of(text, where, SECRET), where)


def secret_from_file(path: Path) -> Secret | None:
    """The secret in a file; None where there is no file. Raises StoreError where it cannot be read."""
    try:
        return Secret(secret_in(path, SECRET), str(path))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"the key to sign with {path} cannot be read: {error.strerror}") from None


def made_secret(path: Path | None, variable: str) -> Secret:
    """The secret in a file, which is made where it is not there, for its owner alone.

    Raises UsageError where there is no place for a file; `variable` is then to hold it.
    """
    if path is None:
        raise UsageError(
            f"the key to sign with must be given in {variable}: {KEY_BYTES * 2} hexadecimal digits that you make once"
            " and keep, as from 'openssl rand -hex 32'"
        )
    make_secret_file(path)
    found = secret_from_file(path)
    assert found is not None
    return found
