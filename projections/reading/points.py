"""Levels of single subjects: in the event loop where nothing has to be waited for, else in threads; and remembered.

What is remembered is given again only after a look at the views that began no earlier than the request: one look
serves all requests that wait when it is made.
"""

from asyncio import get_running_loop
from collections.abc import Callable
from time import monotonic
from typing import Final, Protocol, TypeVar

from starlette.concurrency import run_in_threadpool

from projections.http.problems import Problem
from projections.reading.freshness import Seen, ViewsStanding, freshness_json
from projections.reading.lending import Lending
from projections.reading.memory import AnswerKey, AnswerMemory, MemoryPlace, Remembered
from projections.reading.point_reads import PointRead, SqlitePoints
from projections.reading.remote_look import RemoteLook
from replay.errors import LevelbookError, StoreError
from replay.store.base.store import Store
from replay.store.sqlite import SqliteStore

LOOK_AGAIN_SECONDS: Final = 0.05
"""How long the event loop reads without looking whether its files are still those that stand there."""
Answered = TypeVar("Answered")
Work = Callable[[Store, PointRead], Answered]


class InThread(Protocol):
    """Reads a subject's levels as threads do."""

    def __call__(self, subject: str, scheme: str | None, work: Work[Answered]) -> Answered: ...


class Points:
    """What the event loop of one process reads from; of use to it alone.

    `prepare` opens the views, or raises why they cannot be read.
    """

    def __init__(self, stores: Lending, prepare: Callable[[], object], in_thread: InThread) -> None:
        self._stores, self._prepare, self._in_thread = stores, prepare, in_thread
        self._memory = AnswerMemory()
        self._own: tuple[Store, SqlitePoints] | None = None
        self._remote: RemoteLook | None = None
        self._look_again = 0.0
        self._seen: Seen | None = None
        """What a look saw that serves all who were there before it."""

    async def read(self, subject: str, scheme: str | None, work: Work[Answered]) -> Answered:
        """What `work` makes of a subject's levels."""
        self._check_current()
        if self._own is None and self._remote is None:
            opened = await run_in_threadpool(self._open)
            self._close_own()  # of another request that waited for the same meanwhile
            self._own = opened
            if opened is None:
                self._remote = self._remote or RemoteLook(self._stores)
        if self._own is not None:
            store, points = self._own
            try:
                self._look_here(points)  # what is kept of this reading stands where that look saw the views
                with points.reading(subject, scheme) as point:
                    return work(store, point)
            except StoreError:
                is_current = self._is_current(store, points)
                self._close_own()  # what has failed is not read from again
                if is_current:
                    raise
        return await run_in_threadpool(self._in_thread, subject, scheme, work)

    def keep(self, standing: ViewsStanding, key: AnswerKey, answer: Remembered) -> None:
        """Remember an answer that was made of views which stood so."""
        self._memory.keep(self._place(standing), key, answer)

    async def again(self, key: AnswerKey) -> tuple[Remembered, bytes] | None:
        """What was answered to the same, if it still is the answer; and how fresh that is, as JSON."""
        if self._memory.find(key) is None:
            return None
        try:
            seen = await self._look()
        except (Problem, LevelbookError):  # who reads will be told
            self._memory.forget()
            return None
        if seen is None:
            return None
        self._memory.stand(self._place(seen.standing))
        found = self._memory.find(key)
        return None if found is None else (found, freshness_json(*seen))

    def close(self) -> None:
        self._close_own()
        if self._remote is not None:
            self._remote.close()

    async def _look(self) -> Seen | None:
        """Where the views stand, seen no earlier than this was called; None where nothing is open to look by."""
        if self._remote is not None:
            return await self._remote.seen()
        if self._seen is None:
            self._check_current()
        return None if self._own is None else self._look_here(self._own[1])

    def _look_here(self, points: SqlitePoints) -> Seen:
        if self._seen is None:
            self._seen = points.look()
            get_running_loop().call_soon(self._unsee)  # behind every request that is waiting now
        return self._seen

    def _unsee(self) -> None:
        self._seen = None

    def _place(self, standing: ViewsStanding) -> MemoryPlace:
        return (0 if self._own is None else self._own[1].version, standing.place)

    def _check_current(self) -> None:
        """Close what is open, once in a while, where its files stand there no more."""
        if self._own is not None and monotonic() >= self._look_again:
            self._look_again = monotonic() + LOOK_AGAIN_SECONDS
            if not self._is_current(*self._own):
                self._close_own()

    def _is_current(self, store: Store, points: SqlitePoints) -> bool:
        """Whether what the event loop reads from is what stands there. The views that threads read may be newer."""
        return points.is_current() and self._stores.is_current(store)

    def _close_own(self) -> None:
        self._seen = None
        self._memory.forget()
        if self._own is not None:
            for opened in self._own:
                opened.close()
            self._own = None

    def _open(self) -> tuple[Store, SqlitePoints] | None:
        """A store and a connection of the event loop's own; None where they would have to be waited for."""
        self._prepare()
        store = self._stores.open()
        try:
            if isinstance(store, SqliteStore):
                return store, SqlitePoints(store)
        except BaseException:
            store.close()
            raise
        store.close()
        return None
