"""Signed notes (C2SP signed-note): a text, an empty line, and lines of signatures, each by a named key.

    — NAME base64(key id ‖ signature)        key id = first 4 bytes of SHA-256(NAME ‖ newline ‖ type ‖ public key)

| type | signs |
|---|---|
| 0x01 Ed25519 | the text |
| 0x04 Ed25519, timestamped (C2SP tlog-cosignature) | "cosignature/v1", a line with the time, the text |
| 0x06 ML-DSA-44, timestamped (the same) | the signer's name, the time, and origin, size and root of a checkpoint |

A time is in seconds since 1970, given by who signs. Nothing here reads a clock, and `cryptography` is loaded only where
something is signed or verified.
"""

from dataclasses import dataclass, field
from hashlib import sha256
from struct import pack
from typing import Final, NamedTuple

from replay.proving.checkpoint import ORIGIN_BYTES_MAX, parse_checkpoint
from replay.proving.strict_text import NUMBER_MAX, MalformedError, base64_of, bytes_of, text_of

ED25519: Final = 0x01
ED25519_TIMED: Final = 0x04
ML_DSA_44: Final = 0x06
PUBLIC_BYTES: Final = {ED25519: 32, ED25519_TIMED: 32, ML_DSA_44: 1312}
"""By signature type, the bytes of a public key."""
SIGNATURE_BYTES: Final = {ED25519: 64, ED25519_TIMED: 64, ML_DSA_44: 2420}
"""By signature type, the bytes of a signature, behind its time."""
SEED_BYTES: Final = 32
KEY_ID_BYTES: Final = 4
TIME_BYTES: Final = 8
NOTE_BYTES_MAX: Final = 1 << 20
SIGNATURES_MAX: Final = 100
SIGNATURE_LINE: Final = "— "  # U+2014
PRIVATE: Final = "PRIVATE+KEY+"
TREE_LABEL: Final = b"subtree/v1\n\x00"


class VerifierKey(NamedTuple):
    """A public key, and the name under which it signs."""

    name: str
    kind: int
    """The type of its signatures: ED25519, ED25519_TIMED or ML_DSA_44."""
    public: bytes

    @property
    def key_id(self) -> bytes:
        """4 bytes; with the name they say which key a line is of."""
        return sha256(self.name.encode() + b"\n" + bytes((self.kind,)) + self.public).digest()[:KEY_ID_BYTES]

    @property
    def text(self) -> str:
        """As a vkey: NAME+KEYID+base64(type ‖ public key)."""
        return f"{self.name}+{self.key_id.hex()}+{base64_of(bytes((self.kind,)) + self.public)}"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key, and the name under which it signs. What it prints as does not show the seed."""

    name: str
    kind: int
    seed: bytes = field(repr=False)
    """32 bytes, of Ed25519 (RFC 8032) and of ML-DSA-44 (FIPS 204) alike."""

    @property
    def verifier(self) -> VerifierKey:
        """Its public key."""
        return VerifierKey(self.name, self.kind, _public_of(self.kind, self.seed))

    @property
    def secret_text(self) -> str:
        """As Go's notes write it: PRIVATE+KEY+NAME+KEYID+base64(type ‖ seed)."""
        key_id = self.verifier.key_id.hex()
        return f"{PRIVATE}{self.name}+{key_id}+{base64_of(bytes((self.kind,)) + self.seed)}"


class NoteSignature(NamedTuple):
    """A signature line."""

    name: str
    key_id: bytes
    signature: bytes
    """Of the timestamped types their 8 bytes of time are its first."""

    @property
    def line(self) -> str:
        """With its newline."""
        return f"{SIGNATURE_LINE}{self.name} {base64_of(self.key_id + self.signature)}\n"


class SignedNote(NamedTuple):
    """A text, its last newline included, and who signed it. Nothing of it counts before its signatures are verified."""

    text: str
    signatures: tuple[NoteSignature, ...]

    @property
    def whole(self) -> str:
        """As it is stored and sent."""
        return f"{self.text}\n{''.join(signature.line for signature in self.signatures)}"


def parse_note(found: bytes) -> SignedNote:
    """The note that bytes are. Raises MalformedError where they are none, or one that could be spelled otherwise."""
    whole = text_of(found, NOTE_BYTES_MAX, "the note")
    text, empty_line, lines = whole.rpartition("\n\n")
    if not empty_line:
        raise MalformedError("the note has no empty line between its text and its signatures")
    return SignedNote(f"{text}\n", parse_signatures(lines))


def parse_signatures(lines: str) -> tuple[NoteSignature, ...]:
    """Signature lines, as they end a note and as a witness answers with them. At least one, none twice of a key."""
    if not lines.endswith("\n"):
        raise MalformedError("the signature lines do not end with a newline")
    found = [_parse_signature(line) for line in lines[:-1].split("\n")]
    if len(found) > SIGNATURES_MAX:
        raise MalformedError(f"there are {len(found)} signatures, and at most {SIGNATURES_MAX} are read")
    seen: set[tuple[str, bytes]] = set()
    for signature in found:
        key = (signature.name, signature.key_id)
        if key in seen:
            raise MalformedError(f"two signature lines are of {signature.name} with key id {signature.key_id.hex()}")
        seen.add(key)
    return tuple(found)


def parse_verifier_key(text: str) -> VerifierKey:
    """The public key that a vkey writes. Raises MalformedError, saying what is wrong with it."""
    kind, name, key_id, public = _parse_key(text)
    if len(public) != PUBLIC_BYTES[kind]:
        raise MalformedError(f"a public key of type {kind:#04x} has {PUBLIC_BYTES[kind]} bytes, not {len(public)}")
    key = VerifierKey(name, kind, public)
    _check_key_id(key, key_id)
    return key


def parse_signing_key(text: str) -> SigningKey:
    """The private key that `secret_text` wrote. Raises MalformedError, which shows nothing of it."""
    if not text.startswith(PRIVATE):
        raise MalformedError(f"a private key begins with {PRIVATE}")
    try:
        kind, name, key_id, seed = _parse_key(text.removeprefix(PRIVATE))
    except MalformedError:
        raise MalformedError(f"what follows {PRIVATE} is not NAME+KEYID+base64(type and seed)") from None
    if len(seed) != SEED_BYTES:
        raise MalformedError(f"a private key has a seed of {SEED_BYTES} bytes, not {len(seed)}")
    key = SigningKey(name, kind, seed)
    _check_key_id(key.verifier, key_id)
    return key


def sign(text: str, key: SigningKey, time_s: int) -> NoteSignature:
    """Sign a note's text at a time, which a signature of type ED25519 does not state.

    Raises MalformedError where ML-DSA-44 is to sign a text that is no checkpoint.
    """
    signature = _sign(key, _message(key.kind, key.name, text, time_s))
    stated = b"" if key.kind == ED25519 else pack(">Q", time_s)
    return NoteSignature(key.name, key.verifier.key_id, stated + signature)


def is_right(text: str, key: VerifierKey, signature: NoteSignature) -> bool:
    """Whether a signature line is of a key, and right for a text."""
    if (signature.name, signature.key_id) != (key.name, key.key_id):
        return False
    time_s = time_of(key.kind, signature)
    stated = 0 if time_s is None else TIME_BYTES
    if len(signature.signature) != stated + SIGNATURE_BYTES[key.kind]:
        return False
    try:
        message = _message(key.kind, key.name, text, time_s or 0)
    except MalformedError:
        return False
    return _verify(key, signature.signature[stated:], message)


def time_of(kind: int, signature: NoteSignature) -> int | None:
    """When a signature says that it was made, in seconds since 1970; None of type ED25519."""
    return None if kind == ED25519 else int.from_bytes(signature.signature[:TIME_BYTES], "big")


def _parse_signature(line: str) -> NoteSignature:
    if not line.startswith(SIGNATURE_LINE):
        raise MalformedError(f"{line[:60]!r} stands where a signature line begins with an em dash and a space")
    name, space, encoded = line.removeprefix(SIGNATURE_LINE).partition(" ")
    if not space:
        raise MalformedError(f"{line[:60]!r} has no signature behind the name of its key")
    _check_name(name)
    found = bytes_of(encoded)
    if len(found) <= KEY_ID_BYTES:
        raise MalformedError(f"the signature of {name} has {len(found)} bytes: that is no key id and a signature")
    return NoteSignature(name, found[:KEY_ID_BYTES], found[KEY_ID_BYTES:])


def _parse_key(text: str) -> tuple[int, str, str, bytes]:
    """(signature type, name, key id in hex, key) of a key in text."""
    parts = text.split("+", 2)  # base64 may hold more of them
    if len(parts) != 3:
        raise MalformedError(f"{text[:60]!r} is not a key as NAME+KEYID+base64(type and key)")
    name, key_id, encoded = parts
    _check_name(name)
    found = bytes_of(encoded)
    if not found or found[0] not in PUBLIC_BYTES:
        known = ", ".join(f"{kind:#04x}" for kind in PUBLIC_BYTES)
        raise MalformedError(f"the key of {name} is of type {found[:1].hex() or 'none'}, and known are {known}")
    return found[0], name, key_id, found[1:]


def _check_name(name: str) -> None:
    if not name or "+" in name or any(map(_is_barred, name)):
        raise MalformedError(f"{name[:60]!r} is not the name of a key: empty, not UTF-8, or with a space or plus sign")
    if len(name.encode()) > ORIGIN_BYTES_MAX:
        raise MalformedError(f"the name of a key has more than {ORIGIN_BYTES_MAX} bytes: {name[:60]!r}…")


def _is_barred(character: str) -> bool:
    """Spaces of Unicode, control characters, and what stands for a byte that is not UTF-8."""
    return character.isspace() or character < " " or "\ud800" <= character <= "\udfff"


def _check_key_id(key: VerifierKey, key_id: str) -> None:
    if key_id != key.key_id.hex():
        raise MalformedError(f"the key of {key.name} has the id {key.key_id.hex()}, where {key_id!r} is written")


def _message(kind: int, name: str, text: str, time_s: int) -> bytes:
    """What is signed."""
    if not 0 <= time_s <= NUMBER_MAX:
        raise MalformedError(f"{time_s} seconds since 1970 cannot be signed")
    if kind == ED25519:
        return text.encode()
    if kind == ED25519_TIMED:
        return f"cosignature/v1\ntime {time_s}\n{text}".encode()
    origin, size, root = parse_checkpoint(text)
    signer, log = (bytes((len(named),)) + named for named in (name.encode(), origin.encode()))
    return TREE_LABEL + signer + pack(">Q", time_s) + log + pack(">QQ", 0, size) + root


def _public_of(kind: int, seed: bytes) -> bytes:
    if kind == ML_DSA_44:
        from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

        return MLDSA44PrivateKey.from_seed_bytes(seed).public_key().public_bytes_raw()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def _sign(key: SigningKey, message: bytes) -> bytes:
    if key.kind == ML_DSA_44:
        from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

        return MLDSA44PrivateKey.from_seed_bytes(key.seed).sign(message)
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(key.seed).sign(message)


def _verify(key: VerifierKey, signature: bytes, message: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

    public = MLDSA44PublicKey if key.kind == ML_DSA_44 else Ed25519PublicKey
    try:
        public.from_public_bytes(key.public).verify(signature, message)
    except (InvalidSignature, ValueError):  # a ValueError where the bytes are no public key
        return False
    return True
