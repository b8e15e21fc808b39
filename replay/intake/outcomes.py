"""What becomes of the lines of an ingest: counted, reported, the refused ones quarantined; and when to stop."""

from dataclasses import dataclass, field
from operator import add
from typing import Final, Protocol

from replay.errors import LevelbookError
from replay.intake.rejects import Rejects
from replay.parsing.refusals import Refusal
from replay.recording.append import Appended
from replay.recording.oddities import Oddities
from replay.store.base.identity import Head

REFUSALS_MAX: Final = 1_000
"""So many lines refused in a row, and the file is taken for something else than was meant."""


@dataclass
class Counts:
    """What became of the lines: `recorded + known + refused + passed_over + held_back == lines`."""

    recorded: int = 0
    known: int = 0
    refused: int = 0
    passed_over: int = 0
    held_back: int = 0
    """Well-formed lines of a backfill that were read and neither recorded nor known, because it ended before."""
    cut: int = 0
    """Of the well-formed events, those of whose times decimals beyond microseconds were cut off."""
    odd: Oddities = field(default_factory=Oddities)
    """Of what was recorded, what may surprise later."""
    refused_whole: bool = False
    """Whether a backfill recorded nothing, because a line was refused or not all could be tried."""
    broken_files: list[str] = field(default_factory=list)

    def add(self, done: Appended) -> None:
        """Count what became of a batch, but for what was refused."""
        self.recorded += done.recorded
        self.known += done.known
        self.odd = Oddities(*map(add, self.odd, done.odd))

    @property
    def lines(self) -> int:
        return self.recorded + self.known + self.refused + self.passed_over + self.held_back


class Watcher(Protocol):
    """Whoever follows how an ingest goes."""

    def made(self, where: str) -> None:
        """A new ledger was made: its absolute path, or its URL without password."""

    def refused(self, where: str, refusal: Refusal) -> None: ...

    def acknowledged(self, where: str, head: Head, counts: Counts) -> None:
        """Every line of the file up to `where` (FILE:N) is durable: recorded, already known, or quarantined."""

    def read(self, name: str, read_bytes: int) -> None: ...


class TooManyRefused(LevelbookError):
    """So many lines in a row were refused that the run stops; `where` is the last of them."""

    def __init__(self, where: str, message: str) -> None:
        super().__init__(message)
        self.where = where


class Outcomes:
    """Counts and tells what becomes of lines, in their order. `refusals_max` 0 sets no bound."""

    def __init__(self, rejects: Rejects, watcher: Watcher, refusals_max: int) -> None:
        self._rejects = rejects
        self._watcher = watcher
        self._refusals_max = refusals_max
        self._in_a_row = 0
        self.keeps_refused = True
        """False while refused lines stay in their files alone, because nothing of the run will be recorded."""
        self.counts = Counts()

    def taken(self) -> None:
        """A line was not refused."""
        self._in_a_row = 0

    def refused(self, where: str, refusal: Refusal, raw: bytes) -> None:
        """A line was refused. Raises TooManyRefused, having kept it, when it is one too many in a row."""
        self.counts.refused += 1
        if self.keeps_refused:
            self._rejects.write(where, refusal, raw)
        self._watcher.refused(where, refusal)
        self._in_a_row += 1
        if self._in_a_row == self._refusals_max:
            raise TooManyRefused(
                where,
                f"{self._in_a_row} lines in a row were refused, the last one {where} ({refusal.reason}): the run stops"
                " there, for the file may be another than was meant. Look at it; --refusals-max N sets another bound,"
                " 0 none",
            )

    def acknowledge(self, where: str, head: Head) -> None:
        """Say that every line of a file up to `where` is durable, once what was refused of them is."""
        self._rejects.sync()
        self._watcher.acknowledged(where, head, self.counts)
