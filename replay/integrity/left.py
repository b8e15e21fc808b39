"""Checking the notes of where rows stand that have left a store, beside a walk through the records.

Each place of a stream, and each entry of a name, is a number. What the records give and what is noted are held against
one another as two products, modulo a prime: of a secret less each number, in any order. Where the numbers are the same,
as often each, the products are. Where any is missing, more, doubled or another, they are two polynomials in the secret,
which agree at no more points than there are numbers: for ten billion among the prime's 2^127 the chance is below one in
2^90, for the secret was drawn once the notes stood. The memory that it takes does not grow with the ledger.

Each record must have occurred within the times that are noted of its stretch; and rows that stay must be there, and say
what their records say.
"""

import secrets
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from domain.events import STAYING_TYPES
from replay.errors import DamagedError
from replay.schema.versions import ALIAS_BYTES, LEFT_NAMES, LEFT_STREAMS
from replay.store.base.store import Store
from replay.store.reading.asked import BEFORE_ALL
from replay.store.reading.form import (
    CODES,
    ENTRY_BITS,
    OTHER_CODE,
    POSITION_BITS,
    entry_of,
    hash_of_id,
    hash_of_ref,
    places_in,
)
from replay.store.reading.notes import (
    ROWS_A_PAGE,
    entries_up_to,
    rows_here,
    stream_notes,
    stretch_ends,
    times_of_stretch,
)

PRIME: Final = (1 << 127) - 1
_CODE_BITS: Final = 8
_VERSION_SHIFT: Final = POSITION_BITS + _CODE_BITS
MAKE_ANEW: Final = "make a backup, which reads the records themselves, and restore it"
"""What is to be done where notes are wrong."""


@dataclass
class WalkedLeft:
    """What a walk through records that have left found, up to a position, under a seed."""

    up_to: int = 0
    secret: int = 0
    key: bytes = b""
    """Of the hashes of streams."""
    places: int = 1
    """The product of where they stand, by stream."""
    entries: int = 1
    """The product of where they stand, by names and refs."""
    problem: str | None = None

    def then(self, other: "WalkedLeft") -> "WalkedLeft":
        """What this walk and one that went on found."""
        return WalkedLeft(
            *(self.up_to, self.secret, self.key),
            self.places * other.places % PRIME,
            self.entries * other.entries % PRIME,
            self.problem or other.problem,
        )


def left_walk(store: Store) -> WalkedLeft:
    """Before the first record: what has left the store now is to be held against its notes."""
    if store.left is None:
        return WalkedLeft()
    return WalkedLeft(store.left.up_to(), secrets.randbelow(PRIME), secrets.token_bytes(32))


class _Noted(NamedTuple):
    """Of a stream in a stretch."""

    first_time: int
    last_time: int
    stream: int
    """What stands for it."""


_NOT_NOTED: Final = _Noted(1, 0, 0)


class LeftWalk:
    """Follows a walk through the records behind a position, and adds to `walked` what came of it."""

    def __init__(self, store: Store, walked: WalkedLeft, after: int) -> None:
        self._store = store
        self._walked = walked
        self._here: deque[tuple[Any, ...]] = deque()
        self._looked_up_to = after or BEFORE_ALL
        self._ends = stretch_ends(store, walked.up_to) if walked.up_to else []
        self._next_look = BEFORE_ALL
        """At or behind which position a row may be in the database."""
        self._until = 0
        self._noted: dict[str, _Noted] = {}

    def follow(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Take the next records of the walk, the columns of a `Row` each."""
        walked = self._walked
        places: list[int] = []
        entries: list[int] = []
        for row in rows:
            position, stream, version, event_type, _, event_id, ref, occurred_at = row[:8]
            if position > walked.up_to:
                break
            if position >= self._next_look or event_type in STAYING_TYPES:
                walked.problem = walked.problem or self._problem_here(row)
            if position > self._until:
                self._begin_stretch(position)
            noted = self._noted.get(stream, _NOT_NOTED)
            if not noted.first_time <= occurred_at <= noted.last_time and walked.problem is None:
                walked.problem = (
                    f"position {position}: {LEFT_STREAMS} does not say of {stream} that it occurred then; {MAKE_ANEW}"
                )
            code = CODES.get(event_type, OTHER_CODE)
            places.append(noted.stream + (version << _VERSION_SHIFT | position << _CODE_BITS | code))
            entries.append(entry_of(hash_of_id(event_id), position))
            if ref is not None:
                entries.append(entry_of(hash_of_ref(stream, ref), position))
        walked.places = multiplied(walked.places, walked.secret, places)
        walked.entries = multiplied(walked.entries, walked.secret, entries)

    def _begin_stretch(self, position: int) -> None:
        self._until = next((end for end in self._ends if end >= position), self._walked.up_to)
        times = times_of_stretch(self._store, self._until)
        self._noted = {
            stream: _Noted(first, last, _number_of(stream, self._walked)) for stream, (first, last) in times.items()
        }

    def _problem_here(self, row: tuple[Any, ...]) -> str | None:
        """What is wrong with the row that is still in the database, or ought to be, of the next record of the walk."""
        position, event_type = row[0], row[3]
        found = self._next_here(position)
        if found is None:
            missing = f"position {position}: the row of {event_type}, which stays, is missing; {MAKE_ANEW}"
            return missing if event_type in STAYING_TYPES else None
        *columns, record = found
        if columns == [*row[:-1]] and (len(record) <= ALIAS_BYTES or record == row[-1]):
            return None
        return (
            f"position {position}: a row at position {found[0]} is not what the record of {event_type} there says,"
            f" which left the store; {MAKE_ANEW}"
        )

    def _next_here(self, position: int) -> tuple[Any, ...] | None:
        """The next row of the database at or before a position. A page at a time: others are asked meanwhile."""
        if not self._here and self._looked_up_to < position:
            self._here.extend(rows_here(self._store, self._looked_up_to, self._walked.up_to))
            self._looked_up_to = self._here[-1][0] if len(self._here) == ROWS_A_PAGE else self._walked.up_to
        found = self._here.popleft() if self._here and self._here[0][0] <= position else None
        self._next_look = self._here[0][0] if self._here else self._looked_up_to + 1
        return found


def left_problems(store: Store, walked: WalkedLeft) -> list[str]:
    """What is wrong with the notes, given what a walk found in all records that they are of."""
    if not walked.up_to:
        return []
    if walked.problem is not None:
        return [walked.problem]
    problems = []
    try:
        if _noted_places(store, walked) != walked.places:
            problems.append(f"{LEFT_STREAMS} gives other places of records that left than their segments; {MAKE_ANEW}")
        if _noted_entries(store, walked) != walked.entries:
            problems.append(f"{LEFT_NAMES} gives other places of names and refs than the records; {MAKE_ANEW}")
    except DamagedError as error:
        problems.append(str(error))
    return problems


def multiplied(product: int, secret: int, numbers: Iterable[int]) -> int:
    """A product times the secret less each of some numbers, modulo PRIME."""
    for number in numbers:
        product = product * (secret - number) % PRIME
    return product


def _noted_places(store: Store, walked: WalkedLeft) -> int | None:
    """The product that the notes give; None where they do not fit one another, or stand in another stretch."""
    product, ends = 1, stretch_ends(store, walked.up_to)
    begins = dict(zip(ends, (0, *ends), strict=False))
    for stream, end, first_version, first, last, count, packed in stream_notes(store, walked.up_to):
        positions, types = places_in(first, bytes(packed))
        if (positions[-1], len(positions)) != (last, count) or not begins[end] < first <= last <= end:
            return None
        number = _number_of(stream, walked)
        versions = range(first_version, first_version + count)
        places = [
            version << _VERSION_SHIFT | position << _CODE_BITS | code
            for version, position, code in zip(versions, positions, types, strict=True)
        ]
        product = multiplied(product, walked.secret - number, places)
    return product


def _noted_entries(store: Store, walked: WalkedLeft) -> int:
    product = 1
    for bucket, entries in entries_up_to(store, walked.up_to):
        product = multiplied(product, walked.secret - (bucket << ENTRY_BITS), entries)
    return product


def _number_of(stream: str, walked: WalkedLeft) -> int:
    """What stands for a stream: another with the same is met once in 2^127."""
    return int.from_bytes(blake2b(stream.encode(), digest_size=16, key=walked.key).digest(), "big") % PRIME
