"""Whether the service lives, and whether it is fit to be asked."""

from asyncio import sleep
from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock, Thread
from time import monotonic
from typing import Final

from sqlalchemy import func, select
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from projections.http.authentication import Askers
from projections.http.problems import Problem, as_told
from projections.http.settings import Settings
from projections.reading.freshness import freshness
from projections.reading.reader import Reading, Snapshot
from projections.views.belonging import check_clock
from replay.errors import LevelbookError

READY_SECONDS: Final = 3
"""A probe is answered within that time, whatever a disk, lock or database makes the service wait for."""
LOOK_AGAIN_SECONDS: Final = 0.01


class Readiness:
    """One look at a time, in a thread of its own: those that answer may all be waiting for what is looked at."""

    def __init__(self, look: Callable[[], str | None]) -> None:
        self._look = look
        self._lock = Lock()
        self._present: Future[str | None] | None = None

    async def why_not(self) -> str | None:
        """Why answers would not be fit to use, as far as that was found out in time; None where they are."""
        found, until = self._begun(), monotonic() + READY_SECONDS
        while not found.done():
            if monotonic() >= until:
                return (
                    f"the ledger, its views or what the service keeps beside them could not be read within"
                    f" {READY_SECONDS} s: another process holds them, or their disk or database does not answer"
                )
            await sleep(LOOK_AGAIN_SECONDS)
        return found.result()

    def _begun(self) -> "Future[str | None]":
        """The look that is under way, or one that is begun now."""
        with self._lock:
            if self._present is None or self._present.done():
                self._present = Future()
                Thread(target=self._run, args=(self._present,), daemon=True).start()
            return self._present

    def _run(self, found: "Future[str | None]") -> None:
        try:
            found.set_result(self._look())
        except BaseException as error:
            found.set_exception(error)


def routes() -> list[Route]:
    return [Route("/healthz", _healthz), Route("/readyz", _readyz)]


async def _healthz(_: Request) -> Response:
    return JSONResponse({"status": "alive"}, headers={"Cache-Control": "no-store"})


async def _readyz(request: Request) -> Response:
    """Ready: ledger, views and tokens can be read, and the views lie no further behind than was said."""
    readiness: Readiness = request.app.state.readiness
    why = await readiness.why_not()
    found = {"status": "ready"} if why is None else {"status": "not ready", "why": why}
    return JSONResponse(found, 200 if why is None else 503, headers={"Cache-Control": "no-store"})


def why_not_ready(reading: Reading, askers: Askers, settings: Settings) -> str | None:
    """Why answers would not be fit to use; None where they are."""
    lag_seconds_max = settings.ready_lag_seconds
    try:
        with reading.store() as store, reading.snapshot() as at:
            now = store.now()
            check_clock(store, at.standing.as_of, now)
            lag = freshness(at.standing, now)
            failed = _failed_unexpectedly(at)
        askers.check()
    except (Problem, LevelbookError) as error:
        return as_told(error, needs_token=settings.needs_token).detail
    if failed:
        return f"{failed} levels failed unexpectedly and are set aside; 'levelbook status' shows their traces"
    if lag["lag_seconds"] > lag_seconds_max:
        return (
            f"the views lie {lag['lag_seconds']} s and {lag['lag_events']} events behind, {lag_seconds_max} s may be;"
            " is 'levelbook follow' running?"
        )
    return None


def _failed_unexpectedly(at: Snapshot) -> int:
    """How many levels are set aside for a fault of the program, and not for what their records are."""
    aside = at.tables["set_aside"]
    query = select(func.count()).select_from(aside).where(aside.c.trace.is_not(None))
    return int(at.connection.execute(query).scalar_one())
