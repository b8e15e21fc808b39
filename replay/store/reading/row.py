"""A row of the ledger, and what follows from the bytes of its record alone: by what it is linked and known again."""

from hashlib import sha256
from typing import Final, NamedTuple

import msgspec
from msgspec import Raw

BUYER_MARK: Final = b'"buyer":"@"'
"""Stands for the buyer in content hashes, and in an event until its alias is known."""
HASH_BYTES: Final = 32
CHAIN_START: Final = bytes(HASH_BYTES)
"""The start of the chain of a key, and of that of stores of version 1; what stands for the chain of no position."""
_encoder: Final = msgspec.json.Encoder()
encode_json: Final = _encoder.encode


class Row(NamedTuple):
    """A row of the table `records`; every other column can be recomputed from `record`."""

    position: int
    stream: str
    version: int
    type: str
    source: str
    event_id: str
    ref: str | None
    occurred_at: int
    recorded_at: int
    content_hash: bytes
    chain: bytes
    record: bytes


class _Contents(msgspec.Struct):
    event: Raw


_contents_decoder: Final = msgspec.json.Decoder(_Contents)


def content_hash_of(record: bytes) -> bytes:
    """The hash of the content of a recorded event, as `candidate` makes it: its recordedtime left out, its buyer a
    mark. Raises msgspec.MsgspecError for what is no record.
    """
    content = bytes(_contents_decoder.decode(record).event)
    event = msgspec.json.decode(content)
    if "recordedtime" in event:
        del event["recordedtime"]
        content = encode_json(event)
    if event["type"] == "order.paid":
        content = content.replace(b'"buyer":"%b"' % event["data"]["buyer"].encode(), BUYER_MARK, 1)
    return sha256(content).digest()


_LEAF: Final = sha256(b"\x00")
"""Copied, for a hash takes half as long again to be made."""


def leaf_hash(record: bytes) -> bytes:
    found = _LEAF.copy()
    found.update(record)
    return found.digest()


def linked(chain: bytes, leaf: bytes) -> bytes:
    """The chain with one more record, by its leaf hash."""
    return sha256(b"\x02" + chain + leaf).digest()


def key_linked(chain: bytes, position: int, leaf: bytes) -> bytes:
    """The chain of a key with one more record, by its position and leaf hash."""
    return sha256(b"\x03" + chain + position.to_bytes(8, "big") + leaf).digest()
