"""An operation of the API: its route, who may ask, what may be asked, what is answered; and the way through it."""

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

import msgspec
from marshmallow import Schema
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from projections.service.asking import require
from projections.service.parameters import Query, read_path, read_query
from projections.service.problems import asked_wrongly
from projections.service.reading import Reading
from replay.errors import UsageError

JSON: Final = "application/json"
FIXED: Final = "private, max-age=86400, immutable"
"""An answer at a fixed moment under a fixed policy never becomes another one."""
CHANGING: Final = "private, no-cache"


class Answer(NamedTuple):
    """What an operation found."""

    body: Any
    etag: str | None = None
    """Names the answer's bytes, all but how fresh it was; None where nothing does."""
    fixed: bool = False


Asked = dict[str, Any]
"""The parameters of path and query by name."""


class Operation(NamedTuple):
    """A route of the API, from which its documentation is made, too."""

    name: str
    path: str
    answers: Callable[[Request, Asked], Answer | Response | Awaitable[Answer | Response]]
    scope: str
    summary: str
    answer: type[Schema] | str
    """The schema of the answer, or the name of one that the documentation puts together."""
    about: str = ""
    path_schema: type[Schema] = Schema
    query: type[Schema] = Query
    body: type[Schema] | None = None
    example: dict[str, str] = {}  # noqa: RUF012 (only read)
    """Values of its parameters for which there is an answer in the demo's ledger."""


def route_of(operation: Operation) -> Route:
    """The operation as Starlette calls it."""
    query, path = operation.query(), operation.path_schema()
    usual = query.load({})
    in_loop = inspect.iscoroutinefunction(operation.answers)

    async def endpoint(request: Request) -> Response:
        request.scope["levelbook.operation"] = operation.name
        require(request, operation.scope)
        asked = read_path(path, request) if path.fields else {}
        asked |= read_query(query, request) if request.scope["query_string"] else usual
        try:
            if asked.get("min_position"):
                await reading_of(request).reached(asked["min_position"])
            if in_loop:
                found: Any = await operation.answers(request, asked)  # type: ignore[misc]
            else:
                found = await run_in_threadpool(operation.answers, request, asked)
        except UsageError as error:
            raise asked_wrongly(error) from None
        return found if isinstance(found, Response) else respond(request, found)

    return Route(operation.path, endpoint, methods=["POST" if operation.body else "GET"], name=operation.name)


def respond(request: Request, answer: Answer) -> Response:
    """The answer as bytes; none where whoever asks holds them already."""
    headers = {"Cache-Control": FIXED if answer.fixed else CHANGING}
    if answer.etag is not None:
        headers["ETag"] = answer.etag
        held = request.headers.get("if-none-match")
        if held is not None and (held == "*" or answer.etag in (item.strip() for item in held.split(","))):
            return Response(None, 304, headers)
    return Response(msgspec.json.encode(answer.body), 200, headers, JSON)


def subject_of(asked: Asked) -> str:
    return f"{asked['kind']}/{asked['id']}"


def reading_of(request: Request) -> Reading:
    found: Reading = request.app.state.reading
    return found
