"""An ingest: files → the ledger, a batch to a transaction, refused lines to the rejects file.

Everything up to an acknowledged batch survives a crash; ingesting the same files again completes
what a crash left out, because what is known changes nothing.
"""

import heapq
import pickle
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from operator import add
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, Protocol

from domain.limits import BATCH_LINES_MAX
from replay.append import Appender, Stamper, declared_clock, ledger_clock
from replay.bulk import rare_cycle_search
from replay.decoding import DecodedBlock, Line, decoded, decoded_with_help
from replay.lines import STANDARD_INPUT, BrokenInput, blocks
from replay.oddities import Oddities
from replay.received import Undocumented
from replay.record import Candidate
from replay.refusals import Reason, Refusal
from replay.rejects import Rejects
from replay.store import Head, Transaction

SORT_LINES: Final = 50_000
"""Lines of a backfill that are sorted in memory at once, and merged from temporary files."""
MERGE_RUNS: Final = 100
"""So many sorted runs are merged into one, so that neither memory nor open files grow with the input."""
_SPILL_LINES: Final = 50
_SPILL_BYTES: Final = 1 << 18
BATCH_BYTES: Final = 1 << 24
SORT_BYTES: Final = 1 << 25


@dataclass
class Counts:
    """What became of the lines: `recorded + known + refused + passed_over == lines`."""

    recorded: int = 0
    known: int = 0
    refused: int = 0
    passed_over: int = 0
    cut: int = 0
    """Of the well-formed events, those of whose times decimals beyond microseconds were cut off."""
    odd: Oddities = field(default_factory=Oddities)
    """Of the recorded ones, what may surprise later."""
    broken_files: list[str] = field(default_factory=list)

    @property
    def lines(self) -> int:
        return self.recorded + self.known + self.refused + self.passed_over


class Watcher(Protocol):
    """Whoever is told how an ingest goes."""

    def refused(self, where: str, refusal: Refusal) -> None: ...

    def acknowledged(self, where: str, head: Head, counts: Counts) -> None: ...

    def read(self, name: str, read_bytes: int) -> None: ...


class Target(Protocol):
    """Where an ingest records: a store, or a dry run that looks like one."""

    def append(self) -> AbstractContextManager[Transaction]: ...

    def backfilling(self) -> AbstractContextManager[None]: ...


class Entry(NamedTuple):
    """A well-formed line of a backfill, in the order in which it is to be recorded."""

    recorded_at: int
    file_number: int
    line_number: int
    line: Line


Clock = Callable[[Transaction], Stamper]
"""What gives the records of a transaction their times."""


class Ingest:
    """One run over several files."""

    def __init__(
        self,
        target: Target,
        appender: Appender,
        rejects: Rejects,
        watcher: Watcher,
        *,
        clock_behind: bool = False,
        undocumented: Undocumented = Undocumented.REFUSE,
    ) -> None:
        self._target = target
        self._appender = appender
        self._rejects = rejects
        self._watcher = watcher
        self._clock_behind = clock_behind
        self._undocumented = undocumented
        self.counts = Counts()

    def run(self, names: Sequence[str]) -> Counts:
        """Record the files one after another, at the ledger's clock."""
        with rare_cycle_search():
            for name in names:
                for block in self._decoded(name):
                    self._refuse_all(block)
                    self._record(block.candidates, block.line, self._clock)
                    self._watcher.read(name, block.block.read_bytes)
        return self.counts

    def backfill(self, names: Sequence[str], *, late: bool) -> Counts:
        """Record all lines of the files in the order of their `recordedtime`.

        With `late`, what is earlier than the last record is recorded at the end, at the ledger's clock.
        """
        with self._target.backfilling(), ExitStack() as stack, rare_cycle_search():
            held = _Spill(stack) if late else None
            for batch in _batches(_sorted(self._dated_entries(names), stack), BATCH_LINES_MAX, BATCH_BYTES):
                self._record_entries(batch, declared_clock, held)
            if held is not None:
                for batch in _batches(held.entries(), BATCH_LINES_MAX, BATCH_BYTES):
                    self._record_entries(batch, self._clock)
        return self.counts

    def _clock(self, transaction: Transaction) -> Stamper:
        return ledger_clock(transaction, clock_behind=self._clock_behind)

    def _decoded(self, name: str) -> Iterator[DecodedBlock]:
        try:
            is_file = name != STANDARD_INPUT and Path(name).is_file()
            yield from (decoded_with_help if is_file else decoded)(blocks(name), self._undocumented)
        except BrokenInput as error:
            self.counts.broken_files.append(str(error))

    def _dated_entries(self, names: Sequence[str]) -> Iterator[Entry]:
        """The well-formed lines of the files that say when they were learned; the others are refused."""
        for file_number, name in enumerate(names):
            for block in self._decoded(name):
                self._refuse_all(block)
                self._watcher.read(name, block.block.read_bytes)
                for line in map(block.line, range(len(block.candidates))):
                    claimed = line.candidate.claimed_at
                    if claimed is None:
                        self._refuse(line, _UNDATED)
                    else:
                        yield Entry(claimed, file_number, line.number, line)

    def _record_entries(self, entries: Sequence[Entry], clock: Clock, late: "_Spill | None" = None) -> None:
        self._record([entry.line.candidate for entry in entries], lambda number: entries[number].line, clock, late)

    def _record(
        self,
        candidates: Sequence[Candidate],
        line: Callable[[int], Line],
        clock: Clock,
        late: "_Spill | None" = None,
    ) -> None:
        """Append a batch, refuse what it refuses; `line` leads from a candidate's number to its line."""
        if not candidates:
            return
        with self._target.append() as transaction:
            done = self._appender.append(transaction, candidates, clock(transaction))
        self.counts.recorded += done.recorded
        self.counts.known += done.known
        self.counts.odd = Oddities(*map(add, self.counts.odd, done.odd))
        for index, refusal in done.refused:
            if late is not None and refusal.reason is Reason.BACKFILL_LATE:
                late.add(line(index))
            else:
                self._refuse(line(index), refusal)
        self._rejects.flush()
        self._watcher.acknowledged(line(len(candidates) - 1).where, done.head, self.counts)

    def _refuse_all(self, block: DecodedBlock) -> None:
        self.counts.passed_over += block.passed_over
        self.counts.cut += sum(item.cut for item in block.candidates)
        for where, refusal, raw in block.refused:
            self._count_refused(where, refusal, raw)
        self._rejects.flush()

    def _refuse(self, line: Line, refusal: Refusal) -> None:
        self._count_refused(line.where, refusal, line.raw)

    def _count_refused(self, where: str, refusal: Refusal, raw: bytes) -> None:
        self.counts.refused += 1
        self._rejects.write(where, refusal, raw)
        self._watcher.refused(where, refusal)


_UNDATED: Final = Refusal(
    Reason.BACKFILL_UNDATED,
    "recordedtime: is missing; in a backfill it says when the event was learned: add it, or ingest the line"
    " without --backfill",
)


class _Spill:
    """Late lines of a backfill, kept in a temporary file until the others are recorded."""

    def __init__(self, stack: ExitStack) -> None:
        self._file: BinaryIO = stack.enter_context(tempfile.TemporaryFile())

    def add(self, line: Line) -> None:
        pickle.dump([Entry(0, 0, line.number, line)], self._file)

    def entries(self) -> Iterator[Entry]:
        return _loaded(self._file)


def _sorted(entries: Iterator[Entry], stack: ExitStack) -> Iterator[Entry]:
    """The entries in the order in which they are to be recorded, whatever their number."""
    runs: list[Iterator[Entry]] = []
    for run in _batches(entries, SORT_LINES, SORT_BYTES):
        runs.append(_spilled(sorted(run, key=_in_order), stack))
        if len(runs) == MERGE_RUNS:
            runs = [_spilled(heapq.merge(*runs, key=_in_order), stack)]
    return heapq.merge(*runs, key=_in_order)


def _spilled(entries: Iterable[Entry], stack: ExitStack) -> Iterator[Entry]:
    file = stack.enter_context(tempfile.TemporaryFile())
    for part in _batches(iter(entries), _SPILL_LINES, _SPILL_BYTES):
        pickle.dump(part, file)
    return _loaded(file)


def _loaded(file: BinaryIO) -> Iterator[Entry]:
    file.seek(0)
    while True:
        try:
            yield from pickle.load(file)
        except EOFError:
            file.close()
            return


def _batches(entries: Iterator[Entry], lines_max: int, bytes_max: int) -> Iterator[list[Entry]]:
    """Consecutive entries, bounded in number and, because lines may be long, in bytes."""
    batch: list[Entry] = []
    held_bytes = 0
    for entry in entries:
        batch.append(entry)
        held_bytes += len(entry.line.raw)
        if len(batch) == lines_max or held_bytes >= bytes_max:
            yield batch
            batch, held_bytes = [], 0
    if batch:
        yield batch


def _in_order(entry: Entry) -> tuple[int, int, int]:
    return entry[:3]
