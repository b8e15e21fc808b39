"""The archive: sealed columnar segments of the ledger for bulk reading, and the tail that is not sealed yet.

Derived data: everything here can be made again from the store. Readers refuse what does not fit it.
"""

import os
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from replay.columns import TYPES, Columns, first_out_of_order, in_order
from replay.encoding import Named, read_named
from replay.numbering import Numbered, names_of, names_schema, number, split
from replay.record import CHAIN_START
from replay.segments import (
    AGENCIES,
    BUCKETS,
    COLUMNS_FILE,
    FORMAT,
    MANIFEST,
    NAMES_FILE,
    SUBJECTS_FILE,
    Manifest,
    Progress,
    SegmentFile,
    bucket_of,
    columns_in,
    hold,
    misfit,
    names_table,
    read_manifest,
)
from replay.store import Store

if TYPE_CHECKING:
    import pyarrow as pa


class Tail(NamedTuple):
    """Records behind those that are sealed, up to `position`, by bucket."""

    position: int
    parts: dict[int, Named]


class Archive:
    """The segments in a folder, as the manifest had them when it was opened; no file of theirs is removed meanwhile."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder = folder
        self.manifest = manifest
        self.position = manifest.generations[-1].last if manifest.generations else 0
        """Up to which position the ledger is sealed; 0 where it is not."""
        self.chain = bytes.fromhex(manifest.generations[-1].chain) if manifest.generations else CHAIN_START
        """The chain hash there."""

    @classmethod
    def open(cls, folder: Path, ledger_id: str) -> "Archive":
        """The archive in a folder; an empty one where there is none.

        Raises DamagedError for a manifest that cannot be read, and for the segments of another ledger.
        """
        held = hold(folder)
        manifest = read_manifest(folder) or Manifest(FORMAT, ledger_id, BUCKETS, [])
        if manifest.ledger != ledger_id:
            raise misfit(folder / MANIFEST, f"is of the ledger {manifest.ledger}, not of {ledger_id}")
        archive = cls(folder, manifest)
        if held is not None:
            weakref.finalize(archive, os.close, held)
        return archive

    def read(self, bucket: int, tail: Tail | None = None, *, hashed: bool = True) -> Columns:
        """The records of a bucket, in order: the sealed ones, and those of a tail; none behind the tail's position.

        `hashed=False` leaves out the check of the files' SHA-256. Raises DamagedError for a file that does not fit.
        """
        import pyarrow as pa

        parts = []
        for file in self._files(bucket, COLUMNS_FILE):
            part = columns_in(self.folder, file, hashed=hashed)
            row = first_out_of_order(part)
            if row is not None:
                raise misfit(self.folder / file.name, f"is not in order at row {row}")
            parts.append(part)
        if tail is not None and bucket in tail.parts:
            names = self.names(bucket, hashed=hashed)
            found = number(tail.parts[bucket], names)
            lists = names_of(pa.concat_tables([names, found.names]))
            parts.append(found.columns)
        else:
            lists = names_of(self._names(bucket, SUBJECTS_FILE, hashed=hashed))
        merged = _merged(parts)
        if tail is not None and tail.position < self.position:
            known = merged.position <= tail.position
            merged = Columns._make([*(getattr(merged, name)[known] for name in TYPES), [], [], []])
        return merged._replace(subjects=lists[0], creators=lists[1], texts=lists[2])

    def agencies(self, tail: Tail | None = None, *, hashed: bool = True) -> Columns:
        """The records of every agency, which belong to each bucket's creators."""
        return self.read(AGENCIES, tail, hashed=hashed)

    def names(self, bucket: int, *, hashed: bool = True) -> "pa.Table":
        """The sealed names of a bucket, as `numbering.names_schema` says."""
        import pyarrow as pa

        return pa.concat_tables([self._names(bucket, kind, hashed=hashed) for kind in (SUBJECTS_FILE, NAMES_FILE)])

    def tail(self, store: Store, position: int, progress: Progress = lambda _: None) -> Tail:
        """The records behind the sealed ones up to a position, for `read`; none where more is sealed already."""
        return Tail(position, stretch(store, self.position, position, progress))

    def before(self, place: int) -> "Archive":
        """The archive without its generations from the n-th on, counted from 0; to be used while this one is open."""
        return Archive(
            self.folder, msgspec.structs.replace(self.manifest, generations=self.manifest.generations[:place])
        )

    def check_chain(self, store: Store) -> None:
        """Raises DamagedError unless each generation ends with the chain hash that the store has there."""
        path = self.folder / MANIFEST
        for generation in self.manifest.generations:
            rows = list(store.query("SELECT chain FROM records WHERE position = ?", (generation.last,)))
            if not rows:
                raise misfit(path, f"goes to position {self.position}, beyond the end of {store.name}")
            if rows[0][0].hex() != generation.chain:
                raise misfit(path, f"bears another chain hash at position {generation.last} than {store.name}")

    def numbered(self, bucket: int, part: Named) -> Numbered:
        """The columns and new names of records of a bucket that follow what is sealed."""
        return number(part, self.names(bucket))

    def _names(self, bucket: int, kind: str, *, hashed: bool) -> "pa.Table":
        import pyarrow as pa

        tables = [names_table(self.folder, file, hashed=hashed) for file in self._files(bucket, kind)]
        return pa.concat_tables([names_schema().empty_table(), *tables])

    def _files(self, bucket: int, kind: str) -> Iterator[SegmentFile]:
        for generation in self.manifest.generations:
            file = generation.file(bucket, kind)
            if file is not None:
                yield file


def _merged(parts: list[Columns]) -> Columns:
    """Stretches that are each in order and follow one another, as one that is in order; `parts` is used up.

    Column by column, so that never more than one is held twice.
    """
    import numpy as np

    if len(parts) == 1:
        return parts[0]
    held = [[getattr(part, name) for part in parts] for name in TYPES]
    parts.clear()
    order = in_order(*(np.concatenate([np.zeros(0, kind), *held[place]]) for place, kind in enumerate(("i4", "i8"))))
    columns = []
    for kind in TYPES.values():
        columns.append(np.concatenate([np.zeros(0, kind), *held.pop(0)])[order])
    return Columns._make([*columns, [], [], []])


def open_archive(store: Store, folder: Path | None) -> Archive:
    """The archive of a store, checked against it; an empty one where nothing was sealed or no folder is known."""
    if folder is None:
        return Archive(Path(), Manifest(FORMAT, store.identity.id, BUCKETS, []))
    archive = Archive.open(folder, store.identity.id)
    archive.check_chain(store)
    return archive


def stretch(store: Store, after: int, last: int, progress: Progress = lambda _: None) -> dict[int, Named]:
    """The records of a stretch of the ledger by bucket."""
    import numpy as np

    named = read_named(store, after, last, progress)
    buckets = [bucket_of(stream) for stream in named.streams]
    return split(named, np.array([-1 if bucket is None else bucket for bucket in buckets], np.int8))
