"""Blocks of lines → candidates and refusals, on a second core once a file is long."""

import marshal
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from operator import itemgetter
from typing import Any, Final, NamedTuple

from replay.errors import StoreError
from replay.parsing.envelope import Undocumented
from replay.parsing.lines import Block, is_passed_over
from replay.parsing.parse import read_line
from replay.parsing.refusals import Columns, Listing, Reason, Refusal, RefusalError, told_of_row
from replay.parsing.unpacking import BrokenInput
from replay.processes import second_core
from replay.store.record import Candidate

BLOCKS_BEFORE_HELP: Final = 1
"""Blocks decoded in this process first: a second one takes a quarter of a second to start."""


class Line(NamedTuple):
    """A well-formed line, with what is needed to refuse it later."""

    name: str
    number: int
    raw: bytes
    candidate: Candidate
    columns: Columns
    """Of an event that a row gave: what it is made of."""

    @property
    def where(self) -> str:
        return f"{self.name}:{self.number}"

    def told(self, refusal: Refusal) -> Refusal:
        """A refusal of the line in terms of the row that it comes from, if it does."""
        return told_of_row(refusal, self.columns)


class DecodedBlock(NamedTuple):
    block: Block
    candidates: list[Candidate]
    indexes: list[int]
    """The lines of the block that the candidates stand on."""
    refused: list[tuple[str, Refusal, bytes]]
    """Where, why, and the line itself."""
    refused_indexes: list[int]
    """The lines of the block that these stand on."""
    passed_over: int

    def line(self, number: int) -> Line:
        """The line of one of the candidates."""
        index = self.indexes[number]
        block = self.block
        candidate = self.candidates[number]
        return Line(block.name, block.number(index), block.raw(index), candidate, block.columns(index))

    def in_order(self) -> Iterator[int | tuple[str, Refusal, bytes]]:
        """What the lines hold, in their order: the number of a candidate, or where and why there is none, and the line.

        Lines that are passed over are left out.
        """
        if not self.refused:
            yield from range(len(self.candidates))
            return
        at: list[tuple[int, int | tuple[str, Refusal, bytes]]] = []
        at += zip(self.indexes, range(len(self.candidates)), strict=True)
        at += zip(self.refused_indexes, self.refused, strict=True)
        yield from (found for _, found in sorted(at, key=itemgetter(0)))


def decoded(stream: Iterator[Block], undocumented: Undocumented = Undocumented.REFUSE) -> Iterator[DecodedBlock]:
    """Decode blocks one after another; each comes out before the next is read."""
    for block in stream:
        yield decode_block(block, undocumented)


def decoded_with_help(
    stream: Iterator[Block], undocumented: Undocumented = Undocumented.REFUSE
) -> Iterator[DecodedBlock]:
    """Decode blocks in a second process while what came out before is being recorded.

    The next block is read before one comes out, so this is for files and not for pipes.
    """
    for _ in range(BLOCKS_BEFORE_HELP):
        block = next(stream, None)
        if block is None:
            return
        yield decode_block(block, undocumented)
    pending: Block | None = None
    broken: BrokenInput | None = None
    with second_core(_serve) as helper:
        try:
            for block in stream:
                done = None if pending is None else _received(helper, pending)
                _send(helper, block, undocumented)
                pending = block
                if done is not None:
                    yield done
        except BrokenInput as error:
            broken = error
        if pending is not None:
            yield _received(helper, pending)
    if broken is not None:
        raise broken


def decode_block(
    block: Block, undocumented: Undocumented = Undocumented.REFUSE, of: Sequence[int] | None = None
) -> DecodedBlock:
    """Decode a block in this process, or some of its lines."""
    if of is None:
        return _assembled(block, _outcomes(block.lines, undocumented))
    return _assembled(block, _outcomes([block.lines[index] for index in of], undocumented), of)


Outcome = Candidate | Refusal | None
"""What a line gives; None where it is passed over."""


def _outcomes(lines: list[bytes], undocumented: Undocumented) -> list[Outcome]:
    found: list[Outcome] = []
    for line in lines:
        try:
            found.append(read_line(line.removesuffix(b"\r"), undocumented))
        except RefusalError as error:
            found.append(None if is_passed_over(line) else error.refusal)
    return found


def _assembled(block: Block, outcomes: list[Outcome], of: Sequence[int] | None = None) -> DecodedBlock:
    lines = range(len(outcomes)) if of is None else of
    candidates = [outcome for outcome in outcomes if isinstance(outcome, Candidate)]
    if len(candidates) == len(outcomes):
        return DecodedBlock(block, candidates, list(lines), [], [], 0)
    indexes, refused, refused_indexes = [], [], []
    for index, outcome in zip(lines, outcomes, strict=True):
        if isinstance(outcome, Candidate):
            indexes.append(index)
        elif (refusal := _refusal_of(block, index, outcome)) is not None:
            refused.append((f"{block.name}:{block.number(index)}", refusal, block.raw(index)))
            refused_indexes.append(index)
    passed_over = len(outcomes) - len(candidates) - len(refused)
    return DecodedBlock(block, candidates, indexes, refused, refused_indexes, passed_over)


def _refusal_of(block: Block, index: int, outcome: Refusal | None) -> Refusal | None:
    """Why a line holds no candidate, if that is a fault: as it was found, or of the row that gave none."""
    return block.refused(index) if outcome is None else told_of_row(outcome, block.columns(index))


def _as_marshalled(outcome: Outcome) -> tuple[object, ...] | None:
    if isinstance(outcome, Refusal):
        return str(outcome.reason), outcome.message, tuple(map(tuple, outcome.listings))
    return None if outcome is None else tuple(outcome)


def _from_marshalled(found: tuple[Any, ...] | None) -> Outcome:
    if found is None:
        return None
    if len(found) == len(Candidate._fields):
        return Candidate._make(found)
    reason, message, listings = found
    return Refusal(Reason(reason), message, tuple(map(Listing._make, listings)))


def _serve(connection: Connection) -> None:
    while True:
        lines, undocumented = marshal.loads(connection.recv_bytes())
        found = _outcomes(lines, Undocumented(undocumented))
        connection.send_bytes(marshal.dumps(list(map(_as_marshalled, found))))


def _send(helper: Connection, block: Block, undocumented: Undocumented) -> None:
    try:
        helper.send_bytes(marshal.dumps((block.lines, str(undocumented))))
    except OSError:
        raise _ended(block) from None


def _received(helper: Connection, block: Block) -> DecodedBlock:
    try:
        return _assembled(block, list(map(_from_marshalled, marshal.loads(helper.recv_bytes()))))
    except (EOFError, OSError):
        raise _ended(block) from None


def _ended(block: Block) -> StoreError:
    return StoreError(
        f"the process that decodes {block.name} was ended from outside; what was acknowledged is"
        " recorded, ingest the same file again"
    )
