"""Receipts held against evidence: what hides a record, or shows another in its place, is found by two signatures."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from domain import keys as domain_keys
from replay.evidence.checking import EvidenceRefused, checked_evidence
from replay.evidence.making import SealedLedger, make_evidence
from replay.evidence.pointing import point_at_moment
from replay.history.timeline import Moment
from replay.proving.checkpoint import Checkpoint
from replay.proving.log_tree import inclusion_path, root_of
from replay.proving.notes import SignedNote, sign
from replay.proving.tlog_proof import TlogProof
from replay.proving.trust import Judgement, TrustPolicy, judge, parse_trust
from replay.store.base.store import Store
from replay.store.opening import create_store, open_store
from replay.store.queries import link_at
from replay.store.reading.row import leaf_hash
from replay.witnessing import refute as refuting
from replay.witnessing.receipts import Receipt, ReceiptRefused
from replay.witnessing.refute import Refutation, refute
from tests.support import seals
from tests.support.hiding import hide_from_evidence
from tests.support.making import event, ingest_events, paid, records
from tests.support.running import run
from tests.support.seals import SIGNED_AT_S, sealed, signing_keys, trust_text

SUBJECT = "merchant/m-1"
SCHEME = "merchant-reputation"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    create_store(str(tmp_path / "ledger.db"))
    with open_store(str(tmp_path / "ledger.db")) as opened:
        ingest_events(opened, [paid(f"o-{number}", subject=SUBJECT) for number in range(4)], tmp_path)
        ingest_events(opened, [paid("o-9", subject="merchant/other")], tmp_path)
        yield opened


def trust_of(store: Store) -> TrustPolicy:
    return parse_trust(trust_text(store.identity.id).encode())


def receipt_of(store: Store, position: int) -> Receipt:
    """Under a checkpoint over all that is recorded."""
    stored = records(store)
    leaves = list(map(leaf_hash, stored))
    text = Checkpoint(signing_keys(store.identity.id)[0].name, len(leaves), root_of(leaves)).text
    note = SignedNote(text, tuple(sign(text, key, SIGNED_AT_S) for key in signing_keys(store.identity.id)))
    path = inclusion_path(lambda level, place: root_of(leaves[place << level : (place + 1) << level]), position - 1, len(leaves))  # fmt: skip # noqa: E501
    return Receipt(TlogProof(position - 1, tuple(path), note), stored[position - 1])


def write(store: Store, path: Path, seal: SealedLedger) -> Path:
    """Evidence of all that is known of the subject."""
    link = link_at(store, seal.size)
    assert link is not None
    pointed = point_at_moment(store, SUBJECT, SCHEME, Moment(link.recorded_at, link.recorded_at, seal.size), seal.size)
    with path.open("wb") as file:
        make_evidence(store, file, pointed, seal, compressed=False)
    with checked_evidence(path, trust_of(store)):  # every check passes, also of evidence that lies
        return path


def compared(path: Path, store: Store, *receipts: Receipt) -> list[tuple[Refutation, str]]:
    named = [(f"r:{number}", receipt) for number, receipt in enumerate(receipts, 1)]
    found = refute(path, trust_of(store), named)
    assert [one.where for one in found] == [where for where, _ in named]
    return [(one.refutation, one.why) for one in found]


def test_what_was_checked_is_what_is_compared(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another file in its place, as soon as it was checked, is not read."""
    path = write(store, tmp_path / "a.evidence", sealed(store))

    def swapping(*asked: Any) -> Judgement:
        path.write_bytes(b"another")
        return judge(*asked)

    monkeypatch.setattr(refuting, "judge", swapping)
    assert [found for found, _ in compared(path, store, receipt_of(store, 1))] == [Refutation.AGREES]
    assert path.read_bytes() == b"another"


def test_honest_evidence_agrees_with_every_receipt(store: Store, tmp_path: Path) -> None:
    early = [receipt_of(store, position) for position in range(1, 6)]
    seal = sealed(store)
    late = [receipt_of(store, position) for position in range(1, 7)]
    path = write(store, tmp_path / "m.evidence", seal)
    assert compared(path, store, *early, *late) == [
        *[(Refutation.AGREES, f"the record at position {position} is shown in the file") for position in range(1, 5)],
        (Refutation.SAYS_NOTHING, "the record at position 5 has none of the keys that the file is about"),
    ] * 2 + [(Refutation.SAYS_NOTHING, "the record at position 6 was recorded behind the 5 records that are sealed")]


def hiding(monkeypatch: pytest.MonkeyPatch, position: int) -> None:
    """From here on seals count, and evidence shows, the records of keys without the one at a position."""
    met: list[int] = []

    def keys_of(event_type: str, stream: str, ref: str | None) -> tuple[str, ...]:
        met.append(0)
        return () if len(met) == position else domain_keys.keys_of(event_type, stream, ref)

    monkeypatch.setattr(seals, "keys_of", keys_of)
    hide_from_evidence(monkeypatch, position)


def test_evidence_that_hides_a_record_is_refuted_by_its_receipt(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest_events(store, [event("merchant.closed", "c-1", subject=SUBJECT)], tmp_path)
    receipt = receipt_of(store, 6)
    hiding(monkeypatch, 6)
    path = write(store, tmp_path / "m.evidence", sealed(store))
    why = "the record at position 6 is version 5 of merchant/m-1, and none of the 4 that the seal over 6 records counts"
    (found,) = compared(path, store, receipt)
    assert found == (Refutation.CONTRADICTS, f"{why} for the key 'stream merchant/m-1'")
    (tmp_path / "trust.txt").write_text(trust_text(store.identity.id))
    (tmp_path / "receipts").write_bytes(receipt.line + receipt_of(store, 1).line)
    words = ["refute", str(path), str(tmp_path / "receipts"), "--trust", str(tmp_path / "trust.txt")]
    told = run(*words, status=1)
    assert f"receipts:1 contradicts: {why}" in told
    assert "1 of 2 receipts contradict the file: the ledger signed both; keep them together" in told
    (tmp_path / "receipts").write_bytes(receipt_of(store, 1).line)
    assert "none of 1 receipts contradicts the file" in run(*words)


def test_evidence_of_another_history_is_refuted(store: Store, tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as ours, closing(sqlite3.connect(other)) as theirs:
        ours.backup(theirs)
    shutil.copy(tmp_path / "ledger.db.key", tmp_path / "other.db.key")
    ingest_events(store, [paid("o-10", subject=SUBJECT)], tmp_path)
    receipt, whole = receipt_of(store, 6), receipt_of(store, 1)
    with open_store(str(other)) as second:
        assert second.head().position == 5
        ingest_events(second, [paid("o-11", subject=SUBJECT)], tmp_path)
        path = write(second, tmp_path / "m.evidence", sealed(second))
        assert compared(path, store, receipt) == [
            (Refutation.CONTRADICTS, "the file shows another record at position 6")
        ]
        ingest_events(store, [paid("o-12", subject=SUBJECT)], tmp_path)
        assert compared(path, store, receipt_of(store, 1)) == [
            (Refutation.CONTRADICTS, "two checkpoints over 7 records differ")
        ]
        assert compared(path, store, whole)[0][0] == Refutation.AGREES


def test_a_receipt_that_is_not_this_ledgers_is_refused(store: Store, tmp_path: Path) -> None:
    receipt = receipt_of(store, 1)
    path = write(store, tmp_path / "m.evidence", sealed(store))
    note = receipt.proof.note
    unsigned = receipt._replace(proof=receipt.proof._replace(note=note._replace(signatures=note.signatures[:1])))
    with pytest.raises(ReceiptRefused, match="r:1 is not signed as the trust file asks: no signature of levelbook/"):
        compared(path, store, unsigned)
    moved = receipt._replace(proof=receipt.proof._replace(leaf_index=3))
    with pytest.raises(ReceiptRefused, match="r:1 proves position 4 of a record that names position 1"):
        compared(path, store, moved)
    with pytest.raises(ReceiptRefused, match="r:1 is no receipt of the ledger"):
        compared(path, store, receipt._replace(record=b"{}"))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(EvidenceRefused):
        compared(path, store, receipt)
