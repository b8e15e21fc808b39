"""The open streams of a process: how many, of which token, and one poll for changes that serves all of them."""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from typing import Any, Final, NamedTuple

from starlette.concurrency import run_in_threadpool

from projections.http.authentication import ShownSecret
from projections.http.problems import Problem
from replay.errors import LevelbookError

LOOK_SECONDS: Final = 0.2
"""How often it is looked whether anything changed."""
STREAMS_MAX: Final = 200
"""Streams that one process serves at a time."""
STREAMS_OF_TOKEN_MAX: Final = 20
"""Those of one token among them, so that there is room for others."""
_log = logging.getLogger("levelbook.service")


class Look(NamedTuple):
    """What was seen in one moment of the views."""

    feed: str
    number: int
    """Of the last change of any level."""
    standing: dict[str, Any]
    ended: frozenset[ShownSecret | None]
    """What no longer holds of what was shown when streams were begun."""


class OpenStream:
    """A place among the open streams."""

    def __init__(self, token: int | None, shown: ShownSecret | None) -> None:
        self.token, self.shown, self.is_ended = token, shown, False


class Streams:
    """Every stream that is open in a process; in its event loop alone.

    `look` is called in a thread while any is open, with what each of them showed.
    """

    def __init__(self, look: Callable[[Collection[ShownSecret | None]], Look], is_stopping: Callable[[], bool]) -> None:
        self._look, self.is_stopping = look, is_stopping
        self._open: set[OpenStream] = set()
        self._last: Look | None = None
        self._turned = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._open)

    @contextmanager
    def opened(self, token: int | None, shown: ShownSecret | None) -> Iterator[OpenStream]:
        """A place for one stream more. Raises Problem where there is none."""
        if len(self._open) >= STREAMS_MAX:
            raise _too_many(f"this process serves {STREAMS_MAX} streams already; ask for pages, or later")
        if token is not None and sum(item.token == token for item in self._open) >= STREAMS_OF_TOKEN_MAX:
            raise _too_many(
                f"the token has {STREAMS_OF_TOKEN_MAX} streams open in this process; end one, or ask for pages"
            )
        stream = OpenStream(token, shown)
        self._open.add(stream)
        if self._looking is None or self._looking.done():
            self._last, self._turned = None, asyncio.Event()
            self._looking = asyncio.get_running_loop().create_task(self._look_on())
        try:
            yield stream
        finally:
            self._open.discard(stream)
            if not self._open:
                self._looking.cancel()
                self._looking = None

    async def next(self, stream: OpenStream, cursor: str, seconds: float) -> Look | None:
        """What shows a change behind a cursor, or after so many seconds what was seen last; None: the stream ends."""
        feed, _, number = cursor.partition(".")
        until = monotonic() + seconds
        while not stream.is_ended:
            turned, last = self._turned, self._last
            if last is not None and last.feed != feed:
                return None  # the views were made again: the next request is answered with that
            if last is not None and (last.number > int(number) or monotonic() >= until):
                return last
            with suppress(TimeoutError):
                async with asyncio.timeout(max(until - monotonic(), LOOK_SECONDS)):
                    await turned.wait()
        return None

    async def _look_on(self) -> None:
        while not self.is_stopping():
            try:
                seen = await run_in_threadpool(self._look, {item.shown for item in self._open})
            except (Problem, LevelbookError):
                break  # the next request is answered with the reason
            except Exception as error:
                _log.error("looking for changes broke", exc_info=error)
                break
            for item in self._open:
                item.is_ended = item.shown in seen.ended
            is_new = self._last is None or seen[:2] != self._last[:2] or bool(seen.ended)
            self._last = seen
            if is_new:
                self._turn()
            await asyncio.sleep(LOOK_SECONDS)
        for item in self._open:
            item.is_ended = True
        self._turn()

    def _turn(self) -> None:
        turned, self._turned = self._turned, asyncio.Event()
        turned.set()


def _too_many(detail: str) -> Problem:
    return Problem(503, "too-many-streams", "Too many streams", detail, headers={"Retry-After": "10"})
