"""Up to which line each file of a backfill is durable, though its lines are recorded in another order."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

_PENDING: Final = re.compile(rb"[^\x00]")


class Durable:
    """A byte a line: how many events of it are still to be recorded. Files go by their number, lines begin with 1.

    A line of events holds one; a row of a table may have given several, but no more than a byte counts.
    """

    def __init__(self) -> None:
        self._lines: list[bytearray] = []
        self._names: list[str] = []
        self._reported: list[int] = []
        self._touched: set[int] = set()

    def read(self, file_number: int, name: str, lines: int, pending: Sequence[int]) -> None:
        """The next lines of a file were read; those at the indexes in `pending` have an event still to be recorded."""
        while len(self._lines) <= file_number:
            self._lines.append(bytearray())
            self._names.append(name)
            self._reported.append(0)
        found = bytearray(lines)
        for index in pending:
            found[index] += 1
        self._lines[file_number] += found
        self._names[file_number] = name
        self._touched.add(file_number)

    def done(self, file_number: int, line_number: int) -> None:
        """An event of a line that was pending is recorded, known, or refused and kept."""
        self._lines[file_number][line_number - 1] -= 1
        self._touched.add(file_number)

    def news(self) -> Iterator[str]:
        """FILE:N of each file that is durable further than was reported before: every line up to N is done with."""
        for number in sorted(self._touched):
            lines, reported = self._lines[number], self._reported[number]
            pending = _PENDING.search(lines, reported)
            upto = len(lines) if pending is None else pending.start()
            if upto > reported:
                self._reported[number] = upto
                yield f"{self._names[number]}:{upto}"
        self._touched.clear()
