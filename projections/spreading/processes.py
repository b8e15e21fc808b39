"""Buckets worked out by several processes, each of which takes one after another and writes its own files.

What comes through pipes is which files there are. A bucket that a process does not give, because it was ended or met
what it cannot work out, the first process works out at the end, or raises what is wrong.

What is heavy is imported by each process itself: all begin at once.
"""

import pickle
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from domain.buckets import BUCKETS
from projections.spreading.passing import is_first_to, pass_on
from replay.errors import LevelbookError
from replay.passing_folders import at_work_in, passing_folder
from replay.processes import second_core

if TYPE_CHECKING:
    from projections.spreading.files import BucketDone, BucketWork
    from replay.columnar.archive import Archive, Tail

    Here = Callable[[int], BucketDone]
    """Works out a bucket in this process."""


class ProcessAsked(NamedTuple):
    """What a process is told."""

    work: "BucketWork"
    archive: "Archive"
    """Which the first process holds: who seals meanwhile takes away none of its files."""
    place: str
    folder: Path
    """Where rows are left that later stages need."""
    buckets: Sequence[int]
    """In the order in which they are begun."""


class Helpers:
    """Processes beside this one, which works out buckets, too."""

    def __init__(self, folder: Path, connections: Sequence[Connection]) -> None:
        self.folder = folder
        """Where all leave what later stages need; it goes after the last of them has ended."""
        self._at_work = list(connections)

    def done(self, asked: ProcessAsked, tail_of: "Callable[[int], Tail]", here: "Here") -> "Iterator[BucketDone]":
        """Each bucket, as they are done; `tail_of` says what is not sealed of one."""
        self._tell(asked, tail_of)
        left = set(asked.buckets)
        for bucket in _claimed(asked):
            for done in (here(bucket), *self._given(0)):
                left.remove(done.bucket)
                yield done
        while left and self._at_work:  # one that has begun none is not waited for
            for done in self._given(None):
                left.remove(done.bucket)
                yield done
        yield from map(here, sorted(left))

    def _tell(self, asked: ProcessAsked, tail_of: "Callable[[int], Tail]") -> None:
        for bucket in asked.buckets if self._at_work else ():
            pass_on(_tail_path(asked, bucket), tail_of(bucket))
        for connection in self._at_work:
            with suppress(OSError):  # it was ended, which is seen when nothing comes from it
                connection.send(asked)

    def _given(self, seconds: float | None) -> "Iterator[BucketDone]":
        """What has come from processes, after a wait for the first of it; without end, where `seconds` is left out."""
        for ready in wait(self._at_work, seconds):
            assert isinstance(ready, Connection)
            try:
                done: BucketDone | None = ready.recv()
            except (EOFError, OSError):
                done = None
            if done is None:
                self._at_work.remove(ready)
            else:
                yield done


@contextmanager
def helpers(count: int) -> Iterator[Helpers]:
    """So many processes, which get ready while this one does other work; none that no bucket would be left for."""
    with passing_folder() as folder, ExitStack() as held:
        yield Helpers(folder, [held.enter_context(second_core(_serve)) for _ in range(min(count, BUCKETS - 1))])


def _serve(connection: Connection) -> None:
    """Work out one bucket after another that none has begun; at the end None."""
    from projections.exporting.naming import place_named
    from projections.spreading.files import leave, write_bucket
    from replay.columnar.parts import PART_ROWS
    from replay.schemes.warming import load_kept

    for _ in load_kept():
        pass
    asked: ProcessAsked = connection.recv()
    place = place_named(asked.place)
    with suppress(LevelbookError, FileNotFoundError), at_work_in(asked.folder):  # which goes with the first process
        for bucket in _claimed(asked):
            if connection.poll():  # nothing more is told: the first process has ended
                return
            tail: Tail = pickle.loads(_tail_path(asked, bucket).read_bytes())
            parts = (part.columns for part in asked.archive.parts(bucket, tail, rows=PART_ROWS))
            with suppress(LevelbookError):  # the first process meets it, too, and raises it
                done, left = write_bucket(asked.work, place, bucket, parts)
                leave(asked.folder, bucket, left)
                connection.send(done)
    connection.send(None)


def _claimed(asked: ProcessAsked) -> Iterator[int]:
    """Buckets that no other process has begun: who makes its file has it."""
    for bucket in asked.buckets:
        if is_first_to(asked.folder / f"begun-{bucket}"):
            yield bucket


def _tail_path(asked: ProcessAsked, bucket: int) -> Path:
    return asked.folder / f"tail-{bucket}"
