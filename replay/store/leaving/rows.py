"""How rows leave a store whose records stand in segments: first it is noted where they stand, then they go.

Notes are made a stretch of the ledger at a time, in transactions so short that others who record wait no longer than
for one another. They count only once the link at their end is kept; what a run that was killed noted before that is
made anew by the next one, and rows that it did not let go are let go. The chains of their streams go, too: the last one
of each stream in a stretch is noted. Of two runs at once, which may go to two places,
the later one to begin a stretch takes over, and the other one ends: so all notes of a stretch are of one run.
"""

import secrets
from array import array
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import Any, Final, NamedTuple

from domain.events import STAYING_TYPES
from replay.blocks.files import misfit
from replay.errors import StoreError
from replay.schema.versions import ALIAS_BYTES, LEFT_LINKS, LEFT_NAMES, LEFT_STREAMS, STREAM_CHAINS
from replay.store.base.failures import not_kept
from replay.store.base.store import Store
from replay.store.base.transaction import Transaction
from replay.store.key_chains import chains_behind, missing_chain
from replay.store.leaving.segments import archived_up_to
from replay.store.reading.asked import marks
from replay.store.reading.form import (
    BUCKET_BITS,
    CLAIM_BUCKET,
    CODES,
    OTHER_CODE,
    REST,
    REST_BITS,
    entries_in,
    hash_of_id,
    hash_of_ref,
    packed_entries,
    packed_places,
    position_of,
)
from replay.store.reading.row import HASH_BYTES

Progress = Callable[[str, int, int], None]
NOTING: Final = "noting where rows stand"
GOING: Final = "letting rows go"
STRETCH_ROWS: Final = 1 << 20
"""Rows whose notes are made together: more take more memory, fewer make more rows of notes."""
BUCKETS_AT_ONCE: Final = 1_024
"""Buckets that are written in one transaction; where the rows of each become one, in a second or two."""
ROWS_TOLD: Final = 8_192
"""So many are noted at once, and it is told how far that has come."""
ROWS_A_BUCKET_MAX: Final = 16
"""So many rows of a bucket become one with the next."""
STREAMS_AT_ONCE: Final = 5_000
GO_AT_ONCE: Final = 5_000
"""Rows that go in one transaction: others who record wait no longer."""
CHAIN_ROWS_AT_ONCE: Final = 1_000
"""Rows of chains, of sixty records each, that go in one transaction."""
AT_ONCE_FROM_ROWS: Final = 20_000
AT_ONCE_ROWS_MAX: Final = 15_000_000
BEHIND_PART: Final = 4
"""Where so many go, and behind them is less than a fourth as many, they go at once: two seconds a million, for which
others who record wait, as they do for sixty."""
_STAYING: Final = tuple(sorted(STAYING_TYPES))
_COLUMNS: Final = "position, stream, version, type, event_id, ref, occurred_at, chain"
_STREAM_COLUMNS: Final = (
    "stream, last, first_version, first_position, last_position, first_time, last_time, count, places, chain"
)
_PUT_ENTRIES: Final = (
    f"INSERT INTO {LEFT_NAMES} (bucket, last, entries) VALUES (?, ?, ?)"
    " ON CONFLICT (bucket, last) DO UPDATE SET entries = excluded.entries"
)


def let_rows_go(store: Store, last: int, earlier: int, progress: Progress = lambda *_: None) -> None:
    """Let the rows of archived records up to a position leave, but for the last of the ledger.

    Those up to `earlier` stood in segments before this run, which has read back the others. `progress` is called with a
    phase, how many rows are done, and of how many. Raises StoreError where another run is at it, or this role may not
    change the tables; DamagedError where a segment has lost since what a row still holds: then none has left.
    """
    last = min(last, archived_up_to(store), store.head().position - 1)
    if last < 1:
        return
    assert store.left is not None, "only once they have begun to leave"
    before = store.left.up_to()
    first = min(_first_to_go(store, before), before + 1)
    _check_kept(store, first, min(earlier, last))
    begun = before

    def noted(position: int) -> None:
        progress(NOTING, position - begun, last - begun)

    while before < last:
        end = min(last, before + STRETCH_ROWS)
        _note(store, before, end, noted)
        before = end
    _go(store, first, before, lambda position: progress(GOING, position - first + 1, before - first + 1))
    _let_chains_go(store, before)


def begin(store: Store) -> None:
    """Make the tables for segments and notes where records leave a store for the first time.

    Raises StoreError where this role may not, or another run made them since the store was opened.
    """
    if store.left is not None:
        return
    with store.append() as transaction:
        if transaction.has_table(LEFT_LINKS):
            raise _another_run(store)
        transaction.let_rows_leave()
    store.rows_have_left()


def _first_to_go(store: Store, last: int) -> int:
    """The first row up to a position that ought to have gone; behind it where none is."""
    sql = f"SELECT position FROM records WHERE position <= ? AND type NOT IN ({marks(_STAYING)}) ORDER BY position"
    rows = store._query(f"{sql} LIMIT 1", (last, *_STAYING))
    return next((int(position) for (position,) in rows), last + 1)


def _check_kept(store: Store, first: int, last: int) -> None:
    """Raises DamagedError unless segments give the records that their rows hold from one position up to another."""
    sql = (
        f"SELECT position, record FROM records WHERE position >= ? AND position <= ? AND length(record) > {ALIAS_BYTES}"
        f" AND type NOT IN ({marks(_STAYING)}) ORDER BY position"
    )
    with store.blocks.afresh():
        for position, record in store._query(sql, (first, last, *_STAYING)):
            if store.blocks.record_at(position, store.record_segments) != record:
                segment = next(found for found in store.record_segments() if found.last >= position)
                raise misfit(store.blocks.file_of(segment, True).shown, f"holds another record for position {position}")


def _note(store: Store, before: int, end: int, noted: Callable[[int], None]) -> None:
    """Note where the rows behind a position stand, up to another, so that they count as having left.

    `noted` is called with the position up to which the work has come: half of it is to read the rows.
    """
    claim = _taken_over(store, before)
    notes = _Notes(before)
    links = _segment_ends(store, before, end)
    kept: list[tuple[int, bytes]] = []
    sql = f"SELECT {_COLUMNS} FROM records WHERE position > ? AND position <= ? ORDER BY position"
    rows, chains = store._query(sql, (before, end)), chains_behind(store, before)
    while some := list(islice(rows, ROWS_TOLD)):
        of_some = list(islice(chains, len(some)))
        if len(of_some) < len(some):
            with _noting(store, claim):  # chains go, too, where another run lets them
                raise missing_chain(some[len(of_some)][1])
        notes.add(some, of_some)
        kept += [(row[0], bytes(row[7])) for row in some if row[0] in links]
        noted(before + notes.count // 2)
    if notes.count != end - before or not kept or kept[-1][0] != end:
        with _noting(store, claim):
            raise not_kept(f"rows from position {before + 1} on are missing")
    _write_streams(store, claim, end, notes)
    middle = before + notes.count // 2
    _write_names(store, claim, end, notes, lambda bucket: noted(middle + (end - middle) * bucket // CLAIM_BUCKET))
    with _noting(store, claim) as transaction:
        transaction.execute_many(f"INSERT INTO {LEFT_LINKS} (position, chain) VALUES (?, ?)", kept)
        transaction.run_deferred()
        if transaction.left is None or transaction.left.up_to() != end:
            raise not_kept("a link at the end of rows that left is not there")
    noted(end)


class _Claim(NamedTuple):
    """The right to make notes of a stretch, which another run may take over."""

    before: int
    """The position up to which rows had left."""
    token: bytes


def _taken_over(store: Store, before: int) -> _Claim:
    """Begin to make notes behind a position: whoever did so before goes on with none."""
    token = secrets.token_bytes(16)
    with store.append() as transaction:
        if transaction.left is None or transaction.left.up_to() != before:
            raise _another_run(store)
        transaction.execute(_PUT_ENTRIES, (CLAIM_BUCKET, 0, token))
    return _Claim(before, token)


@contextmanager
def _noting(store: Store, claim: _Claim) -> Iterator[Transaction]:
    """A transaction for notes. Raises StoreError where another run has taken over."""
    with store.append() as transaction:
        found = transaction.execute(f"SELECT entries FROM {LEFT_NAMES} WHERE bucket = ?", (CLAIM_BUCKET,))
        if found != [(claim.token,)] or transaction.left is None or transaction.left.up_to() != claim.before:
            raise _another_run(store)
        yield transaction


def _segment_ends(store: Store, before: int, end: int) -> set[int]:
    """Where links are kept, from which chains are worked out: where segments end, and at the last position."""
    return {end, *(segment.last for segment in store.record_segments() if before < segment.last < end)}


class _Notes:
    """Where the rows of a stretch stand: by stream, and by the hashes of their ids and refs."""

    def __init__(self, before: int) -> None:
        self._before = before
        self._streams: defaultdict[str, array[int]] = defaultdict(partial(array, "I"))
        """The numbers of their rows: those behind `before` are numbered from 0 on."""
        self._chains: dict[str, bytes] = {}
        self._versions, self._types, self._times = array("q"), bytearray(), array("q")
        self._entries = [array("Q") for _ in range(_PARTS)]
        """By the first byte of a hash: the rest of its bucket, the number of the row, and the rest of the hash.
        So few parts are written to beside one another quickly.
        """

    @property
    def count(self) -> int:
        return len(self._types)

    def add(self, rows: Sequence[tuple[Any, ...]], chains: Sequence[bytes]) -> None:
        """Take the next rows of _COLUMNS, and the chains of their streams there."""
        _, streams, versions, types, ids, refs, times, _ = zip(*rows, strict=True)
        for number, (stream, event_id, ref) in enumerate(zip(streams, ids, refs, strict=True), self.count):
            self._streams[stream].append(number)
            self._enter(hash_of_id(event_id), number)
            if ref is not None:
                self._enter(hash_of_ref(stream, ref), number)
        self._versions.extend(versions)
        self._types += bytes([CODES.get(event_type, OTHER_CODE) for event_type in types])
        self._times.extend(times)
        self._chains.update(zip(streams, chains, strict=True))

    def _enter(self, hashed: int, number: int) -> None:
        bucket = (hashed & _IN_PART) << _NUMBER_BITS
        self._entries[hashed >> _PART_SHIFT].append(bucket | number << REST_BITS | hashed & REST)

    def streams(self, end: int) -> Iterator[tuple[Any, ...]]:
        """By rising stream, a row of _STREAM_COLUMNS for the stretch that ends at a position."""
        first = self._before + 1
        for stream in sorted(self._streams):
            numbers = self._streams[stream]
            positions = [first + number for number in numbers]
            times = [self._times[number] for number in numbers]
            places = packed_places(positions, bytes([self._types[number] for number in numbers]))
            bounds = positions[0], positions[-1], min(times), max(times), len(numbers)
            yield stream, end, self._versions[numbers[0]], *bounds, places, self._chains[stream]

    def buckets(self) -> Iterator[tuple[int, list[int]]]:
        """By rising bucket, its entries, which rise."""
        first = self._before + 1 << REST_BITS
        for part, entries in enumerate(self._entries):
            rising, begin = sorted(entries), 0
            for bucket in range(_BUCKETS_A_PART):
                end = bisect_left(rising, bucket + 1 << _BUCKET_SHIFT, begin)
                if end > begin:
                    least = (bucket << _BUCKET_SHIFT) - first
                    yield part * _BUCKETS_A_PART + bucket, [one - least for one in rising[begin:end]]
                    begin = end


_PARTS: Final = 1 << 8
_BUCKETS_A_PART: Final = CLAIM_BUCKET // _PARTS
_PART_SHIFT: Final = BUCKET_BITS + REST_BITS - 8
_IN_PART: Final = (1 << _PART_SHIFT) - 1 & ~REST
_NUMBER_BITS: Final = 24
"""Of the number of a row in a stretch, as no stretch has so many."""
_BUCKET_SHIFT: Final = REST_BITS + _NUMBER_BITS


def _write_streams(store: Store, claim: _Claim, end: int, notes: _Notes) -> None:
    """Write the rows of streams, in place of those that a run which was killed left."""
    with _noting(store, claim) as transaction:
        transaction.execute(f"DELETE FROM {LEFT_STREAMS} WHERE last > ?", (claim.before,))
    marked = marks(_STREAM_COLUMNS.split(", "))
    rows = notes.streams(end)
    while some := list(islice(rows, STREAMS_AT_ONCE)):
        with _noting(store, claim) as transaction:
            transaction.execute_many(f"INSERT INTO {LEFT_STREAMS} ({_STREAM_COLUMNS}) VALUES ({marked})", some)


def _write_names(store: Store, claim: _Claim, end: int, notes: _Notes, written: Callable[[int], None]) -> None:
    """Write the entries of names, in place of any that a run which was killed left; `written` is told each bucket that
    is the last of some.
    """
    buckets = notes.buckets()
    while found := list(islice(buckets, BUCKETS_AT_ONCE)):
        _write_buckets(store, claim, end, found)
        written(found[-1][0])


def _write_buckets(store: Store, claim: _Claim, end: int, found: Sequence[tuple[int, list[int]]]) -> None:
    """A row more for each bucket; of one that has many they become one, so that each entry is written a few times."""
    sql = f"SELECT bucket, last, entries FROM {LEFT_NAMES} WHERE bucket >= ? AND bucket <= ? ORDER BY bucket, last"
    rows, gone = [], []
    with _noting(store, claim) as transaction:
        there: dict[int, list[tuple[int, bytes]]] = {}
        for bucket, last, entries in transaction.execute(sql, (found[0][0], found[-1][0])):
            there.setdefault(bucket, []).append((last, bytes(entries)))
        for bucket, entries in found:
            earlier = there.get(bucket, [])
            if len(earlier) < ROWS_A_BUCKET_MAX:
                earlier = [one for one in earlier if one[0] > claim.before]  # left by a run that was killed
            gone += [(bucket, last) for last, _ in earlier]
            kept = [one for _, some in earlier for one in entries_in(bucket, some) if position_of(one) <= claim.before]
            rows.append((bucket, end, packed_entries(sorted((*kept, *entries)))))
        transaction.execute_many(f"DELETE FROM {LEFT_NAMES} WHERE bucket = ? AND last = ?", gone)
        transaction.execute_many(_PUT_ENTRIES, rows)
        transaction.run_deferred()


def _go(store: Store, first: int, last: int, gone: Callable[[int], None]) -> None:
    """Let the rows from a position on go, up to another, but for those that stay; `gone` is told how far they have."""
    gone(first - 1)
    if _mostly_go(store, first, last) and _gone_at_once(store, first, last):
        gone(last)
        return
    sql = f"DELETE FROM records WHERE position >= ? AND position <= ? AND type NOT IN ({marks(_STAYING)})"
    for begin in range(first, last + 1, GO_AT_ONCE):
        end = min(begin + GO_AT_ONCE - 1, last)
        with store.append() as transaction:
            transaction.execute(sql, (begin, end, *_STAYING))
            transaction.run_deferred()
            if _rows_to_go(transaction, begin, end):
                raise not_kept("a row that was to go is still there")
        gone(end)


def _gone_at_once(store: Store, first: int, last: int) -> bool:
    with store.append() as transaction:
        if not transaction.keep_rows_behind(last):
            return False
        if _rows_to_go(transaction, first, last):
            raise not_kept("a row that was to go is still there")
    return True


def _mostly_go(store: Store, first: int, last: int) -> bool:
    """Whether so many rows go, and so few stay behind them, that taking the others over is less work."""
    going, behind = last - first + 1, store.head().position - last
    return AT_ONCE_FROM_ROWS < going <= AT_ONCE_ROWS_MAX and behind * BEHIND_PART < going


def _rows_to_go(transaction: Transaction, first: int, last: int) -> int:
    sql = f"SELECT count(*) FROM records WHERE position >= ? AND position <= ? AND type NOT IN ({marks(_STAYING)})"
    ((count,),) = transaction.execute(sql, (first, last, *_STAYING))
    return int(count)


def _let_chains_go(store: Store, last: int) -> None:
    """Let the rows of chains go that are of records up to a position alone: at their end chains are noted."""
    while (bound := _last_of_chains_to_go(store, last)) is not None:
        with store.append() as transaction:
            transaction.execute(f"DELETE FROM {STREAM_CHAINS} WHERE position <= ?", (bound,))
            transaction.run_deferred()
            if transaction.execute(f"SELECT 1 FROM {STREAM_CHAINS} WHERE position <= ? LIMIT 1", (bound,)):
                raise not_kept("a row of chains that was to go is still there")


def _last_of_chains_to_go(store: Store, last: int) -> int | None:
    """Where the last row stands of the next ones that are to go; None where none is."""
    sql = f"SELECT position, length(chains) FROM {STREAM_CHAINS} WHERE position <= ? ORDER BY position LIMIT ?"
    rows = store._query(sql, (last, CHAIN_ROWS_AT_ONCE))
    return max((at for at, size in rows if at + size // HASH_BYTES - 1 <= last), default=None)


def _another_run(store: Store) -> StoreError:
    return StoreError(
        f"another run archives {store.name}: of what this one made nothing more counts; wait for it, there is one at a"
        " time"
    )
