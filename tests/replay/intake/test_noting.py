"""Events noted down at ingest, and their receipts once a checkpoint covers them."""

import json
from pathlib import Path

from replay.store.opening import open_store
from tests.support.making import line, paid, write_lines
from tests.support.running import run
from tests.support.signed import keep_checkpoint, sealed_size

LEARNED = "2022-11-01T10:00:01+08:00"


def noted(path: Path) -> list[tuple[str, str]]:
    return [(told["source"], told["id"]) for told in map(json.loads, path.read_bytes().splitlines())]


def names(*orders: str) -> list[tuple[str, str]]:
    return [(paid(order)["source"], paid(order)["id"]) for order in orders]


def test_what_was_recorded_or_known_is_noted_and_has_receipts(location: str, tmp_path: Path) -> None:
    notes, sent = tmp_path / "noted", str(tmp_path / "sent.jsonl")
    (tmp_path / "sent.jsonl").write_bytes(line(paid("o-1")) + b"\nno event\n" + line(paid("o-2")) + b"\n")
    words = ["--store", location, "--receipts", str(notes)]
    run("ingest", sent, *words, status=1)
    assert noted(notes) == names("o-1", "o-2")
    assert notes.stat().st_mode & 0o777 == 0o600
    later = write_lines(tmp_path / "later.jsonl", [paid(order, recordedtime=LEARNED) for order in ("o-2", "o-3")])
    run("ingest", later, "--backfill", "--late", *words, status=0)
    assert sorted(noted(notes)) == sorted(names("o-1", "o-2", "o-2", "o-3"))
    with open_store(location) as store:
        keep_checkpoint(store, sealed_size(store))
    receipts = run("receipts", str(notes), "--store", location).splitlines()
    told = [json.loads(json.loads(receipt)["record"])["event"]["id"] for receipt in receipts]
    assert sorted(told) == sorted(event_id for _, event_id in noted(notes))


def test_a_trial_notes_nothing_down(location: str, tmp_path: Path) -> None:
    sent = write_lines(tmp_path / "sent.jsonl", [paid("o-1")])
    told = run("ingest", sent, "--store", location, "--dry-run", "--receipts", str(tmp_path / "noted"), status=2)
    assert "--dry-run records nothing that --receipts could note down; leave one of them out" in told
    assert not (tmp_path / "noted").exists()
