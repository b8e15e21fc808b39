"""The records of one subject, or of a few, as columns: out of the row groups that hold them, and behind these out of
the store.

Those of many subjects come out of the store alone.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from domain.buckets import bucket_of
from replay.columnar.archive import Archive
from replay.columnar.columns import CREATOR_BOUND, CREATOR_UNBOUND, TYPES, Columns, first_out_of_order, in_order
from replay.columnar.encoding import Named, Numbers, Unread
from replay.columnar.numbering import KEY, SUBJECT, names_of, names_schema, needed, number, split
from replay.columnar.reading import read_rows, read_streams
from replay.columnar.segments import COLUMNS_FILE, NAMES_FILE, SUBJECTS_FILE, columns_in, names_in
from replay.store.base.store import Store
from replay.store.searching.across import sealed_rows_of_streams, sealed_rows_since, sealed_rows_with_refs

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

ROWS_AT_ONCE: Final = 131_072
"""Sealed rows that are read together: of what is decoded no more stands in memory."""
_Arrays = list[Any]
"""One array for each of TYPES."""


def subject_columns(
    store: Store, archive: Archive, subject: str, position: int, meanwhile: Callable[[], None] = lambda: None
) -> Columns:
    """The records of a subject up to a position, in order; it bears the number 0.

    `meanwhile` is done where a second process reads, as in `read_streams`.
    Raises DamagedError for a segment that does not fit and a record that cannot be read.
    """
    tail = read_streams(store, [subject], archive.position, position, meanwhile)
    found, few = _of_bucket(archive, [subject], tail, position)
    _, creators, texts = names_of(few)
    return found._replace(creators=creators, texts=texts)


def subjects_columns(
    store: Store,
    archive: Archive,
    subjects: Collection[str],
    position: int,
    meanwhile: Callable[[], None] = lambda: None,
) -> list[Columns]:
    """The records of some creators or merchants up to a position, bucket by bucket, each in order; no categories.

    Raises the same.
    """
    import numpy as np

    buckets = defaultdict[int, list[str]](list)
    for subject in sorted(subjects):
        buckets[_bucket_of(subject)].append(subject)
    tail = read_streams(store, sorted(subjects), archive.position, position, meanwhile)
    tails = split(tail, np.array([_bucket_of(stream) for stream in tail.streams], np.int8))
    return [_of_bucket(archive, some, tails.get(bucket), position)[0] for bucket, some in buckets.items()]


def _bucket_of(subject: str) -> int:
    bucket = bucket_of(subject)
    assert bucket is not None, "subjects are judged by a scheme"
    return bucket


def columns_of_rows(store: Store, rows: Sequence[tuple[Any, ...]]) -> Columns:
    """The records of some rows of what segments are made of, in order.

    Raises DamagedError for one that cannot be read.
    """
    named, unread = read_rows(store, sorted(rows, key=itemgetter(0)))
    if unread:
        raise min(unread, key=lambda item: item.position).error
    return number(named, names_schema().empty_table()).columns


def together(parts: list[Columns]) -> Columns:
    """Columns of different subjects as one, numbered in the order given; of creators those that bindings name.

    The list is used up: never more than one column stands in memory twice.
    """
    import numpy as np

    creators = Numbers()
    subjects = [subject for part in parts for subject in part.subjects]
    firsts = np.cumsum([0, *(len(part.subjects) for part in parts)]).tolist()
    columns: list[list[Any]] = [
        [part.subject + np.int32(first) for part, first in zip(parts, firsts, strict=False)],
        *([getattr(part, name) for part in parts] for name in list(TYPES)[1:]),
    ]
    columns[list(TYPES).index("key")] = [_renumbered(part, creators) for part in parts]
    parts.clear()
    found = []
    for kind in TYPES.values():
        found.append(np.concatenate([np.zeros(0, kind), *columns.pop(0)]))
    return Columns._make([*found, subjects, list(creators), []])


def _renumbered(columns: Columns, creators: Numbers) -> "NDArray[np.int32]":
    """The keys of rows, those of bindings by the numbers of creators that all columns share."""
    import numpy as np

    rows = np.flatnonzero((columns.what == CREATOR_BOUND) | (columns.what == CREATOR_UNBOUND))
    if not len(rows):
        return columns.key
    used, places = np.unique(columns.key[rows], return_inverse=True)
    key = columns.key.copy()
    key[rows] = np.array([creators[columns.creators[place]] for place in used.tolist()], np.int32)[places]
    return key


def _of_bucket(archive: Archive, wanted: list[str], tail: Named | None, position: int) -> "tuple[Columns, pa.Table]":
    """The records of some subjects of one bucket without the names of creators and categories; and these in a table.

    `tail` is what of them is not sealed.
    """
    import numpy as np
    import pyarrow as pa

    bucket = _bucket_of(wanted[0])
    few = archive.names(bucket, SUBJECTS_FILE)
    sealed = _numbers_of(few, wanted)
    # In the order of their numbers in the bucket, new ones last: so all parts are in order as they come.
    subjects = sorted(wanted, key=lambda name: sealed.get(name, len(few)))
    parts = list(_sealed(archive, bucket, [sealed[name] for name in subjects if name in sealed], position))
    if tail is not None and len(tail.at):
        own = sorted(sealed[name] for name in tail.streams if name in sealed)
        numbered = number(tail, _known(archive, bucket, own, few, tail))
        few = pa.concat_tables([few, numbered.names])
        places = {name: place for place, name in enumerate(subjects)}
        place_of = np.array([places.get(name, -1) for name in numbered.columns.subjects], np.int32)
        parts.append([place_of[numbered.columns.subject], *numbered.columns[1 : len(TYPES)]])
    columns = Columns._make([*_merged(parts), subjects, [], []])
    pa.default_memory_pool().release_unused()  # what was read stands in arrays of its own
    return columns, few


def _numbers_of(few: "pa.Table", subjects: Sequence[str]) -> dict[str, int]:
    """By name, the numbers of those subjects of a bucket of which something is sealed."""
    wanted = {*subjects}
    rows = zip(*(few[name].to_pylist() for name in ("kind", "name", "number")), strict=True)
    return {name: number for kind, name, number in rows if kind == SUBJECT and name in wanted}


def _sealed(archive: Archive, bucket: int, subjects: list[int], position: int) -> Iterator[_Arrays]:
    """The rows up to a position of some subjects by rising numbers, which are then their places; generation by
    generation.
    """
    import numpy as np

    for file in archive.files(bucket, COLUMNS_FILE) if subjects else ():
        before: Columns | None = None
        for chunk in columns_in(archive.place, file, ROWS_AT_ONCE, subjects):
            if first_out_of_order(chunk, before) is not None:
                raise archive.place.misfit(file.name, "is not in order")
            numbers = np.array(subjects, chunk.subject.dtype)
            rows = np.flatnonzero(np.isin(chunk.subject, numbers) & (chunk.position <= position))
            own = numbers.searchsorted(chunk.subject[rows]).astype(np.int32)
            yield [own, *(getattr(chunk, name)[rows] for name in list(TYPES)[1:])]  # copies: what was read is let go
            before = chunk


def _known(archive: Archive, bucket: int, subjects: list[int], few: "pa.Table", tail: Named) -> "pa.Table":
    """What numbering records of some subjects goes on from: of their sealed names those that the records name, and the
    last ones.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if not subjects:
        return few
    texts = pa.concat_arrays([tail.name, tail.buyer]).unique()
    found = [few]
    for file in archive.files(bucket, NAMES_FILE):
        for names in names_in(archive.place, file, subjects=subjects):
            is_own = pc.is_in(names["subject"], value_set=pa.array(subjects, pa.int32()))
            found.append(needed(names.filter(pc.and_(is_own, pc.greater_equal(names["kind"], KEY))), texts))
    return pa.concat_tables(found)


def _merged(parts: list[_Arrays]) -> _Arrays:
    """Parts that follow one another by position, each in order, as one that is in order; they are used up."""
    import numpy as np

    several = len(parts) > 1
    columns = [np.concatenate([np.zeros(0, kind), *(part.pop(0) for part in parts)]) for kind in TYPES.values()]
    subject, at = columns[:2]
    falls = (subject[1:] < subject[:-1]) | ((subject[1:] == subject[:-1]) & (at[1:] < at[:-1])) if several else at[:0]
    if falls.any():
        order = in_order(subject, at)
        for place, column in enumerate(columns):
            columns[place] = column[order]
    return columns


def read_subjects(store: Store, subjects: Collection[str], position: int) -> tuple[Named, list[Unread]]:
    """All records of some subjects up to a position, out of the store, and those that cannot be read."""
    return read_rows(store, sorted(sealed_rows_of_streams(store, subjects, position), key=itemgetter(0)))


def read_since(store: Store, firsts: Mapping[str, int], position: int) -> tuple[Named, list[Unread]]:
    """The same of some subjects' records from an instant on, by subject."""
    return read_rows(store, sorted(sealed_rows_since(store, firsts, position), key=itemgetter(0)))


def read_about(
    store: Store, orders: Collection[tuple[str, str]], position: int, end: int
) -> tuple[Named, list[Unread]]:
    """The same of the records about some subjects' orders, by (subject, order), that occurred before an instant."""
    return read_rows(store, sorted(sealed_rows_with_refs(store, orders, position, end), key=itemgetter(0)))
