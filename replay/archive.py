"""The archive: sealed columnar segments of the ledger for bulk reading, and the tail that is not sealed yet.

Derived data: everything here can be made again from the store. Readers refuse what does not fit it.
"""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from replay.columns import TYPES, Columns, first_out_of_order, in_order
from replay.encoding import Named, read_named
from replay.errors import StoreError, UsageError
from replay.numbering import Numbered, names_of, names_schema, number, split
from replay.segments import (
    AGENCIES,
    BUCKETS,
    COLUMNS_FILE,
    FORMAT,
    MANIFEST,
    NAMES_FILE,
    SUBJECTS_FILE,
    Generation,
    Manifest,
    Progress,
    SegmentFile,
    bucket_of,
    columns_table,
    contents,
    file_name,
    misfit,
    names_table,
    read_manifest,
    remove_leftovers,
    write_manifest,
    write_segment,
)
from replay.store import Store

if TYPE_CHECKING:
    import pyarrow as pa

GENERATION_RECORDS: Final = 4_000_000
"""A longer stretch is sealed as several generations: memory is bounded, and a killed seal keeps what is whole."""


class Sealed(NamedTuple):
    """What a seal has done: it has sealed the records behind `before` up to `position`."""

    before: int
    position: int
    generations: int
    rows: int
    """Records that have a row; types that no rule reads have none."""
    bytes: int


class Tail(NamedTuple):
    """Records behind those that are sealed, up to `position`, by bucket."""

    position: int
    parts: dict[int, Named]


class Archive:
    """The segments in a folder, as the manifest had them when it was opened."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder = folder
        self.manifest = manifest
        self.position = manifest.generations[-1].last if manifest.generations else 0
        """Up to which position the ledger is sealed; 0 where it is not."""

    @classmethod
    def open(cls, folder: Path, ledger_id: str) -> "Archive":
        """The archive in a folder; an empty one where there is none.

        Raises DamagedError for a manifest that cannot be read, and for the segments of another ledger.
        """
        manifest = read_manifest(folder) or Manifest(FORMAT, ledger_id, BUCKETS, [])
        if manifest.ledger != ledger_id:
            raise misfit(folder / MANIFEST, f"is of the ledger {manifest.ledger}, not of {ledger_id}")
        return cls(folder, manifest)

    def read(self, bucket: int, tail: Tail | None = None, *, hashed: bool = True) -> Columns:
        """The records of a bucket, in order: the sealed ones, and those of a tail.

        `hashed=False` leaves out the check of the files' SHA-256. Raises DamagedError for a file that does not fit.
        """
        import numpy as np
        import pyarrow as pa

        parts = []
        for file in self._files(bucket, COLUMNS_FILE):
            part = _columns_of(columns_table(self.folder, file, hashed=hashed))
            row = first_out_of_order(part)
            if row is not None:
                raise misfit(self.folder / file.name, f"is not in order at row {row}")
            parts.append(part)
        if tail is not None and bucket in tail.parts:
            known = self.names(bucket, hashed=hashed)
            found = number(tail.parts[bucket], known)
            lists = names_of(pa.concat_tables([known, found.names]))
            parts.append(found.columns)
        else:
            lists = names_of(self._names(bucket, SUBJECTS_FILE, hashed=hashed))
        if len(parts) == 1:
            return parts[0]._replace(subjects=lists[0], creators=lists[1], texts=lists[2])
        columns = [
            np.concatenate([np.zeros(0, kind), *(getattr(part, name) for part in parts)]).astype(kind, copy=False)
            for name, kind in TYPES.items()
        ]
        order = in_order(columns[0], columns[1])
        return Columns._make([*(column[order] for column in columns), *lists])

    def agencies(self, tail: Tail | None = None, *, hashed: bool = True) -> Columns:
        """The records of every agency, which belong to each bucket's creators."""
        return self.read(AGENCIES, tail, hashed=hashed)

    def names(self, bucket: int, *, hashed: bool = True) -> "pa.Table":
        """The sealed names of a bucket, as `numbering.names_schema` says."""
        import pyarrow as pa

        return pa.concat_tables([self._names(bucket, kind, hashed=hashed) for kind in (SUBJECTS_FILE, NAMES_FILE)])

    def tail(self, store: Store, position: int, progress: Progress = lambda _: None) -> Tail:
        """The records behind the sealed ones up to a position, for `read`."""
        return Tail(position, stretch(store, self.position, position, progress))

    def before(self, generation: int) -> "Archive":
        """The archive as it was before its n-th generation, counted from 0."""
        generations = self.manifest.generations[:generation]
        return Archive(
            self.folder, Manifest(self.manifest.format, self.manifest.ledger, self.manifest.buckets, generations)
        )

    def check_chain(self, store: Store) -> None:
        """Raises DamagedError unless each generation ends with the chain hash that the store has there."""
        for generation in self.manifest.generations:
            rows = list(store.query("SELECT chain FROM records WHERE position = ?", (generation.last,)))
            if not rows:
                raise misfit(
                    self.folder / MANIFEST, f"goes to position {self.position}, which {store.name} does not reach"
                )
            if rows[0][0].hex() != generation.chain:
                raise misfit(
                    self.folder / MANIFEST, f"bears another chain hash at position {generation.last} than {store.name}"
                )

    def _names(self, bucket: int, kind: str, *, hashed: bool) -> "pa.Table":
        import pyarrow as pa

        tables = [names_table(self.folder, file, hashed=hashed) for file in self._files(bucket, kind)]
        return pa.concat_tables([names_schema().empty_table(), *tables])

    def _files(self, bucket: int, kind: str) -> Iterator[SegmentFile]:
        for place, generation in enumerate(self.manifest.generations, 1):
            file = generation.file(place, bucket, kind)
            if file is not None:
                yield file


def open_archive(store: Store, folder: Path | None) -> Archive:
    """The archive of a store, checked against it; an empty one where nothing was sealed or no folder is known."""
    if folder is None:
        return Archive(Path(), Manifest(FORMAT, store.identity.id, BUCKETS, []))
    archive = Archive.open(folder, store.identity.id)
    archive.check_chain(store)
    return archive


def segments_folder(store: Store, named: Path | None) -> Path | None:
    """Where the segments of a store lie: in the folder that was named, else beside an SQLite store."""
    return named or store.segments_path()


def stretch(store: Store, after: int, last: int, progress: Progress = lambda _: None) -> dict[int, Named]:
    """The records of a stretch of the ledger by bucket."""
    import numpy as np

    named = read_named(store, after, last, progress)
    buckets = [bucket_of(stream) for stream in named.streams]
    return split(named, np.array([-1 if bucket is None else bucket for bucket in buckets], np.int8))


def seal(store: Store, folder: Path, progress: Progress = lambda _: None) -> Sealed:
    """Seal what the ledger holds as this begins, while others write.

    Raises StoreError when another seal runs or the disk is full, DamagedError when what is sealed does not fit the
    store. What a generation has added stays whatever comes after it.
    """
    head = store.head()
    with _failures_named(folder):
        folder.mkdir(mode=0o700, exist_ok=True)
        with _alone(folder):
            archive = open_archive(store, folder)
            remove_leftovers(folder, archive.manifest)
            before, rows, size, added = archive.position, 0, 0, 0
            while archive.position < head.position:
                last = min(archive.position + GENERATION_RECORDS, head.position)
                archive, files = _with_generation(store, archive, last, progress)
                rows += sum(file.rows for file in files if f".{COLUMNS_FILE}." in file.name)
                size += sum(file.bytes for file in files)
                added += 1
    return Sealed(before, archive.position, added, rows, size)


def numbered(archive: Archive, parts: dict[int, Named]) -> Iterator[tuple[int, Numbered]]:
    """The columns and new names of a stretch that follows what is sealed, by bucket."""
    for bucket in sorted(parts):
        yield bucket, number(parts[bucket], archive.names(bucket))


def _with_generation(
    store: Store, archive: Archive, last: int, progress: Progress
) -> tuple[Archive, list[SegmentFile]]:
    """Write one more generation, and then the manifest with it."""
    manifest, place = archive.manifest, len(archive.manifest.generations) + 1
    parts = stretch(store, archive.position, last, progress)
    files = []
    for bucket, found in numbered(archive, parts):
        for kind, content in contents(found.columns, found.names):
            files.append(write_segment(archive.folder, file_name(place, bucket, kind), content))
    ((chain,),) = store.query("SELECT chain FROM records WHERE position = ?", (last,))
    generation = Generation(archive.position + 1, last, chain.hex(), files)
    grown = Manifest(manifest.format, manifest.ledger, manifest.buckets, [*manifest.generations, generation])
    write_manifest(archive.folder, grown)
    return Archive(archive.folder, grown), files


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Raises StoreError when another seal runs on the folder."""
    handle = os.open(folder / "lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreError(f"another seal is running on {folder}; wait for it, there is one at a time") from None
        yield
    finally:
        os.close(handle)


@contextmanager
def _failures_named(folder: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise UsageError(f"the folder {folder.parent} for the segments does not exist; make it first") from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StoreError(
                f"the disk of {folder} is full: what was sealed before is whole; make space and seal again"
            ) from error
        raise StoreError(f"the segments in {folder} cannot be written: {error.strerror or error}") from error


def _columns_of(table: "pa.Table") -> Columns:
    arrays = [table[name].combine_chunks() for name in TYPES]
    return Columns._make([*(array.to_numpy() for array in arrays), [], [], []])
