"""Noting down the events of an ingest, so that their receipts can be asked for once a checkpoint covers them.

A line of JSON each, {"id": ID, "source": SOURCE}, of what was recorded or was known: the same files again complete what
a crash left out, and an event noted twice has two receipts.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import BinaryIO

from replay.intake.targets import Check, Clock, Target, no_check
from replay.recording.append import Appended
from replay.recording.erase import Due
from replay.store.base.identity import Head
from replay.store.beside import open_private
from replay.store.reading.row import encode_json
from replay.store.record import Candidate


class NotingTarget:
    """A target whose batches are noted down once they are recorded."""

    def __init__(self, target: Target, notes: BinaryIO) -> None:
        self._target = target
        self._notes = notes

    @property
    def made(self) -> str | None:
        return self._target.made

    @property
    def due(self) -> Due:
        return self._target.due

    def record(self, candidates: Sequence[Candidate], clock: Clock, check: Check = no_check) -> Appended:
        done = self._target.record(candidates, clock, check)
        refused = {number for number, _ in done.refused}
        for number, item in enumerate(candidates):
            if number not in refused:
                self._notes.write(encode_json({"id": item.event_id, "source": item.source}) + b"\n")
        return done

    def head(self) -> Head:
        return self._target.head()

    def backfilling(self) -> AbstractContextManager[None]:
        return self._target.backfilling()

    def trial(self) -> AbstractContextManager[Target]:
        return self._target.trial()


@contextmanager
def noting(target: Target, path: Path | None) -> Iterator[Target]:
    """The target, its events noted down at the end of a private file; the target itself where none is named."""
    if path is None:
        yield target
        return
    with os.fdopen(open_private(path, os.O_WRONLY | os.O_APPEND), "ab") as notes:
        yield NotingTarget(target, notes)
        notes.flush()
        os.fsync(notes.fileno())
