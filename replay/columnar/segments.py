"""Segments: the files of an archive, and the manifest that says which of them count.

A generation covers a stretch of the ledger. Of each bucket it has up to three Parquet files: the columns, the subjects
(with creators and categories) that were new, and the new names of their orders, violations and buyers. A file counts
once the manifest lists it, which is replaced as the last step.
"""

import os
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from hashlib import file_digest, sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from domain.buckets import AGENCIES, BUCKETS
from replay.columnar.columns import TYPES, Columns
from replay.columnar.numbering import KEY, names_schema
from replay.errors import DamagedError
from replay.store.beside import locked, open_private, shared, sync

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

Progress = Callable[[int], None]
FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
READERS: Final = "readers.lock"
"""Locked by those who read, shared, so that nothing is removed under their hands."""
COMPRESSION_LEVEL: Final = 3
ROW_GROUP_ROWS: Final = 16_384
"""Rows that stand together in a file: what a reader of parts holds at least of each generation."""
COLUMNS_FILE: Final = "columns"
SUBJECTS_FILE: Final = "subjects"
NAMES_FILE: Final = "names"
_FILE_NAME: Final = re.compile(r"[0-9]{6}-(?:[0-9]{2}|agencies)\.(?:columns|subjects|names)\.parquet")
_DRAFT: Final = f".{MANIFEST}.new"
_DELTAS: Final = ("subject", "at", "position", "key", "buyer", "amount")
"""Columns whose neighbours are near one another; the others have few values, and a dictionary."""


class SegmentFile(msgspec.Struct, frozen=True):
    """A file of a generation."""

    name: str
    rows: int
    bytes: int
    sha256: str


class Generation(msgspec.Struct, frozen=True):
    """What one step of sealing has written: the records from position `first` to `last`."""

    number: int
    """Stands in the names of its files; never used again, also when a larger generation takes this one's place."""
    first: int
    last: int
    chain: str
    """The chain hash at `last`."""
    files: list[SegmentFile]

    @property
    def records(self) -> int:
        return self.last - self.first + 1

    def file(self, bucket: int, kind: str) -> SegmentFile | None:
        """The file of a bucket, or None where the generation has nothing of it."""
        name = file_name(self.number, bucket, kind)
        return next((file for file in self.files if file.name == name), None)


class Manifest(msgspec.Struct, frozen=True):
    """Which segments there are; generations follow one another without a gap."""

    format: int
    ledger: str
    buckets: int
    generations: list[Generation]


def file_name(generation: int, bucket: int, kind: str) -> str:
    where = "agencies" if bucket == AGENCIES else f"{bucket:02d}"
    return f"{generation:06d}-{where}.{kind}.parquet"


def misfit(path: Path, found: str) -> DamagedError:
    """A segment that does not fit: the folder is derived data, and is made again from the store."""
    return DamagedError(
        f"the segment file {path} {found}; delete the folder {path.parent} and run 'levelbook seal' again"
    )


# --- the manifest


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a folder, or None when there is none. Raises DamagedError for one that cannot be right."""
    path = folder / MANIFEST
    try:
        text = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        version = msgspec.json.decode(text, type=dict[str, msgspec.Raw]).get("format")
        if version is not None and bytes(version) != b"%d" % FORMAT:
            raise misfit(path, f"has format {bytes(version).decode()}, this levelbook reads {FORMAT}")
        manifest = msgspec.json.decode(text, type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise misfit(path, f"cannot be read ({error})") from None
    if manifest.buckets != BUCKETS:
        raise misfit(path, f"has {manifest.buckets} buckets, not {BUCKETS}")
    last = 0
    for generation in manifest.generations:
        if generation.first != last + 1 or generation.last < generation.first:
            raise misfit(path, f"has a gap behind position {last}")
        last = generation.last
        for file in generation.files:
            if not _FILE_NAME.fullmatch(file.name):
                raise misfit(path, f"names a file {file.name!r}, which is none of a segment")
    return manifest


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Replace the manifest. What it lists must be on the disk; a kill at any moment leaves the old one or this one."""
    draft = folder / _DRAFT
    write_file(draft, msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n")
    sync(folder)
    draft.replace(folder / MANIFEST)
    sync(folder)


def hold(folder: Path) -> int | None:
    """A handle that keeps the segments of a folder from being removed while it is open; None where there are none."""
    return shared(folder / READERS)


def remove_leftovers(folder: Path) -> None:
    """Remove what no manifest lists any more, unless somebody reads: what a killed seal left, what was replaced."""
    with suppress(BlockingIOError), locked(folder / READERS, BlockingIOError("somebody reads")):
        manifest = read_manifest(folder)
        listed = {file.name for generation in manifest.generations for file in generation.files} if manifest else set()
        for path in folder.iterdir():
            if path.name == _DRAFT or (_FILE_NAME.fullmatch(path.name) and path.name not in listed):
                path.unlink()


# --- files


def write_file(path: Path, content: "bytes | memoryview") -> None:
    """Write a file and wait until it is on the disk."""
    with open(path, "wb", opener=open_private) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def write_segment(folder: Path, name: str, content: "tuple[memoryview, int]") -> SegmentFile:
    """Write the bytes of a segment, given with its count of rows."""
    data, rows = content
    write_file(folder / name, data)
    return SegmentFile(name, rows, len(data), sha256(data).hexdigest())


def check_segment(folder: Path, file: SegmentFile) -> None:
    """Raises DamagedError when a segment is missing or its bytes are not as the manifest has them."""
    path = folder / file.name
    try:
        with path.open("rb") as content:
            size = os.fstat(content.fileno()).st_size
            if size != file.bytes:
                raise misfit(path, f"has {size} bytes, the manifest says {file.bytes}")
            if file_digest(content, "sha256").hexdigest() != file.sha256:
                raise misfit(path, "was changed: its SHA-256 is not the one in the manifest")
    except FileNotFoundError:
        raise misfit(path, "is missing") from None


def columns_schema() -> "pa.Schema":
    import pyarrow as pa

    return pa.schema([pa.field(name, getattr(pa, kind)(), nullable=False) for name, kind in TYPES.items()])


def contents(columns: Columns, names: "pa.Table") -> "Iterator[tuple[str, tuple[memoryview, int]]]":
    """The files of a bucket by kind, each as its bytes and rows; those without rows are left out."""
    few, many = few_and_many(names)
    for kind, content in (
        (COLUMNS_FILE, _columns_content(columns)),
        (SUBJECTS_FILE, _names_content(few)),
        (NAMES_FILE, _names_content(many)),
    ):
        if content[1]:
            yield kind, content


def few_and_many(names: "pa.Table") -> "tuple[pa.Table, pa.Table]":
    """Names of subjects, creators and categories, which every reader needs; and those within subjects."""
    import pyarrow.compute as pc

    many = pc.greater_equal(names["kind"], KEY)
    return names.filter(pc.invert(many)), names.filter(many)


def _columns_content(columns: Columns) -> "tuple[memoryview, int]":
    import pyarrow as pa

    arrays = [pa.array(column) for column in columns[: len(TYPES)]]
    few = [name for name in TYPES if name not in _DELTAS]
    return _content(
        pa.Table.from_arrays(arrays, schema=columns_schema()), few, dict.fromkeys(_DELTAS, "DELTA_BINARY_PACKED")
    )


def _names_content(names: "pa.Table") -> "tuple[memoryview, int]":
    deltas = dict.fromkeys(("subject", "number"), "DELTA_BINARY_PACKED")
    return _content(names, ["kind"], {**deltas, "name": "DELTA_BYTE_ARRAY"})


def _content(table: "pa.Table", dictionaries: list[str], encodings: dict[str, str]) -> "tuple[memoryview, int]":
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        compression="zstd",
        compression_level=COMPRESSION_LEVEL,
        use_dictionary=dictionaries,
        column_encoding=encodings,
        store_schema=False,
        row_group_size=ROW_GROUP_ROWS,
    )
    return memoryview(sink.getvalue()), table.num_rows


def columns_in(
    folder: Path, file: SegmentFile, rows: int | None = None, subjects: Sequence[int] | None = None
) -> Iterator[Columns]:
    """The columns in a file, some row groups at a time; their lists of names stand elsewhere, and are empty here.

    About so many rows, at least one row group; all of them together where that is left out. With the rising numbers of
    some subjects only row groups that may hold rows of these.
    """
    return map(_columns, _tables(folder, file, columns_schema(), rows, subjects))


def _columns(table: "pa.Table") -> Columns:
    arrays = [column.chunk(0) if column.num_chunks == 1 else column.combine_chunks() for column in table.columns]
    return Columns._make([*(array.to_numpy() for array in arrays), [], [], []])


def names_in(
    folder: Path, file: SegmentFile, rows: int | None = None, subjects: Sequence[int] | None = None
) -> "Iterator[pa.Table]":
    """The table in a file of names, in the same way."""
    return _tables(folder, file, names_schema(), rows, subjects)


def _tables(
    folder: Path, file: SegmentFile, schema: "pa.Schema", rows: int | None, subjects: Sequence[int] | None
) -> "Iterator[pa.Table]":
    import pyarrow as pa
    import pyarrow.parquet as pq

    check_segment(folder, file)
    path = folder / file.name
    try:
        with pq.ParquetFile(path) as parquet:
            if parquet.schema_arrow != schema:
                raise misfit(path, "has other columns than those of a segment")
            if parquet.metadata.num_rows != file.rows:
                raise misfit(path, f"has {parquet.metadata.num_rows} rows, the manifest says {file.rows}")
            groups = _groups(parquet, subjects)
            together = max(1, len(groups) if rows is None else rows // ROW_GROUP_ROWS)
            for first in groups[::together]:
                yield parquet.read_row_groups(groups[first : first + together], use_threads=rows is None)
    except (pa.ArrowException, OSError) as error:
        raise misfit(path, f"cannot be read ({str(error).splitlines()[0]})") from None


def _groups(parquet: "pq.ParquetFile", subjects: Sequence[int] | None) -> list[int]:
    """The row groups of a file that may hold rows of some subjects; all where none are named, or where they do not
    say.
    """
    groups, column = parquet.metadata, parquet.schema_arrow.names.index("subject")
    found = []
    for group in range(groups.num_row_groups):
        held = groups.row_group(group).column(column).statistics
        says = held is not None and held.has_min_max
        if subjects is None or not says or bisect_left(subjects, held.min) < bisect_right(subjects, held.max):
            found.append(group)
    return found
