"""Which ledger of a set a line is for, found without reading it.

The name of a field can be written in one way only where nothing of ASCII is escaped. So a line that has `"subject"`
once has its subject there, or is no event; any other line is read.
"""

import re
from collections.abc import Hashable, Iterable
from typing import Final, NamedTuple

from replay.parsing.envelope import Undocumented
from replay.parsing.parse import read_line
from replay.parsing.refusals import RefusalError
from replay.recording.placing import shard_of

_NAME: Final = b'"subject"'
_ESCAPED_ASCII: Final = b"\\u00"
_SUBJECT: Final = re.compile(rb'"subject"[ \t]*:[ \t]*"([^"\\]*)"')
_ID: Final = re.compile(rb'"id"[ \t]*:[ \t]*"([^"\\]*)"')


Round = list[list[int]]
"""By shard, the numbers of lines that it is sent together."""


class Routed(NamedTuple):
    """The lines of a block, in rounds: one begins when all ledgers have recorded those before."""

    rounds: list[Round]
    """In each, no id goes to two shards: whether an id is known there, a ledger sees when that one has recorded."""
    waits: bool
    """Whether an id goes to another shard than it did in the block before."""


def rounds_of(numbers: Iterable[int], names: Iterable[Hashable], of: int) -> list[Round]:
    """Lines, or events, given by their shards and ids, in rounds. Those of one subject stay in their order."""
    rounds: list[Round] = []
    seen: dict[Hashable, int] = {}
    for index, (number, name) in enumerate(zip(numbers, names, strict=True)):
        if not rounds or (name is not None and seen.setdefault(name, number) != number):
            rounds.append([[] for _ in range(of)])
            seen = {name: number}
        rounds[-1][number].append(index)
    return rounds


class Router:
    """Routes the lines of one block after another."""

    def __init__(self, of: int, undocumented: Undocumented) -> None:
        self._of = of
        self._undocumented = undocumented
        self._before: dict[bytes | None, int] = {}
        """By id, where the lines of the block before went: they may not be recorded yet."""

    def route(self, lines: list[bytes]) -> Routed:
        numbers = [self.shard(line) for line in lines]
        names = [None if (found := _ID.search(line)) is None else found[1] for line in lines]
        ids, before = dict(zip(names, numbers, strict=True)), self._before
        waits = any(before[name] != ids[name] for name in ids.keys() & before.keys() if name is not None)
        self._before = ids
        return Routed(rounds_of(numbers, names, self._of), waits)

    def shard(self, line: bytes) -> int:
        """The shard of the subject that a line names; the first where it names none."""
        found = _SUBJECT.search(line)
        if found is None or line.count(_NAME) != 1 or _ESCAPED_ASCII in line:
            return self._shard_read(line)
        return shard_of(found[1].decode("utf-8", "replace"), self._of) or 0

    def _shard_read(self, line: bytes) -> int:
        try:
            return shard_of(read_line(line.removesuffix(b"\r"), self._undocumented).stream, self._of) or 0
        except RefusalError:
            return 0
