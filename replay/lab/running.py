"""A trial, run: everything that its report says, counted."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from multiprocessing.connection import Connection
from typing import NamedTuple

from domain.buckets import BUCKETS
from replay.columnar.archive import Archive, Tail
from replay.columnar.columns import Columns
from replay.columnar.ledger_columns import BEGINS, LedgerColumns
from replay.errors import LevelbookError
from replay.lab.folding import JudgedPart, are_by_bucket, judged_columns, judged_parts
from replay.lab.sensitivity import Hanging, Sensitivity, sensitivity_of
from replay.lab.tally import Tally, tally_of
from replay.lab.thresholds import Threshold
from replay.lab.trial import GROUPINGS, PolicyTrial
from replay.objects.naming import FilesPlace
from replay.processes import second_core
from replay.schemes.registry import kinds_read
from replay.store.base.store import Store


class TrialResult(NamedTuple):
    """What was counted."""

    then: Tally
    """By what was known at the instants of each period."""
    now: Tally | None
    """By what is known now; None where that was not asked for."""
    thresholds: Sequence[Threshold] = ()
    hanging: Hanging | None = None
    """What hangs on these at the last period, by their places; None where that was not asked for."""


Progress = Callable[[int, int], None]
"""Called with how many of the subjects were judged, and of how many."""


def run_trial(
    store: Store,
    trial: PolicyTrial,
    by: Sequence[str] = GROUPINGS,
    segments: FilesPlace | None = None,
    progress: Progress = lambda *_: None,
    *,
    sensitivity: bool = False,
    workers: int = 1,
) -> TrialResult:
    """Judge both sides of a trial at all of its moments. Nothing is recorded.

    `by` says by what movements are grouped; `segments` where sealed segments lie, if not beside the store;
    `sensitivity` whether the candidate's thresholds are moved by a step, too; `workers` how many processes count many
    records, with this one.
    """
    asked = sensitivity_of(store, trial) if sensitivity else None
    counting = Counting(trial, by, asked)
    then, now, hanging = Tally(), Tally() if trial.asked.hindsight else None, None if asked is None else Hanging()
    done, total = 0, trial.sample.size
    if workers > 1 and are_by_bucket(store, trial):
        parts = _counted_by(workers, LedgerColumns(store, trial.head.position, segments), counting)
    else:
        parts = judged_parts(store, trial, asked, counting.counted, segments)
    for part in parts:
        then.add(part.then)
        if now is not None and part.now is not None:
            now.add(part.now)
        if hanging is not None and part.hanging is not None:
            hanging.add(part.hanging)
        done += part.subjects
        progress(done, total)
    return TrialResult(then, now, () if asked is None else asked.thresholds, hanging)


class _Counted(NamedTuple):
    """A part of the subjects, counted."""

    subjects: int
    then: Tally
    now: Tally | None
    hanging: Hanging | None


class Counting(NamedTuple):
    """How parts of a trial are counted, in any process."""

    trial: PolicyTrial
    by: Sequence[str]
    sensitivity: Sensitivity | None

    def counted(self, part: JudgedPart) -> _Counted:
        trial = self.trial
        now = tally_of(trial, part.names, part.now, self.by) if trial.asked.hindsight else None
        return _Counted(len(part.names), tally_of(trial, part.names, part.then, self.by), now, part.hanging)

    def counted_all(self, parts: Iterable[Columns]) -> list[_Counted]:
        return [self.counted(judged_columns(self.trial, self.sensitivity, columns)) for columns in parts]


# --- by several processes ---------------------------------------------------------------------------------------------


class CountingAsked(NamedTuple):
    """What another process is told."""

    counting: Counting
    archive: Archive
    tails: dict[int, Tail]
    """Of each of its buckets, what is not sealed."""


def _counted_by(workers: int, source: LedgerColumns, counting: Counting) -> Iterator[_Counted]:
    """Each process counts every so many-th bucket; those that one does not give, this one counts."""
    source.check_read(kinds_read(counting.trial.scheme))
    own, *others = (range(number, BUCKETS, workers) for number in range(min(workers, BUCKETS)))
    with ExitStack() as held:
        helpers = [held.enter_context(second_core(_serve)) for _ in others]
        for helper, buckets in zip(helpers, others, strict=True):
            tails = {bucket: source.tail_of(BEGINS[bucket]) for bucket in buckets}
            with suppress(OSError):  # it was ended, which is seen when nothing comes from it
                helper.send(CountingAsked(counting, source.archive, tails))
        yield from _counted_here(source, counting, own)
        for helper, buckets in zip(helpers, others, strict=True):
            found = _received(helper)
            yield from _counted_here(source, counting, buckets) if found is None else found


def _counted_here(source: LedgerColumns, counting: Counting, buckets: Iterable[int]) -> Iterator[_Counted]:
    for bucket in buckets:
        yield from counting.counted_all(source.parts_of(bucket))


def _received(helper: Connection) -> list[_Counted] | None:
    """What another process has counted; None where it was ended or gave up."""
    try:
        found: list[_Counted] | None = helper.recv()
    except (EOFError, OSError):
        return None
    return found


def _serve(connection: Connection) -> None:
    asked: CountingAsked = connection.recv()
    try:
        found = [
            counted
            for bucket, tail in asked.tails.items()
            for counted in asked.counting.counted_all(part.columns for part in asked.archive.parts(bucket, tail))
        ]
    except LevelbookError:  # the first process meets it, too, and raises it
        connection.send(None)
    else:
        connection.send(found)
