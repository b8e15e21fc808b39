"""Buckets worked out by Apache Spark: a task a bucket, which reads its own segments and writes its own files.

Spark moves no record. What is exchanged, once, are the months of creators that agencies are judged by, each to the
group of its agencies; what it loses, a task or a machine, it has done again.
"""

import pickle
import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from domain.buckets import BUCKETS
from projections.projector.fill import FILLING, Progress
from projections.spreading.across import Across
from projections.spreading.agencies import groups_needed, groups_of, kept_by_group
from projections.spreading.files import BucketDone, BucketWork, Left, largest_first
from projections.spreading.stages import (
    DONE,
    JUDGED,
    REFUSED,
    TASKS,
    BucketTask,
    OnMachines,
    Task,
    first_stage,
    packed,
    second_stage,
)
from replay.columnar.jit import sources_hash
from replay.columnar.ledger_columns import BEGINS
from replay.errors import StoreError
from replay.objects.naming import FilesPlace, place_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

TOLD_EACH_SECONDS: Final = 0.5


class OnSpark:
    """Spark, which works out every bucket and every agency."""

    def __init__(self, session: "SparkSession") -> None:
        self._session = session

    def worked_out(
        self, across: Across, work: BucketWork, place: str, progress: Progress
    ) -> Iterator[tuple[BucketDone, Left]]:
        """Every bucket, once all are done and what agencies came to is taken over.

        Raises what a task refuses, and StoreError where Spark gives up.
        """
        kept, reader = across.kept(), across.reader
        most = max(BUCKETS, self._session.sparkContext.defaultParallelism)
        groups = groups_of(kept["bindings"], groups_needed(kept["bindings"], most))
        segments = _everywhere(reader.place or Path())
        manifest = reader.archive.manifest
        sent = OnMachines(work, segments, manifest, _everywhere(place_of(place)), groups, sources_hash())
        buckets = [BucketTask(bucket, reader.tail_of(BEGINS[bucket])) for bucket in largest_first(reader.archive)]
        tasks: list[Task] = [*buckets, list(kept_by_group(kept, across.agencies(), groups))]
        told = told_by_spark(self._session, sent, list(map(packed, tasks)), across.build.total, progress)
        for what, content in told:
            if what == JUDGED:
                across.take_judged(content)
        yield from (content for what, content in told if what == DONE)


def _everywhere(place: FilesPlace) -> FilesPlace:
    """A folder by its whole path, since processes of other machines begin in folders of their own."""
    return place.absolute() if isinstance(place, Path) else place


def frame_of(session: "SparkSession", sent: OnMachines, tasks: Sequence[bytes], counted: Any) -> "DataFrame":
    """What both stages tell, as a frame that nothing has worked out yet: a partition a task, then one a group."""
    given = session.createDataFrame(pa.table([pa.array(tasks, pa.binary())], TASKS))
    told = "group int, what string, content binary"
    first = given.mapInArrow(partial(first_stage, sent, counted), told)
    return first.repartitionById(sent.groups.number, "group").mapInArrow(partial(second_stage, sent), told)


def told_by_spark(
    session: "SparkSession", sent: OnMachines, tasks: Sequence[bytes], total: int, progress: Progress
) -> list[tuple[str, Any]]:
    """What both stages tell, JUDGED and DONE.

    Raises what they refuse; StoreError where Spark gives up.
    """
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    records = session.sparkContext.accumulator(0)
    frame = frame_of(session, sent, tasks, records.add)
    with ThreadPoolExecutor(1) as pool:
        collected = pool.submit(frame.collect)
        try:
            while not wait_for([collected], TOLD_EACH_SECONDS).done:
                progress(FILLING, records.value, max(total, records.value))
            rows = collected.result()
        except (PySparkException, Py4JError) as error:
            raise StoreError(
                f"Spark gave up the rebuild: {_cause_of(error)}. The manifest was left as it was; see to what its log"
                " says, then rebuild again"
            ) from error
        except BaseException:
            session.sparkContext.cancelAllJobs()
            raise
    return opened(rows)


def opened(rows: Iterable[tuple[int, str, bytes]]) -> list[tuple[str, Any]]:
    """What is told in some rows. Raises the first thing that is refused."""
    found = [(what, pickle.loads(content)) for _, what, content in rows]
    for what, content in found:
        if what == REFUSED:
            raise content
    return found


def _cause_of(error: Exception) -> str:
    """The line of an error that says most, without the traces of two languages: the last one of the innermost."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    named = [line.strip() for line in lines if _NAMES_AN_ERROR.match(line)]
    return named[0] if named else lines[0] if lines else type(error).__name__


_NAMES_AN_ERROR: Final = re.compile(r"(?:Caused by: )?[A-Za-z_][\w.]*(?:Error|Exception|Interrupt)\b")
