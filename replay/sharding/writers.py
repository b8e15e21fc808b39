"""Processes that record side by side, one for each ledger of a set: each reads its lines itself.

Lines go out while those before are still being recorded. A process that is ended from outside has recorded whole
batches, and what it had not answered is acknowledged to nobody.
"""

import marshal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection
from queue import Queue
from threading import Thread
from typing import Any, Final, NamedTuple

from domain.limits import BATCH_LINES_MAX
from replay.errors import LevelbookError, StoreError
from replay.intake.parallel import decode_block
from replay.parsing.envelope import Undocumented
from replay.parsing.lines import Block
from replay.parsing.refusals import Refusal
from replay.processes import second_core
from replay.recording.append import ledger_clock
from replay.recording.erase import Due
from replay.recording.oddities import Oddities
from replay.sharding.opened import open_set
from replay.sharding.target import shard_target, together
from replay.store.base.identity import Head
from replay.store.base.transaction import Transaction

AHEAD_MAX: Final = 4
"""So many messages a process takes in before it has recorded them."""


class WriterAsked(NamedTuple):
    """What a process is told once."""

    location: str
    number: int
    undocumented: Undocumented
    clock_behind: bool


class WrittenLines(NamedTuple):
    """What became of the lines that a ledger was sent."""

    recorded: int
    known: int
    passed_over: int
    cut: int
    refused: list[tuple[int, Refusal]]
    """The number of a line among those that were sent, and why."""
    head: Head
    odd: Oddities
    due: Due


class Writers:
    """The processes of a set; what is sent to one is answered in order."""

    def __init__(self, connections: Sequence[Connection]) -> None:
        self._connections = connections

    def send(self, number: int, lines: list[bytes]) -> None:
        """Lines for a ledger. Raises what stopped its process where it takes none any more."""
        try:
            self._connections[number].send_bytes(marshal.dumps(lines))
        except OSError:
            while True:  # behind what it recorded before stands why it stopped
                self.answer(number)

    def answer(self, number: int) -> WrittenLines:
        """What became of the lines sent earliest that were not answered yet. Raises what stopped the process."""
        try:
            found: WrittenLines | LevelbookError = self._connections[number].recv()
        except (EOFError, OSError):
            raise _ended(number) from None
        if isinstance(found, LevelbookError):
            raise found
        return found


@contextmanager
def writers(location: str, of: int, undocumented: Undocumented, *, clock_behind: bool) -> Iterator[Writers]:
    """A process for each ledger of a set; they end with the block, or with this process."""
    with ExitStack() as stack:
        connections = [stack.enter_context(second_core(_serve)) for _ in range(of)]
        for number, connection in enumerate(connections):
            connection.send(WriterAsked(location, number, undocumented, clock_behind))
        yield Writers(connections)


def _ended(number: int) -> StoreError:
    return StoreError(
        f"the process that records shard {number} was ended from outside; what was acknowledged is recorded, ingest the"
        " same files again"
    )


def _serve(connection: Connection) -> None:
    asked: WriterAsked = connection.recv()
    waiting: Queue[list[bytes] | None] = Queue(AHEAD_MAX)
    Thread(target=_take_in, args=(connection, waiting), daemon=True).start()
    try:
        with open_set(asked.location) as opened:
            record = _Recording(asked, shard_target(opened, asked.number))
            while (lines := waiting.get()) is not None:
                connection.send(record.lines(lines))
    except LevelbookError as error:
        connection.send(error)


def _take_in(connection: Connection, waiting: "Queue[list[bytes] | None]") -> None:
    """Read what is sent while the other thread records: who sends never waits for who answers."""
    try:
        while True:
            waiting.put(marshal.loads(connection.recv_bytes()))
    except (EOFError, OSError):
        waiting.put(None)


class _Recording:
    def __init__(self, asked: WriterAsked, target: Any) -> None:
        self._asked = asked
        self._target = target

    def _clock(self, transaction: Transaction) -> Any:
        return ledger_clock(transaction, clock_behind=self._asked.clock_behind)

    def lines(self, lines: list[bytes]) -> WrittenLines:
        """Record what some lines hold, in as many transactions as they take."""
        starts = range(0, len(lines), BATCH_LINES_MAX)
        return _whole([self._recorded(start, lines[start : start + BATCH_LINES_MAX]) for start in starts])

    def _recorded(self, start: int, lines: list[bytes]) -> WrittenLines:
        """Record lines, the first of which has a number, in one transaction."""
        block = decode_block(Block("", 0, lines, 0), self._asked.undocumented)
        refused = [
            (start + index, why) for index, (_, why, _) in zip(block.refused_indexes, block.refused, strict=True)
        ]
        cut = sum(item.cut for item in block.candidates)
        if not block.candidates:
            return WrittenLines(
                0, 0, block.passed_over, cut, refused, self._target.head(), Oddities(), self._target.due
            )
        done = self._target.record(block.candidates, self._clock)
        refused += [(start + block.indexes[at], why) for at, why in done.refused]
        return WrittenLines(
            done.recorded, done.known, block.passed_over, cut, refused, done.head, done.odd, self._target.due
        )


def _whole(parts: Sequence[WrittenLines]) -> WrittenLines:
    """What became of lines that were recorded in parts, one after another."""
    return WrittenLines(
        sum(part.recorded for part in parts),
        sum(part.known for part in parts),
        sum(part.passed_over for part in parts),
        sum(part.cut for part in parts),
        [one for part in parts for one in part.refused],
        parts[-1].head,
        together([part.odd for part in parts]),
        parts[-1].due,
    )
