"""Which ledger of a set takes which subjects: the one whose number a subject's bucket leaves.

A bucket of the columns (`replay/columnar`) so lies whole in one shard; and all agencies lie in the first, where their
bindings have one order.
"""

from functools import lru_cache
from typing import Final

from domain.buckets import bucket_of
from domain.events import ShardMade
from replay.parsing.refusals import Reason, Refusal
from replay.store.record import Candidate

SUBJECTS_REMEMBERED_MAX: Final = 1 << 16
"""Of so many subjects it is remembered: the same come again and again."""


@lru_cache(maxsize=SUBJECTS_REMEMBERED_MAX)
def shard_of(subject: str, of: int) -> int | None:
    """The number of the shard that takes a subject; None for a stream that is no subject's: each has its own."""
    bucket = bucket_of(subject)
    return None if bucket is None else bucket % of


def refused_elsewhere(item: Candidate, made: ShardMade) -> Refusal | None:
    """Why a shard does not take an event; None where it does."""
    number = shard_of(item.stream, made.of)
    if number in (None, made.number):
        return None
    return Refusal(
        Reason.OTHER_SHARD,
        f"subject: found {item.stream}, which shard {number} of the set takes, and this ledger is shard {made.number}"
        f" of {made.of}; record it with --store SET.shards, which finds the shard",
    )
