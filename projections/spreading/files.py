"""The files of one bucket: its rows gathered until they fill one, and what later stages need of them."""

import pickle
from collections import defaultdict
from collections.abc import Collection, Iterable
from concurrent.futures import Future
from pathlib import Path
from typing import Final, NamedTuple

import pyarrow as pa

from domain.buckets import BUCKETS
from projections.exporting.columns import arrow_schema, exported_views, file_columns
from projections.exporting.making import order_in_files
from projections.exporting.manifest import ExportedFile
from projections.exporting.parts import FILE_ROWS, FilePart, in_order, whole_of
from projections.exporting.places import ExportPlace
from projections.exporting.writing import FileWriter
from projections.spreading.bucket import Ground, of_agencies, of_subjects, rows_of_bucket, shown, subjects_in, table_of
from projections.spreading.passing import pass_on
from replay.columnar.archive import Archive
from replay.columnar.columns import Columns
from replay.columnar.segments import COLUMNS_FILE

BUCKET: Final = "bucket"
"""What the manifest calls whose rows a file holds."""
FilesByView = dict[str, list[ExportedFile]]


class BucketWork(NamedTuple):
    """What is worked out of each bucket."""

    ground: Ground
    sample: frozenset[str]
    """Subjects whose rows are held against replays."""
    known: dict[str, ExportedFile]
    """By path, files that lie in the place already."""


class Left(NamedTuple):
    """What later stages need of a bucket's rows, by table."""

    for_agencies: list[dict[str, pa.Table]]
    sampled: list[dict[str, pa.Table]]
    subjects: set[str]
    """Who has a level."""


class BucketDone(NamedTuple):
    """A bucket whose files are in the place, to stay."""

    bucket: int
    files: FilesByView
    written: int
    """Files that did not lie there already."""
    records: int


def write_bucket(
    work: BucketWork, place: ExportPlace, bucket: int, parts: Iterable[Columns]
) -> tuple[BucketDone, Left]:
    """Work out a bucket and put its files: which they are, and what later stages need."""
    left, records = Left([], [], set()), 0
    with FileWriter(place, "parquet", work.known) as writer:
        files = ViewFiles(writer, str(bucket))
        for part in rows_of_bucket(work.ground, parts):
            records += part.records
            for view in exported_views():
                table = table_of(view)
                if table is not None:
                    files.add(view, shown(view, part.tables[table]))
            left.for_agencies.append(of_agencies(part, work.ground.slots))
            left.subjects.update(subjects_in(part.tables["levels"]))
            left.sampled.append(of_subjects(part.tables, work.sample))
        found = files.put()
    place.settle()
    return BucketDone(bucket, found, len(writer.written), records), left


def leave(folder: Path, bucket: int, left: Left) -> None:
    """Leave it in a folder of this machine, for `left_of`."""
    pass_on(_path(folder, bucket), left)


def left_of(folder: Path, bucket: int) -> Left:
    """What a bucket that is done has left, which goes: each is taken once."""
    path = _path(folder, bucket)
    found: Left = pickle.loads(path.read_bytes())
    path.unlink()
    return found


def _path(folder: Path, bucket: int) -> Path:
    return folder / f"bucket-{bucket}"


def largest_first(archive: Archive) -> list[int]:
    """All buckets, those of most sealed records first, so that nobody ends long before the others."""
    sizes = [sum(file.rows for file in archive.files(bucket, COLUMNS_FILE)) for bucket in range(BUCKETS)]
    return sorted(range(BUCKETS), key=lambda bucket: -sizes[bucket])


class ViewFiles:
    """Rows by view, put as files whenever there are enough for one."""

    def __init__(self, writer: FileWriter, bucket: str | None) -> None:
        self._writer, self._bucket = writer, bucket
        self._held: dict[str, list[pa.Table]] = defaultdict(list)
        self._files: dict[str, list[Future[ExportedFile]]] = defaultdict(list)

    def add(self, view: str, rows: pa.Table) -> None:
        held = self._held[view]
        if rows.num_rows:
            held.append(rows)
        if sum(table.num_rows for table in held) >= FILE_ROWS:
            self._put(view)

    def put(self, always: Collection[str] = ()) -> FilesByView:
        """All files, once they are there; of the views that are named `always` one also where there is no row."""
        for view in exported_views():
            if self._held[view] or (view in always and view not in self._files):
                self._put(view)
        return {view: [file.result() for file in files] for view, files in self._files.items()}

    def _put(self, view: str) -> None:
        whole = whole_of(self._held.pop(view, ()), arrow_schema(file_columns(view))).table
        rows = in_order(whole, order_in_files(view)).combine_chunks()
        self._files[view].append(self._writer.put(view, FilePart({BUCKET: self._bucket}, rows)))
