"""Lines of a backfill in the order in which they are to be recorded, sorted on disk whatever their number."""

import heapq
import pickle
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import BinaryIO, Final, NamedTuple

from replay.intake.parallel import Line

SORT_LINES: Final = 50_000
"""Lines that are sorted in memory at once, and merged from temporary files."""
SORT_BYTES: Final = 1 << 25
MERGE_RUNS: Final = 100
"""So many sorted runs are merged into one, so that neither memory nor open files grow with the input."""
SPILL_LINES: Final = 50
SPILL_BYTES: Final = 1 << 18


class SortedLine(NamedTuple):
    """A well-formed line of a backfill, in the order in which it is to be recorded."""

    recorded_at: int
    file_number: int
    line_number: int
    line: Line


class Spill:
    """Entries in a temporary file, which are read again from the first as often as wanted."""

    def __init__(self, stack: ExitStack, entries: Iterable[SortedLine] = ()) -> None:
        self._file: BinaryIO = stack.enter_context(tempfile.TemporaryFile())
        for part in batches(iter(entries), SPILL_LINES, SPILL_BYTES):
            pickle.dump(part, self._file)

    def add(self, entry: SortedLine) -> None:
        pickle.dump([entry], self._file)

    def __iter__(self) -> Iterator[SortedLine]:
        self._file.seek(0)
        while True:
            try:
                yield from pickle.load(self._file)
            except EOFError:
                return

    def close(self) -> None:
        self._file.close()


class Sorted:
    """Entries by their recorded time, then file, then line; all are read when this is made."""

    def __init__(self, entries: Iterator[SortedLine], stack: ExitStack) -> None:
        self._runs: list[Spill] = []
        for run in batches(entries, SORT_LINES, SORT_BYTES):
            self._runs.append(Spill(stack, sorted(run, key=_in_order)))
            if len(self._runs) == MERGE_RUNS:
                merged = Spill(stack, self)
                for spill in self._runs:
                    spill.close()
                self._runs = [merged]

    def __iter__(self) -> Iterator[SortedLine]:
        return heapq.merge(*self._runs, key=_in_order)


def batches(entries: Iterator[SortedLine], lines_max: int, bytes_max: int) -> Iterator[list[SortedLine]]:
    """Consecutive entries, bounded in number and, because lines may be long, in bytes."""
    batch: list[SortedLine] = []
    held_bytes = 0
    for entry in entries:
        batch.append(entry)
        held_bytes += len(entry.line.raw)
        if len(batch) == lines_max or held_bytes >= bytes_max:
            yield batch
            batch, held_bytes = [], 0
    if batch:
        yield batch


def _in_order(entry: SortedLine) -> tuple[int, int, int]:
    return entry[:3]
