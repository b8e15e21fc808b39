"""Records by what they come from or are about, in whichever stream they stand."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from replay.store.base import ROW_COLUMNS, Store
from replay.store.record import Row


def rows_from(store: Store, source: str, after: str, limit: int) -> list[Row]:
    """The first records of a source whose ids stand behind one, in the order of their ids."""
    sql = "WHERE source = ? AND event_id > ? ORDER BY event_id LIMIT ?"
    return list(map(Row._make, store._records(ROW_COLUMNS, sql, (source, after, limit))))


def streams_behind_name(store: Store, after: str, end: str, limit: int) -> list[str]:
    """The first streams whose names stand behind one and before another: one step in the index each."""
    step = "SELECT min(stream) FROM records WHERE stream > {} AND stream < ?"
    rows = store._query(
        f"WITH RECURSIVE s (stream) AS ({step.format('?')} UNION ALL"
        f" SELECT ({step.format('s.stream')}) FROM s WHERE s.stream IS NOT NULL) SELECT stream FROM s LIMIT ?",
        (after, end, end, limit),
    )
    return [stream for (stream,) in rows if stream is not None]


def rows_about_in(store: Store, streams: Sequence[str], ref: str) -> Iterator[Row]:
    """The records about a ref in some streams, stream by stream in the order given."""
    for stream in streams:
        sql = "WHERE stream = ? AND ref = ? ORDER BY position"
        rows: Any = store._records(ROW_COLUMNS, sql, (stream, ref))
        yield from map(Row._make, rows)


def rows_bearing(store: Store, types: Collection[str], after: int, last: int) -> Iterator[Row]:
    """The records of some types behind a position and up to another: the database walks through that stretch."""
    marks = ", ".join("?" * len(types))
    sql = f"WHERE position > ? AND position <= ? AND type IN ({marks})"
    return map(Row._make, store._records(ROW_COLUMNS, f"{sql} ORDER BY position", (after, last, *sorted(types))))
