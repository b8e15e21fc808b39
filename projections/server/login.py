"""Signing in with a browser: a token is exchanged for a session, which a cookie stands for."""

from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from projections.desk import pages as desk
from projections.http.authentication import SESSION_COOKIE, Askers, ShownSecret, now, session_in
from projections.http.forms import check_same_origin, read_form
from projections.http.problems import Problem
from projections.http.settings import prefix_of
from projections.http.token_store import SESSION_MICROS

PATH: Final = "/login"


def routes() -> list[Route]:
    return [
        Route(PATH, _form, methods=["GET"]),
        Route(PATH, _begin, methods=["POST"]),
        Route("/logout", _end, methods=["POST"]),
    ]


async def _form(request: Request) -> Response:
    return desk.login_page(request, None, safe_page(request.query_params.get("next", "/"), prefix_of(request.scope)))


async def _begin(request: Request) -> Response:
    check_same_origin(request)
    form = await read_form(request)
    page = safe_page(form.get("next", "/"), prefix_of(request.scope))
    askers: Askers = request.app.state.askers
    token = await run_in_threadpool(askers.keeping().token_of, form.get("token", "").strip())
    if token is None:
        detail = "the token is unknown or revoked; 'levelbook token new' makes another"
        return desk.login_page(request, Problem(401, "wrong-token", "The token does not hold", detail), page)
    secret = await run_in_threadpool(askers.keeping().begin_session, token, now())
    response = RedirectResponse(page, 303, {"Cache-Control": "no-store"})
    _set_cookie(request, response, secret, SESSION_MICROS // 1_000_000)
    return response


async def _end(request: Request) -> Response:
    check_same_origin(request)
    askers: Askers = request.app.state.askers
    secret = session_in(request.headers.get("cookie", ""))
    if secret:
        await run_in_threadpool(askers.keeping().end_session, secret)
        askers.forget(ShownSecret(secret, True))
    response = RedirectResponse(prefix_of(request.scope) + PATH, 303, {"Cache-Control": "no-store"})
    _set_cookie(request, response, "", 0)
    return response


def safe_page(page: str, prefix: str = "") -> str:
    """A page of this service, which stands behind a prefix, to go on to, and nothing else."""
    plain = page.startswith(f"{prefix}/") and not page.startswith("//") and "\\" not in page and page.isprintable()
    return page if plain and page.isascii() and "/../" not in f"{page}/" else f"{prefix}/"


def _set_cookie(request: Request, response: Response, secret: str, seconds: int) -> None:
    secure = request.app.state.settings.is_https
    response.set_cookie(
        SESSION_COOKIE,
        secret,
        max_age=seconds,
        path=prefix_of(request.scope) or "/",
        httponly=True,
        samesite="strict",
        secure=secure,
    )
