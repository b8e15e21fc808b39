"""Proofs as text: written and read again, altered, and read by another's code."""

import os
import shutil
import subprocess
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.proving.checkpoint import Checkpoint
from replay.proving.log_tree import Subtree, consistency_path, inclusion_path, root_of
from replay.proving.notes import ED25519, ML_DSA_44, SignedNote, SigningKey, sign
from replay.proving.strict_text import MalformedError, base64_of
from replay.proving.tlog_proof import TlogProof, parse_tlog_proof
from tests import ROOT

LOG = SigningKey("levelbook/0190b3a0", ED25519, b"L" * 32)
LOG_LATER = SigningKey("levelbook/0190b3a0", ML_DSA_44, b"L" * 32)
LEAVES = [sha256(b"\0%d" % number).digest() for number in range(300)]
TIME_S = 1_700_000_000
GO_PACKAGES = Path("/usr/share/gocode")


def subtrees(leaves: list[bytes]) -> Subtree:
    return lambda level, index: root_of(leaves[index << level : (index + 1) << level])


def proof_of(index: int, size: int, extra: bytes | None = None) -> TlogProof:
    text = Checkpoint(LOG.name, size, root_of(LEAVES[:size])).text
    note = SignedNote(text, tuple(sign(text, key, TIME_S) for key in (LOG, LOG_LATER)))
    return TlogProof(index, tuple(inclusion_path(subtrees(LEAVES), index, size)), note, extra)


@pytest.mark.slow
@given(st.integers(1, 40), st.data())
def test_a_proof_is_the_same_after_it_was_written(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    proof = proof_of(index, size, data.draw(st.none() | st.binary(min_size=1, max_size=9)))
    found = parse_tlog_proof(proof.text.encode())
    assert found == proof
    assert [other for other in range(size) if found.proves(LEAVES[other])] == [index]


PROOF = proof_of(5, 20).text
LINES = PROOF.split("\n")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "the proof has no empty line before its checkpoint"),
        ("c2sp.org/tlog-proof@v2" + PROOF[22:], "the proof does not begin with the line c2sp.org/tlog-proof@v1"),
        (PROOF.replace("index 5", "index 05"), "'05' is not a decimal number without leading zeros"),
        (PROOF.replace("index 5", "Index 5"), "the proof has no line 'index N' where it must stand"),
        (PROOF.replace("index 5\n", "index 5\nextra AA==\n"), "'extra AA==' is not base64"),
        (PROOF.replace("index 5\n", "extra \nindex 5\n"), "the proof has a line of extra data without any"),
        (PROOF.replace("index 5\n", "extra AB==\nindex 5\n"), "is not base64 in its one canonical spelling"),
        (PROOF.replace("index 5", "index 20"), "the proof is of leaf 20, and its checkpoint covers 20"),
        (PROOF.replace("index 5\n", "index 5\nAAAA\n"), "'AAAA' stands for 3 bytes, where a hash has 32"),
        (PROOF.replace("index 5\n", f"index 5\n{base64_of(bytes(32))}\n".ljust(9) + f"{base64_of(bytes(32))}\n" * 63),
         "hashes, and no tree has more than 63 on a path"),
        (PROOF + "\n", "do not end with a newline"),
        (f"{LINES[0]}\nindex 5\n\nno checkpoint\n\n{LINES[-2]}\n", "a checkpoint has 3 lines"),
        ("x" * (1 << 21) + PROOF, "and at most 2097152 are read"),
    ],
)  # fmt: skip
def test_a_malformed_proof_is_refused_with_what_was_found(text: str, told: str) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_tlog_proof(text.encode())
    assert told in str(caught.value)


@given(st.integers(0, len(PROOF.encode()) * 8 - 1))
def test_an_altered_proof_is_another_proof(bit: int) -> None:
    altered = bytearray(PROOF.encode())
    altered[bit >> 3] ^= 1 << (bit & 7)
    try:
        found = parse_tlog_proof(bytes(altered))
    except MalformedError:
        return
    assert found.text.encode() == altered
    assert found.note != parse_tlog_proof(PROOF.encode()).note or not found.proves(LEAVES[5])


@pytest.fixture(scope="module")
def asked_in_go(tmp_path_factory: pytest.TempPathFactory) -> Callable[[TlogProof, int, int], str]:
    """What Go's own packages say of a proof of a leaf, and of the log's having gone on from an older size."""
    go = shutil.which("go")
    if go is None or not (GO_PACKAGES / "src/golang.org/x/mod/sumdb/note").is_dir():
        pytest.skip("there is no Go with golang.org/x/mod; where apt is and you are root, 'make go' installs them")
    folder = tmp_path_factory.mktemp("go")
    checker = folder / "check_proof"
    where = {"GO111MODULE": "off", "GOPATH": str(GO_PACKAGES), "GOCACHE": str(folder / "cache"), "GOFLAGS": ""}
    source = ROOT / "tests" / "foreign" / "check_proof.go"
    subprocess.run([go, "build", "-o", checker, source], check=True, env={**os.environ, **where})

    def ask(proof: TlogProof, leaf: int, old: int) -> str:
        going_on = consistency_path(subtrees(LEAVES), old, proof.checkpoint.size)
        paths = "".join(" ".join(item.hex() for item in path) + "\n" for path in (proof.path, going_on))
        given = [str(proof.leaf_index), LEAVES[leaf].hex(), str(old), root_of(LEAVES[:old]).hex()]
        run = subprocess.run([checker, LOG.verifier.text, *given], input=(paths + proof.note.whole).encode(),
                             capture_output=True, check=False)  # fmt: skip
        assert (run.returncode == 0) == (run.stdout == b"right\n")
        return (run.stdout + run.stderr).decode().strip()

    return ask


@pytest.mark.slow
def test_another_code_finds_the_same(asked_in_go: Callable[[TlogProof, int, int], str]) -> None:
    for size in (1, 2, 7, 8, 255, 256, 300):
        for index in {0, size // 2, size - 1}:
            for old in {1, size // 3 + 1, size}:
                assert asked_in_go(proof_of(index, size), index, old) == "right"
    proof = proof_of(5, 20)
    assert "inclusion: " in asked_in_go(proof, 6, 3)
    shorter = proof._replace(path=proof.path[:-1])
    assert "inclusion: " in asked_in_go(shorter, 5, 3)
    altered = proof.note._replace(text=proof.note.text.replace("\n20\n", "\n21\n"))
    assert "invalid signature for key levelbook/0190b3a0" in asked_in_go(proof._replace(note=altered), 5, 3)
    unsigned = proof.note._replace(signatures=proof.note.signatures[1:])
    assert "note has no verifiable signatures" in asked_in_go(proof._replace(note=unsigned), 5, 3)
