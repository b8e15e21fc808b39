"""The statements by which the bytes of records leave a store: first their segment is written down, then they go.

Between the two a record stands in both, and is read from the store.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from replay.blocks.form import RecordSegment
from replay.schema.versions import ALIAS_BYTES, RECORD_SEGMENTS
from replay.store.base import Readable, Store, Transaction, not_kept

_FIELDS: Final = RecordSegment._fields
_STILL_THERE: Final = f"position <= ? AND length(record) > {ALIAS_BYTES}"


def archived_up_to(readable: Readable) -> int:
    """The position of the last record that stands in a segment; 0 where none does."""
    if not readable.has_table(RECORD_SEGMENTS):
        return 0
    ((last,),) = readable._query(f"SELECT coalesce(max(last), 0) FROM {RECORD_SEGMENTS}")
    return int(last)


def add_segment(transaction: Transaction, segment: RecordSegment) -> None:
    """Write a segment down, whose file is durable and was read back. Raises StoreError unless it is there."""
    marks = ", ".join("?" * len(_FIELDS))
    transaction.execute(f"INSERT INTO {RECORD_SEGMENTS} ({', '.join(_FIELDS)}) VALUES ({marks})", segment)
    transaction.run_deferred()
    if transaction.record_segments()[-1:] != [segment]:
        raise not_kept("a segment of records is not there, or another one")


def first_still_there(store: Store, last: int) -> int | None:
    """The first position up to one whose record stands in the store; None where none does."""
    # Bytes go in the order of positions: what is behind the last one that went is all there.
    low, high = 0, last
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (low, middle - 1) if _is_there(store, middle) else (middle, high)
    return low + 1 if low < last else None


def _is_there(store: Store, position: int) -> bool:
    sql = f"SELECT 1 FROM records WHERE position = ? AND length(record) > {ALIAS_BYTES}"
    return bool(list(store._query(sql, (position,))))


def types_and_records(store: Store, after: int, last: int) -> Iterator[tuple[int, str, str, bytes, bytes]]:
    """(position, stream, type, chain, record) of the records behind a position and up to another, in its order."""
    sql = "WHERE position > ? AND position <= ? ORDER BY position"
    return store._records("position, stream, type, chain, record", sql, (after, last))


def let_go(transaction: Transaction, left_behind: Sequence[tuple[bytes, int]]) -> None:
    """Let the bytes of some records go, of each (what stays, position). Raises StoreError unless they are gone."""
    # Of those alone that are there: a run into another folder may have gone on with what this one began.
    sql = f"UPDATE records SET record = ? WHERE position = ? AND length(record) > {ALIAS_BYTES}"
    transaction.execute_many(sql, left_behind)
    transaction.run_deferred()
    first, last = left_behind[0][1], left_behind[-1][1]
    sql = f"SELECT count(*) FROM records WHERE position >= ? AND {_STILL_THERE}"
    if transaction.execute(sql, (first, last)) != [(0,)]:
        raise not_kept("the bytes of a record that was archived are still there")


def store_bytes_of_records(store: Store, last: int) -> tuple[int, int]:
    """How many records up to a position stand in the store, and their bytes: by a walk through them."""
    sql = f"SELECT count(*), CAST(coalesce(sum(length(record)), 0) AS BIGINT) FROM records WHERE {_STILL_THERE}"
    ((count, size),) = store._query(sql, (last,))
    return int(count), int(size)
