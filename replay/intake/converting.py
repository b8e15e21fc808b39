"""What an ingest would read, written out as lines of events; nothing is recorded."""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple, Protocol

from replay.intake.parallel import DecodedBlock, decode_block, decoded, decoded_with_help
from replay.intake.rejects import Rejects
from replay.parsing.lines import Block
from replay.parsing.refusals import Refusal
from replay.parsing.unpacking import STANDARD_INPUT, BrokenInput
from replay.processes import rare_cycle_search


class ConvertWatcher(Protocol):
    """Whoever follows what does not become an event."""

    def refused(self, where: str, refusal: Refusal) -> None: ...

    def broken(self, problem: str) -> None:
        """A file is of a form that is not read, or breaks off."""

    def converted(self, events: int, passed_over: int) -> None:
        """So many more lines were written, and so many rows gave none."""


class _Converted(NamedTuple):
    """What became of a block."""

    text: bytes | memoryview
    """Its events, each with its line end."""
    events: int
    passed_over: int
    refused: list[tuple[str, Refusal, bytes]]
    """Where, why, and what is kept."""


def converted(
    names: Sequence[str], read: Callable[[str], Iterator[Block]], watcher: ConvertWatcher, rejects: Rejects | None
) -> Iterator[bytes | memoryview]:
    """The well-formed events of the files in their order, many lines at a time; the others are told and kept."""
    with rare_cycle_search():
        for name in names:
            try:
                for block in _converted(name, read(name)):
                    for where, refusal, raw in block.refused:
                        watcher.refused(where, refusal)
                        if rejects is not None:
                            rejects.write(where, refusal, raw)
                    watcher.converted(block.events, block.passed_over)
                    yield block.text
            except BrokenInput as error:
                watcher.broken(str(error))


def _converted(name: str, blocks: Iterator[Block]) -> Iterator[_Converted]:
    """Blocks whose lines are proven are written as they are, of the others each line is read."""
    decode = decoded_with_help if name != STANDARD_INPUT and Path(name).is_file() else decoded
    for is_proven, found in groupby(blocks, lambda block: block.proven is not None):
        if is_proven:
            yield from map(_of_proven, found)
        else:
            yield from map(_of_decoded, decode(found))


def _of_decoded(found: DecodedBlock) -> _Converted:
    lines = found.block.lines
    text = b"".join(lines[index] + b"\n" for index in found.indexes)
    return _Converted(text, len(found.indexes), found.passed_over, found.refused)


def _of_proven(block: Block) -> _Converted:
    assert block.proven is not None
    proven = block.proven
    read = decode_block(block, of=proven.row_by_row)
    text, events = proven.text_without(set(proven.row_by_row).difference(read.indexes))
    return _Converted(text, events, proven.without_event + read.passed_over, read.refused)
