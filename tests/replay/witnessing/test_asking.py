"""A ledger asks witnesses: what is asked, and which answers are kept."""

from pathlib import Path

import pytest

from replay.errors import UsageError
from replay.proving.notes import ED25519_TIMED, SigningKey, parse_note, sign
from replay.proving.trust import TrustPolicy, parse_trust
from replay.sealing.proofs import latest_checkpoint
from replay.store.base.store import Store
from replay.store.evidence.checkpoints import cosignature_lines, lines_of_name
from replay.witnessing import asking
from replay.witnessing.asking import WitnessRefused, ask, request_from, take_answer
from replay.witnessing.cosign import cosign
from replay.witnessing.kept import Grade, Witness, new_witness
from tests.support.making import ingest_events, paid
from tests.support.signed import TIME_S, keep_checkpoint, sealed_size, signed, trusting


@pytest.fixture
def size(store: Store, tmp_path: Path) -> int:
    """Of a checkpoint that the ledger keeps."""
    ingest_events(store, [paid(f"o-{number}") for number in range(5)], tmp_path)
    size = sealed_size(store)
    keep_checkpoint(store, size)
    return size


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    return new_witness(tmp_path / "witness", "w.example", Grade.RECOMPUTED)


def witnesses(*keys: SigningKey) -> TrustPolicy:
    lines = "".join(f"witness w{number} {key.verifier.text}\n" for number, key in enumerate(keys))
    return parse_trust(f"{lines}quorum none\n".encode())


def answer(witness: Witness, store: Store, old: int = 0) -> str:
    return cosign(witness, request_from(store, old).text.encode(), trusting(store), TIME_S, store)


def test_right_lines_of_known_witnesses_are_kept_once(store: Store, size: int, witness: Witness) -> None:
    first, second = witness.keys
    lines = answer(witness, store)
    found = take_answer(store, witnesses(second), lines)
    assert (found.kept, found.known, [line.key_id for line in found.strange]) == (
        (second.verifier,),
        (),
        [first.verifier.key_id],
    )
    found = take_answer(store, witnesses(first, second), lines)
    assert (found.kept, found.known, found.strange) == ((first.verifier,), (second.verifier,), ())
    assert sorted(cosignature_lines(store, size)) == sorted(lines.splitlines(keepends=True))
    kept = latest_checkpoint(store)
    assert kept is not None and len(parse_note(kept.note).signatures) == 4
    assert lines_of_name(store, first.name) == [(size, line) for line in cosignature_lines(store, size)]
    assert [lines_of_name(store, name) for name in (first.name[:-1], f"{first.name}+", "")] == [[], [], []]


def test_an_answer_that_is_none_or_of_another_checkpoint_is_not_kept(
    store: Store, size: int, witness: Witness, tmp_path: Path
) -> None:
    with pytest.raises(WitnessRefused, match="the answer is no cosignature: the signature lines do not end"):
        take_answer(store, witnesses(*witness.keys), "no")
    early = answer(witness, store)
    ingest_events(store, [paid("o-9")], tmp_path)
    keep_checkpoint(store, sealed_size(store))
    with pytest.raises(WitnessRefused, match="over 8 records; nothing was kept: was it made for another one"):
        take_answer(store, witnesses(*witness.keys), early)
    assert cosignature_lines(store, 8) == cosignature_lines(store, size) == []
    take_answer(store, witnesses(*witness.keys), answer(witness, store, size))
    assert len(cosignature_lines(store, 8)) == 2


def test_one_wrong_line_keeps_all_of_an_answer_out(store: Store, size: int, witness: Witness) -> None:
    other = SigningKey("other", ED25519_TIMED, b"o" * 32)
    wrong = sign(signed(store, size).text.replace("levelbook", "elsewhere"), other, TIME_S)
    with pytest.raises(WitnessRefused, match="the line of other"):
        take_answer(store, witnesses(*witness.keys, other), answer(witness, store) + wrong.line)
    assert cosignature_lines(store, size) == []


def test_nothing_can_be_asked_without_a_checkpoint_or_of_a_witness_that_knows_more(
    store: Store, size: int, tmp_path: Path
) -> None:
    with pytest.raises(
        UsageError, match=f"a witness cosigned {size + 1} records, and the last checkpoint of"
    ) as caught:
        request_from(store, size + 1)
    assert ": was it restored from an older backup? Then nothing may be signed before" in str(caught.value)
    assert request_from(store, size).path == ()


def test_a_ledger_without_a_checkpoint_asks_nobody(store: Store) -> None:
    with pytest.raises(UsageError, match="has no checkpoint that could be cosigned; 'levelbook checkpoint' makes one"):
        request_from(store, 0)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "w.example", "ftp://w.example"])
def test_only_addresses_of_the_web_are_asked(store: Store, size: int, url: str) -> None:
    with pytest.raises(UsageError, match="is no address of a witness: it begins with https:// or http://"):
        ask(store, url)


@pytest.mark.parametrize(
    ("status", "media_type", "said", "told"),
    [
        (403, "text/plain", "no\n", "the witness at http://w.example did not cosign and answered 403: no"),
        (500, "text/plain", "", "did not cosign and answered 500: nothing"),
        (409, "text/x.tlog.size", "07\n", "did not cosign and answered 409: '07' is not a decimal number"),
        (409, "text/plain", "3\n", "did not cosign and answered 409: 3"),
    ],
)
def test_a_witness_that_refuses_is_named_with_what_it_said(
    store: Store, size: int, monkeypatch: pytest.MonkeyPatch, status: int, media_type: str, said: str, told: str
) -> None:
    monkeypatch.setattr(asking, "_post", lambda *_: (status, media_type, said))
    with pytest.raises(WitnessRefused) as caught:
        ask(store, "http://w.example")
    assert told in str(caught.value)


def test_a_witness_that_is_not_there_is_named(store: Store, size: int) -> None:
    with pytest.raises(
        WitnessRefused,
        match=r"the witness at http://127\.0\.0\.1:9 cannot be reached: .*; the checkpoint stands, ask again",
    ):
        ask(store, "http://127.0.0.1:9")
