"""A ledger hides one event of a merchant, seals again and signs: who finds it, with the commands alone."""

from pathlib import Path

import pytest

from replay.proving.heads_trie import key_hash
from replay.sealing import heads
from replay.store.evidence.heads import KeyHead, moved_heads
from tests.support.hiding import hide_from_evidence
from tests.support.making import event, paid, write_lines
from tests.support.running import run

SUBJECT = "merchant/m-1"
AS_OF = "2022-12-01T00:00:00+08:00"


@pytest.mark.slow
def test_a_hidden_event_is_found_by_the_witness_by_its_receipt_and_by_verify(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LEVELBOOK_STORE", "ledger.db")
    run("ingest", write_lines(tmp_path / "first.jsonl", [paid(f"o-{n}", subject=SUBJECT) for n in range(5)]))
    run("key", "new")
    Path("logs.txt").write_text(run("key", "show"))
    Path("witness.txt").write_text(run("witness", "new", "w", "--name", "w.example"))
    lines = [line for line in Path("logs.txt").read_text().splitlines() if not line.startswith("quorum")]
    Path("trust.txt").write_text("\n".join([*lines, Path("witness.txt").read_text(), "quorum w.example/recomputed\n"]))
    run("checkpoint")
    Path("request.txt").write_text(run("witness", "request"))
    Path("answer.txt").write_text(run("witness", "add", "w", "request.txt", "--trust", "logs.txt"))
    run("witness", "collect", "answer.txt", "--trust", "trust.txt")
    run("evidence", SUBJECT, "--as-of", AS_OF, "--out", "honest.evidence")
    run("verify-evidence", "honest.evidence", "--trust", "trust.txt")
    size = Path("request.txt").read_text().split("\n\n")[1].split("\n")[1]

    run("ingest", write_lines(tmp_path / "hidden.jsonl", [event("merchant.closed", "c-1", subject=SUBJECT)]))
    hidden = int(size) + 1

    def without_the_last(*asked: object) -> list[KeyHead]:
        return [head for head in moved_heads(*asked) if head.key_hash != key_hash(f"stream {SUBJECT}")]  # type: ignore[arg-type]

    monkeypatch.setattr(heads, "moved_heads", without_the_last)
    hide_from_evidence(monkeypatch, hidden)
    run("checkpoint")
    run("evidence", SUBJECT, "--as-of", AS_OF, "--out", "lying.evidence")
    assert "signed by levelbook/" in run("verify-evidence", "lying.evidence", "--trust", "logs.txt")
    assert "FAILED  quorum" in run("verify-evidence", "lying.evidence", "--trust", "trust.txt", status=9)

    Path("request.txt").write_text(run("witness", "request", "--old", size))
    refused = run("witness", "add", "w", "request.txt", "--trust", "logs.txt", status=1)
    assert f"position {hidden + 1}: the root of the heads over {hidden} records is sealed as" in refused
    Path("hidden.receipts").write_text(run("receipts", "hidden.jsonl"))
    told = run("refute", "lying.evidence", "hidden.receipts", "--trust", "logs.txt", status=1)
    assert f"hidden.receipts:1 contradicts: the record at position {hidden} is version 6 of {SUBJECT}" in told
    told = run("refute", "honest.evidence", "hidden.receipts", "--trust", "logs.txt")
    assert "hidden.receipts:1 says nothing: " in told
    told = run("verify", status=1)
    assert f"position {hidden + 1}: the seal says that the heads of 3 keys over {hidden} records are" in told
