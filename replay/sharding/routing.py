"""Which ledger of a set a line is for, found without reading it.

The name of a field can be written in one way only where nothing of ASCII is escaped. So a line that has `"subject"` and
`"id"` once, each before a text without escapes, has its subject and id there, or is no event; any other line is read.
"""

import re
from collections.abc import Hashable, Iterable
from typing import Final, NamedTuple

from replay.parsing.envelope import Undocumented
from replay.parsing.parse import read_line
from replay.parsing.refusals import RefusalError
from replay.recording.placing import shard_of

_NAMES: Final = (b'"subject"', b'"id"')
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
        self._before: dict[bytes, set[int]] = {}
        """By id, where the lines of the block before went: they may not be recorded yet."""

    def route(self, lines: list[bytes]) -> Routed:
        placed = [self.place(line) for line in lines]
        ids: dict[bytes, set[int]] = {}
        for number, name in placed:
            if name is not None:
                ids.setdefault(name, set()).add(number)
        waits = any(len(self._before[name] | ids[name]) > 1 for name in ids.keys() & self._before.keys())
        self._before = ids
        return Routed(rounds_of([number for number, _ in placed], [name for _, name in placed], self._of), waits)

    def place(self, line: bytes) -> tuple[int, bytes | None]:
        """The shard of the subject that a line names, and its id; of what is no event the first one, and none."""
        subject, name = _SUBJECT.search(line), _ID.search(line)
        if subject is None or name is None or _ESCAPED_ASCII in line or any(line.count(each) != 1 for each in _NAMES):
            return self._place_read(line)
        return shard_of(subject[1].decode("utf-8", "replace"), self._of) or 0, name[1]

    def _place_read(self, line: bytes) -> tuple[int, bytes | None]:
        try:
            found = read_line(line.removesuffix(b"\r"), self._undocumented)
        except RefusalError:
            return 0, None
        return shard_of(found.stream, self._of) or 0, found.event_id.encode()
