"""Records by what they come from or are about, in whichever stream they stand."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from replay.store.base.store import Store
from replay.store.reading.asked import Asked
from replay.store.reading.readable import ROW_COLUMNS
from replay.store.reading.row import Row


def rows_from(store: Store, source: str, after: str, limit: int) -> list[Row]:
    """The first records of a source whose ids stand behind one, in the order of their ids. Of a source of the ledger
    itself: its rows stay in the database.
    """
    sql = f"SELECT {ROW_COLUMNS} FROM records WHERE source = ? AND event_id > ? ORDER BY event_id LIMIT ?"
    rows = store._whole(ROW_COLUMNS, store._query(sql, (source, after, limit)))
    return list(map(Row._make, rows))


def streams_behind_name(store: Store, after: str, end: str, limit: int) -> list[str]:
    """The first streams whose names stand behind one and before another: one step in the index each."""
    step = "SELECT min(stream) FROM records WHERE stream > {} AND stream < ?"
    rows = store._query(
        f"WITH RECURSIVE s (stream) AS ({step.format('?')} UNION ALL"
        f" SELECT ({step.format('s.stream')}) FROM s WHERE s.stream IS NOT NULL) SELECT stream FROM s LIMIT ?",
        (after, end, end, limit),
    )
    streams = [stream for (stream,) in rows if stream is not None]
    if store.left is None:
        return streams
    left = [stream for stream in store.left.streams_between(after, end, limit + 1) if stream > after]
    return sorted({*streams, *left})[:limit]


def rows_about_in(store: Store, streams: Sequence[str], ref: str) -> Iterator[Row]:
    """The records about a ref in some streams, stream by stream in the order given."""
    for stream in streams:
        rows: Any = store._records(ROW_COLUMNS, Asked(stream, refs=(ref,)))
        yield from map(Row._make, rows)


def rows_bearing(store: Store, types: Collection[str], after: int, last: int) -> Iterator[Row]:
    """The records of some types behind a position and up to another: the database walks through that stretch."""
    return map(Row._make, store._records(ROW_COLUMNS, Asked(after=after, last=last, types=types)))
