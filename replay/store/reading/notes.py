"""The notes of where rows stand that left a store as they are kept, and the rows that are still here beside them."""

from collections.abc import Iterator
from typing import Any, Final

from replay.schema.versions import LEFT_NAMES, LEFT_STREAMS
from replay.store.reading.form import CLAIM_BUCKET, entries_in, position_of
from replay.store.reading.readable import ROW_COLUMNS, Readable

ROWS_A_PAGE: Final = 1_000


def stretch_ends(readable: Readable, up_to: int) -> list[int]:
    """Where the stretches end that left together, up to a position."""
    step = f"SELECT min(last) FROM {LEFT_STREAMS} WHERE last > {{}}"
    rows = readable._query(
        f"WITH RECURSIVE s (last) AS ({step.format(0)} UNION ALL"
        f" SELECT ({step.format('s.last')}) FROM s WHERE s.last IS NOT NULL)"
        " SELECT last FROM s WHERE last <= ?",
        (up_to,),
    )
    return [int(end) for (end,) in rows]


def times_of_stretch(readable: Readable, end: int) -> dict[str, tuple[int, int]]:
    """By stream, between which instants its records of a stretch occurred, as is noted."""
    rows = readable._query(f"SELECT stream, first_time, last_time FROM {LEFT_STREAMS} WHERE last = ?", (end,))
    return {stream: (first, last) for stream, first, last in rows}


def stream_notes(readable: Readable, up_to: int) -> Iterator[tuple[Any, ...]]:
    """(stream, end of the stretch, first version, first position, last position, count, places) of all stretches up to
    a position.
    """
    columns = "stream, last, first_version, first_position, last_position, count, places"
    return readable._query(f"SELECT {columns} FROM {LEFT_STREAMS} WHERE last <= ?", (up_to,))


def entries_up_to(readable: Readable, up_to: int) -> Iterator[tuple[int, list[int]]]:
    """The entries of buckets up to a position; what is behind it counts not yet, or never.

    Raises DamagedError where a row holds none.
    """
    sql = f"SELECT bucket, entries FROM {LEFT_NAMES} WHERE bucket <> {CLAIM_BUCKET}"
    for bucket, packed in readable._query(sql):
        entries = entries_in(bucket, bytes(packed))
        if position_of(entries[-1]) > up_to:
            entries = [entry for entry in entries if position_of(entry) <= up_to]
        yield bucket, entries


def rows_here(readable: Readable, after: int, last: int) -> list[tuple[Any, ...]]:
    """The columns of `Row` of the next rows of the database behind a position and up to another: a page of them."""
    sql = f"SELECT {ROW_COLUMNS} FROM records WHERE position > ? AND position <= ? ORDER BY position LIMIT ?"
    return list(readable._query(sql, (after, last, ROWS_A_PAGE)))
