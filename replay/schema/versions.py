"""The versions of a store's form, and what stores of earlier ones lack."""

from typing import Final

SCHEMA_VERSION: Final = 2
ONE_ALIAS_EVERYWHERE: Final = 1
"""Stores of this version gave a buyer one alias at all merchants; they are read and no longer appended to."""
ARCHIVED: Final = 3
"""Of this version is the form of a store of version 2 some of whose records have left it: programs that look for them
in it alone refuse it. The ledger is the same, and says 2 of itself."""
ROWS_LEFT: Final = 4
"""Of this version is the form of a store of version 2 or 3 from which whole rows of records have left: what is still
there has another name, by which programs and processes that would look for all of them there are refused."""
STILL_HERE: Final = "records_here"
"""What the table `records` is called in a store of that form."""
LEFT_LINKS: Final = "left_links"
LEFT_STREAMS: Final = "left_streams"
LEFT_NAMES: Final = "left_names"
LEFT_TABLES: Final = (LEFT_LINKS, LEFT_STREAMS, LEFT_NAMES)
"""Tables by which rows that have left are found."""
BUYERS: Final = "buyers"
LEFT_ALIASES: Final = "left_aliases"
"""Where rows of the table of aliases stand that have left it."""
ERASURES_DUE: Final = "erasures_due"
"""A table that the first stores of version 2 lack, with all LATER_TABLES, until they are upgraded."""
LATER_CHECKS: Final = ("position > 0", "version > 0")
"""What records are held to by their table since version 1 was first made."""
STREAM_CHAINS: Final = "stream_chains"
KEY_CHAINS: Final = "key_chains"
LOG_TREE: Final = "log_tree"
HEADS: Final = "heads"
HEAD_BUCKETS: Final = "head_buckets"
CHECKPOINTS: Final = "checkpoints"
COSIGNATURES: Final = "cosignatures"
LATER_TABLES: Final = (STREAM_CHAINS, KEY_CHAINS, LOG_TREE, HEADS, HEAD_BUCKETS, CHECKPOINTS, COSIGNATURES)
"""Tables that stores made by earlier versions lack until decisions or checkpoints first ask for what they hold."""
RECORD_SEGMENTS: Final = "record_segments"
"""A table that only a store has from which records have left."""
ALIAS_BYTES: Final = 16
"""What stays of a payment's record that left the store: its buyer's alias. Of any other, nothing."""
INDEX_OF_RETRACTIONS: Final = "records_by_retraction"
LATER_INDEXES: Final = {
    "records_by_time": "(stream, occurred_at)",
    INDEX_OF_RETRACTIONS: "(recorded_at, position) WHERE type = 'event.retracted'",
}
"""Indexes of records that stores made by earlier versions lack until views are first moved."""
