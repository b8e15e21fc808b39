"""Sealing: what the ledger has beyond its segments becomes a further generation of them."""

from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple

import msgspec

from replay.columnar.archive import Archive, whole_stretch
from replay.columnar.places.files import SegmentFile
from replay.columnar.places.opening import segments_at
from replay.columnar.segments import (
    COLUMNS_FILE,
    Generation,
    Progress,
    contents,
    file_name,
    remove_leftovers,
    switch_manifest,
)
from replay.errors import UsageError
from replay.extras import FAST, need
from replay.objects.naming import FilesPlace
from replay.store.base.store import Store
from replay.store.queries import chain_at

GENERATION_RECORDS: Final = 4_000_000
"""A longer stretch is sealed as several generations: memory is bounded, and a killed seal keeps what is whole."""
WRITERS: Final = 2


class Sealed(NamedTuple):
    """What a seal has done: records behind `before` up to `position` are sealed now and were not."""

    before: int
    position: int
    generations: int
    """How many generations there are now."""
    rows: int
    """Records that have a row, in all; types that no rule reads have none."""
    bytes: int
    """Of all segments."""
    keeps_apart: bool
    """Whether of two seals at once surely one alone switches the manifest there."""


def segments_place(store: Store, named: FilesPlace | None) -> FilesPlace:
    """Where the segments of a store lie: in the place that was named, else beside an SQLite store.

    Raises UsageError when none was named and there is no place beside the store.
    """
    place = named or store.segments_path()
    if place is None:
        raise UsageError(
            "the segments of a PostgreSQL store need a folder; name it by --segments or LEVELBOOK_SEGMENTS"
        )
    return place


def seal(store: Store, named: FilesPlace, progress: Progress = lambda _: None) -> Sealed:
    """Seal what the ledger holds as this begins, while others write.

    Raises NotInstalled without what columns take, StoreError when another seal runs in the folder, the disk is full or
    the storage cannot be reached, DamagedError when what is sealed is missing, was changed or does not fit the store,
    also where nothing is new, and when a record cannot be read. What a generation has added stays whatever comes after
    it.
    """
    need(FAST, "sealing")
    head, where = store.head(), segments_at(named)
    with where.alone():
        remove_leftovers(where)
        archive = Archive.open(where, store.identity.id)
        archive.check_chain(store)
        where.look_at(_files(archive))
        before = archive.position
        while archive.position < head.position:
            archive = _grown(store, archive, head.position, progress)
        files = _files(archive)
        position, generations = archive.position, len(archive.manifest.generations)
        del archive  # it holds the files that were replaced
        remove_leftovers(where)
    rows = sum(file.rows for file in files if f".{COLUMNS_FILE}." in file.name)
    keeps_apart = position == before or where.keeps_apart
    return Sealed(before, position, generations, rows, sum(file.bytes for file in files), keeps_apart)


def _files(archive: Archive) -> list[SegmentFile]:
    return [file for generation in archive.manifest.generations for file in generation.files]


def _grown(store: Store, archive: Archive, head: int, progress: Progress) -> Archive:
    """Write one more generation, and then the manifest with it; where another seal was first, go on from its one."""
    manifest, where = archive.manifest, archive.place
    kept = _kept(manifest.generations, head - archive.position)
    base = archive.before(kept)
    last = min(base.position + GENERATION_RECORDS, head)
    number = manifest.generations[-1].number + 1 if manifest.generations else 1
    parts = whole_stretch(store, base.position, last, progress)

    def write(bucket: int) -> list[SegmentFile]:
        found = base.numbered(bucket, parts.pop(bucket))
        return [
            where.put(file_name(number, bucket, kind), *content)
            for kind, content in contents(found.columns, found.names)
        ]

    # Sorting, compressing, hashing and waiting for the disk all let other threads work.
    with ThreadPoolExecutor(WRITERS) as writers:
        files = [file for written in writers.map(write, sorted(parts)) for file in written]
    chain = chain_at(store, last)
    assert chain is not None, "its records were read"
    generation = Generation(number, base.position + 1, last, chain.hex(), files)
    generations = [*manifest.generations[:kept], generation]
    switch_manifest(where, msgspec.structs.replace(manifest, generations=generations))
    grown = Archive.open(where, manifest.ledger)
    grown.check_chain(store)
    return grown


def _kept(generations: list[Generation], records: int) -> int:
    """How many generations stay when so many records are added.

    Those at the end that are no larger than what comes are sealed again together with it, so that also many small
    seals leave few generations, and a record is sealed again only when their size has doubled.
    """
    kept = len(generations)
    while (
        kept
        and generations[kept - 1].records <= records
        and records + generations[kept - 1].records <= (GENERATION_RECORDS)
    ):
        kept -= 1
        records += generations[kept].records
    return kept
