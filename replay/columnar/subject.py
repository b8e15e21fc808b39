"""The records of one subject as columns: out of the row groups that hold it, and behind these out of the store.

Those of many subjects come out of the store alone.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from replay.columnar.archive import Archive
from replay.columnar.columns import TYPES, Columns, first_out_of_order, in_order
from replay.columnar.encoding import Named, Unread
from replay.columnar.numbering import KEY, SUBJECT, names_of, needed, number
from replay.columnar.reading import read_rows, read_stream
from replay.columnar.segments import (
    COLUMNS_FILE,
    NAMES_FILE,
    SUBJECTS_FILE,
    bucket_of,
    columns_in,
    misfit,
    names_in,
)
from replay.store.base import Store
from replay.store.queries import sealed_rows_of_streams, sealed_rows_since, sealed_rows_with_refs

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_AT_ONCE: Final = 131_072
"""Sealed rows that are read together: of what is decoded no more stands in memory."""
_Arrays = list[Any]
"""One array for each of TYPES."""


def subject_columns(
    store: Store, archive: Archive, subject: str, position: int, meanwhile: Callable[[], None] = lambda: None
) -> Columns:
    """The records of a subject up to a position, in order; it bears the number 0.

    `meanwhile` is done where a second process reads, as in `read_stream`.
    Raises DamagedError for a segment that does not fit and a record that cannot be read.
    """
    tail = read_stream(store, subject, archive.position, position, meanwhile)

    import pyarrow as pa

    bucket = bucket_of(subject)
    assert bucket is not None, "subjects are judged by a scheme"
    few = archive.names(bucket, SUBJECTS_FILE)
    sealed = _number_of(few, subject)
    parts = [] if sealed is None else list(_sealed(archive, bucket, sealed, position))
    if len(tail.at):
        numbered = number(tail, _known(archive, bucket, sealed, few, tail))
        few = pa.concat_tables([few, numbered.names])
        parts.append(list(numbered.columns[: len(TYPES)]))
    _, creators, texts = names_of(few)
    return Columns._make([*_merged(parts), [subject], creators, texts])


def _number_of(few: "pa.Table", subject: str) -> int | None:
    """The number of a subject within its bucket; None where nothing of it is sealed."""
    import pyarrow.compute as pc

    rows = few.filter(pc.and_(pc.equal(few["kind"], SUBJECT), pc.equal(few["name"], subject)))
    return int(rows["number"][0].as_py()) if rows.num_rows else None


def _sealed(archive: Archive, bucket: int, subject: int, position: int) -> Iterator[_Arrays]:
    """Its rows up to a position, generation by generation."""
    for file in archive.files(bucket, COLUMNS_FILE):
        before: Columns | None = None
        for chunk in columns_in(archive.folder, file, ROWS_AT_ONCE, subject):
            if first_out_of_order(chunk, before) is not None:
                raise misfit(archive.folder / file.name, "is not in order")
            kind = chunk.subject.dtype.type
            first, end = chunk.subject.searchsorted([kind(subject), kind(subject + 1)]).tolist()
            found = [getattr(chunk, name)[first:end] for name in TYPES]
            known = found[2] <= position
            yield [column[known] for column in found]  # copies: what was read is let go
            before = chunk


def _known(archive: Archive, bucket: int, subject: int | None, few: "pa.Table", tail: Named) -> "pa.Table":
    """What numbering records of a subject goes on from: of its sealed names those that they name, and the last ones."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if subject is None:
        return few
    texts = pa.concat_arrays([tail.name, tail.buyer]).unique()
    found = [few]
    for file in archive.files(bucket, NAMES_FILE):
        for names in names_in(archive.folder, file, subject=subject):
            own = pc.and_(pc.equal(names["subject"], subject), pc.greater_equal(names["kind"], KEY))
            found.append(needed(names.filter(own), texts))
    return pa.concat_tables(found)


def _merged(parts: list[_Arrays]) -> _Arrays:
    """Parts that follow one another by position, each in order, as one that is in order; they are used up."""
    import numpy as np

    several = len(parts) > 1
    columns = [np.concatenate([np.zeros(0, kind), *(part.pop(0) for part in parts)]) for kind in TYPES.values()]
    columns[0] = np.zeros(len(columns[1]), columns[0].dtype)
    if several and (columns[1][1:] < columns[1][:-1]).any():
        order = in_order(columns[0], columns[1])
        for place, column in enumerate(columns):
            columns[place] = column[order]
    return columns


def read_subjects(store: Store, subjects: Collection[str], position: int) -> tuple[Named, list[Unread]]:
    """All records of some subjects up to a position, out of the store, and those that cannot be read."""
    return read_rows(store, sorted(sealed_rows_of_streams(store, subjects, position), key=itemgetter(0)))


def read_since(store: Store, firsts: Mapping[str, int], position: int) -> tuple[Named, list[Unread]]:
    """The same of some subjects' records from an instant on, by subject."""
    return read_rows(store, sorted(sealed_rows_since(store, firsts, position), key=itemgetter(0)))


def read_about(store: Store, orders: Collection[tuple[str, str]], position: int) -> tuple[Named, list[Unread]]:
    """The same of the records about some subjects' orders, by (subject, order)."""
    return read_rows(store, sorted(sealed_rows_with_refs(store, orders, position), key=itemgetter(0)))
