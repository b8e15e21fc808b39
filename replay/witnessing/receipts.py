"""Receipts: of what was recorded, the proof that it is in the log that the ledger signed, for those who sent it.

A receipt is one line of canonical JSON, {"proof": TEXT, "record": TEXT}: a C2SP tlog-proof, and the stored bytes of the
record that it is about. Whoever holds one can show that the ledger recorded it, whatever it shows later.
"""

from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final, NamedTuple

import msgspec

from replay.errors import LevelbookError, UsageError
from replay.proving.notes import SignedNote, parse_note
from replay.proving.strict_text import MalformedError
from replay.proving.tlog_proof import TlogProof, parse_tlog_proof
from replay.sealing.proofs import inclusion, latest_checkpoint
from replay.store.base.store import Store
from replay.store.reading.row import encode_json, leaf_hash
from replay.store.searching.across import row_named

LINE_BYTES_MAX: Final = 1 << 23


class ReceiptRefused(LevelbookError):
    """A line is no receipt."""


class _ReceiptLine(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    proof: str
    record: str


class _Named(msgspec.Struct):
    """What names an event; other keys of the line are passed over."""

    source: str
    id: str


class Receipt(NamedTuple):
    """A record and its proof."""

    proof: TlogProof
    record: bytes

    @property
    def line(self) -> bytes:
        """As it is kept, with its newline."""
        return encode_json(_ReceiptLine(proof=self.proof.text, record=self.record.decode())) + b"\n"


class Missing(NamedTuple):
    """An event of which there is no receipt."""

    where: str
    source: str
    event_id: str
    position: int | None
    """Where it stands, which no checkpoint covers yet; None where it is not recorded."""


def names_in(lines: Iterable[bytes], name: str) -> Iterator[tuple[str, str, str]]:
    """(FILE:LINE, source, id) of events as JSON Lines. Raises UsageError for a line that names none."""
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            found = msgspec.json.decode(line, type=_Named)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise UsageError(f"{name}:{number} names no event by 'source' and 'id'; give what was sent") from None
        yield f"{name}:{number}", found.source, found.id


def receipts_of(store: Store, named: Iterable[tuple[str, str, str]]) -> Iterator[Receipt | Missing]:
    """The receipts of some events, in their order, under the last checkpoint; or what is missing for one.

    Raises UsageError where the ledger has no checkpoint.
    """
    found = latest_checkpoint(store)
    if found is None:
        raise UsageError(f"{store.name} has no checkpoint that could prove a record; 'levelbook checkpoint' makes one")
    note = parse_note(found.note)
    for where, source, event_id in named:
        row = row_named(store, source, event_id)
        if row is None or row.position > found.size:
            yield Missing(where, source, event_id, None if row is None else row.position)
        else:
            yield Receipt(_proof(store, row.position, found.size, note), row.record)


def _proof(store: Store, position: int, size: int, note: SignedNote) -> TlogProof:
    return TlogProof(position - 1, tuple(inclusion(store, position, size)), note)


def read_receipts(file: BinaryIO, name: str) -> Iterator[tuple[str, Receipt]]:
    """(FILE:LINE, receipt) of a file of receipts; of each the path is right for its record, and nothing else is known.

    Raises ReceiptRefused for a line that is none.
    """
    number = 0
    while line := file.readline(LINE_BYTES_MAX):
        number += 1
        where = f"{name}:{number}"
        try:
            found = msgspec.json.decode(line, type=_ReceiptLine)
            receipt = Receipt(parse_tlog_proof(found.proof.encode()), found.record.encode())
        except (msgspec.MsgspecError, MalformedError, UnicodeError, RecursionError) as error:
            raise ReceiptRefused(f"{where} is no receipt: {error}") from None
        if receipt.line != line:
            raise ReceiptRefused(f"{where} is no receipt in canonical JSON, as 'levelbook receipts' writes it")
        if not receipt.proof.proves(leaf_hash(receipt.record)):
            raise ReceiptRefused(f"{where} proves nothing: its record is not in the tree of its checkpoint")
        yield where, receipt
