"""Parts of a build judged by processes beside the one that writes.

Each takes buckets in turn and hands over their parts; these are written in the order in which they are ready. What one
does not give, because it was ended or met something that cannot be read, the writing process judges.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple

from projections.projector.bulk import BulkReader, Judges, Ready, made_ready
from projections.views.database import Views, open_views
from projections.views.step import Step, build_step
from replay.columnar.archive import Archive, Tail
from replay.columnar.ledger_columns import LedgerColumns
from replay.errors import LevelbookError
from replay.processes import second_core
from replay.schemes.mcn_level.fold import Slots
from replay.store.opening import open_store


class PartsAsked(NamedTuple):
    """What a process is told once."""

    store: str
    build: int
    archive: Archive
    """Which the writing process holds: who seals meanwhile takes away none of its files."""
    schemes: Sequence[str]
    slots: Slots
    """Who holds each creator: worked out from all buckets."""


@contextmanager
def beside(
    views: Views, number: int, reader: BulkReader, schemes: Sequence[str], workers: int, here: Judges
) -> Iterator[Judges]:
    """What gives parts of a build that so many processes judge; `here` judges those that they do not give."""
    with ExitStack() as held:
        helpers = [held.enter_context(second_core(_serve)) for _ in range(workers)]
        work = PartsAsked(str(views.store.location), number, reader.archive, schemes, reader.slots())
        for helper in helpers:
            with suppress(OSError):  # it was ended, which is seen when it is asked for a part
                helper.send(work)
        yield _Gathering(helpers, reader.tail_of, here).part


class _Gathering:
    """Parts as they become ready."""

    def __init__(self, helpers: list[Connection], tail_of: Callable[[str], Tail], here: Judges) -> None:
        self._idle = deque(helpers)
        self._busy = dict[Connection, str]()
        """Where the part begins that a process works at, or had to go on with."""
        self._refused = set[str]()
        self._tail_of = tail_of
        self._here = here

    def part(self, step: Step, begins: Sequence[str]) -> Ready:
        """One of the parts that begin somewhere, the first that is ready."""
        self._ask([begin for begin in begins if begin not in self._refused])
        while self._busy:
            for helper in wait(list(self._busy)):
                assert isinstance(helper, Connection)
                ready = self._take(helper)
                if ready is not None:
                    return ready
            self._ask([begin for begin in begins if begin not in self._refused])
        self._refused.discard(begins[0])
        return self._here(step, begins)

    def _ask(self, begins: Sequence[str]) -> None:
        """Give each idle process a bucket that none works at."""
        waiting = deque(begin for begin in begins if begin not in self._busy.values())
        while waiting and self._idle:
            helper, begin = self._idle.popleft(), waiting.popleft()
            try:
                helper.send((begin, self._tail_of(begin)))
            except OSError:
                continue  # it was ended
            self._busy[helper] = begin

    def _take(self, helper: Connection) -> Ready | None:
        """What a process has made, which goes on with the same bucket; None where it gave up."""
        begin = self._busy.pop(helper)
        try:
            ready: Ready | None = helper.recv()
        except (EOFError, OSError):
            self._refused.add(begin)
            return None
        if ready is None:
            self._refused.add(begin)
        if ready is None or ready.following is None:
            self._idle.append(helper)
        else:
            self._busy[helper] = ready.following
        return ready


def _serve(connection: Connection) -> None:
    """Judge the parts of one bucket after another; None for one that cannot be judged."""
    work: PartsAsked = connection.recv()
    with suppress(LevelbookError), open_store(work.store) as store, open_views(store) as views:
        with views.reading() as found:
            build = views.build(found, work.build)
        reader = LedgerColumns(store, build.position)

        def judged(begin: str) -> Ready:
            with views.looking() as found:  # what is read of the views stands since before the first part
                return made_ready(build_step(views, found, build), reader, lambda: work.slots, work.schemes, begin)

        while True:
            asked: Any = connection.recv()
            begin, tail = asked
            reader.with_others(work.archive, tail)
            while begin is not None:
                try:
                    ready = judged(begin)
                except LevelbookError:
                    connection.send(None)
                    break
                connection.send(ready)
                begin = ready.following
