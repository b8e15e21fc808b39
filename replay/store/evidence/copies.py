"""The tables that are kept for evidence, as a backup takes them over: in an order that their guards take."""

from collections.abc import Iterator
from typing import Any, Final

from replay.schema.versions import CHECKPOINTS, COSIGNATURES, HEAD_BUCKETS, HEADS, LOG_TREE
from replay.store.reading.readable import Readable

COPIED: Final = {
    LOG_TREE: ("level", "number", "hash"),
    HEADS: ("key_hash", "size", "state"),
    HEAD_BUCKETS: ("bucket", "size", "root", "keys"),
    CHECKPOINTS: ("size", "note"),
    COSIGNATURES: ("size", "signer", "line"),
}
"""By table, its columns, the first two of which order its rows."""


def copied_rows(readable: Readable, table: str) -> Iterator[tuple[Any, ...]]:
    """The rows of one of them in order; none where a store of an earlier version lacks it."""
    if readable.has_table(table):
        columns = COPIED[table]
        sql = f"SELECT {', '.join(columns)} FROM {table} ORDER BY {', '.join(columns[:2])}"
        yield from readable._query(sql)
