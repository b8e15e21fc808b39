"""The form of a record segment: a file that holds the bytes of the records of a stretch of the ledger.

It is zstd frames, one a block, of records as lines, in order of stream and position: neighbours are alike, and a
subject has few blocks. `zstd -dc` prints them. A skippable frame behind them, which that passes over, is the index: of
each record, by position, its rank in that order (two bytes), and the directory of blocks. The SHA-256 of each block
stands in the directory, that of the directory in the store.
"""

import struct
import sys
from array import array
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from typing import Final, NamedTuple

from replay.errors import DamagedError, damaged

RECORDS_MAX: Final = 65_536
"""Of a segment: its ranks have two bytes."""
RAW_BYTES_MAX: Final = 32 * 2**20
"""Of a segment, unless it is one record: who walks through it by position has all of it in memory."""
BLOCK_BYTES: Final = 128 * 1024
"""A block is whole once its records have so many."""
LEVEL: Final = 9
"""Of compression. The highest takes fifty times as long for a tenth less."""
MATCH_BYTES_MIN: Final = 6
"""What is said again in a record is long: shorter finds cost more than they save."""
LINE_END: Final = b"\n"
ENTRY: Final = struct.Struct("<QIH32s")
"""Of the directory: where a block begins, its bytes, the rank of its first record, and its SHA-256."""
_SKIPPABLE: Final = struct.Struct("<II")
_SKIPPABLE_MAGIC: Final = 0x184D2A50
RANK_BYTES: Final = 2


class RecordSegment(NamedTuple):
    """A record segment as the store has it."""

    last: int
    """The position of its last record."""
    first: int
    blocks: int
    file_bytes: int
    hash: bytes
    """SHA-256 of its directory."""
    place: str
    """The folder in which the file lies; empty for the one beside the store."""

    @property
    def records(self) -> int:
        return self.last - self.first + 1

    @property
    def directory_at(self) -> int:
        return self.file_bytes - self.blocks * ENTRY.size

    @property
    def ranks_at(self) -> int:
        return self.directory_at - self.records * RANK_BYTES

    def file_name(self, ledger_id: str) -> str:
        """What its file is called: of one ledger, and never used again for other bytes."""
        return f"{prefix(ledger_id)}{self.first:012d}-{self.last:012d}.{self.hash.hex()[:16]}{SUFFIX}"


SUFFIX: Final = ".jsonl.zst"


def prefix(ledger_id: str) -> str:
    """How the names of all files of a ledger begin."""
    return f"{ledger_id[:16]}-"


class Leaving(NamedTuple):
    """A record whose bytes are to leave the store."""

    position: int
    stream: str
    record: bytes


def packed(records: Sequence[Leaving], place: str) -> tuple[RecordSegment, list[bytes]]:
    """The segment of some records that follow one another, and what its file holds, piece by piece.

    Raises DamagedError for a record that is no line of text, which none is that was recorded.
    """
    import zstandard

    bodies = [item.record for item in records]
    streams = [item.stream for item in records]
    order = sorted(range(len(records)), key=streams.__getitem__)  # of a stream they stay in order
    ranks = array("H", bytes(RANK_BYTES * len(order)))
    for rank, number in enumerate(order):
        ranks[number] = rank
    parameters = zstandard.ZstdCompressionParameters.from_level(
        LEVEL, source_size=BLOCK_BYTES, min_match=MATCH_BYTES_MIN
    )
    compressor = zstandard.ZstdCompressor(compression_params=parameters)
    frames: list[bytes] = []
    entries: list[bytes] = []
    at = begin = 0
    for end in _block_ends([len(bodies[number]) for number in order]):
        block = LINE_END.join([*(bodies[number] for number in order[begin:end]), b""])
        if block.count(LINE_END) != end - begin:
            raise _no_line(records)
        frame = compressor.compress(block)
        entries.append(ENTRY.pack(at, len(frame), begin, sha256(frame).digest()))
        frames.append(frame)
        at, begin = at + len(frame), end
    directory = b"".join(entries)
    index = _little(ranks).tobytes() + directory
    frames += [_SKIPPABLE.pack(_SKIPPABLE_MAGIC, len(index)), index]
    whole = at + _SKIPPABLE.size + len(index)
    hashed = sha256(directory).digest()
    return RecordSegment(records[-1].position, records[0].position, len(entries), whole, hashed, place), frames


def _block_ends(sizes: Iterable[int]) -> Iterator[int]:
    """Behind which ranks blocks end, given the bytes of records."""
    size = end = 0
    for record in sizes:
        size, end = size + record + len(LINE_END), end + 1
        if size >= BLOCK_BYTES:
            yield end
            size = 0
    if size:
        yield end


def _no_line(records: Sequence[Leaving]) -> DamagedError:
    position = next(item.position for item in records if LINE_END in item.record)
    return damaged(f"the record at position {position}")


def ranks_of(content: bytes) -> "array[int]":
    """The ranks in the bytes of an index."""
    found = array("H")
    found.frombytes(content)
    return _little(found)


def _little(ranks: "array[int]") -> "array[int]":
    """Ranks in the order of bytes in which they are kept, and back."""
    if sys.byteorder == "big":
        ranks.byteswap()
    return ranks
