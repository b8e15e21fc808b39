"""Sealing: what the ledger has beyond its segments becomes a further generation of them."""

import errno
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from replay.columnar.archive import Archive, open_archive, whole_stretch
from replay.columnar.segments import (
    COLUMNS_FILE,
    Generation,
    Progress,
    SegmentFile,
    check_segment,
    contents,
    file_name,
    remove_leftovers,
    write_manifest,
    write_segment,
)
from replay.errors import StoreError, UsageError
from replay.extras import FAST, need
from replay.store.base import Store
from replay.store.beside import locked
from replay.store.queries import chain_at

GENERATION_RECORDS: Final = 4_000_000
"""A longer stretch is sealed as several generations: memory is bounded, and a killed seal keeps what is whole."""
LOCK: Final = "seal.lock"
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


def segments_folder(store: Store, named: Path | None) -> Path:
    """Where the segments of a store lie: in the folder that was named, else beside an SQLite store.

    Raises UsageError when none was named and there is no place beside the store.
    """
    folder = named or store.segments_path()
    if folder is None:
        raise UsageError(
            "the segments of a PostgreSQL store need a folder; name it by --segments or LEVELBOOK_SEGMENTS"
        )
    return folder


def seal(store: Store, folder: Path, progress: Progress = lambda _: None) -> Sealed:
    """Seal what the ledger holds as this begins, while others write.

    Raises NotInstalled without what columns take, StoreError when another seal runs or the disk is full,
    DamagedError when what is sealed is missing, was changed or does not fit the store, also where nothing is new, and
    when a record cannot be read. What a generation has added stays whatever comes after it.
    """
    need(FAST, "sealing")
    head = store.head()
    if not folder.parent.is_dir():
        raise UsageError(f"the folder {folder.parent} for the segments does not exist; make it first")
    with _failures_named(folder):
        folder.mkdir(mode=0o700, exist_ok=True)
        with _alone(folder):
            remove_leftovers(folder)
            archive = open_archive(store, folder)
            for generation in archive.manifest.generations:
                for file in generation.files:
                    check_segment(folder, file)
            before = archive.position
            while archive.position < head.position:
                archive = _grown(store, archive, head.position, progress)
            files = [file for generation in archive.manifest.generations for file in generation.files]
            place, generations = archive.position, len(archive.manifest.generations)
            del archive  # it holds the files that were replaced
            remove_leftovers(folder)
    rows = sum(file.rows for file in files if f".{COLUMNS_FILE}." in file.name)
    return Sealed(before, place, generations, rows, sum(file.bytes for file in files))


def _grown(store: Store, archive: Archive, head: int, progress: Progress) -> Archive:
    """Write one more generation, and then the manifest with it."""
    manifest, folder = archive.manifest, archive.folder
    kept = _kept(manifest.generations, head - archive.position)
    base = archive.before(kept)
    last = min(base.position + GENERATION_RECORDS, head)
    place = manifest.generations[-1].number + 1 if manifest.generations else 1
    parts = whole_stretch(store, base.position, last, progress)

    def write(bucket: int) -> list[SegmentFile]:
        found = base.numbered(bucket, parts.pop(bucket))
        return [
            write_segment(folder, file_name(place, bucket, kind), content)
            for kind, content in contents(found.columns, found.names)
        ]

    # Sorting, compressing, hashing and waiting for the disk all let other threads work.
    with ThreadPoolExecutor(WRITERS) as writers:
        files = [file for written in writers.map(write, sorted(parts)) for file in written]
    chain = chain_at(store, last)
    assert chain is not None, "its records were read"
    generation = Generation(place, base.position + 1, last, chain.hex(), files)
    generations = [*manifest.generations[:kept], generation]
    write_manifest(folder, msgspec.structs.replace(manifest, generations=generations))
    return Archive.open(folder, manifest.ledger)


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


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Raises StoreError when another seal runs on the folder."""
    busy = StoreError(f"another seal is running on {folder}; wait for it, there is one at a time")
    with locked(folder / LOCK, busy):
        yield


@contextmanager
def _failures_named(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StoreError(
                f"the disk of {folder} is full: what was sealed before is whole; make space and seal again"
            ) from error
        raise StoreError(f"the segments in {folder} cannot be written: {error.strerror or error}") from error
