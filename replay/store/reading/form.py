"""The form in which a store notes where the rows stand that have left it, in short numbers.

*Places*, of the records of a stream that left together: how many types these have, in a byte, then a byte for each of
the types; and for each record a number, its distance from the one before times how many types there are, and which of
them it has. *Entries*, of some names and refs: how many they are, three bytes of the hash of each, and of each its
position, as a distance from the one before, by rising position. The bits of a hash before those three bytes say in
which bucket its entry stands.
"""

import struct
from collections.abc import Sequence
from hashlib import sha256
from itertools import accumulate
from operator import sub
from typing import Final, NamedTuple

from replay.errors import DamagedError, damaged
from replay.store.reading.short_numbers import MORE, numbers_in, shortened

POSITION_BITS: Final = 40
BUCKET_BITS: Final = 16
CLAIM_BUCKET: Final = 1 << BUCKET_BITS
"""Behind those of all hashes: here it is said which run makes notes."""
REST_BYTES: Final = 3
REST_BITS: Final = 8 * REST_BYTES
ENTRY_BITS: Final = POSITION_BITS + REST_BITS
_ENTRY_BYTES: Final = ENTRY_BITS // 8
HASHED_BYTES: Final = BUCKET_BITS // 8 + REST_BYTES
"""Of a ledger of a billion records, with twice as many entries, one name in five hundred meets an entry of another."""
REST: Final = (1 << REST_BITS) - 1
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


class Places(NamedTuple):
    """Where some records of a stream stand, in order, and their types."""

    positions: Sequence[int]
    types: bytes


def packed_places(positions: Sequence[int], types: bytes) -> bytes:
    """The bytes of positions, which rise, and of types."""
    kinds = bytes(sorted({*types}))
    which = types.translate(bytes.maketrans(kinds, bytes(range(len(kinds)))))
    distances = map(sub, positions, (positions[0], *positions[:-1]))
    numbers = [distance * len(kinds) + number for distance, number in zip(distances, which, strict=True)]
    return bytes([len(kinds)]) + kinds + shortened(numbers)


def places_in(first: int, packed: bytes) -> Places:
    """The places in such bytes, given the first position. Raises DamagedError where they are none."""
    found = _places(first, packed)
    if found is None:
        raise damaged(f"the table of places, in a row of the records from position {first} on,")
    return found


def _places(first: int, packed: bytes) -> Places | None:
    count = packed[0] if packed else 0
    kinds = packed[1 : 1 + count]
    if not count or len(kinds) < count:
        return None
    try:
        numbers = numbers_in(packed[1 + count :])
    except ValueError:
        return None
    distances = [number // count for number in numbers]
    if not distances or distances[0] or 0 in distances[1:]:
        return None
    positions = list(accumulate(distances, initial=first))[1:]
    if positions[-1] >> POSITION_BITS:
        return None
    return Places(positions, bytes([kinds[number % count] for number in numbers]))


def hash_of_id(event_id: str) -> int:
    """HASHED_BYTES for an event's id, of whichever source: its bucket and the rest."""
    hashed = _ID.copy()
    hashed.update(event_id.encode())
    return int.from_bytes(hashed.digest()[:HASHED_BYTES], "big")


def hash_of_ref(stream: str, ref: str) -> int:
    """The same for what an event of a stream is about."""
    hashed = _REF.copy()
    hashed.update(f"{len(stream)} {stream}{ref}".encode())
    return int.from_bytes(hashed.digest()[:HASHED_BYTES], "big")


_ID: Final = sha256(b"n")
_REF: Final = sha256(b"r")
# Copied, for a hash takes half as long again to be made.


def bucket_of(hashed: int) -> int:
    return hashed >> REST_BITS


def entry_of(hashed: int, position: int) -> int:
    """The entry of a hash, as a number: by its bucket, position, and rest. Those of a bucket stand there without it."""
    return hashed >> REST_BITS << ENTRY_BITS | position << REST_BITS | hashed & REST


def position_of(entry: int) -> int:
    return entry >> REST_BITS


def packed_entries(entries: Sequence[int]) -> bytes:
    """The bytes of entries of a bucket, which rise."""
    positions = [entry >> REST_BITS for entry in entries]
    whole, rests = struct.pack(f">{len(entries)}Q", *entries), bytearray(REST_BYTES * len(entries))
    for at in range(REST_BYTES):
        rests[at::REST_BYTES] = whole[_ENTRY_BYTES - REST_BYTES + at :: _ENTRY_BYTES]
    return shortened([len(entries)]) + rests + shortened(map(sub, positions, (0, *positions)))


def entries_in(bucket: int, packed: bytes) -> list[int]:
    """The entries in the bytes of a bucket. Raises DamagedError where they are none, or there is no such bucket."""
    if not 0 <= bucket < CLAIM_BUCKET:
        raise _no_entries(bucket)
    begin, end = _rests(bucket, packed)
    each = (packed[at:end:REST_BYTES] for at in range(begin, begin + REST_BYTES))
    return [
        position << REST_BITS | high << 16 | middle << 8 | low
        for position, high, middle, low in zip(_positions(bucket, packed, begin, end), *each, strict=True)
    ]


def positions_of(hashed: int, packed: bytes) -> list[int]:
    """The positions of the entries of a hash in the bytes of its bucket: of other hashes by chance, too.

    Raises DamagedError where such bytes are no entries.
    """
    bucket = bucket_of(hashed)
    begin, end = _rests(bucket, packed)
    rest = (hashed & REST).to_bytes(REST_BYTES, "big")
    numbers = []
    at = packed.find(rest, begin, end)
    while at >= 0:
        number, beside = divmod(at - begin, REST_BYTES)
        if not beside:
            numbers.append(number)
        at = packed.find(rest, at + 1, end)
    if not numbers:
        return []
    positions = _positions(bucket, packed, begin, end)
    return [positions[number] for number in numbers]


def _rests(bucket: int, packed: bytes) -> tuple[int, int]:
    """Where the rests of hashes begin, and where they end."""
    begin = 1
    while begin < len(packed) and packed[begin - 1] >= MORE:
        begin += 1
    try:
        (count,) = numbers_in(packed[:begin])
    except ValueError:
        raise _no_entries(bucket) from None
    end = begin + count * REST_BYTES
    if not count or end + count > len(packed):
        raise _no_entries(bucket)
    return begin, end


def _positions(bucket: int, packed: bytes, begin: int, end: int) -> list[int]:
    try:
        found = list(accumulate(numbers_in(packed[end:])))
    except ValueError:
        raise _no_entries(bucket) from None
    if len(found) * REST_BYTES != end - begin or found[-1] >> POSITION_BITS:
        raise _no_entries(bucket)
    return found


def _no_entries(bucket: int) -> DamagedError:
    return damaged(f"the table of names, in its bucket {bucket},")
