"""Single records out of record segments, by position.

What is read is checked: a directory by its hash in the store, a block by its hash in the directory, a record by the
position that it bears. Blocks that were read last are kept, as many as a whole segment has.
"""

from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from typing import Final, Protocol

from replay.blocks.files import Listings, SegmentBytes, SegmentInObjects, misfit
from replay.blocks.form import ENTRY, LINE_END, RAW_BYTES_MAX, RecordSegment, ranks_of
from replay.errors import damaged

KEPT_BYTES: Final = RAW_BYTES_MAX + 4 * 2**20
"""Of records: all of the segment that a walk goes through, and some others beside it."""
OPEN_MAX: Final = 16
Listing = Callable[[], Sequence[RecordSegment]]
"""Gives the segments of the store, in order."""


class FileOf(Protocol):
    """Gives the bytes of a segment, afresh or as a cache has them; found by what is listed, where that is given."""

    def __call__(self, segment: RecordSegment, afresh: bool, listings: Listings | None = None, /) -> SegmentBytes: ...


class OpenSegment:
    """A record segment that is read."""

    def __init__(self, file: SegmentBytes, segment: RecordSegment) -> None:
        self.segment, self.file = segment, file
        self.first, self.last = segment.first, segment.last
        index = file.index(segment)
        directory = index[segment.directory_at - segment.ranks_at :]
        if sha256(directory).digest() != segment.hash:
            raise misfit(file.shown, "was changed: the SHA-256 of its directory is not the one in the ledger")
        self._entries = list(ENTRY.iter_unpack(directory))
        self._firsts = [first for _, _, first, _ in self._entries]
        self._ranks = ranks_of(index[: segment.directory_at - segment.ranks_at])

    def place(self, position: int) -> tuple[int, int]:
        """The block of a record, and its number in it."""
        rank = self._ranks[position - self.first]
        block = bisect_right(self._firsts, rank) - 1
        return block, rank - self._firsts[block]

    def block(self, number: int) -> list[bytes]:
        """The records of a block. Raises DamagedError where its bytes are not those that were written."""
        import zstandard

        at, length, _, hashed = self._entries[number]
        frame = self.file.block(at, length, hashed)
        if sha256(frame).digest() != hashed:
            found = f"was changed: the SHA-256 of its block {number} is not the one in its directory"
            raise misfit(self.file.shown, found)
        return zstandard.ZstdDecompressor().decompress(frame).split(LINE_END)[:-1]

    def records(self) -> list[bytes]:
        """All of them, by position. Raises DamagedError where they are not those that were written."""
        by_rank: list[bytes] = []
        for number, end in enumerate((*self._firsts[1:], self.segment.records)):
            by_rank += self.block(number)
            if len(by_rank) != end:
                raise misfit(self.file.shown, f"was changed: its block {number} has other records than it should")
        found = [by_rank[rank] if rank < len(by_rank) else b"" for rank in self._ranks]
        for position, record in enumerate(found, self.first):
            if not bears(record, position):
                raise misfit(self.file.shown, _another(position))
        return found


def bears(record: bytes, position: int) -> bool:
    """Whether a record says that it stands at a position."""
    return b',"position":%d,"recorded_at":"' % position in record


def _another(position: int) -> str:
    return f"was changed: it gives another record for position {position}"


class Blocks:
    """The records of a ledger that have left its store."""

    def __init__(self, file_of: FileOf) -> None:
        """`file_of` says where the bytes of a segment lie."""
        self.file_of = file_of
        self._afresh = False
        self._segments: Sequence[RecordSegment] = ()
        self._lasts: list[int] = []
        self._open: OrderedDict[int, OpenSegment] = OrderedDict()
        self._latest: OpenSegment | None = None
        self._kept: OrderedDict[tuple[int, int], list[bytes]] = OrderedDict()
        self._kept_bytes = 0

    def record_at(self, position: int, listing: Listing) -> bytes:
        """The record at a position. Raises DamagedError where no segment holds it, or its file is not as it was."""
        opened = self._latest
        if opened is None or not opened.first <= position <= opened.last:
            opened = self._latest = self._opened(self._segment_of(position, listing))
        record = self._in(opened, position)
        if record is None and opened.file.forget_kept():
            opened = self._latest = self._open[opened.last] = OpenSegment(opened.file, opened.segment)
            record = self._in(opened, position)
        if record is None:
            raise misfit(opened.file.shown, _another(position))
        return record

    def _in(self, opened: OpenSegment, position: int) -> bytes | None:
        """The record at a position, whose block and number the index says; None where another stands there."""
        block, number = opened.place(position)
        records = self._kept.get((opened.last, block)) or self._block(opened, block)
        record = records[number] if number < len(records) else b""
        return record if bears(record, position) else None

    def look(self, segment: RecordSegment, listings: Listings) -> bool:
        """Look whether the file of a segment is there; of an object by what is listed. Whether it was opened, too.

        Raises DamagedError where it is not as it was written.
        """
        file = self.file_of(segment, True, listings)
        if isinstance(file, SegmentInObjects):
            file.look(segment, listings)
            return False
        OpenSegment(file, segment)
        return True

    def check(self, segment: RecordSegment) -> None:
        """Look at the file of a segment, but at no record. Raises DamagedError where it is not as it was written."""
        OpenSegment(self.file_of(segment, True), segment)

    @contextmanager
    def afresh(self) -> Iterator[None]:
        """What is read meanwhile comes from where it lies, and out of no cache."""
        self.forget()
        before, self._afresh = self._afresh, True
        try:
            yield
        finally:
            self._afresh = before

    def forget(self) -> None:
        """Let go of the memory and of the open files of what was read: who reads on opens them again."""
        self._latest = None
        self._open.clear()
        self._kept.clear()
        self._kept_bytes = 0

    def _segment_of(self, position: int, listing: Listing) -> RecordSegment:
        if not self._lasts or position > self._lasts[-1]:
            self._segments = listing()
            self._lasts = [segment.last for segment in self._segments]
        number = bisect_left(self._lasts, position)
        if number == len(self._lasts) or self._segments[number].first > position:
            raise damaged(f"the record at position {position}, which stands in no segment,")
        return self._segments[number]

    def _opened(self, segment: RecordSegment) -> OpenSegment:
        found = self._open.get(segment.last)
        if found is not None:
            self._open.move_to_end(segment.last)
            return found
        found = self._open[segment.last] = OpenSegment(self.file_of(segment, self._afresh), segment)
        if len(self._open) > OPEN_MAX:
            self._open.popitem(last=False)
        return found

    def _block(self, opened: OpenSegment, number: int) -> list[bytes]:
        """A block that is not kept; of those that are, the first that was read goes first."""
        found = self._kept[opened.last, number] = opened.block(number)
        self._kept_bytes += sum(map(len, found))
        while self._kept_bytes > KEPT_BYTES and len(self._kept) > 1:
            _, oldest = self._kept.popitem(last=False)
            self._kept_bytes -= sum(map(len, oldest))
        return found
