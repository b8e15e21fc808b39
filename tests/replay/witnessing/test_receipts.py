"""Receipts: every event has one under a checkpoint that covers it, and no altered one is taken."""

import io
import json
from pathlib import Path
from random import Random

import pytest

from replay.errors import UsageError
from replay.proving.strict_text import MalformedError
from replay.proving.trust import judge
from replay.store.base.store import Store
from replay.store.reading.row import leaf_hash
from replay.witnessing.receipts import Missing, Receipt, ReceiptRefused, names_in, read_receipts, receipts_of
from tests.support.making import ingest_events, line, paid, records
from tests.support.signed import keep_checkpoint, log_keys, sealed_size, trusting
from tests.worlds.ledgers import World


def receipts_for(store: Store, events: list[dict[str, object]]) -> list[Receipt | Missing]:
    return list(receipts_of(store, names_in([line(event) for event in events], "sent.jsonl")))


def test_each_event_that_was_sent_has_a_receipt(store: Store, tmp_path: Path) -> None:
    events = World(4).events(150)
    ingest_events(store, events, tmp_path)
    keep_checkpoint(store, sealed_size(store))
    trust, origin = trusting(store), log_keys(store)[0].name
    found = receipts_for(store, events)
    assert len(found) == 150
    for event, receipt in zip(events, found, strict=True):
        assert isinstance(receipt, Receipt)
        told = json.loads(receipt.record)
        assert (told["event"]["source"], told["event"]["id"]) == (event["source"], event["id"])
        assert receipt.record == records(store)[told["position"] - 1]
        assert judge(receipt.proof.note, trust, origin).is_trusted
        assert receipt.proof.proves(leaf_hash(receipt.record)) and receipt.proof.leaf_index == told["position"] - 1
    kept = b"".join(receipt.line for receipt in found if isinstance(receipt, Receipt))
    assert [receipt for _, receipt in read_receipts(io.BytesIO(kept), "kept")] == found


def test_what_is_not_recorded_or_not_covered_is_named(store: Store, tmp_path: Path) -> None:
    ingest_events(store, [paid("o-1")], tmp_path)
    with pytest.raises(UsageError, match="has no checkpoint that could prove a record; 'levelbook checkpoint' makes"):
        receipts_for(store, [paid("o-1")])
    size = sealed_size(store)
    keep_checkpoint(store, size)
    ingest_events(store, [paid("o-2")], tmp_path)
    first, second, third = receipts_for(store, [paid("o-1"), paid("o-2"), paid("o-3")])
    assert isinstance(first, Receipt)
    assert second == Missing("sent.jsonl:2", paid("o-2")["source"], paid("o-2")["id"], size + 1)
    assert third == Missing("sent.jsonl:3", paid("o-3")["source"], paid("o-3")["id"], None)
    keep_checkpoint(store, sealed_size(store))
    assert isinstance(receipts_for(store, [paid("o-2")])[0], Receipt)


def test_a_line_that_names_no_event_is_named() -> None:
    assert list(names_in([b'{"id":"1","source":"s","x":[]}\n', b"\n"], "f")) == [("f:1", "s", "1")]
    for wrong in (b"no", b'{"id":1,"source":"s"}', b'{"id":"1"}', b"\xff"):
        with pytest.raises(UsageError, match="f:1 names no event by 'source' and 'id'"):
            list(names_in([wrong], "f"))


def test_no_altered_receipt_is_taken(store: Store, tmp_path: Path) -> None:
    ingest_events(store, World(5).events(20), tmp_path)
    keep_checkpoint(store, sealed_size(store))
    (receipt,) = receipts_for(store, World(5).events(1))
    assert isinstance(receipt, Receipt)
    kept, chance, origin = receipt.line, Random(1), log_keys(store)[0].name
    assert len(list(read_receipts(io.BytesIO(kept), "f"))) == 1
    for _ in range(300):
        altered = bytearray(kept)
        altered[chance.randrange(len(kept))] ^= 1 << chance.randrange(8)
        try:
            found = [receipt for _, receipt in read_receipts(io.BytesIO(bytes(altered)), "f")]
            assert not judge(found[0].proof.note, trusting(store), origin).is_trusted
        except (ReceiptRefused, MalformedError):
            continue
    told = json.loads(kept)
    for wrong, why in (
        (json.dumps(told).encode() + b"\n", "f:1 is no receipt in canonical JSON"),
        (kept[:-1], "f:1 is no receipt in canonical JSON"),
        (kept + b"x\n", "f:2 is no receipt: "),
        (receipt._replace(record=b"{}").line, "f:1 proves nothing: its record is not in the tree of its checkpoint"),
    ):
        with pytest.raises(ReceiptRefused, match=why):
            list(read_receipts(io.BytesIO(wrong), "f"))
