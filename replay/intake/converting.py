"""What an ingest would read, written out as lines of events; nothing is recorded."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from replay.intake.parallel import decoded, decoded_with_help
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


def converted(
    names: Sequence[str], read: Callable[[str], Iterator[Block]], watcher: ConvertWatcher, rejects: Rejects | None
) -> Iterator[bytes]:
    """The well-formed events of the files in their order, many lines at a time; the others are told and kept."""
    with rare_cycle_search():
        for name in names:
            decode = decoded_with_help if name != STANDARD_INPUT and Path(name).is_file() else decoded
            try:
                for block in decode(read(name)):
                    for where, refusal, raw in block.refused:
                        watcher.refused(where, refusal)
                        if rejects is not None:
                            rejects.write(where, refusal, raw)
                    watcher.converted(len(block.candidates), block.passed_over)
                    lines = block.block.lines
                    yield b"".join(lines[index] + b"\n" for index in block.indexes)
            except BrokenInput as error:
                watcher.broken(str(error))
