"""Bodies of requests: each must come within its time, and so many may be under way at once."""

from asyncio import timeout
from collections import Counter
from time import monotonic
from typing import Final

from starlette.types import Message, Receive

from projections.http.problems import Problem
from projections.http.scopes import Asker

OF_TOKEN_MAX: Final = 20
"""Bodies under way in one process of one token: of up to 256 KiB each."""
OF_NOBODY_MAX: Final = 1_000
"""Of all who show none, who may send up to 4 KiB each, to sign in."""


class Bodies:
    """The bodies that are under way in a process."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._under_way: Counter[int | None] = Counter()
        """By the number of the token; None: without one."""

    def of(self, asker: Asker, receive: Receive) -> "Body":
        """The body of a request, in the place of `receive`."""
        return Body(self, asker.token, receive)

    def begin(self, token: int | None) -> None:
        """Raises Problem where as many are under way as may be."""
        at_most = OF_NOBODY_MAX if token is None else OF_TOKEN_MAX
        if self._under_way[token] >= at_most:
            detail = f"{at_most} bodies are being sent to this process already; ask again when some have come"
            raise Problem(503, "too-many-bodies", "Too much is being sent", detail, headers={"Retry-After": "5"})
        self._under_way[token] += 1

    def end(self, token: int | None) -> None:
        self._under_way[token] -= 1
        if not self._under_way[token]:
            del self._under_way[token]


class Body:
    """One body as it comes; call it as `receive`."""

    def __init__(self, bodies: Bodies, token: int | None, receive: Receive) -> None:
        self.is_late = False
        self._bodies, self._token, self._receive = bodies, token, receive
        self._until = monotonic() + bodies.seconds
        self._is_under_way = self._is_whole = False

    async def __call__(self) -> Message:
        """The next piece. One that is late counts as the sender's leaving, so that nothing waits for it."""
        if self._is_whole:
            return await self._receive()
        if not self._is_under_way:
            self._bodies.begin(self._token)
            self._is_under_way = True
        try:
            async with timeout(self._until - monotonic()):
                message = await self._receive()
        except TimeoutError:
            self.is_late = True
            return {"type": "http.disconnect"}
        if not message.get("more_body", False):
            self._is_whole = True
            self.end()
        return message

    def end(self) -> None:
        """The body is whole, or nothing of it is waited for any more."""
        if self._is_under_way:
            self._is_under_way = False
            self._bodies.end(self._token)


def too_slow(seconds: float) -> Problem:
    detail = f"the body did not come within {seconds:g} s; send it faster, or in parts"
    return Problem(408, "too-slow", "The body came too slowly", detail, headers={"Connection": "close"})
