"""Which segments hold the records of a store: written down once their files are durable and were read back."""

from collections.abc import Iterator
from typing import Final

from replay.blocks.form import RecordSegment
from replay.schema.versions import RECORD_SEGMENTS
from replay.store.base.failures import not_kept
from replay.store.base.store import Store
from replay.store.base.transaction import Transaction
from replay.store.reading.readable import Readable

_FIELDS: Final = RecordSegment._fields


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


def leaving(store: Store, after: int, last: int) -> Iterator[tuple[int, str, bytes, bytes]]:
    """(position, stream, chain, record) of records behind a position and up to another, in its order: where none of
    them is in a segment yet, so that all are in the database.
    """
    sql = "SELECT position, stream, chain, record FROM records WHERE position > ? AND position <= ? ORDER BY position"
    return store._query(sql, (after, last))


def count_leaving(store: Store, last: int) -> tuple[int, int]:
    """How many records up to a position are in no segment yet, and their bytes: by a walk through them."""
    sql = "SELECT count(*), CAST(coalesce(sum(length(record)), 0) AS BIGINT) FROM records"
    ((count, size),) = store._query(f"{sql} WHERE position > ? AND position <= ?", (archived_up_to(store), last))
    return int(count), int(size)
