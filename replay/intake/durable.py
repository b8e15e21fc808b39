"""Up to which line each file of a backfill is durable, though its lines are recorded in another order."""

from collections.abc import Iterator, Sequence
from typing import Final

_PENDING: Final = 0
_DONE: Final = 1


class Durable:
    """A byte a line: whether it is done with. Files go by their number, lines begin with 1."""

    def __init__(self) -> None:
        self._lines: list[bytearray] = []
        self._names: list[str] = []
        self._reported: list[int] = []
        self._touched: set[int] = set()

    def read(self, file_number: int, name: str, lines: int, pending: Sequence[int]) -> None:
        """The next lines of a file were read; those at the indexes in `pending` are still to be recorded."""
        while len(self._lines) <= file_number:
            self._lines.append(bytearray())
            self._names.append(name)
            self._reported.append(0)
        found = bytearray(bytes([_DONE]) * lines)
        for index in pending:
            found[index] = _PENDING
        self._lines[file_number] += found
        self._names[file_number] = name
        self._touched.add(file_number)

    def done(self, file_number: int, line_number: int) -> None:
        """A line that was pending is recorded, known, or refused and kept."""
        self._lines[file_number][line_number - 1] = _DONE
        self._touched.add(file_number)

    def news(self) -> Iterator[str]:
        """FILE:N of each file that is durable further than was reported before: every line up to N is done with."""
        for number in sorted(self._touched):
            lines, reported = self._lines[number], self._reported[number]
            pending = lines.find(_PENDING, reported)
            upto = len(lines) if pending < 0 else pending
            if upto > reported:
                self._reported[number] = upto
                yield f"{self._names[number]}:{upto}"
        self._touched.clear()
