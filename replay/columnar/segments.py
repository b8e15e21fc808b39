"""Segments: the files of an archive, and the manifest that says which of them count.

A generation covers a stretch of the ledger. Of each bucket it has up to three Parquet files: the columns, the subjects
(with creators and categories) that were new, and the new names of their orders, violations and buyers. A file counts
once the manifest lists it, which is replaced as the last step.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from domain.buckets import AGENCIES, BUCKETS
from replay.columnar.columns import TYPES, Columns
from replay.columnar.numbering import KEY, names_schema
from replay.columnar.places.files import FILE_NAME, MANIFEST, SegmentFile, SegmentsPlace

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

Progress = Callable[[int], None]
FORMAT: Final = 1
COMPRESSION_LEVEL: Final = 3
ROW_GROUP_ROWS: Final = 16_384
"""Rows that stand together in a file: what a reader of parts holds at least of each generation."""
COLUMNS_FILE: Final = "columns"
SUBJECTS_FILE: Final = "subjects"
NAMES_FILE: Final = "names"
_DELTAS: Final = ("subject", "at", "position", "key", "buyer", "amount")
"""Columns whose neighbours are near one another; the others have few values, and a dictionary."""


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


# --- the manifest


def read_manifest(place: SegmentsPlace) -> Manifest | None:
    """The manifest of a place, or None when there is none. Raises DamagedError for one that cannot be right."""
    content = place.manifest()
    return None if content is None else _manifest_of(place, content)


def _manifest_of(place: SegmentsPlace, content: bytes) -> Manifest:
    try:
        version = msgspec.json.decode(content, type=dict[str, msgspec.Raw]).get("format")
        if version is not None and bytes(version) != b"%d" % FORMAT:
            raise place.misfit(MANIFEST, f"has format {bytes(version).decode()}, this levelbook reads {FORMAT}")
        manifest = msgspec.json.decode(content, type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise place.misfit(MANIFEST, f"cannot be read ({error})") from None
    if manifest.buckets != BUCKETS:
        raise place.misfit(MANIFEST, f"has {manifest.buckets} buckets, not {BUCKETS}")
    last = 0
    for generation in manifest.generations:
        if generation.first != last + 1 or generation.last < generation.first:
            raise place.misfit(MANIFEST, f"has a gap behind position {last}")
        last = generation.last
        for file in generation.files:
            if not FILE_NAME.fullmatch(file.name):
                raise place.misfit(MANIFEST, f"names a file {file.name!r}, which is none of a segment")
    return manifest


def switch_manifest(place: SegmentsPlace, manifest: Manifest) -> bool:
    """Let a manifest count, all of whose files were put; False where another seal was first, and its one counts."""
    content = msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"
    return place.switch(manifest.generations[-1].number, content)


def remove_leftovers(place: SegmentsPlace) -> None:
    """Remove what no manifest lists any more, unless somebody reads: what a killed seal left, what was replaced."""

    def named(content: bytes) -> list[SegmentFile]:
        return [file for generation in _manifest_of(place, content).generations for file in generation.files]

    place.tidy(named)


# --- files


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
    place: SegmentsPlace, file: SegmentFile, rows: int | None = None, subjects: Sequence[int] | None = None
) -> Iterator[Columns]:
    """The columns in a file, some row groups at a time; their lists of names stand elsewhere, and are empty here.

    About so many rows, at least one row group; all of them together where that is left out. With the rising numbers of
    some subjects only row groups that may hold rows of these.
    """
    return map(_columns, _tables(place, file, columns_schema(), rows, subjects))


def _columns(table: "pa.Table") -> Columns:
    arrays = [column.chunk(0) if column.num_chunks == 1 else column.combine_chunks() for column in table.columns]
    return Columns._make([*(array.to_numpy() for array in arrays), [], [], []])


def names_in(
    place: SegmentsPlace, file: SegmentFile, rows: int | None = None, subjects: Sequence[int] | None = None
) -> "Iterator[pa.Table]":
    """The table in a file of names, in the same way."""
    return _tables(place, file, names_schema(), rows, subjects)


def _tables(
    place: SegmentsPlace, file: SegmentFile, schema: "pa.Schema", rows: int | None, subjects: Sequence[int] | None
) -> "Iterator[pa.Table]":
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with place.opened(file) as source, pq.ParquetFile(source) as parquet:
            if parquet.schema_arrow != schema:
                raise place.misfit(file.name, "has other columns than those of a segment")
            if parquet.metadata.num_rows != file.rows:
                raise place.misfit(file.name, f"has {parquet.metadata.num_rows} rows, the manifest says {file.rows}")
            groups = _groups(parquet, subjects)
            together = max(1, len(groups) if rows is None else rows // ROW_GROUP_ROWS)
            for first in groups[::together]:
                yield parquet.read_row_groups(groups[first : first + together], use_threads=rows is None)
    except (pa.ArrowException, OSError) as error:
        raise place.misfit(file.name, f"cannot be read ({str(error).splitlines()[0]})") from None


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
