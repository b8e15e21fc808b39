"""The record: the bytes that are hashed and kept, and the columns that are computed from them.

A record is one canonical JSON text (keys sorted, no blanks, no floats, instants in UTC with six
decimals) of {v, ledger, position, stream, version, recorded_at, backfill, event} and, where the event
bore extension attributes, `extensions`: then `v` is 2, else 1, as it always was. Its leaf is
SHA-256(0x00 ‖ record) as RFC 6962 has it; the chain is SHA-256(0x02 ‖ chain before ‖ leaf), and what
stands before the first record is a hash of the ledger's identity (`store.Identity.chain_start`).
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Final, NamedTuple, cast

import msgspec
from msgspec import UNSET, Raw, UnsetType

from domain.calendar import instant_text
from domain.events import CATALOGUE, Data, Envelope, OrderPaid
from replay.store.reading.row import BUYER_MARK, encode_json

RECORD_V: Final = 2
"""The latest form of a record that this program reads and writes."""
PLAIN_V: Final = 1
"""The form of a record without extension attributes."""
DATA_SINCE_V: Final = 1
"""From this form on, an event's data has its present form."""
OWN_SOURCE: Final = "urn:levelbook:"
"""Begins the `source` of what a ledger records itself; from outside it is refused, in any case of letters."""


class Candidate(NamedTuple):
    """A well-formed event on its way into the ledger."""

    source: str
    event_id: str
    type: str
    stream: str
    ref: str | None
    occurred_at: int
    content_hash: bytes
    event: bytes
    """The event's canonical JSON, its buyer still BUYER_MARK."""
    buyer: str | None
    """The buyer as the source calls them; never stored."""
    claimed_at: int | None
    """`recordedtime`, where the event bears one."""
    extensions: bytes | None = None
    """Its extension attributes as canonical JSON, where it bears any."""
    cut: bool = False
    """Whether a time had decimals beyond microseconds, which were cut off."""


class RecordedEnvelope(msgspec.Struct, kw_only=True):
    """The record as it is read back."""

    backfill: bool
    event: Raw
    extensions: dict[str, str] | UnsetType = UNSET
    ledger: str
    position: int
    recorded_at: str
    stream: str
    v: int
    version: int


def candidate(
    envelope: Envelope,
    data: Data,
    occurred_at: int,
    claimed_at: int | None,
    extensions: Mapping[str, str] | None = None,
    *,
    cut: bool = False,
) -> Candidate:
    """Bring a checked event into its canonical form; `envelope` is used up in doing so."""
    buyer = data.buyer if isinstance(data, OrderPaid) else None
    envelope.data = cast("Raw", data)  # it is only written from here on
    envelope.datacontenttype = "application/json"
    envelope.time = instant_text(occurred_at)
    envelope.recordedtime = UNSET
    event = _without(buyer, encode_json(envelope))
    content_hash = sha256(event).digest()
    if claimed_at is not None:
        envelope.recordedtime = instant_text(claimed_at)
        event = _without(buyer, encode_json(envelope))
    return Candidate(
        envelope.source,
        envelope.id,
        envelope.type,
        envelope.subject,
        reference(envelope.type, data),
        occurred_at,
        content_hash,
        event,
        buyer,
        claimed_at,
        encode_json(dict(sorted(extensions.items()))) if extensions else None,
        cut,
    )


def _without(buyer: str | None, event: bytes) -> bytes:
    """The event with the mark in the place of its buyer: a text within the event has no quote that is not escaped."""
    return event if buyer is None else event.replace(b'"buyer":"%b"' % buyer.encode(), BUYER_MARK, 1)


def reference(event_type: str, data: Data) -> str | None:
    """What an event is about within its stream: an order, a violation, a retracted event."""
    refs = CATALOGUE[event_type].refs
    return " ".join([getattr(data, name) for name in refs]) if refs else None


def with_alias(event: bytes, alias: str) -> bytes:
    """The event with its buyer's alias in the place of the mark."""
    return event.replace(BUYER_MARK, b'"buyer":"%b"' % alias.encode(), 1)


def record_template(*, ledger_id: str, recorded_text: str, backfill: bool) -> bytes:
    """A record's canonical JSON to be filled by `filled`.

    The ledger's id, the instant and the stream (as bytes) need no escaping by their form.
    """
    flag = "true" if backfill else "false"
    return (
        f'{{"backfill":{flag},"event":%b,"ledger":"{ledger_id}","position":%d,"recorded_at":"{recorded_text}",'
        f'"stream":"%b","v":%d,"version":%d}}'
    ).encode()


def filled(template: bytes, event: bytes, extensions: bytes | None, position: int, stream: str, version: int) -> bytes:
    """A record: a template with what differs from record to record."""
    if extensions is None:
        return template % (event, position, stream.encode(), PLAIN_V, version)
    return template % (b'%b,"extensions":%b' % (event, extensions), position, stream.encode(), RECORD_V, version)
