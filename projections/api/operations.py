"""An operation of the API: its route, who may ask, what may be asked, what is answered; and the way through it."""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, NamedTuple

import msgspec
from marshmallow import Schema
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from projections.api.sheets import CSV_TYPE, PARQUET_TYPE, SheetRows, csv_of, moment_of, parquet_of, preferred
from projections.contract.answers import SCHEMAS
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
_NO_MORE: Final[dict[str, str]] = {}


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
    sends: Mapping[str, Any] = {}
    """A body for which there is an answer in the demo's ledger."""
    example: dict[str, str] = {}  # noqa: RUF012 (only read)
    """Values of its parameters for which there is an answer in the demo's ledger."""
    listed: SheetRows | None = None
    """The rows of its answer, which can be had as CSV and Parquet, too."""


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
        form = "json" if self._operation.listed is None else form_asked(request, asked)
        if isinstance(found, Reply) and form != "json":
            response: Response = as_sheet(request, self._operation, found, form)
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


def form_asked(request: Request, asked: Asked) -> str:
    """The form in which rows are wanted: by the parameter, else by the header."""
    named = asked.get("format")
    return preferred(request.headers.get("accept", "")) if named is None else str(named)


_ANSWERS: Final = {"History": "history", "Explanation": "explain", "Diff": "diff"}
"""By the name of an answer that differs by scheme, the command that gives it."""


def answered_as(operation: Operation, body: dict[str, Any]) -> type[Schema]:
    """The schema of an answer that was given."""
    named = operation.answer
    return SCHEMAS[_ANSWERS[named], body["scheme"]][1] if isinstance(named, str) else named


def as_sheet(request: Request, operation: Operation, answer: Reply, form: str) -> Response:
    """The rows of an answer as a sheet; where there are more, the header Link says where."""
    content = sheet_of(operation, answer.body, form)
    headers = {"Cache-Control": CHANGING.decode(), "Vary": "authorization, cookie, accept"}
    headers["Content-Disposition"] = f'attachment; filename="{operation.name}.{form}"'
    following = answer.body.get("next")
    if following is not None:
        name = "cursor" if "cursor" in operation.query().fields else "after"
        link = request.url.include_query_params(**{name: following})
        headers["Link"] = f'<{prefix_of(request.scope)}{link.path}?{link.query}>; rel="next"'
    return Response(content, 200, headers, CSV_TYPE if form == "csv" else PARQUET_TYPE)


def sheet_of(operation: Operation, body: dict[str, Any], form: str, more: Mapping[str, str] = _NO_MORE) -> str | bytes:
    """The rows of an answer as CSV or Parquet, with the columns of its schema and, with their kinds, `more`."""
    assert operation.listed is not None
    rows, moment = operation.listed.of(body), moment_of(body)
    columns = operation.listed.columns(answered_as(operation, body)) | dict(more)
    return csv_of(rows, moment, columns) if form == "csv" else parquet_of(rows, moment, columns)


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
