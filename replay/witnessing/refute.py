"""Refuting evidence: a receipt of a record that a file of evidence should show, and does not.

Both bear the ledger's signatures. What a seal says of a key is which records have it, each by position and leaf hash; a
receipt says which record stands at a position. Where these differ, the ledger signed two things that cannot both be.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from domain.keys import keys_of
from replay.evidence.checking import CheckedEvidence, checked_evidence
from replay.integrity.columns_fit import row_of
from replay.integrity.key_chains import Misfit
from replay.proving.checkpoint import origin_of
from replay.proving.strict_text import MalformedError
from replay.proving.trust import TrustPolicy, judge
from replay.store.reading.row import Row, leaf_hash
from replay.witnessing.cosign import unsigned
from replay.witnessing.receipts import Receipt, ReceiptRefused


class Refutation(StrEnum):
    """What a receipt says of evidence."""

    CONTRADICTS = "contradicts"
    AGREES = "agrees"
    SAYS_NOTHING = "says nothing"


class Compared(NamedTuple):
    """A receipt, held against evidence."""

    where: str
    refutation: Refutation
    why: str


class _HeldReceipt(NamedTuple):
    """A receipt whose signatures are right."""

    where: str
    receipt: Receipt
    row: Row
    keys: tuple[str, ...]
    leaf: bytes


class _Shown:
    """What evidence shows of the keys and at the positions of some receipts."""

    def __init__(self, sought: Iterable[Row]) -> None:
        rows = list(sought)
        self.by_key: dict[str, dict[int, bytes]] = {
            key: {} for row in rows for key in keys_of(row.type, row.stream, row.ref)
        }
        self.by_position: dict[int, bytes] = {}
        self._positions = {row.position for row in rows}

    def take(self, key: str, position: int, leaf: bytes) -> None:
        """Keep an entry, if a receipt is about its key or position."""
        if position in self._positions:
            self.by_position[position] = leaf
        if key in self.by_key:
            self.by_key[key][position] = leaf


def refute(path: Path, trust: TrustPolicy, receipts: Iterable[tuple[str, Receipt]]) -> list[Compared]:
    """Hold receipts against a file of evidence, in their order.

    Raises EvidenceRefused where the file is not accepted, ReceiptRefused for a receipt that is not of this ledger, or
    not signed as the trust file asks.
    """
    listed = list(receipts)
    shown = _Shown(_sought(listed))
    with checked_evidence(path, trust, shown=shown.take) as evidence:  # read once: what was checked is compared
        held = [_held(where, receipt, trust, evidence.header.ledger) for where, receipt in listed]
        return [_compared(one, evidence, shown) for one in held]


def _held(where: str, receipt: Receipt, trust: TrustPolicy, ledger: str) -> _HeldReceipt:
    try:
        judged = judge(receipt.proof.note, trust, origin_of(ledger))
        row = row_of(receipt.record, ledger)
    except (MalformedError, Misfit) as error:
        raise ReceiptRefused(f"{where} is no receipt of the ledger {ledger}: {error}") from None
    if not judged.is_signed:
        raise ReceiptRefused(f"{where} is not signed as the trust file asks: {unsigned(judged)}")
    if row.position != receipt.proof.leaf_index + 1:
        raise ReceiptRefused(
            f"{where} proves position {receipt.proof.leaf_index + 1} of a record that names position {row.position}"
        )
    return _HeldReceipt(where, receipt, row, keys_of(row.type, row.stream, row.ref), leaf_hash(receipt.record))


def _sought(receipts: Iterable[tuple[str, Receipt]]) -> Iterator[Row]:
    """The records of receipts that are of the ledger whose checkpoint they name; others are refused later."""
    for _, receipt in receipts:
        with suppress(Misfit):
            yield row_of(receipt.record, receipt.proof.checkpoint.origin.removeprefix(origin_of("")))


def _compared(held: _HeldReceipt, evidence: CheckedEvidence, shown: _Shown) -> Compared:
    seal = evidence.walked.seal
    assert seal is not None, "else the file is not accepted"
    in_file = set(evidence.walked.keys)
    row, named = held.row, f"the record at position {held.row.position}"
    theirs, ours = evidence.walked.proof.checkpoint, held.receipt.proof.checkpoint
    if theirs.size == ours.size and theirs.root != ours.root:
        return Compared(held.where, Refutation.CONTRADICTS, f"two checkpoints over {ours.size} records differ")
    if row.position > seal.size:
        why = f"{named} was recorded behind the {seal.size} records that are sealed"
        return Compared(held.where, Refutation.SAYS_NOTHING, why)
    other = shown.by_position.get(row.position)
    if other is not None and other != held.leaf:
        return Compared(held.where, Refutation.CONTRADICTS, f"the file shows another record at position {row.position}")
    for key in held.keys:
        places = shown.by_key[key]
        if key in in_file and row.position not in places:
            why = (
                f"{named} is version {row.version} of {row.stream}, and none of the {len(places)} that the seal over"
                f" {seal.size} records counts for the key {key!r}"
            )
            return Compared(held.where, Refutation.CONTRADICTS, why)
    if other is None:
        return Compared(held.where, Refutation.SAYS_NOTHING, f"{named} has none of the keys that the file is about")
    return Compared(held.where, Refutation.AGREES, f"{named} is shown in the file")
