"""Blocks of lines → candidates and refusals, on a second core once a file is long."""

import marshal
from collections.abc import Iterator
from multiprocessing.connection import Connection
from typing import Final, NamedTuple

from replay.errors import StoreError
from replay.intake import read_line
from replay.lines import Block, BrokenInput, is_passed_over
from replay.record import Candidate
from replay.refusals import Reason, Refusal, RefusalError
from replay.second_core import second_core

BLOCKS_BEFORE_HELP: Final = 4
"""Blocks decoded in this process first: a second one takes a quarter of a second to start."""


class Line(NamedTuple):
    """A well-formed line, with what is needed to refuse it later."""

    name: str
    number: int
    raw: bytes
    candidate: Candidate

    @property
    def where(self) -> str:
        return f"{self.name}:{self.number}"


class DecodedBlock(NamedTuple):
    lines: list[Line]
    refused: list[tuple[str, Refusal, bytes]]
    """Where, why, and the line itself."""
    passed_over: int
    read_bytes: int


def decoded(stream: Iterator[Block]) -> Iterator[DecodedBlock]:
    """Decode blocks one after another; each comes out before the next is read."""
    for block in stream:
        yield decode_block(block)


def decoded_with_help(stream: Iterator[Block]) -> Iterator[DecodedBlock]:
    """Decode blocks in a second process while what came out before is being recorded.

    The next block is read before one comes out, so this is for files and not for pipes.
    """
    for _ in range(BLOCKS_BEFORE_HELP):
        block = next(stream, None)
        if block is None:
            return
        yield decode_block(block)
    pending: Block | None = None
    broken: BrokenInput | None = None
    with second_core(_serve) as helper:
        try:
            for block in stream:
                done = None if pending is None else _received(helper, pending)
                _send(helper, block)
                pending = block
                if done is not None:
                    yield done
        except BrokenInput as error:
            broken = error
        if pending is not None:
            yield _received(helper, pending)
    if broken is not None:
        raise broken


def decode_block(block: Block) -> DecodedBlock:
    """Decode a block in this process."""
    return _assembled(block, _outcomes(block.lines))


Outcome = tuple[object, ...] | int
"""A candidate's fields, a refusal's (reason, message), or 0 for a line that is passed over."""


def _outcomes(lines: list[bytes]) -> list[Outcome]:
    found: list[Outcome] = []
    for line in lines:
        try:
            found.append(tuple(read_line(_stripped(line))))
        except RefusalError as error:
            passed = is_passed_over(line)
            found.append(0 if passed else (str(error.refusal.reason), error.refusal.message))
    return found


def _assembled(block: Block, outcomes: list[Outcome]) -> DecodedBlock:
    lines = []
    refused = []
    for number, (raw, outcome) in enumerate(zip(block.lines, outcomes, strict=True), block.first_line):
        if isinstance(outcome, int):
            continue
        line = _stripped(raw)
        if len(outcome) == 2:
            reason, message = outcome
            refused.append((f"{block.name}:{number}", Refusal(Reason(str(reason)), str(message)), line))
        else:
            lines.append(Line(block.name, number, line, Candidate._make(outcome)))
    return DecodedBlock(lines, refused, len(outcomes) - len(lines) - len(refused), block.read_bytes)


def _stripped(line: bytes) -> bytes:
    return line[:-1] if line.endswith(b"\r") else line


def _serve(connection: Connection) -> None:
    while True:
        lines = marshal.loads(connection.recv_bytes())
        connection.send_bytes(marshal.dumps(_outcomes(lines)))


def _send(helper: Connection, block: Block) -> None:
    try:
        helper.send_bytes(marshal.dumps(block.lines))
    except OSError:
        raise _ended(block) from None


def _received(helper: Connection, block: Block) -> DecodedBlock:
    try:
        return _assembled(block, marshal.loads(helper.recv_bytes()))
    except (EOFError, OSError):
        raise _ended(block) from None


def _ended(block: Block) -> StoreError:
    return StoreError(
        f"the process that decodes {block.name} was ended from outside; what was acknowledged is"
        " recorded, ingest the same file again"
    )
