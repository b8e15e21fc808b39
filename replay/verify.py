"""Verifying: walk the stored bytes, recompute every column from them, name the first that does not fit."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw

from domain.calendar import instant_text, parse_instant
from domain.events import CATALOGUE, Envelope, OrderPaid
from domain.limits import AHEAD_MICROS_MAX
from replay.errors import UsageError
from replay.record import (
    BUYER_MARK,
    RECORD_V,
    RecordedEnvelope,
    Row,
    encode_json,
    reference,
)
from replay.store import EMPTY, ROW_COLUMNS, Head, Store

PROGRESS_ROWS: Final = 5_000
_outer_decoder: Final = msgspec.json.Decoder(RecordedEnvelope)
_envelope_decoder: Final = msgspec.json.Decoder(Envelope)
_data_decoders: Final = {name: msgspec.json.Decoder(row.data) for name, row in CATALOGUE.items()}


def parse_head(text: str) -> tuple[int, str]:
    """A head as `levelbook head` prints it, N:HASH; raises UsageError for another form."""
    found = re.fullmatch(r"([0-9]{1,18}):([0-9a-f]{64})", text.strip())
    if found is None:
        raise UsageError(f"--head {text!r} is not of the form N:HASH, as 'levelbook head' prints it")
    return int(found[1]), found[2]


@dataclass
class Verified:
    """What a verification found; the ledger is sound when `problems` is empty."""

    records: int = 0
    """Records that fit, from the first on."""
    head: Head = EMPTY
    problems: list[str] = field(default_factory=list)


class _Misfit(Exception):
    """A record does not fit: what was found against what belongs there."""


def verify(
    store: Store, kept: tuple[int, str] | None = None, progress: Callable[[int], None] = lambda _: None
) -> Verified:
    """Walk the whole ledger. `kept` is a head noted down earlier: (position, chain in hex)."""
    result = Verified()
    walk = _Walk(store.identity.id)
    kept_chain = None
    walked = False
    try:
        for row in _rows(store):
            walk.check(row)
            result.records += 1
            if kept is not None and row.position == kept[0]:
                kept_chain = row.chain.hex()
            if result.records % PROGRESS_ROWS == 0:
                progress(result.records)
        walked = True
        result.problems += _tally_problems(store, walk.types)
    except _Misfit as misfit:
        result.problems.append(f"position {walk.head.position + 1}: {misfit}")
    result.problems += [f"the guard {name} is missing: records could be changed" for name in store.missing_guards()]
    result.head = walk.head
    if kept is not None and (walked or kept_chain is not None):
        result.problems += _kept_problems(kept, kept_chain, walk.head.position)
    progress(result.records)
    return result


class _Walk:
    """What the records so far lead one to expect of the next."""

    def __init__(self, ledger_id: str) -> None:
        self._ledger_id = ledger_id
        self._versions: dict[str, int] = {}
        self.types: Counter[str] = Counter()
        self.head = EMPTY

    def check(self, row: Row) -> None:
        """Raises _Misfit unless the row follows the rows before it and its columns follow its bytes."""
        position, recorded_before, chain_before = self.head
        if row.position != position + 1:
            raise _Misfit(f"is missing; the next record is at {row.position}")
        chain = sha256(b"\x02" + chain_before + sha256(b"\x00" + row.record).digest()).digest()
        if chain != row.chain:
            raise _Misfit("the chain does not fit the record: its bytes, or those of the link, were changed")
        _check_columns(row, self._ledger_id)
        version = self._versions.get(row.stream, 0) + 1
        _expect("version", row.version, version)
        if row.recorded_at < recorded_before:
            raise _Misfit("recorded_at falls behind the record before")
        if row.occurred_at > row.recorded_at + AHEAD_MICROS_MAX:
            raise _Misfit("occurred_at lies more than five minutes after recorded_at")
        self._versions[row.stream] = version
        self.types[row.type] += 1
        self.head = Head(row.position, row.recorded_at, chain)


def _rows(store: Store) -> Iterator[Row]:
    return map(Row._make, store.query(f"SELECT {ROW_COLUMNS} FROM records ORDER BY position"))


def _check_columns(row: Row, ledger_id: str) -> None:
    try:
        outer = _outer_decoder.decode(row.record)
        envelope = _envelope_decoder.decode(outer.event)
        body = bytes(envelope.data) if envelope.data is not UNSET else b""
        data = _data_decoders[envelope.type].decode(body)
        occurred_at = parse_instant(envelope.time)
    except (msgspec.MsgspecError, UnicodeDecodeError, KeyError, ValueError) as error:
        raise _Misfit(f"the record cannot be read: {error}") from None
    if outer.v == RECORD_V and not (
        encode_json(outer) == row.record and encode_json(envelope) == bytes(outer.event) and encode_json(data) == body
    ):
        raise _Misfit("the record is not in canonical form")
    found = (
        outer.ledger,
        outer.position,
        outer.stream,
        envelope.subject,
        outer.version,
        outer.recorded_at,
        envelope.type,
        envelope.source,
        envelope.id,
        occurred_at,
        reference(envelope.type, data),
        _content_hash(envelope, data, bytes(outer.event)),
    )
    expected = (
        ledger_id,
        row.position,
        row.stream,
        row.stream,
        row.version,
        _text(row.recorded_at),
        row.type,
        row.source,
        row.event_id,
        row.occurred_at,
        row.ref,
        row.content_hash,
    )
    if found != expected:
        for name, column, value in zip(_COMPARED, expected, found, strict=True):
            _expect(name, column, value)


_COMPARED: Final = (
    *("ledger", "position", "stream", "subject", "version", "recorded_at", "type"),
    *("source", "event_id", "occurred_at", "ref", "content_hash"),
)
_text: Final = lru_cache(maxsize=4)(instant_text)


def _content_hash(envelope: Envelope, data: Any, event: bytes) -> bytes:
    if isinstance(data, OrderPaid):
        event = event.replace(b'"buyer":"%b"' % data.buyer.encode(), BUYER_MARK, 1)
    if envelope.recordedtime is not UNSET:
        envelope.recordedtime = UNSET
        if isinstance(data, OrderPaid):
            body = encode_json(data).replace(b'"buyer":"%b"' % data.buyer.encode(), BUYER_MARK, 1)
            envelope.data = Raw(body)
        event = encode_json(envelope)
    return sha256(event).digest()


def _expect(name: str, column: object, value: object) -> None:
    if column != value:
        raise _Misfit(f"the column {name} holds {_shown(column)}, but the record says {_shown(value)}")


def _shown(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else repr(value)


def _tally_problems(store: Store, types: Counter[str]) -> list[str]:
    tally = dict(store.query("SELECT type, count FROM tally"))
    if tally == types:
        return []
    return [
        f"the tally counts {tally.get(name, 0)} records of {name}, the ledger holds {types[name]}"
        for name in sorted(tally.keys() | types.keys())
        if tally.get(name, 0) != types[name]
    ]


def _kept_problems(kept: tuple[int, str], found: str | None, last: int) -> list[str]:
    position, chain = kept
    if position == 0 and chain == EMPTY.chain.hex():
        return []
    if found is None:
        return [f"position {position} was noted down, but the ledger ends at {last}: its tail was cut"]
    if found != chain:
        return [f"position {position} bears the chain {found}, but {chain} was noted down: the past was rewritten"]
    return []
