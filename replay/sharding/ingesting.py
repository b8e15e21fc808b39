"""An ingest of a set: lines go to the process of their ledger, and what became of each is told in their order.

A line is acknowledged once every ledger has committed what its block holds. Rows of tables, short files, pipes, trials
and backfills are recorded by one process, in one ledger after another.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final, NamedTuple

from replay.intake.ingest import Ingest
from replay.intake.outcomes import REFUSALS_MAX, Counts, TooManyRefused, Watcher
from replay.intake.parallel import BLOCKS_BEFORE_HELP
from replay.intake.rejects import Rejects
from replay.intake.targets import Target
from replay.parsing.envelope import Undocumented
from replay.parsing.lines import Block, blocks, is_passed_over
from replay.parsing.refusals import Refusal
from replay.parsing.unpacking import BLOCK_BYTES, BrokenInput
from replay.processes import rare_cycle_search
from replay.recording.erase import Due
from replay.sharding.opened import open_set, set_head
from replay.sharding.routing import Round, Router
from replay.sharding.target import together
from replay.sharding.writers import Writers, WrittenLines, writers
from replay.store.base.identity import Head
from replay.tracing import span

AT_ONCE: Final = 2
"""So many blocks are under way."""
JOINED_MAX: Final = 4
"""One block is made of as many as there are ledgers, so that each records as many lines in a transaction as one by
itself; of no more than so many, for the memory that they take.
"""


class SentBlock(NamedTuple):
    """A block of which the first round was sent to the ledgers."""

    block: Block
    first: Round
    others: list[Round]


class SetIngest(Ingest):
    """One run over several files into the set at a location; `target` takes what is not written side by side."""

    def __init__(
        self,
        target: Target,
        rejects: Rejects,
        watcher: Watcher,
        location: str,
        *,
        clock_behind: bool = False,
        refusals_max: int = REFUSALS_MAX,
        undocumented: Undocumented = Undocumented.REFUSE,
        read: Callable[[str], Iterator[Block]] = blocks,
    ) -> None:
        super().__init__(
            target,
            rejects,
            watcher,
            clock_behind=clock_behind,
            refusals_max=refusals_max,
            undocumented=undocumented,
            read=read,
        )
        self._location = location
        self._heads = self._read_heads()
        self._due = [Due() for _ in self._heads]

    @property
    def due(self) -> Due:
        found = super().due
        for one in self._due:
            found = found.then(one)
        return found

    def run(self, names: Sequence[str]) -> Counts:
        with rare_cycle_search(), span("ingest", {"levelbook.files": len(names)}), ExitStack() as stack:
            started: Writers | None = None
            for name in names:
                if self._read is not blocks or not _is_long(name):
                    self.take_in(name)
                    continue
                if started is None:
                    of, behind = len(self._heads), self._clock_behind
                    started = stack.enter_context(writers(self._location, of, self._undocumented, clock_behind=behind))
                self._side_by_side(started, name)
        return self.counts

    def _read_heads(self) -> list[Head]:
        with open_set(self._location) as opened:
            return [store.head() for store in opened.stores]

    def _side_by_side(self, among: Writers, name: str) -> None:
        self._heads = self._read_heads()  # files before this one may have gone through the target
        router, sent = Router(len(self._heads), self._undocumented), deque[SentBlock]()
        try:
            for block in joined(self._read(name), min(len(self._heads), JOINED_MAX)):
                routed = router.route(block.lines)
                while sent and (len(sent) == AT_ONCE or routed.waits):
                    self._finish(among, sent.popleft())
                first, *others = routed.rounds
                _send(among, block, first)
                sent.append(SentBlock(block, first, others))
                while sent and others:
                    self._finish(among, sent.popleft())
                self._watcher.read(name, block.read_bytes)
        except BrokenInput as error:
            self.counts.broken_files.append(str(error))
        while sent:
            self._finish(among, sent.popleft())

    def _finish(self, among: Writers, sent: SentBlock) -> None:
        """Wait until a block is recorded, a round after another, and tell what became of its lines."""
        refused: dict[int, Refusal] = {}
        self._take_answers(among, sent.first, refused)
        for further in sent.others:
            _send(among, sent.block, further)
            self._take_answers(among, further, refused)
        self._tell(sent.block, refused)

    def _take_answers(self, among: Writers, asked: Round, refused: dict[int, Refusal]) -> None:
        for number, some in enumerate(asked):
            if some:
                self._take_answer(among.answer(number), number, some, refused)

    def _take_answer(self, found: WrittenLines, number: int, some: Sequence[int], refused: dict[int, Refusal]) -> None:
        counts = self.counts
        counts.recorded += found.recorded
        counts.known += found.known
        counts.passed_over += found.passed_over
        counts.cut += found.cut
        counts.odd = together([counts.odd, found.odd])
        self._heads[number], self._due[number] = found.head, found.due
        refused |= {some[at]: why for at, why in found.refused}

    def _tell(self, block: Block, refused: dict[int, Refusal]) -> None:
        head = self._head = set_head(self._heads)
        try:
            if not refused:
                self._outcomes.taken()
            else:
                for index, line in enumerate(block.lines):
                    if index in refused:
                        where = f"{block.name}:{block.number(index)}"
                        self._outcomes.refused(where, refused[index], block.raw(index))
                    elif not is_passed_over(line):
                        self._outcomes.taken()
        except TooManyRefused as stop:
            self._outcomes.acknowledge(stop.where, head)
            raise
        self._outcomes.acknowledge(f"{block.name}:{block.last_line}", head)


def joined(found: Iterator[Block], count: int) -> Iterator[Block]:
    """Blocks that follow one another as one, so many at a time; what stood before a broken place is given, too."""
    some: list[Block] = []
    try:
        for block in found:
            some.append(block)
            if len(some) == count:
                yield _as_one(some)
                some = []
    except BrokenInput:
        if some:
            yield _as_one(some)
        raise
    if some:
        yield _as_one(some)


def _as_one(some: Sequence[Block]) -> Block:
    lines = [line for block in some for line in block.as_read]
    return some[0]._replace(as_read=lines, read_bytes=some[-1].read_bytes)


def _send(among: Writers, block: Block, asked: Round) -> None:
    for number, some in enumerate(asked):
        if some:
            among.send(number, [block.lines[index] for index in some])


def _is_long(name: str) -> bool:
    """Whether a file is worth processes, which take most of a second to start."""
    path = Path(name)
    return path.is_file() and path.stat().st_size >= BLOCKS_BEFORE_HELP * BLOCK_BYTES
