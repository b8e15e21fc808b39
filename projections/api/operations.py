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
from starlette.types import Receive, Scope, Send

from projections.api.sheets import CSV_TYPE, columns_of, csv_of, prefers_csv
from projections.http.parameters import PathReader, Query, read_query
from projections.http.problems import asked_wrongly
from projections.http.scopes import Access, note_access, require
from projections.http.settings import prefix_of
from projections.reading.reader import Reading
from replay.errors import UsageError

JSON: Final = (b"content-type", b"application/json")
FIXED: Final = b"private, max-age=86400, immutable"
"""An answer at a fixed moment under a fixed policy never becomes another one."""
VARY: Final = (b"vary", b"authorization, cookie")
"""What one may read is not shown again to whoever signs in after him with the same browser."""
CHANGING: Final = b"private, no-cache"


class Reply(NamedTuple):
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
    answers: Callable[[Request, Asked], Reply | Response | Awaitable[Reply | Response]]
    scope: str
    access: Access | None
    """What is logged of the caller; None for what explains nothing and shows no decision of its own."""
    summary: str
    answer: type[Schema] | str
    """The schema of the answer, or the name of one that the documentation puts together."""
    about: str = ""
    path_schema: type[Schema] = Schema
    query: type[Schema] = Query
    body: type[Schema] | None = None
    example: dict[str, str] = {}  # noqa: RUF012 (only read)
    """Values of its parameters for which there is an answer in the demo's ledger."""
    listed: str | None = None
    """The key of the rows of its answer, which can be had as CSV, too."""


def route_of(operation: Operation) -> Route:
    """The operation as Starlette calls it."""
    return Route(
        operation.path, _Endpoint(operation), methods=["POST" if operation.body else "GET"], name=operation.name
    )


class _Endpoint:
    """The way through an operation; an ASGI application, for Starlette's own way costs as much as reading a level."""

    def __init__(self, operation: Operation) -> None:
        self._operation = operation
        self._query, self._path = operation.query(), PathReader(operation.path_schema())
        self._usual = self._query.load({})
        self._in_loop = inspect.iscoroutinefunction(operation.answers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        scope["levelbook.operation"] = self._operation.name
        require(request, self._operation.scope)
        asked = self._path.read(request)
        asked |= read_query(self._query, request) if scope["query_string"] else self._usual
        if self._operation.access is not None:
            await run_in_threadpool(note_access, request, self._operation.access, asked)
        try:
            found = await self._found(request, asked)
        except UsageError as error:
            raise asked_wrongly(error) from None
        if isinstance(found, Reply) and self._operation.listed is not None and asks_for_csv(request, asked):
            response: Response = as_csv(request, self._operation, found)
        else:
            response = found if isinstance(found, Response) else respond(scope, found)
        await response(scope, receive, send)

    async def _found(self, request: Request, asked: Asked) -> Reply | Response:
        if asked.get("min_position"):
            await reading_of(request).reached(asked["min_position"])
        if self._in_loop:
            return await self._operation.answers(request, asked)  # type: ignore[misc, no-any-return]
        return await run_in_threadpool(self._operation.answers, request, asked)  # type: ignore[arg-type]


def respond(scope: Scope, answer: Reply) -> Response:
    """The answer as bytes; none where the client holds them already."""
    headers = [(b"cache-control", FIXED), VARY] if answer.fixed else [(b"cache-control", CHANGING)]
    if answer.etag is not None:
        headers.append((b"etag", answer.etag.encode()))
        held = _held(scope)
        if held and ("*" in held or answer.etag in held):
            return Bytes(b"", 304, headers)
    return Bytes(msgspec.json.encode(answer.body), 200, [*headers, JSON])


def _held(scope: Scope) -> list[str]:
    """The ETags of the answers that the client holds."""
    for name, value in scope["headers"]:
        if name == b"if-none-match":
            return [item.strip() for item in value.decode("latin-1").split(",")]
    return []


def asks_for_csv(request: Request, asked: Asked) -> bool:
    """Whether rows are wanted as CSV: by the parameter, else by the header."""
    named = asked.get("format")
    return named == "csv" or (named is None and prefers_csv(request.headers.get("accept", "")))


def as_csv(request: Request, operation: Operation, answer: Reply) -> Response:
    """The rows of an answer as a sheet; where there are more, the header Link says where."""
    assert operation.listed is not None
    schema = None if isinstance(operation.answer, str) else operation.answer
    content = csv_of(answer.body, operation.listed, [] if schema is None else columns_of(schema, operation.listed))
    headers = {"Cache-Control": CHANGING.decode(), "Vary": "authorization, cookie, accept"}
    headers["Content-Disposition"] = f'attachment; filename="{operation.name}.csv"'
    following = answer.body.get("next")
    if following is not None:
        name = "cursor" if "cursor" in operation.query().fields else "after"
        link = request.url.include_query_params(**{name: following})
        headers["Link"] = f'<{prefix_of(request.scope)}{link.path}?{link.query}>; rel="next"'
    return Response(content, 200, headers, CSV_TYPE)


class Bytes(Response):
    """A response whose headers are given as they are sent: building them takes as long as reading a level."""

    def __init__(self, body: bytes, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self.status_code = status
        self.body = body
        self.background = None
        self.raw_headers = [*headers, (b"content-length", str(len(body)).encode())] if body else headers


def subject_of(asked: Asked) -> str:
    return f"{asked['kind']}/{asked['id']}"


def reading_of(request: Request) -> Reading:
    found: Reading = request.app.state.reading
    return found
