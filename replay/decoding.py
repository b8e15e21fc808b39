"""Blocks of lines → candidates and refusals, on a second core once a file is long."""

from collections.abc import Iterator
from typing import NamedTuple

from replay.intake import read_line
from replay.lines import Block, is_passed_over
from replay.record import Candidate
from replay.refusals import Refusal, RefusalError


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
    for block in stream:
        yield decode_block(block)


def decode_block(block: Block) -> DecodedBlock:
    lines = []
    refused = []
    passed_over = 0
    for number, raw in enumerate(block.lines, block.first_line):
        line = raw[:-1] if raw.endswith(b"\r") else raw
        try:
            lines.append(Line(block.name, number, line, read_line(line)))
        except RefusalError as error:
            if is_passed_over(line):
                passed_over += 1
            else:
                refused.append((f"{block.name}:{number}", error.refusal, line))
    return DecodedBlock(lines, refused, passed_over, block.read_bytes)
