"""The pages of the desk."""

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from projections.service.problems import Problem


def routes() -> list[BaseRoute]:
    """What the service mounts behind the routes of the API."""
    return [Route("/", _start)]


def error_page(_: Request, problem: Problem) -> Response:
    """A problem as a page; the service adds the problem's own headers."""
    return _page("error.html", problem.status, problem=problem)


def login_page(_: Request, problem: Problem | None, next_page: str) -> Response:
    """The form by which a token is exchanged for a session: posted to /login as `token` and `next`."""
    return _page("login.html", 200 if problem is None else problem.status, problem=problem, next_page=next_page)


def _start(_: Request) -> Response:
    return _page("start.html", 200)


def _page(name: str, status: int, **values: Any) -> Response:
    return HTMLResponse(_templates().get_template(name).render(values), status, {"Cache-Control": "no-store"})


@cache
def _templates() -> Environment:
    return Environment(loader=PackageLoader("projections.desk"), autoescape=True, undefined=StrictUndefined)
