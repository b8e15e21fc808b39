"""Whether the service lives, and whether it is fit to be asked."""

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


def routes() -> list[Route]:
    return [Route("/healthz", _healthz), Route("/readyz", _readyz)]


async def _healthz(_: Request) -> Response:
    return JSONResponse({"status": "alive"}, headers={"Cache-Control": "no-store"})


def _readyz(request: Request) -> Response:
    """Ready: ledger, views and tokens can be read, and the views lie no further behind than was said."""
    settings: Settings = request.app.state.settings
    why = why_not_ready(request.app.state.reading, request.app.state.askers, settings)
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
