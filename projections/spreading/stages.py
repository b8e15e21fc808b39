"""The two stages of a rebuild on machines: buckets worked out and written, then agencies judged in groups.

Each stage is a function of batches of Arrow, which any engine can call that hands batches over; between them, batches
go by `group`. Done again, a stage gives the same: files are named by their content. What cannot be worked out is told
and not raised, since an engine would only try it again.
"""

import pickle
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial
from typing import Final, NamedTuple

import pyarrow as pa

from projections.exporting.naming import place_at
from projections.spreading.agencies import GroupRows, Groups, GroupTables, creators_by_group, judged
from projections.spreading.files import BucketWork, write_bucket
from replay.columnar.archive import Archive, Tail
from replay.columnar.jit import sources_hash
from replay.columnar.parts import PART_ROWS
from replay.columnar.places.opening import segments_at
from replay.columnar.segments import Manifest
from replay.errors import LevelbookError
from replay.objects.naming import FilesPlace

DONE: Final = "done"
JUDGED: Final = "judged"
REFUSED: Final = "refused"
"""What a stage tells beside tables: a bucket that is done, what a group came to, what cannot be worked out."""
TASKS: Final = pa.schema([pa.field("task", pa.binary(), nullable=False)])
"""What the first stage reads."""
TOLD: Final = pa.schema(
    [
        pa.field("group", pa.int32(), nullable=False),
        pa.field("what", pa.string(), nullable=False),
        pa.field("content", pa.binary(), nullable=False),
    ]
)
"""What both stages give: of which group (0 for what is of none), a table's name or what else it is, and that."""
Batches = Iterable[pa.RecordBatch]


class OnMachines(NamedTuple):
    """What is sent to every machine."""

    work: BucketWork
    segments: FilesPlace
    """Where sealed segments lie: under one name for every machine, which reads them with keys of its own."""
    manifest: Manifest
    """Those of them that count."""
    place: FilesPlace
    """Where files are written, in the same way."""
    groups: Groups
    sources: str
    """By which the rules are recognised: another version would come to other levels in silence."""


class BucketTask(NamedTuple):
    """A bucket to be worked out."""

    bucket: int
    tail: Tail
    """What of it is not sealed."""


Task = BucketTask | list[GroupRows]
"""A bucket; or rows that groups need, which are handed on."""
Counted = Callable[[int], None]
"""Told how many records are done."""


def packed(task: Task) -> bytes:
    """As the first stage reads it."""
    return pickle.dumps(task)


def first_stage(sent: OnMachines, counted: Counted, batches: Batches) -> Iterator[pa.RecordBatch]:
    """Of each task (TASKS) what it comes to (TOLD): tables by group, and that a bucket is done."""
    for batch in batches:
        for task in batch.column(0).to_pylist():
            yield from _told(partial(_of_task, sent, counted, pickle.loads(task)))


def second_stage(sent: OnMachines, batches: Batches) -> Iterator[pa.RecordBatch]:
    """What is told (TOLD) of whole groups: what is of none is handed on, agencies are judged."""
    tables: dict[str, list[pa.Table]] = defaultdict(list)
    for batch in batches:
        for told in batch.to_pylist():
            if told["what"] in (DONE, REFUSED):
                yield _batch(0, told["what"], told["content"])
            else:
                tables[told["what"]].append(_table(told["content"]))
    if tables:
        found: GroupTables = {name: pa.concat_tables(some) for name, some in tables.items()}
        yield from _told(partial(_of_group, sent, found))


def _of_task(sent: OnMachines, counted: Counted, task: Task) -> Iterator[pa.RecordBatch]:
    check_sources(sent.sources)
    if not isinstance(task, BucketTask):
        yield from map(_batch_of, task)
        return
    archive = Archive(segments_at(sent.segments), sent.manifest)
    parts = (part.columns for part in archive.parts(task.bucket, task.tail, rows=PART_ROWS))
    done, left = write_bucket(sent.work, place_at(sent.place), task.bucket, parts)
    for tables in left.for_agencies:
        yield from map(_batch_of, creators_by_group(tables, sent.groups))
    yield _batch(0, DONE, pickle.dumps((done, left._replace(for_agencies=[]))))
    counted(done.records)


def _of_group(sent: OnMachines, tables: GroupTables) -> Iterator[pa.RecordBatch]:
    check_sources(sent.sources)
    yield _batch(0, JUDGED, pickle.dumps(judged(sent.work.ground, tables)))


def check_sources(sources: str) -> None:
    """Raises LevelbookError where this machine has other rules, or other packages that compile them."""
    if _own_sources() != sources:
        raise LevelbookError(
            "a machine has another levelbook, Python or numba than the one that began the rebuild: its levels could be"
            " others; install the same everywhere"
        )


@cache
def _own_sources() -> str:
    """Once a process, which works at many tasks."""
    return sources_hash()


def _told(work: Callable[[], Iterator[pa.RecordBatch]]) -> Iterator[pa.RecordBatch]:
    """What some work tells; in the place of an error that doing it again would not mend, that error."""
    try:
        yield from work()
    except LevelbookError as error:
        yield _batch(0, REFUSED, pickle.dumps(error))


def _batch_of(rows: GroupRows) -> pa.RecordBatch:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.rows.schema) as writer:
        writer.write_table(rows.rows)
    return _batch(rows.group, rows.table, sink.getvalue().to_pybytes())


def _batch(group: int, what: str, content: bytes) -> pa.RecordBatch:
    values = [[group], [what], [content]]
    return pa.record_batch([pa.array(value, field.type) for value, field in zip(values, TOLD, strict=True)], TOLD)


def _table(content: bytes) -> pa.Table:
    return pa.ipc.open_stream(content).read_all()
