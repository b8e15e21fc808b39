"""The archive: sealed columnar segments of the ledger for bulk reading, and the tail that is not sealed yet.

Derived data: everything here can be made again from the store. Readers refuse what does not fit it.
"""

import errno
import os
import weakref
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from stat import S_ISDIR
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from domain.buckets import AGENCIES, BUCKETS, bucket_of
from replay.columnar.columns import Columns, first_out_of_order
from replay.columnar.encoding import Named, Unread
from replay.columnar.numbering import Numbered, names_of, names_schema, needed, number, split
from replay.columnar.parts import PART_ROWS, SortedRows, SubjectRange, from_subject, last_of, parts_of
from replay.columnar.places.files import MANIFEST, SegmentFile, SegmentsPlace
from replay.columnar.places.folder import FolderSegments
from replay.columnar.places.opening import segments_at
from replay.columnar.reading import read_named
from replay.columnar.segments import (
    COLUMNS_FILE,
    FORMAT,
    NAMES_FILE,
    SUBJECTS_FILE,
    Manifest,
    Progress,
    columns_in,
    names_in,
    read_manifest,
)
from replay.errors import DamagedError, NotExaminedError, NotSealedError
from replay.objects.naming import FilesPlace, are_one
from replay.store.base.store import Store
from replay.store.queries import chain_at
from replay.store.reading.row import CHAIN_START

if TYPE_CHECKING:
    import pyarrow as pa


NAMES_AT_ONCE: Final = 1_000_000
"""Sealed names of orders and buyers that are looked through together."""


class Tail(NamedTuple):
    """Records behind those that are sealed, up to `position`, by bucket."""

    position: int
    parts: dict[int, Named]
    unread: list[Unread]
    """Those that cannot be read, in order: they have no row, and what their subjects come to is not known."""


class Archive:
    """The segments in a place, as the manifest had them when it was opened; no file of theirs is removed meanwhile."""

    def __init__(self, place: SegmentsPlace, manifest: Manifest) -> None:
        self.place = place
        self.manifest = manifest
        self.position = manifest.generations[-1].last if manifest.generations else 0
        """Up to which position the ledger is sealed; 0 where it is not."""
        self.chain = bytes.fromhex(manifest.generations[-1].chain) if manifest.generations else CHAIN_START
        """The chain hash there."""
        self._cut_from: Archive | None = None

    @classmethod
    def open(cls, place: SegmentsPlace, ledger_id: str) -> "Archive":
        """The archive in a place; an empty one where there is none.

        Raises DamagedError for a manifest that cannot be read, and for the segments of another ledger.
        """
        held = place.hold()
        manifest = read_manifest(place) or Manifest(FORMAT, ledger_id, BUCKETS, [])
        if manifest.ledger != ledger_id:
            raise DamagedError(
                f"the segments in {place.shown} are of the ledger {manifest.ledger}, not of {ledger_id}: name another"
                " place for those of this ledger (--segments); 'levelbook seal' makes them there"
            )
        archive = cls(place, manifest)
        if held is not None:
            weakref.finalize(archive, os.close, held)
        return archive

    def read(self, bucket: int, tail: Tail | None = None) -> Columns:
        """The records of a bucket, in order: the sealed ones, and those of a tail; none behind the tail's position.

        Raises DamagedError for a file that does not fit.
        """
        (whole,) = self.parts(bucket, tail, rows=None)
        return whole.columns

    def parts(
        self, bucket: int, tail: Tail | None = None, *, first: int = 0, rows: int | None = PART_ROWS
    ) -> Iterator[SubjectRange]:
        """The same in parts of whole subjects, from one on, each numbered within its part; at least one part."""
        import pyarrow as pa

        known = None if tail is None or tail.position >= self.position else tail.position
        names = self.names(bucket, SUBJECTS_FILE)
        files = list(self.files(bucket, COLUMNS_FILE))
        at_once = None if rows is None else rows // max(1, len(files))
        runs = [SortedRows(self._chunks(file, first, known, at_once)) for file in files]
        if tail is not None and bucket in tail.parts:
            found = self.numbered(bucket, tail.parts[bucket])
            runs.append(SortedRows(iter([from_subject(found.columns, first)])))
            names = pa.concat_tables([names, found.names])
        lists = names_of(names)
        # A generator's variable would hold each part until the next one is made.
        return map(partial(self._within, lists, first), parts_of(runs, rows))

    def _chunks(self, file: SegmentFile, first: int, known: int | None, rows: int | None) -> Iterator[Columns]:
        """A file's rows of the subjects from one on up to a known position, in chunks."""
        before: Columns | None = None
        read = 0
        for chunk in columns_in(self.place, file, rows):
            row = first_out_of_order(chunk, before)
            if row is not None:
                raise self.place.misfit(file.name, f"is not in order at row {read + row}")
            before, read = last_of(chunk), read + len(chunk.at)
            given = [from_subject(chunk, first, known)]
            del chunk  # what this goes on to hold is the last row alone
            yield given.pop()

    def _within(self, lists: tuple[list[str], list[str], list[str]], begin: int, part: SubjectRange) -> SubjectRange:
        """A part of the subjects from one on with their names, and these numbered from 0."""
        subjects, creators, texts = lists
        first = max(begin, part.first)
        columns, end = part.columns, len(subjects) if part.end is None else part.end
        if len(columns.subject) and int(columns.subject[-1]) >= len(subjects):
            raise self.place.misfit(MANIFEST, f"has no name for subject {columns.subject[-1]} of a bucket")
        named = columns._replace(subjects=subjects[first:end], creators=creators, texts=texts)
        return SubjectRange(first, part.end, named._replace(subject=columns.subject - first) if first else named)

    def agencies(self, tail: Tail | None = None) -> Columns:
        """The records of every agency, which belong to each bucket's creators."""
        return self.read(AGENCIES, tail)

    def tail(self, store: Store, position: int, progress: Progress = lambda _: None) -> Tail:
        """The records behind the sealed ones up to a position, for `read`; none where more is sealed already."""
        return Tail(position, *stretch(store, self.position, position, progress))

    def before(self, place: int) -> "Archive":
        """The archive without its generations from the n-th on, counted from 0; it keeps this one open."""
        archive = Archive(
            self.place, msgspec.structs.replace(self.manifest, generations=self.manifest.generations[:place])
        )
        archive._cut_from = self
        return archive

    def check_chain(self, store: Store) -> None:
        """Raises DamagedError unless each generation ends with the chain hash that the store has there."""
        for generation in self.manifest.generations:
            chain = chain_at(store, generation.last)
            if chain is None:
                raise self.place.misfit(MANIFEST, f"goes to position {self.position}, beyond the end of {store.name}")
            if chain.hex() != generation.chain:
                raise self.place.misfit(
                    MANIFEST, f"bears another chain hash at position {generation.last} than {store.name}"
                )

    def numbered(self, bucket: int, part: Named) -> Numbered:
        """The columns and new names of records of a bucket that follow what is sealed."""
        import pyarrow as pa

        return number(part, pa.concat_tables([self.names(bucket, SUBJECTS_FILE), self._known(bucket, part)]))

    def _known(self, bucket: int, part: Named) -> "pa.Table":
        """What numbering these records needs of the sealed names within subjects, read some at a time."""
        import pyarrow as pa

        found = [names_schema().empty_table()]
        files = list(self.files(bucket, NAMES_FILE))
        if files:
            texts = pa.concat_arrays([part.name, part.buyer]).unique()
            for file in files:
                found += [needed(names, texts) for names in names_in(self.place, file, NAMES_AT_ONCE)]
        return pa.concat_tables(found)

    def names(self, bucket: int, kind: str) -> "pa.Table":
        """The sealed names of a bucket, of subjects, creators and categories or of those within subjects."""
        import pyarrow as pa

        tables = [names for file in self.files(bucket, kind) for names in names_in(self.place, file)]
        return pa.concat_tables([names_schema().empty_table(), *tables])

    def files(self, bucket: int, kind: str) -> Iterator[SegmentFile]:
        """The files of a bucket of one kind, generation by generation."""
        for generation in self.manifest.generations:
            file = generation.file(bucket, kind)
            if file is not None:
                yield file


def open_archive(store: Store, named: FilesPlace | None) -> Archive:
    """The archive of a store, checked against it; an empty one where nothing was sealed or no place is known.

    Raises NotExaminedError where a place that was named is not there.
    """
    if named is None:
        return Archive(FolderSegments(Path()), Manifest(FORMAT, store.identity.id, BUCKETS, []))
    check_there(store, named)
    archive = Archive.open(segments_at(named), store.identity.id)
    archive.check_chain(store)
    return archive


def check_there(store: Store, named: FilesPlace) -> None:
    """Raises NotExaminedError for a folder that is not there, but for the one beside the store, which nobody named; and
    for one that this user may not read.

    Its name may be mistyped, or its disk not be there: who reads would go on without what is sealed. Whether a bucket
    is there its listing tells.
    """
    if not isinstance(named, Path):
        return
    if not _is_folder(named):
        if _is_beside(store, named):
            return
        raise NotExaminedError(
            f"the folder {named}, which is named for sealed segments (--segments, LEVELBOOK_SEGMENTS), is not there:"
            f" nothing was read from it. Name the one in which they lie; 'levelbook seal --into {named}' makes it"
        )
    if not os.access(named, os.R_OK | os.X_OK):
        raise _unreadable(named, os.strerror(errno.EACCES))


def _is_folder(named: Path) -> bool:
    """Raises NotExaminedError where that cannot be seen, as within a folder that this user may not enter."""
    try:
        return S_ISDIR(named.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise _unreadable(named, error.strerror or str(error)) from error


def _unreadable(named: Path, found: str) -> NotExaminedError:
    return NotExaminedError(
        f"the folder of sealed segments {named} cannot be read here ({found}), which says nothing against them: let"
        " this user read it, then ask again"
    )


def _is_beside(store: Store, named: Path) -> bool:
    beside = store.segments_beside()
    return beside is not None and are_one(named, beside)


class SealedStretch(NamedTuple):
    """The records of a stretch of the ledger by bucket, and those that cannot be read."""

    parts: dict[int, Named]
    unread: list[Unread]


def stretch(store: Store, after: int, last: int, progress: Progress = lambda _: None) -> SealedStretch:
    """The records behind one position and up to another."""
    import numpy as np

    named, unread = read_named(store, after, last, progress)
    buckets = [bucket_of(stream) for stream in named.streams]
    return SealedStretch(
        split(named, np.array([-1 if bucket is None else bucket for bucket in buckets], np.int8)), unread
    )


def whole_stretch(store: Store, after: int, last: int, progress: Progress = lambda _: None) -> dict[int, Named]:
    """The same by bucket, to be sealed. Raises NotSealedError where a record that has a row cannot be read."""
    parts, unread = stretch(store, after, last, progress)
    for item in unread:
        if item.has_row:
            raise NotSealedError(f"{item.error}; until it is mended no record behind position {after} can be sealed")
    return parts
