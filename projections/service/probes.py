"""Whether the service lives, and whether it is fit to be asked."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from projections.service.problems import Problem
from projections.service.reading import Reading
from projections.service.settings import Settings
from projections.service.standing import freshness
from replay.errors import LevelbookError


def routes() -> list[Route]:
    return [Route("/healthz", _healthz), Route("/readyz", _readyz)]


async def _healthz(_: Request) -> Response:
    return JSONResponse({"status": "alive"}, headers={"Cache-Control": "no-store"})


def _readyz(request: Request) -> Response:
    """Ready: the ledger and its views can be read, and the views lie no further behind than was said."""
    settings: Settings = request.app.state.settings
    why = why_not_ready(request.app.state.reading, settings.ready_lag_seconds)
    found = {"status": "ready"} if why is None else {"status": "not ready", "why": why}
    return JSONResponse(found, 200 if why is None else 503, headers={"Cache-Control": "no-store"})


def why_not_ready(reading: Reading, lag_seconds_max: int) -> str | None:
    """Why answers would not be fit to use; None where they are."""
    try:
        with reading.store() as store, reading.snapshot() as at:
            lag = freshness(at.standing, store.now())
    except Problem as problem:
        return problem.detail
    except LevelbookError as error:
        return str(error)
    if lag["lag_seconds"] > lag_seconds_max:
        return (
            f"the views lie {lag['lag_seconds']} s and {lag['lag_events']} events behind, {lag_seconds_max} s may be;"
            " is 'levelbook follow' running?"
        )
    return None
