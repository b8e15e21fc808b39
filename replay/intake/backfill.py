"""A backfill: all lines are read and tried before the first is recorded, in the order of their recordedtime.

What a backfill leaves out can never be recorded as learned then, once later lines are recorded. So one refused line
refuses the whole run, unless skipping it is asked for.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Final

from domain.limits import BATCH_LINES_MAX
from replay.errors import LevelbookError
from replay.intake.durable import Durable
from replay.intake.outcomes import Outcomes
from replay.intake.parallel import DecodedBlock
from replay.intake.sorting import Sorted, SortedLine, Spill, batches
from replay.intake.targets import Check, Clock, Target, no_check
from replay.parsing.refusals import Reason, Refusal
from replay.recording.append import Appended, declared_clock

BATCH_BYTES: Final = 1 << 24
Blocks = Callable[[str], Iterator[DecodedBlock]]
"""The decoded blocks of a file; one that breaks off is counted among the broken ones."""
_Settled = list[tuple[SortedLine, Refusal | None]]
_Settle = Callable[[_Settled, Appended], None]
"""Called with what became of a batch, but for the lines that are set aside for the end."""

_UNDATED: Final = Refusal(
    Reason.BACKFILL_UNDATED,
    "recordedtime: is missing; in a backfill it says when the event was learned: add it, or ingest the line"
    " without --backfill",
)


class Backfill:
    """One run over several files. With `late`, what is earlier than the last record is recorded at the end.

    `clock` gives these their times.
    """

    def __init__(self, target: Target, outcomes: Outcomes, clock: Clock, *, late: bool, skip_refused: bool) -> None:
        self._target = target
        self._outcomes = outcomes
        self._counts = outcomes.counts
        self._clock = clock
        self._late = late
        self._skip_refused = skip_refused
        self._durable = Durable()
        outcomes.keeps_refused = skip_refused

    def run(self, names: Sequence[str], decoded: Blocks) -> None:
        """Read all lines, try them, then record all of them or none; with `skip_refused` all that can be."""
        with self._target.backfilling(), ExitStack() as stack:
            self._counts.refused_whole = not self._skip_refused  # until all were tried
            entries = Sorted(self._dated_entries(names, decoded), stack)
            if not self._skip_refused:
                with self._target.trial() as trial:
                    self._go_through(trial, entries, self._tried, no_check)
                if self._counts.refused or self._counts.broken_files:
                    return
                self._counts.refused_whole = False
            self._go_through(
                self._target, entries, self._recorded, no_check if self._skip_refused else self._as_when_tried
            )
            for where in self._durable.news():
                self._outcomes.acknowledge(where, self._target.head())

    def _dated_entries(self, names: Sequence[str], decoded: Blocks) -> Iterator[SortedLine]:
        """The well-formed lines of the files that say when they were learned; the others are refused."""
        for file_number, name in enumerate(names):
            for block in decoded(name):
                entries = list(self._dated_of(file_number, block))
                first = block.block.first_line
                pending = [entry.line_number - first for entry in entries]
                lines = block.block.last_line - first + 1
                self._durable.read(file_number, block.block.name, lines, pending)
                self._counts.held_back += len(entries)
                yield from entries

    def _dated_of(self, file_number: int, block: DecodedBlock) -> Iterator[SortedLine]:
        for found in block.in_order():
            if not isinstance(found, int):
                self._outcomes.refused(*found)
                continue
            line = block.line(found)
            claimed = line.candidate.claimed_at
            if claimed is None:
                self._outcomes.refused(line.where, _UNDATED, line.raw)
            else:
                self._outcomes.taken()
                yield SortedLine(claimed, file_number, line.number, line)

    def _go_through(self, target: Target, entries: Sorted, settle: _Settle, check: Check) -> None:
        """Record all lines in a target in their order, and then those that were set aside as late."""
        with ExitStack() as stack:
            held = Spill(stack)
            for clock, some in ((declared_clock, entries), (self._clock, held)):
                for batch in batches(iter(some), BATCH_LINES_MAX, BATCH_BYTES):
                    done = target.record([entry.line.candidate for entry in batch], clock, check)
                    refused = dict(done.refused)
                    settled: _Settled = []
                    for number, entry in enumerate(batch):
                        refusal = refused.get(number)
                        if refusal is not None and self._is_set_aside(refusal):
                            held.add(entry)
                        else:
                            settled.append((entry, refusal))
                    settle(settled, done)

    def _is_set_aside(self, refusal: Refusal) -> bool:
        return self._late and refusal.reason is Reason.BACKFILL_LATE

    def _tried(self, settled: _Settled, _: Appended) -> None:
        for entry, refusal in settled:
            self._tell(entry, refusal)

    def _tell(self, entry: SortedLine, refusal: Refusal | None) -> None:
        if refusal is None:
            self._outcomes.taken()
            return
        self._counts.held_back -= 1
        self._outcomes.refused(entry.line.where, entry.line.told(refusal), entry.line.raw)

    def _recorded(self, settled: _Settled, done: Appended) -> None:
        """Count a batch that is committed, and acknowledge how far each file is durable by it."""
        self._counts.add(done)
        self._counts.held_back -= done.recorded + done.known
        try:
            for entry, refusal in settled:
                self._tell(entry, refusal)
                self._durable.done(entry.file_number, entry.line_number)
        finally:
            for where in self._durable.news():
                self._outcomes.acknowledge(where, done.head)

    def _as_when_tried(self, done: Appended) -> None:
        """Raises LevelbookError when a line is refused that was not refused when it was tried."""
        for _, refusal in done.refused:
            if not self._is_set_aside(refusal):
                raise LevelbookError(
                    "another process has recorded since the lines were tried, and now one of them is refused: nothing"
                    f" behind what was acknowledged is recorded; give the same files again ({refusal.message})"
                )
