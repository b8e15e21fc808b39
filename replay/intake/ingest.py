"""An ingest: files → the ledger, a batch to a transaction, refused lines to the rejects file.

Everything up to an acknowledged line survives a crash. Ingesting is idempotent: the same files again complete what a
crash left out, because what is known changes nothing.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from replay.intake.backfill import Backfill
from replay.intake.outcomes import REFUSALS_MAX, Counts, Outcomes, TooManyRefused, Watcher
from replay.intake.parallel import DecodedBlock, decoded, decoded_with_help
from replay.intake.rejects import Rejects
from replay.intake.targets import Target
from replay.parsing.envelope import Undocumented
from replay.parsing.lines import Block, blocks
from replay.parsing.refusals import Refusal
from replay.parsing.unpacking import STANDARD_INPUT, BrokenInput
from replay.processes import rare_cycle_search
from replay.recording.append import Stamper, ledger_clock
from replay.recording.erase import Due
from replay.store.base.identity import Head
from replay.store.base.transaction import Transaction
from replay.tracing import span


class Ingest:
    """One run over several files; `read` makes blocks of one: of lines as they are, or of rows by a mapping."""

    def __init__(
        self,
        target: Target,
        rejects: Rejects,
        watcher: Watcher,
        *,
        clock_behind: bool = False,
        refusals_max: int = REFUSALS_MAX,
        undocumented: Undocumented = Undocumented.REFUSE,
        read: Callable[[str], Iterator[Block]] = blocks,
    ) -> None:
        self._target = target
        self._outcomes = Outcomes(rejects, watcher, refusals_max)
        self._watcher = watcher
        self._clock_behind = clock_behind
        self._undocumented = undocumented
        self._read = read
        self._head: Head | None = None

    @property
    def counts(self) -> Counts:
        return self._outcomes.counts

    @property
    def due(self) -> Due:
        """What became of the erasures of buyers that were due, over the whole run."""
        return self._target.due

    def run(self, names: Sequence[str]) -> Counts:
        """Record the files one after another, at the ledger's clock."""
        with rare_cycle_search(), span("ingest", {"levelbook.files": len(names)}):
            for name in names:
                self.take_in(name)
        return self.counts

    def take_in(self, name: str) -> None:
        """Record one file at the ledger's clock."""
        for block in self._decoded(name):
            self._take(block)

    def backfill(self, names: Sequence[str], *, late: bool, skip_refused: bool) -> Counts:
        """Record all lines of the files in the order of their `recordedtime`, or none when one is refused.

        With `late`, what is earlier than the last record is recorded at the end, at the ledger's clock. With
        `skip_refused`, all lines but the refused ones are recorded.
        """
        with rare_cycle_search(), span("backfill", {"levelbook.files": len(names)}):
            run = Backfill(self._target, self._outcomes, self._clock, late=late, skip_refused=skip_refused)
            run.run(names, self._decoded)
        return self.counts

    def _clock(self, transaction: Transaction) -> Stamper:
        return ledger_clock(transaction, clock_behind=self._clock_behind)

    def _decoded(self, name: str) -> Iterator[DecodedBlock]:
        try:
            is_file = name != STANDARD_INPUT and Path(name).is_file()
            decode = decoded_with_help if is_file else decoded
            for block in decode(self._read(name), self._undocumented):
                self.counts.passed_over += block.passed_over
                self.counts.cut += sum(item.cut for item in block.candidates)
                yield block
                self._watcher.read(name, block.block.read_bytes)
        except BrokenInput as error:
            self.counts.broken_files.append(str(error))

    def _take(self, block: DecodedBlock) -> None:
        """Record what a block holds, keep what is refused of it, then acknowledge its last line."""
        refused: dict[int, Refusal] = {}
        if block.candidates:
            done = self._target.record(block.candidates, self._clock)
            self._head = done.head
            self.counts.add(done)
            refused = dict(done.refused)
        head = self._head = self._head or self._target.head()
        try:
            if not (refused or block.refused):
                self._outcomes.taken()
            else:
                for found in block.in_order():
                    self._settle(block, found, refused)
        except TooManyRefused as stop:
            self._outcomes.acknowledge(stop.where, head)
            raise
        self._outcomes.acknowledge(f"{block.block.name}:{block.block.last_line}", head)

    def _settle(
        self, block: DecodedBlock, found: int | tuple[str, Refusal, bytes], refused: dict[int, Refusal]
    ) -> None:
        """Tell what became of one line: `found` is the number of its candidate, or why it is none."""
        if not isinstance(found, int):
            self._outcomes.refused(*found)
        elif found in refused:
            line = block.line(found)
            self._outcomes.refused(line.where, line.told(refused[found]), line.raw)
        else:
            self._outcomes.taken()
