"""Checking the notes of where rows stand that have left a store, beside a walk through the records.

What the records give and what is noted are held against one another as sums of keyed hashes, under a seed that nobody
knew before: the memory that it takes does not grow with the ledger. Each record must have occurred within the times
that are noted of its stretch; and rows that stay must be there, and say what their records say.
"""

import secrets
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

from domain.events import STAYING_TYPES
from replay.errors import DamagedError
from replay.schema.versions import ALIAS_BYTES, LEFT_NAMES, LEFT_STREAMS
from replay.store.base import Store
from replay.store.reading.asked import BEFORE_ALL
from replay.store.reading.form import (
    CODES,
    OTHER_CODE,
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

_SUM: Final = (1 << 64) - 1
_MAKE_ANEW: Final = "make a backup, which reads the records themselves, and restore it"


@dataclass
class WalkedLeft:
    """What a walk through records that have left found, up to a position, under a seed."""

    up_to: int = 0
    seed: bytes = b""
    places: int = 0
    """The sum of the hashes of where they stand, by stream."""
    entries: int = 0
    """The sum of the hashes of where they stand, by names and refs."""
    problem: str | None = None

    def then(self, other: "WalkedLeft") -> "WalkedLeft":
        """What this walk and one that went on found."""
        return WalkedLeft(
            self.up_to,
            self.seed,
            self.places + other.places & _SUM,
            self.entries + other.entries & _SUM,
            self.problem or other.problem,
        )


def left_walk(store: Store) -> WalkedLeft:
    """Before the first record: what has left the store now is to be held against its notes."""
    return WalkedLeft() if store.left is None else WalkedLeft(store.left.up_to(), secrets.token_bytes(32))


class LeftWalk:
    """Follows a walk through the records behind a position, and adds to `walked` what came of it."""

    def __init__(self, store: Store, walked: WalkedLeft, after: int) -> None:
        self._store = store
        self._walked = walked
        self._here: deque[tuple[Any, ...]] = deque()
        self._looked_up_to = after or BEFORE_ALL
        self._ends = stretch_ends(store, walked.up_to) if walked.up_to else []
        self._until = 0
        self._times: dict[str, tuple[int, int]] = {}

    def follow(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Take the next records of the walk, the columns of a `Row` each."""
        walked = self._walked
        for row in rows:
            position, stream, version, event_type, _, event_id, ref, occurred_at, *_ = row
            if position > walked.up_to:
                return
            walked.problem = walked.problem or self._problem_here(row)
            if position > self._until:
                self._until = next((end for end in self._ends if end >= position), walked.up_to)
                self._times = times_of_stretch(self._store, self._until)
            first, last = self._times.get(stream, (1, 0))
            if not first <= occurred_at <= last and walked.problem is None:
                walked.problem = (
                    f"position {position}: {LEFT_STREAMS} does not say of {stream} that it occurred then; {_MAKE_ANEW}"
                )
            code = CODES.get(event_type, OTHER_CODE)
            walked.places = walked.places + _place(walked.seed, stream, version, position, code) & _SUM
            walked.entries = walked.entries + _entry(walked.seed, hash_of_id(event_id), position) & _SUM
            if ref is not None:
                walked.entries = walked.entries + _entry(walked.seed, hash_of_ref(stream, ref), position) & _SUM

    def _problem_here(self, row: tuple[Any, ...]) -> str | None:
        """What is wrong with the row that is still in the database, or ought to be, of the next record of the walk."""
        position, event_type = row[0], row[3]
        found = self._next_here(position)
        if found is None:
            missing = f"position {position}: the row of {event_type}, which stays, is missing; {_MAKE_ANEW}"
            return missing if event_type in STAYING_TYPES else None
        *columns, record = found
        if columns == [*row[:-1]] and (len(record) <= ALIAS_BYTES or record == row[-1]):
            return None
        return (
            f"position {position}: a row at position {found[0]} is not what the record of {event_type} there says,"
            f" which left the store; {_MAKE_ANEW}"
        )

    def _next_here(self, position: int) -> tuple[Any, ...] | None:
        """The next row of the database at or before a position. A page at a time: others are asked meanwhile."""
        if not self._here and self._looked_up_to < position:
            self._here.extend(rows_here(self._store, self._looked_up_to, self._walked.up_to))
            self._looked_up_to = self._here[-1][0] if len(self._here) == ROWS_A_PAGE else self._walked.up_to
        return self._here.popleft() if self._here and self._here[0][0] <= position else None


def left_problems(store: Store, walked: WalkedLeft) -> list[str]:
    """What is wrong with the notes, given what a walk found in all records that they are of."""
    if not walked.up_to:
        return []
    if walked.problem is not None:
        return [walked.problem]
    try:
        places = sum(_noted_places(store, walked)) & _SUM
    except DamagedError as error:
        return [str(error)]
    problems = []
    if places != walked.places:
        problems.append(f"{LEFT_STREAMS} gives other places of records that left than their segments; {_MAKE_ANEW}")
    entries = sum(_entry(walked.seed, *one) for one in entries_up_to(store, walked.up_to)) & _SUM
    if entries != walked.entries:
        problems.append(f"{LEFT_NAMES} gives other places of names and refs than the records; {_MAKE_ANEW}")
    return problems


def _noted_places(store: Store, walked: WalkedLeft) -> Iterator[int]:
    for stream, version, first, last, packed in stream_notes(store, walked.up_to):
        found = places_in(first, bytes(packed))
        if found.positions[0] != first or found.positions[-1] != last:
            yield 1  # no walk gives that
        for number, (position, code) in enumerate(zip(found.positions, found.types, strict=True)):
            yield _place(walked.seed, stream, version + number, position, code)


def _place(seed: bytes, stream: str, version: int, position: int, code: int) -> int:
    return _keyed(seed, b"%d %d %d %b" % (version, position, code, stream.encode()))


def _entry(seed: bytes, hashed: int, position: int) -> int:
    return _keyed(seed, b"%d %d" % (hashed, position))


def _keyed(seed: bytes, said: bytes) -> int:
    return int.from_bytes(blake2b(said, digest_size=8, key=seed).digest(), "big")
