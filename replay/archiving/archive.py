"""Records leave a store, a segment after another.

A segment is written to a passing name, brought to the disk, read back record by record and held against the chain of
the ledger; then it gets its name and is written down in the store, and only then the bytes go from there, some thousand
at a time. A kill at any moment leaves each record in the store, in a segment that is written down, or in both, and the
next run goes on. No segment is ever removed: one that this store does not name may be all that another copy of it has.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import msgspec

from replay.archiving.limit import ArchiveLimit
from replay.archiving.places import RecordsPlace, records_at
from replay.blocks.files import Listings, SegmentBytes, misfit
from replay.blocks.form import RAW_BYTES_MAX, RECORDS_MAX, Leaving, RecordSegment, packed, prefix
from replay.blocks.reading import Blocks
from replay.errors import DamagedError, StoreError, UsageError, damaged
from replay.objects.naming import FilesPlace
from replay.schema.versions import ALIAS_BYTES, RECORD_SEGMENTS
from replay.store.base import Store, refuse_one_alias_everywhere
from replay.store.leaving.segments import (
    add_segment,
    archived_up_to,
    first_still_there,
    let_go,
    types_and_records,
)
from replay.store.queries import chain_at
from replay.store.record import leaf_hash, linked

GO_AT_ONCE: Final = 5_000
"""Records whose bytes go in one transaction: others who record wait no longer."""
PAID: Final = "order.paid"
Progress = Callable[[int], None]


class ArchivedRecords(NamedTuple):
    """What archiving has done: records behind `before` up to `position` stand in segments now and did not."""

    before: int
    position: int
    segments: int
    """How many there are now."""
    raw_bytes: int
    """Of the records that left now."""
    file_bytes: int
    """Of the segments that they went into."""
    not_named: int
    """Files of this ledger in the folder that its store does not name: of another copy of it, or left by a kill."""


class _Stretch(NamedTuple):
    """Records that become a segment."""

    records: list[Leaving]
    leaves: list[bytes]
    left_behind: list[tuple[bytes, int]]
    """What stays of each in the store, and its position."""


def records_place(store: Store, named: FilesPlace | None) -> FilesPlace:
    """Where the records of a store go: to the place that was named, else beside an SQLite store.

    Raises UsageError where none was named and there is no place beside the store.
    """
    place = named or store.records_path()
    if place is None:
        raise UsageError(
            "the records of a PostgreSQL store need a folder to go to; name it by --into or LEVELBOOK_RECORDS"
        )
    return place


def archive(
    store: Store, named: FilesPlace, limit: ArchiveLimit, progress: Progress = lambda _: None
) -> ArchivedRecords:
    """Let the records up to a limit leave the store, while others read and write.

    Raises UsageError for a store in which buyers have one alias everywhere, StoreError where another run is at it, the
    disk is full or the storage cannot be reached, DamagedError where a segment is not there that was, a record does not
    fit its chain, or what was written is not what is read: then nothing of that segment has left. What was archived
    before stays so.
    """
    refuse_one_alias_everywhere(store.identity, store.name)
    place = records_at(named, store.records_beside())
    raw_bytes = file_bytes = 0
    with place.alone():
        remove_drafts(store, place)
        _check_named(store)
        _go_on(store)
        before = after = archived_up_to(store)
        while after < limit.last:
            stretch = _read(store, after, limit.last)
            segment = _written(store, place, stretch)
            _begin(store)
            _write_down(store, segment)
            _let_go(store, stretch.left_behind)
            after = segment.last
            raw_bytes += sum(len(item.record) for item in stretch.records)
            file_bytes += segment.file_bytes
            progress(after)
    segments = store.record_segments()
    return ArchivedRecords(before, after, len(segments), raw_bytes, file_bytes, _not_named(store, place, segments))


def remove_drafts(store: Store, place: RecordsPlace) -> None:
    """Remove what a run that was killed left in a place under passing names."""
    place.remove_drafts(prefix(store.identity.id))


def _check_named(store: Store) -> None:
    """Raises DamagedError where a segment is not found that was written down: its disk may not be there, to which more
    would go.
    """
    listings = Listings()
    for segment in store.record_segments():
        store.blocks.look(segment, listings)


def _not_named(store: Store, place: RecordsPlace, segments: Sequence[RecordSegment]) -> int:
    named = {segment.file_name(store.identity.id) for segment in segments}
    return sum(name not in named for name in place.names(prefix(store.identity.id)))


def _begin(store: Store) -> None:
    """Make the table of segments, and the guards that let bytes go, where a store is archived for the first time.

    Only once a segment lies where it was to go: a place that takes none leaves the store as it was.
    """
    if store.has_table(RECORD_SEGMENTS):
        return
    with store.append() as transaction:
        if not transaction.has_table(RECORD_SEGMENTS):
            transaction.let_records_leave()


def _go_on(store: Store) -> None:
    """Let the bytes go of records that a run which was killed had brought into a segment."""
    last = archived_up_to(store)
    first = first_still_there(store, last)
    while first is not None and first <= last:
        end = min(first + GO_AT_ONCE - 1, last)
        rows = types_and_records(store, first - 1, end)
        kept = [(_left_behind(event_type, record, at), at, record) for at, _, event_type, _, record in rows]
        with store.blocks.afresh():
            _check_kept(store, kept)
        _let_go(store, [(left, position) for left, position, _ in kept])
        first = end + 1


def _check_kept(store: Store, kept: Sequence[tuple[bytes, int, bytes]]) -> None:
    """Raises DamagedError unless segments give the records that stand in the store, too."""
    for _, position, record in kept:
        if store.blocks.record_at(position, store.record_segments) != record:
            segment = next(found for found in store.record_segments() if found.last >= position)
            raise misfit(store.blocks.file_of(segment, True).shown, f"holds another record for position {position}")


def _read(store: Store, after: int, last: int) -> _Stretch:
    """The next records, as many as a segment takes. Raises DamagedError where one does not fit its chain."""
    chain = chain_at(store, after) if after else store.identity.chain_start
    found = _Stretch([], [], [])
    size, rows = 0, types_and_records(store, after, min(last, after + RECORDS_MAX))
    for position, stream, event_type, link, record in rows:
        leaf = leaf_hash(record)
        if chain is None or position != after + len(found.records) + 1 or linked(chain, leaf) != link:
            raise damaged(f"the ledger at position {after + len(found.records) + 1}, which does not fit its chain,")
        chain, size = link, size + len(record)
        if size > RAW_BYTES_MAX and found.records:
            break
        found.records.append(Leaving(position, stream, record))
        found.leaves.append(leaf)
        found.left_behind.append((_left_behind(event_type, record, position), position))
    if not found.records:
        raise damaged(f"the ledger, where position {after + 1} is missing,")
    return found


class _Buyer(msgspec.Struct):
    buyer: str


class _Payment(msgspec.Struct):
    data: _Buyer


class _PaidRecord(msgspec.Struct):
    event: _Payment


_paid: Final = msgspec.json.Decoder(_PaidRecord)


def _left_behind(event_type: str, record: bytes, position: int) -> bytes:
    """What stays of a record in the store: of a payment the alias of its buyer, by which the database finds it."""
    if event_type != PAID:
        return b""
    try:
        alias = _paid.decode(record).event.data.buyer
        found = bytes.fromhex(alias)
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError):
        raise damaged(f"the record at position {position}") from None
    if found.hex() != alias or len(found) != ALIAS_BYTES:
        raise damaged(f"the record at position {position}, whose alias is of another form than this ledger gives,")
    return found


def _written(store: Store, place: RecordsPlace, stretch: _Stretch) -> RecordSegment:
    """A segment that lies there and was read back, record by record, against the leaf hashes."""
    segment, pieces = packed(stretch.records, place.noted)

    def read_back(file: SegmentBytes) -> None:
        _read_back(file, segment, stretch.leaves, place.shown)

    place.write(segment.file_name(store.identity.id), pieces, read_back)
    return segment


def _read_back(file: SegmentBytes, segment: RecordSegment, leaves: Sequence[bytes], shown: str) -> None:
    """Raises DamagedError where a segment does not give the records that were written to it."""
    written, positions = Blocks(lambda *_: file), range(segment.first, segment.last + 1)
    try:
        given = [leaf_hash(written.record_at(position, lambda: [segment])) for position in positions]
    except DamagedError as error:
        raise _kept_otherwise(shown) from error
    if given != leaves:
        raise _kept_otherwise(shown)


def _kept_otherwise(shown: str) -> DamagedError:
    return DamagedError(
        f"what was written into {shown} is not what is read back: nothing of it has left the store. Look at what is"
        " wrong there, or name another place, then archive again"
    )


def _write_down(store: Store, segment: RecordSegment) -> None:
    with store.append() as transaction:
        if archived_up_to(transaction) + 1 != segment.first:
            raise StoreError(
                f"another run archives {store.name}: of what this one made nothing more counts; wait for it, there is"
                " one at a time"
            )
        add_segment(transaction, segment)


def _let_go(store: Store, left_behind: Sequence[tuple[bytes, int]]) -> None:
    for start in range(0, len(left_behind), GO_AT_ONCE):
        with store.append() as transaction:
            let_go(transaction, left_behind[start : start + GO_AT_ONCE])
