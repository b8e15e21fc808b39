"""The form in which a store notes where the rows stand that have left it.

*Places*: of the records of a stream that left together their positions, each less the first one, in four bytes, and
behind all of these their types, a byte each. *Entries*: of a name or ref, five bytes of its hash and five of the
position; the bits of the hash before these say in which bucket the entry stands.
"""

import sys
from array import array
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Final, NamedTuple

from replay.errors import damaged

BUCKET_BITS: Final = 18
CLAIM_BUCKET: Final = 1 << BUCKET_BITS
"""Behind those of all hashes: here it is said which run makes notes."""
REST_BYTES: Final = 5
POSITION_BYTES: Final = 5
ENTRY_BYTES: Final = REST_BYTES + POSITION_BYTES
_SHIFT: Final = 64 - BUCKET_BITS - 8 * REST_BYTES
_REST_BITS: Final = 8 * REST_BYTES
TYPES: Final = (
    *("merchant.onboarded", "merchant.closed", "merchant.tier_set", "order.paid", "order.received", "order.flagged"),
    *("order.cleared", "order.complained", "complaint.dismissed", "review.posted", "event.retracted"),
    *("level.announced", "creator.registered", "creator.scored", "credit.deducted", "credit.restored"),
    *("credit.granted", "sale.settled", "sale.refunded", "content.published", "live.held", "points.earned"),
    *("points.redeemed", "redemption.cancelled", "mcn.onboarded", "creator.bound", "creator.unbound", "buyer.erased"),
    *("level.decided", "policy.adopted", "decisions.run", "board.decided", "heads.sealed", "keys.announced"),
    "shard.made",
)
"""By the byte that stands for it, a type. What is added stands behind the others: the bytes are kept for ever."""
CODES: Final = {name: code for code, name in enumerate(TYPES)}
OTHER_CODE: Final = 255
"""Of a type that is none of these."""
_DELTA_BYTES: Final = 4


class Places(NamedTuple):
    """Where some records of a stream stand, in order, and their types."""

    positions: Sequence[int]
    types: bytes


def packed_places(positions: Sequence[int], types: bytes) -> bytes:
    """The bytes of positions, which rise, and of types."""
    deltas = array("I", [position - positions[0] for position in positions])
    return _little(deltas).tobytes() + types


def places_in(first: int, packed: bytes) -> Places:
    """The places in such bytes, given the first position. Raises DamagedError where they are none."""
    count, rest = divmod(len(packed), _DELTA_BYTES + 1)
    if rest or not count:
        raise damaged(f"the table of places, in a row of the records from position {first} on,")
    deltas = array("I")
    deltas.frombytes(packed[: count * _DELTA_BYTES])
    return Places([first + delta for delta in _little(deltas)], packed[count * _DELTA_BYTES :])


def hash_of_id(event_id: str) -> int:
    """58 bits for an event's id, of whichever source: its bucket and the rest."""
    return _hashed("n", event_id, "")


def hash_of_ref(stream: str, ref: str) -> int:
    """The same for what an event of a stream is about."""
    return _hashed("r", stream, ref)


def bucket_of(hashed: int) -> int:
    return hashed >> _REST_BITS


def rest_of(hashed: int) -> bytes:
    return (hashed & (1 << _REST_BITS) - 1).to_bytes(REST_BYTES, "big")


def positions_of(rest: bytes, entries: bytes) -> Iterator[int]:
    """The positions of the entries of a bucket that have such a rest: of other hashes by chance, too."""
    at = entries.find(rest)
    while at >= 0:
        if at % ENTRY_BYTES == 0:
            yield int.from_bytes(entries[at + REST_BYTES : at + ENTRY_BYTES], "big")
        at = entries.find(rest, at + 1)


def entries_up_to(position: int, entries: bytes) -> bytes:
    """Those of some entries that are of positions up to one."""
    last = position.to_bytes(POSITION_BYTES, "big")
    some = [entries[at : at + ENTRY_BYTES] for at in range(0, len(entries), ENTRY_BYTES)]
    return b"".join(one for one in some if one[REST_BYTES:] <= last)


def _hashed(kind: str, first: str, second: str) -> int:
    digest = sha256(f"{kind}{len(first)} {first}{second}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> _SHIFT


def _little(values: "array[int]") -> "array[int]":
    if sys.byteorder == "big":
        values.byteswap()
    return values
