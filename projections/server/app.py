"""The application: the routes of the API and of the audit desk behind one guard."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from projections.api import openapi as documents
from projections.api import routes as api
from projections.api.again import Again
from projections.api.feed import look_for_streams
from projections.desk import pages as desk
from projections.http import problems
from projections.http.authentication import Askers
from projections.http.problems import Problem, problem_response
from projections.http.settings import Settings
from projections.http.streams import Streams
from projections.reading.budget import no_memory
from projections.reading.reader import Reading
from projections.reading.watching import LedgerWatch
from projections.server import login, metrics, probes
from projections.server.guard import Guard, wants_page
from projections.server.loops import LoopLoader
from projections.server.metrics import Measures
from projections.server.traced import Traced
from replay import tracing
from replay.errors import LevelbookError


def application(
    settings: Settings, is_stopping: Callable[[], bool] = lambda: False, lost: Callable[[str], None] | None = None
) -> Starlette:
    """The whole service, as one process of it runs it; `lost` is called with the reason when it is away.

    `request.app.state.reading` is what endpoints read from; plain functions run in threads of their own.
    """
    reading, measures = Reading(settings.store, settings.replay_events, settings.segments), Measures()
    askers = Askers(settings.store, needs_token=settings.needs_token)

    @asynccontextmanager
    async def living(_: Starlette) -> AsyncIterator[None]:
        if settings.otel:
            tracing.begin()
        watch = None if lost is None else LedgerWatch(reading, settings.lost_seconds, lost)
        app.state.loops = LoopLoader(reading)
        yield
        app.state.loops.end()
        if watch is not None:
            watch.end()
        reading.close()
        askers.close()
        if settings.otel:
            tracing.end()

    app = Starlette(
        routes=_routes(),
        middleware=[
            *([Middleware(Traced)] if settings.otel else []),
            Middleware(Guard, settings=settings, askers=askers, measures=measures),
            Middleware(Again, reading=reading),
        ],
        exception_handlers={
            Problem: _problem,
            LevelbookError: _problem,
            MemoryError: _no_memory,
            HTTPException: _http_error,
        },
        lifespan=living,
    )
    app.state.settings = settings
    app.state.reading = reading
    app.state.askers = askers
    app.state.measures = measures
    app.state.readiness = probes.Readiness(partial(probes.why_not_ready, reading, askers, settings))
    app.state.streams = Streams(partial(look_for_streams, reading, askers), is_stopping)
    return app


def _routes() -> Sequence[BaseRoute]:
    return [
        *api.routes(),
        *probes.routes(),
        *metrics.routes(),
        *documents.routes(),
        *login.routes(),
        *desk.routes(),
    ]


def answer_problem(request: Request, problem: Problem) -> Response:
    """A problem as the client can read it: a page for people, details for programs."""
    if wants_page(request):
        response = desk.error_page(request, problem)
        response.headers.update(problem.headers)
        return response
    return problem_response(problem)


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem | LevelbookError)
    settings: Settings = request.app.state.settings
    return answer_problem(request, problems.as_told(error, needs_token=settings.needs_token))


async def _no_memory(request: Request, _: Exception) -> Response:
    reading: Reading = request.app.state.reading
    reading.let_go()
    return answer_problem(request, no_memory())


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "GET")
        return answer_problem(request, problems.wrong_method(request.method, allowed))
    return answer_problem(request, problems.not_found(request.url.path))
