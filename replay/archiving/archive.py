"""Records leave a store, a segment after another.

A segment is written to a passing name, brought to the disk, read back record by record and held against the chain of
the ledger; then it gets its name and is written down in the store. Only then the rows of its records go from there,
some thousand at a time, but for those of a few types, which are looked for in all streams. A kill at any moment leaves
each record in the store, in a segment that is written down, or in both, and the next run goes on. No segment is ever
removed: one that this store does not name may be all that another copy of it has.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from replay.archiving.limit import ArchiveLimit
from replay.archiving.places import RecordsPlace, records_at
from replay.blocks.files import Listings, SegmentBytes
from replay.blocks.form import RAW_BYTES_MAX, RECORDS_MAX, Leaving, RecordSegment, packed, prefix
from replay.blocks.reading import OpenSegment
from replay.errors import DamagedError, StoreError, UsageError, damaged
from replay.objects.naming import FilesPlace
from replay.store.base.identity import refuse_one_alias_everywhere
from replay.store.base.store import Store
from replay.store.key_chains import reach
from replay.store.leaving.aliases import let_aliases_go
from replay.store.leaving.rows import Progress, begin, let_rows_go
from replay.store.leaving.segments import add_segment, archived_up_to, leaving
from replay.store.queries import chain_at
from replay.store.reading.row import leaf_hash, linked

ARCHIVING: Final = "archiving"


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
    raw_bytes: int


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
    store: Store, named: FilesPlace, limit: ArchiveLimit, progress: Progress = lambda *_: None
) -> ArchivedRecords:
    """Let the records up to a limit leave the store, while others read and write.

    `progress` is called with a phase, how many records are done in it, and of how many.
    Raises UsageError for a store in which buyers have one alias everywhere, StoreError where chains of keys are not
    kept so far, another run is at it, the disk is full or the storage cannot be reached, DamagedError where a segment
    is not there that was, a record does not fit its chain, or what was written is not what is read: then nothing of
    that segment has left. What was archived before stays so.
    """
    refuse_one_alias_everywhere(store.identity, store.name)
    place = records_at(named, store.records_beside())
    raw_bytes = file_bytes = 0
    with place.alone():
        remove_drafts(store, place)
        _check_named(store)
        before = after = archived_up_to(store)
        _check_chained(store, max(after, limit.last))
        while after < limit.last:
            stretch = _read(store, after, limit.last)
            segment = _written(store, place, stretch)
            begin(store)
            _write_down(store, segment)
            after = segment.last
            raw_bytes += stretch.raw_bytes
            file_bytes += segment.file_bytes
            progress(ARCHIVING, after - before, limit.last - before)
        if after:
            begin(store)
            let_rows_go(store, after, before, progress)
            let_aliases_go(store)
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


def _check_chained(store: Store, last: int) -> None:
    """Raises StoreError where chains of keys are not kept up to a position: they leave with the records."""
    if reach(store) < last:
        raise StoreError(
            f"the chains of keys are kept in {store.name} up to position {reach(store)}, and records are to leave up to"
            f" position {last}: nothing was archived. Run 'levelbook upgrade', which adds what is missing, then archive"
        )


def _not_named(store: Store, place: RecordsPlace, segments: Sequence[RecordSegment]) -> int:
    named = {segment.file_name(store.identity.id) for segment in segments}
    return sum(name not in named for name in place.names(prefix(store.identity.id)))


def _read(store: Store, after: int, last: int) -> _Stretch:
    """The next records, as many as a segment takes. Raises DamagedError where one does not fit its chain."""
    chain = chain_at(store, after) if after else store.identity.chain_start
    records, leaves, size = list[Leaving](), list[bytes](), 0
    rows = leaving(store, after, min(last, after + RECORDS_MAX))
    for expected, (position, stream, link, record) in enumerate(rows, after + 1):
        leaf = leaf_hash(record)
        if chain is None or position != expected or linked(chain, leaf) != link:
            raise damaged(f"the ledger at position {expected}, which does not fit its chain,")
        if size + len(record) > RAW_BYTES_MAX and records:
            break
        chain, size = link, size + len(record)
        records.append(Leaving(position, stream, record))
        leaves.append(leaf)
    if not records:
        raise damaged(f"the ledger, where position {after + 1} is missing,")
    return _Stretch(records, leaves, size)


def _written(store: Store, place: RecordsPlace, stretch: _Stretch) -> RecordSegment:
    """A segment that lies there and was read back, record by record, against the leaf hashes."""
    segment, pieces = packed(stretch.records, place.noted)

    def read_back(file: SegmentBytes) -> None:
        _read_back(file, segment, stretch.leaves, place.shown)

    place.write(segment.file_name(store.identity.id), pieces, read_back)
    return segment


def _read_back(file: SegmentBytes, segment: RecordSegment, leaves: Sequence[bytes], shown: str) -> None:
    """Raises DamagedError where a segment does not give the records that were written to it."""
    try:
        given = [leaf_hash(record) for record in OpenSegment(file, segment).records()]
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
