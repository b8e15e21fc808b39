"""Signed notes: the vectors that the specifications and Go print, and altered notes that nobody may take."""

import subprocess
import sys
from base64 import b64encode
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.proving.checkpoint import Checkpoint, origin_of, parse_checkpoint
from replay.proving.notes import (
    ED25519,
    ED25519_TIMED,
    ML_DSA_44,
    PRIVATE,
    SignedNote,
    SigningKey,
    VerifierKey,
    is_right,
    parse_note,
    parse_signatures,
    parse_signing_key,
    parse_verifier_key,
    sign,
    time_of,
)
from replay.proving.strict_text import NUMBER_MAX, MalformedError
from tests import ROOT

# Of Go's own tests of golang.org/x/mod/sumdb/note.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETER_PRIVATE = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
ENOCH = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
SAYING = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
)  # fmt: skip
PETER_LINE = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"  # fmt: skip # noqa: E501
ENOCH_LINE = "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n"  # fmt: skip # noqa: E501
# The example of C2SP tlog-cosignature, which prints no public keys.
COSIGNED = """example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
"""  # noqa: E501
NOTE = f"{SAYING}\n{PETER_LINE}{ENOCH_LINE}".encode()
KINDS = (ED25519, ED25519_TIMED, ML_DSA_44)
CHECKPOINT = Checkpoint("levelbook/0190b3a0", 7, bytes(range(32))).text
TIME_S = 1_700_000_000


def key_of(kind: int, seed: int = 1, name: str = "levelbook/0190b3a0") -> SigningKey:
    return SigningKey(name, kind, bytes([seed]) * 32)


def test_the_signatures_of_go_are_right_and_made_again_byte_by_byte() -> None:
    note = parse_note(NOTE)
    peter, enoch = parse_verifier_key(PETER), parse_verifier_key(ENOCH)
    assert [note.text, note.whole.encode()] == [SAYING, NOTE]
    found = [[is_right(note.text, key, line) for line in note.signatures] for key in (peter, enoch)]
    assert found == [[True, False], [False, True]]
    private = parse_signing_key(PETER_PRIVATE)
    assert sign(SAYING, private, 0).line == PETER_LINE
    assert [private.secret_text, private.verifier.text] == [PETER_PRIVATE, PETER]


def test_the_example_of_cosignatures_is_read() -> None:
    note = parse_note(COSIGNED.encode())
    assert parse_checkpoint(note.text).size == 20852163
    assert note.whole == COSIGNED
    assert time_of(ED25519_TIMED, note.signatures[1]) == 1679315147  # as the specification says in its text
    assert time_of(ED25519, note.signatures[0]) is None


def test_what_each_type_signs() -> None:
    """Made by hand from the specifications, and verified by the library alone."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

    time = TIME_S.to_bytes(8, "big")
    log, end = b"\x12levelbook/0190b3a0", b"\0\0\0\0\0\0\0\x07"
    messages = {
        ED25519: CHECKPOINT.encode(),
        ED25519_TIMED: b"cosignature/v1\ntime 1700000000\n" + CHECKPOINT.encode(),
        ML_DSA_44: b"subtree/v1\n\0\x04w/ab" + time + log + bytes(8) + end + bytes(range(32)),
    }
    for kind, message in messages.items():
        key = key_of(kind, name="w/ab")
        signature = sign(CHECKPOINT, key, TIME_S).signature
        stated = 0 if kind == ED25519 else 8
        public = MLDSA44PublicKey if kind == ML_DSA_44 else Ed25519PublicKey
        assert signature[:stated] == time[:stated]
        public.from_public_bytes(key.verifier.public).verify(signature[stated:], message)


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_is_the_same_after_it_was_written(kind: int) -> None:
    key = key_of(kind)
    assert parse_signing_key(key.secret_text) == key
    assert parse_verifier_key(key.verifier.text) == key.verifier
    assert "\\x01" not in repr(key) and "seed" not in repr(key)


@pytest.mark.parametrize("kind", KINDS)
def test_a_signature_is_of_one_text_one_key_and_one_time(kind: int) -> None:
    key = key_of(kind)
    found = sign(CHECKPOINT, key, TIME_S)
    assert is_right(CHECKPOINT, key.verifier, found)
    assert not is_right(CHECKPOINT.replace("\n7\n", "\n8\n"), key.verifier, found)
    assert not is_right("levelbook/other\n" + CHECKPOINT.partition("\n")[2], key.verifier, found)
    assert not is_right(CHECKPOINT, key_of(kind, seed=2).verifier, found)
    # The same key under another name or as another type has another id, so that the line is not its.
    assert not is_right(CHECKPOINT, replace(key, name="other").verifier, found)
    forged = found._replace(name="other", key_id=replace(key, name="other").verifier.key_id)
    assert is_right(CHECKPOINT, replace(key, name="other").verifier, forged) == (kind != ML_DSA_44)
    if kind != ED25519:
        later = (TIME_S + 1).to_bytes(8, "big") + found.signature[8:]
        assert not is_right(CHECKPOINT, key.verifier, found._replace(signature=later))


def test_ml_dsa_signs_checkpoints_only() -> None:
    key = key_of(ML_DSA_44)
    with pytest.raises(MalformedError, match="a checkpoint has 3 lines"):
        sign(SAYING, key, TIME_S)
    with pytest.raises(MalformedError, match="a checkpoint has 3 lines"):
        sign(CHECKPOINT + "extension\n", key, TIME_S)
    assert not is_right(SAYING, key.verifier, sign(CHECKPOINT, key, TIME_S))


@pytest.mark.parametrize("time_s", [-1, NUMBER_MAX + 1])
def test_a_time_out_of_bounds_is_not_signed(time_s: int) -> None:
    with pytest.raises(MalformedError, match="seconds since 1970 cannot be signed"):
        sign(CHECKPOINT, key_of(ED25519_TIMED), time_s)
    stated = (2**64 - 1).to_bytes(8, "big") + bytes(64)
    found = sign(CHECKPOINT, key_of(ED25519_TIMED), TIME_S)._replace(signature=stated)
    assert not is_right(CHECKPOINT, key_of(ED25519_TIMED).verifier, found)


def test_a_signature_of_another_length_or_under_a_broken_key_is_wrong() -> None:
    for kind in KINDS:
        key = key_of(kind)
        found = sign(CHECKPOINT, key, TIME_S)
        for signature in (found.signature[:-1], found.signature + b"\0", b"\0"):
            assert not is_right(CHECKPOINT, key.verifier, found._replace(signature=signature))
    broken = VerifierKey("levelbook/0190b3a0", ED25519, b"\xff" * 32)
    made = sign(CHECKPOINT, key_of(ED25519), TIME_S)._replace(key_id=broken.key_id)
    assert not is_right(CHECKPOINT, broken, made)


def test_no_mangled_key_is_taken() -> None:
    """What Go's tests try: every part of a key, and every byte made the next one."""
    parts = {PETER[i:j] for i in range(len(PETER)) for j in range(i, len(PETER) + 1)} - {PETER}
    next_ones = {PETER[:i] + chr(ord(PETER[i]) + 1) + PETER[i + 1 :] for i in range(len(PETER))}
    for text in parts | next_ones:
        with pytest.raises(MalformedError):
            parse_verifier_key(text)
    for i in range(len(PETER_PRIVATE)):
        with pytest.raises(MalformedError) as caught:
            parse_signing_key(PETER_PRIVATE[:i] + chr(ord(PETER_PRIVATE[i]) + 1) + PETER_PRIVATE[i + 1 :])
        assert "AYEK" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==", "not base64"),
        ("PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", "is of type 65, and known are"),
        (PETER.replace("c74f20a3", "C74F20A3"), "has the id c74f20a3, where 'C74F20A3' is written"),
        (f"a+00000000+{b64encode(b'').decode()}", "is of type none"),
        (f"a+00000000+{b64encode(bytes([1, 2])).decode()}", "a public key of type 0x01 has 32 bytes, not 1"),
        ("a+00000000", "is not a key as NAME"),
        ("+00000000+AA==", "is not the name of a key"),
        ("a\u00a0b+00000000+AA==", "is not the name of a key"),
        ("a\udcffb+00000000+AA==", "is not the name of a key"),
        (f"{'n' * 256}+00000000+AA==", "the name of a key has more than 255 bytes"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_key_is_told(text: str, told: str) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_verifier_key(text)
    assert told in str(caught.value)


def test_what_is_wrong_with_a_private_key_is_told() -> None:
    seed = b64encode(bytes([1]) + bytes(31)).decode()
    for text, told in (
        (PETER, "a private key begins with PRIVATE"),
        (f"{PRIVATE}a+00000000", "is not NAME"),
        (f"{PRIVATE}a+00000000+{seed}", "a private key has a seed of 32 bytes, not 31"),
    ):
        with pytest.raises(MalformedError) as caught:
            parse_signing_key(text)
        assert told in str(caught.value)


@pytest.mark.parametrize(
    ("note", "told"),
    [
        # What Go's tests call malformed.
        (SAYING, "has no empty line"),
        (SAYING + "\n", "do not end with a newline"),
        (f"{SAYING}\n{PETER_LINE[:-1]}", "do not end with a newline"),
        (f"\x01{SAYING}\n{PETER_LINE}", "has the control character 0x01 as its character 1"),
        (b"\xff" + NOTE, "the note is not UTF-8 at byte 0"),
        (f"{SAYING}\n— Bad Name {PETER_LINE[15:]}", "is not base64"),
        (f"{SAYING}\n{PETER_LINE}Unexpected line.\n", "stands where a signature line begins"),
        # And more.
        (f"{SAYING}\n{PETER_LINE}\n", "do not end with a newline"),
        (f"{SAYING}\n{PETER_LINE.replace('—', '–')}", "stands where a signature line begins"),
        (f"{SAYING}\n{PETER_LINE.replace('—', '-')}", "stands where a signature line begins"),
        (f"{SAYING}\n{PETER_LINE.replace(' Peter', '  Peter')}", "is not the name of a key"),
        (f"{SAYING}\n{PETER_LINE[:-1]} \n", "is not base64"),
        (f"{SAYING}\n{PETER_LINE.replace('AM=', 'AN=')}", "is not base64 in its one canonical spelling"),
        (f"{SAYING}\n{PETER_LINE.replace('=', '')}", "is not base64"),
        (f"{SAYING}\n{PETER_LINE.replace('/', '_')}", "is not base64"),
        (f"{SAYING}\n— name\n", "has no signature behind the name"),
        (f"{SAYING}\n— name AAAAAA==\n", "has 4 bytes: that is no key id and a signature"),
        (f"{SAYING}\n{PETER_LINE}{ENOCH_LINE}{PETER_LINE}", "two signature lines are of PeterNeumann with key id"),
        (f"{SAYING}\n" + "".join(f"— n{i} AAAAAAA=\n" for i in range(101)), "there are 101 signatures"),
        ("a" * (1 << 20) + "\n\n" + PETER_LINE, "and at most 1048576 are read"),
        (NOTE.decode().replace("\n", "\r\n"), "has the control character 0x0d as its character 57"),
    ],
)  # fmt: skip
def test_a_malformed_note_is_refused_with_what_was_found(note: str | bytes, told: str) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_note(note if isinstance(note, bytes) else note.encode())
    assert told in str(caught.value)


def test_a_hundred_signatures_and_a_text_with_empty_lines_are_read() -> None:
    lines = "".join(f"— n{i} AAAAAAA=\n" for i in range(100))
    note = parse_note(f"one\n\ntwo\n\n{lines}".encode())
    assert (note.text, len(note.signatures)) == ("one\n\ntwo\n", 100)
    assert parse_signatures(lines) == note.signatures


SIGNED = [sign(CHECKPOINT, key_of(kind), TIME_S) for kind in KINDS]
WHOLE = SignedNote(CHECKPOINT, tuple(SIGNED)).whole.encode()


@given(st.integers(0, len(WHOLE) * 8 - 1))
def test_no_altered_bit_is_taken(bit: int) -> None:
    """A changed bit makes the note malformed, another log's or a signature wrong or unknown: never all three right."""
    altered = bytearray(WHOLE)
    altered[bit >> 3] ^= 1 << (bit & 7)
    try:
        note = parse_note(bytes(altered))
    except MalformedError:
        return
    assert note.whole.encode() == altered
    found = [any(is_right(note.text, key_of(kind).verifier, line) for line in note.signatures) for kind in KINDS]
    assert not all(found)


@given(st.binary(max_size=80) | st.text(max_size=60).map(str.encode))
def test_whatever_is_read_has_one_spelling(found: bytes) -> None:
    for whole in (found, SAYING.encode() + b"\n" + found, NOTE + found, found + NOTE):
        try:
            note = parse_note(whole)
        except MalformedError:
            continue
        assert note.whole.encode() == whole


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("levelbook/x\n7\n", "a checkpoint has 3 lines, each ended, and this text has 2"),
        (CHECKPOINT[:-1], "and this text has 2"),
        (f"{CHECKPOINT}\n", "and this text has 4"),
        ("\n7\n" + CHECKPOINT.split("\n")[2] + "\n", "the origin has 0 bytes, and must have 1 to 255"),
        ("é" * 128 + "\n7\n" + CHECKPOINT.split("\n")[2] + "\n", "the origin has 256 bytes"),
        (CHECKPOINT.replace("\n7\n", "\n07\n"), "'07' is not a decimal number without leading zeros"),
        (CHECKPOINT.replace("\n7\n", "\n-7\n"), "'-7' is not a decimal"),
        (CHECKPOINT.replace("\n7\n", "\n٧\n"), "is not a decimal"),
        (CHECKPOINT.replace("\n7\n", "\n\n"), "'' is not a decimal"),
        (CHECKPOINT.replace("\n7\n", f"\n{2**63}\n"), f"'{2**63}' is more than {2**63 - 1}"),
        ("levelbook/x\n7\nAAAA\n", "'AAAA' stands for 3 bytes, where a hash has 32"),
    ],
)
def test_a_malformed_checkpoint_is_refused_with_what_was_found(text: str, told: str) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_checkpoint(text)
    assert told in str(caught.value)


def test_a_checkpoint_is_the_same_after_it_was_written() -> None:
    found = parse_checkpoint(CHECKPOINT)
    assert found == Checkpoint(origin_of("0190b3a0"), 7, bytes(range(32)))
    assert parse_checkpoint(Checkpoint("o", 0, bytes(32)).text).size == 0


@pytest.mark.slow
def test_nothing_is_loaded_before_something_is_signed() -> None:
    loaded = "import sys, replay.proving.tlog_proof, replay.proving.trust; print('cryptography' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True, cwd=ROOT)
    assert run.stdout == "False\n"
