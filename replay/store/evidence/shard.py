"""Which part of a set of ledgers a store is: its first record says so, so that chain, seals and evidence cover it."""

from typing import Final

from domain.events import ShardMade
from replay.errors import damaged
from replay.store.decode import read_record
from replay.store.reading.asked import Asked
from replay.store.reading.readable import Readable

SHARD_STREAM: Final = "ledger/shard"
MADE: Final = "shard.made"


def shard_made(readable: Readable) -> ShardMade | None:
    """What a ledger says of itself as a shard; None where it is none. Raises DamagedError where it says so later."""
    rows = list(readable._records("position, record", Asked(SHARD_STREAM, types=(MADE,))))
    if not rows:
        return None
    if [position for position, _ in rows] != [1]:
        raise damaged(f"the record of which shard the ledger is, at position {rows[-1][0]},")
    data = read_record(MADE, bytes(rows[0][1])).data
    assert isinstance(data, ShardMade)
    return data
