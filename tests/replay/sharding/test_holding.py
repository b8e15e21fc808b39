"""Evidence of a shard under a root: of its own set alone, and only of what the shard holds whole."""

from io import BytesIO
from pathlib import Path

import pytest

from domain.events import ShardMade
from replay.errors import LevelbookError, UsageError
from replay.evidence.checking import EvidenceRefused, checked_evidence
from replay.proving.checkpoint import Checkpoint, origin_of
from replay.proving.notes import SignedNote, sign
from replay.proving.tlog_proof import TlogProof
from replay.proving.trust import TrustPolicy, parse_trust
from replay.recording import append
from replay.recording.own_record import record_own
from replay.recording.placing import shard_of
from replay.schemes import registry
from replay.sealing.keys import made_secret, shown_keys
from replay.sealing.proofs import inclusion
from replay.sharding.holding import held_against, prove_shard
from replay.sharding.opened import LedgerSet, open_set
from replay.sharding.signing import begin_set_keys, make_root, trust_in
from replay.store.evidence.shard import MADE, SHARD_STREAM
from replay.store.queries import row_at
from replay.store.reading.row import leaf_hash
from replay.witnessing.receipts import Receipt, read_receipts
from tests.support.making import event, ingest_files, line, paid
from tests.support.running import run
from tests.support.sets import ingest_into_set, set_with_keys


@pytest.fixture
def location(tmp_path: Path) -> str:
    return set_with_keys(tmp_path)


def evidence_of(opened: LedgerSet, number: int, folder: Path, subject: str = "") -> Path:
    """Evidence of a subject in the store of a shard."""
    mine = subject or next(f"merchant/{n}" for n in range(12) if shard_of(f"merchant/{n}", 4) == number)
    path = folder / f"{mine.replace('/', '-')}-{number}.evidence"
    run("evidence", mine, "--store", opened.stores[number].name, "--out", str(path), "--as-of", "2022-12-01")
    return path


def trusting(opened: LedgerSet, *more: str) -> TrustPolicy:
    """All ledgers of a set, the set, and others."""
    logs = [shown_keys(store).vkeys for store in opened.stores]
    found = [vkey for vkeys in logs for vkey in vkeys]
    return parse_trust(trust_in([*found, *begin_set_keys(opened.path, opened.document.set_id), *more]).encode())


def held(evidence: Path, proof: TlogProof, trust: TrustPolicy) -> tuple[str, ...]:
    """The checks that evidence passes under the root of a proof."""
    path = evidence.with_suffix(".tlog-proof")
    path.write_text(proof.text)
    with checked_evidence(evidence, trust) as found:
        return held_against(found, evidence, path, trust).checks


def test_a_root_of_another_set_is_refused(location: str, tmp_path: Path) -> None:
    """Though its keys are trusted, and it covers the checkpoint: the ledger itself says which set it is of."""
    with open_set(location) as opened:
        make_root(opened)
        proof, evidence = prove_shard(opened, 1), evidence_of(opened, 1, tmp_path)
        other = opened.document.set_id[::-1]
        secret = made_secret(tmp_path / "other.signing", "")
        trust = trusting(opened, *secret.vkeys(other))
        assert held(evidence, proof, trust)[-1] == "root"
        text = proof.checkpoint._replace(origin=origin_of(other)).text
        note = SignedNote(text, tuple(sign(text, key, 1) for key in secret.keys(other)))
        belongs = f"and the ledger says in its first record that it is shard 1 of 4 of the set {opened.document.set_id}"
        with pytest.raises(EvidenceRefused, match=f"the root is one of {origin_of(other)}, {belongs}"):
            held(evidence, proof._replace(note=note), trust)


def test_a_proof_shows_the_first_record_of_the_ledger_itself(location: str, tmp_path: Path) -> None:
    with open_set(location) as opened:
        make_root(opened)
        proof, evidence, trust = prove_shard(opened, 1), evidence_of(opened, 1, tmp_path), trusting(opened)
        receipt = next(receipt for _, receipt in read_receipts(BytesIO(proof.extra or b""), "proof"))
        store, size = opened.stores[1], receipt.proof.checkpoint.size
        second = row_at(store, 2)
        assert second is not None
        path = tuple(inclusion(store, 2, size))
        made_up = receipt.record.replace(b'"number":1', b'"number":3')
        alone = Checkpoint(receipt.proof.checkpoint.origin, 1, leaf_hash(made_up)).text
        unfit = (
            None,
            b"{}\n",
            prove_shard(opened, 2).extra,
            (proof.extra or b"") * 2,
            receipt._replace(record=receipt.record.replace(b'"number":1', b'"number":2')).line,
            Receipt(receipt.proof._replace(leaf_index=1, path=path), second.record).line,
            Receipt(TlogProof(0, (), receipt.proof.note._replace(text=alone)), made_up).line,
        )
        for extra in unfit:
            with pytest.raises(EvidenceRefused, match="the proof does not show the ledger's first record, in which a "):
                held(evidence, proof._replace(extra=extra), trust)


def test_what_a_ledger_says_later_of_its_set_does_not_count(
    location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This program records nothing more into such a ledger; another one may."""
    monkeypatch.setattr(append, "shard_made", lambda *_: None)
    with open_set(location) as opened:
        store = opened.stores[1]
        said = ShardMade(buckets=16, number=1, of=4, set_id="b" * 32)
        position = record_own(store, SHARD_STREAM, MADE, "again", said).position
        make_root(opened)
        proof, evidence, later = prove_shard(opened, 1), evidence_of(opened, 1, tmp_path), row_at(store, position)
        assert later is not None
        under = next(receipt.proof for _, receipt in read_receipts(BytesIO(proof.extra or b""), "proof"))
        path = tuple(inclusion(store, position, under.checkpoint.size))
        extra = Receipt(under._replace(leaf_index=position - 1, path=path), later.record).line
        with pytest.raises(EvidenceRefused, match="the proof does not show the ledger's first record"):
            held(evidence, proof._replace(extra=extra), trusting(opened))


def test_evidence_of_a_subject_that_another_shard_takes_is_refused(
    location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever keeps the ledgers could record some of its events in another one, and show these as all."""
    other = next(f"merchant/{n}" for n in range(12) if shard_of(f"merchant/{n}", 4) == 3)
    with open_set(location) as opened:
        (tmp_path / "e.jsonl").write_bytes(line(paid("o-x", subject=other)))
        with monkeypatch.context() as patched:
            patched.setattr(append, "refused_elsewhere", lambda *_: None)
            ingest_files(opened.stores[1], [str(tmp_path / "e.jsonl")], tmp_path / "r.jsonl")
        make_root(opened)
        trust = trusting(opened)
        assert held(evidence_of(opened, 3, tmp_path, other), prove_shard(opened, 3), trust)[-1] == "root"
        evidence = evidence_of(opened, 1, tmp_path, other)
        with pytest.raises(EvidenceRefused, match=f", of which another one takes {other} with all its records"):
            held(evidence, prove_shard(opened, 1), trust)


def test_evidence_of_an_agency_is_refused(location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its shard lacks what creators of others have; who makes such a file all the same shows a part as the whole."""
    with open_set(location) as opened:
        (tmp_path / "e.jsonl").write_bytes(line(event("mcn.onboarded", "a-1", subject="mcn/a")))
        ingest_into_set(location, [str(tmp_path / "e.jsonl")], tmp_path / "r.jsonl")
        make_root(opened)
        monkeypatch.setattr(registry, "shard_made", lambda *_: None)
        evidence = evidence_of(opened, 0, tmp_path, "mcn/a")
        with pytest.raises(EvidenceRefused, match=", and mcn-level judges by subjects of all shards"):
            held(evidence, prove_shard(opened, 0), trusting(opened))


def test_what_no_root_is_over_is_not_proved(location: str, tmp_path: Path) -> None:
    with open_set(location) as opened:
        with pytest.raises(UsageError, match="0 roots over 4 ledgers, numbered from 0: there is none over shard 1"):
            prove_shard(opened, 1)
        make_root(opened)
        with opened.stores[2].writing() as transaction:
            transaction.execute("DROP TRIGGER checkpoints_never_deleted")
            transaction.execute("DELETE FROM checkpoints")
        said = r"lacks its checkpoint over .* records; bring the ledger back from a later backup"
        with pytest.raises(LevelbookError, match=said):
            prove_shard(opened, 2)
