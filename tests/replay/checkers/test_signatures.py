"""The script's own Ed25519 and ML-DSA-44: published vectors, another library's signatures, and what must be refused."""

import json
from collections.abc import Callable
from random import Random

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from replay.checkers.check_evidence import BASE, ORDER, P, ed25519_is_right, ml_dsa_44_is_right, point_of, times
from tests import ROOT

RFC_8032 = [  # 7.1: public key, message, signature
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe246"
            "55141438e7a100b"
        ),
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb"
            "00d291612bb0c00"
        ),
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        (
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc"
            "027beceea1ec40a"
        ),
    ),
]
KNOWN_ANSWERS = json.loads((ROOT / "tests/replay/checkers/ml_dsa_44.json").read_text("utf-8"))["vectors"]


@pytest.mark.parametrize(("public", "message", "signature"), RFC_8032)
def test_ed25519_agrees_with_rfc_8032(public: str, message: str, signature: str) -> None:
    key, text, signed = map(bytes.fromhex, (public, message, signature))
    assert ed25519_is_right(key, text, signed)
    assert not ed25519_is_right(key, text + b"\x00", signed)


def test_ed25519_refuses_other_encodings_of_the_same() -> None:
    key, text, signed = map(bytes.fromhex, RFC_8032[2])
    s = int.from_bytes(signed[32:], "little")
    for multiple in (1, 2, 15):
        assert not ed25519_is_right(key, text, signed[:32] + (s + multiple * ORDER).to_bytes(32, "little"))
    for length in (0, 63, 65):
        assert not ed25519_is_right(key, text, (signed + b"\x00")[:length])
    assert point_of(P.to_bytes(32, "little")) is None  # y = 0, written as y = P
    assert point_of((1 | 1 << 255).to_bytes(32, "little")) is None  # x = 0 with the sign of another
    assert point_of((2).to_bytes(32, "little")) is None  # on no point
    assert times(ORDER, BASE)[0] % P == 0


def test_a_neutral_key_signs_only_what_it_must() -> None:
    """A key of small order: R = S·B is asked for exactly, as Go's and OpenSSL's verification asks."""
    neutral = (1).to_bytes(32, "little")
    assert ed25519_is_right(neutral, b"any", neutral + bytes(32))
    negative = (1 | 1 << 255).to_bytes(32, "little")
    assert not ed25519_is_right(neutral, b"any", negative + bytes(32))


@pytest.mark.parametrize("vector", KNOWN_ANSWERS, ids=range(len(KNOWN_ANSWERS)))
def test_ml_dsa_44_agrees_with_known_answers(vector: dict[str, str]) -> None:
    public, message, signature, context = (bytes.fromhex(vector[name]) for name in KNOWN)
    assert ml_dsa_44_is_right(public, message, signature, context)
    assert not ml_dsa_44_is_right(public, message, signature, b"")
    assert not ml_dsa_44_is_right(public, message + b"\x00", signature, context)


KNOWN = ("public", "message", "signature", "context")
HINTS = 2420 - 84


def bits_18(signature: bytes, value: int) -> bytes:
    """The signature with another first coefficient of z, as it is packed."""
    packed = int.from_bytes(signature[32:], "little") >> 18 << 18 | value
    return signature[:32] + packed.to_bytes(2388, "little")


def unsorted_hints(signature: bytes) -> bytes:
    first, second = signature[HINTS], signature[HINTS + 1]
    return signature[:HINTS] + bytes([second, first]) + signature[HINTS + 2 :]


MISWRITTEN: dict[str, Callable[[bytes], bytes]] = {
    "hints not rising": unsorted_hints,
    "a hint twice": lambda s: s[:HINTS] + s[HINTS : HINTS + 1] * 2 + s[HINTS + 2 :],
    "more hints than there are places": lambda s: s[:-1] + bytes([81]),
    "ends of hints falling": lambda s: s[:-4] + bytes([s[-3], s[-4], s[-2], s[-1]]),
    "something behind the hints": lambda s: s[:-5] + b"\x01" + s[-4:],
    "z too large": lambda s: bits_18(s, 0),
    "z too small": lambda s: bits_18(s, (1 << 18) - 1),
    "z at its bound": lambda s: bits_18(s, 78),
    "shorter": lambda s: s[:-1],
    "longer": lambda s: s + b"\x00",
}


@pytest.mark.parametrize("how", MISWRITTEN)
def test_ml_dsa_44_refuses_what_is_miswritten(how: str) -> None:
    public, message, signature, context = (bytes.fromhex(KNOWN_ANSWERS[0][name]) for name in KNOWN)
    altered = MISWRITTEN[how](signature)
    assert altered != signature
    assert not ml_dsa_44_is_right(public, message, altered, context)


def pairs_of_another_library(cases: int) -> None:
    random = Random(cases)
    for _ in range(cases):
        text, seed = random.randbytes(random.randrange(200)), random.randbytes(32)
        elliptic, lattice = Ed25519PrivateKey.from_private_bytes(seed), MLDSA44PrivateKey.from_seed_bytes(seed)
        signed, public = elliptic.sign(text), elliptic.public_key().public_bytes_raw()
        at = random.randrange(64)
        assert ed25519_is_right(public, text, signed)
        assert not ed25519_is_right(public, text, flipped(signed, at, random.randrange(8)))
        signed, public = lattice.sign(text), lattice.public_key().public_bytes_raw()
        at = random.randrange(2420)
        assert ml_dsa_44_is_right(public, text, signed)
        assert not ml_dsa_44_is_right(public, text, flipped(signed, at, random.randrange(8)))


def flipped(raw: bytes, at: int, bit: int) -> bytes:
    return raw[:at] + bytes([raw[at] ^ 1 << bit]) + raw[at + 1 :]


def test_what_another_library_signs_is_right_and_with_a_bit_changed_is_not() -> None:
    pairs_of_another_library(5)


@pytest.mark.slow
def test_much_that_another_library_signs_is_right() -> None:
    pairs_of_another_library(200)
