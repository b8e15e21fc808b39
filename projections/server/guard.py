"""The guard before every request: by which name it came, and the headers that every answer bears."""

import logging
from asyncio import timeout
from time import perf_counter
from typing import Final
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from projections.http.authentication import Askers, shown_by
from projections.http.bodies import Bodies, too_slow
from projections.http.problems import Problem, as_told, broken, broken_off, not_found, problem_response
from projections.http.rates import Header
from projections.http.scopes import NOBODY, Asker
from projections.http.settings import Settings, prefix_of
from projections.server.metrics import Measures
from replay.errors import LevelbookError

_log = logging.getLogger("levelbook.service")
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS: Final = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)
HTTPS_ALONE: Final = (b"strict-transport-security", b"max-age=31536000")
"""Where browsers reach the service by https: they are to ask by nothing else."""
OPEN: Final = ("/healthz", "/readyz", "/login", "/logout", "/openapi.json")
"""What is answered without a token."""
WITHOUT_BODY: Final = ("GET", "HEAD")
RIGHT_HOSTS_MAX: Final = 100
OPEN_FOLDER: Final = "/static/"


class Guard:
    """Stands before the whole application."""

    def __init__(self, app: ASGIApp, settings: Settings, askers: Askers, measures: Measures) -> None:
        self._app = app
        self._hosts = settings.hosts
        self._prefix = settings.prefix
        self._is_https = settings.is_https
        self._headers = (*HEADERS, HTTPS_ALONE) if settings.is_https else HEADERS
        self._right_hosts: set[bytes] = set()
        """Host headers as they were sent and found to be right."""
        self._needs_token = settings.needs_token
        self._askers = askers
        self._measures = measures
        self._bodies = Bodies(settings.body_seconds)
        self._take_seconds = settings.take_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, began = 0, perf_counter()

        async def guarded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *self._headers, *_rate_of(scope)]
            if not message.get("more_body"):
                await send(message)
                return
            try:
                async with timeout(self._take_seconds):
                    await send(message)
            except TimeoutError:  # nobody takes what is sent
                raise ClientDisconnect from None

        try:
            await self._admit(scope)
        except (Problem, LevelbookError) as error:
            problem = as_told(error, needs_token=self._needs_token)
            self._measures.refused(problem.status)
            await refusal(Request(scope), problem)(scope, receive, guarded)
            return
        body = None if scope["method"] in WITHOUT_BODY else self._bodies.of(scope["levelbook.asker"], receive)
        try:
            await self._app(scope, body or receive, guarded)
        except ClientDisconnect:
            if not status:
                problem = too_slow(self._bodies.seconds) if body is not None and body.is_late else broken_off()
                await problem_response(problem)(scope, receive, guarded)
        except Exception as error:
            _log.error("%s %s broke", scope["method"], scope["path"], exc_info=error)
            if status:
                raise
            await problem_response(broken())(scope, receive, guarded)
        finally:
            if body is not None:
                body.end()
            if "levelbook.is_stream" not in scope:
                self._measures.answered(scope.get("levelbook.operation", "page"), status, perf_counter() - began)

    async def _admit(self, scope: Scope) -> None:
        """Find the caller. Raises Problem for one who may not ask anything."""
        if self._is_https:
            scope["scheme"] = "https"  # as browsers see it, also behind a proxy: redirects are made of it
        host = host_header(scope)
        if host not in self._right_hosts:
            if name_of(host) not in self._hosts:
                raise _wrong_host(name_of(host))
            if len(self._right_hosts) < RIGHT_HOSTS_MAX:
                self._right_hosts.add(host)
        self._enter(scope)
        path = path_within(scope)
        if path in OPEN or path.startswith(OPEN_FOLDER):
            scope["levelbook.asker"] = NOBODY
            return
        shown = shown_by(scope)
        asker = self._askers.known(shown)
        if asker is None and shown is not None:
            asker = await run_in_threadpool(self._askers.look_up, shown)
        scope["levelbook.asker"] = asker

    def _enter(self, scope: Scope) -> None:
        """Take the prefix to be the root of the service. Raises Problem for a path beside it."""
        if not self._prefix:
            return
        if scope["path"] == self._prefix:
            scope["path"] += "/"
        if not scope["path"].startswith(f"{self._prefix}/"):
            raise not_found(scope["path"])
        scope["root_path"] = self._prefix


def _rate_of(scope: Scope) -> tuple[Header, ...]:
    """How often the caller may still ask, where a token says who that is."""
    asker: Asker | None = scope.get("levelbook.asker")
    return () if asker is None or asker.rate is None else asker.rate.headers()


def path_within(scope: Scope) -> str:
    """The path of a request without the prefix that the service stands behind."""
    path: str = scope["path"]
    return path.removeprefix(prefix_of(scope))


def refusal(request: Request, problem: Problem) -> Response:
    """The answer to a caller who may not ask: people are shown where to sign in."""
    if problem.status == 401 and wants_page(request):
        page = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(
            f"{prefix_of(request.scope)}/login?next={quote(page)}", 303, {"Cache-Control": "no-store"}
        )
    return problem_response(problem)


def host_header(scope: Scope) -> bytes:
    """The name that a request was sent to, as it stands in its header; empty where it names none.

    Raises Problem where it names two: whoever stands between may have gone by the other one.
    """
    found: list[bytes] = [value for name, value in scope["headers"] if name == b"host"]
    if len(found) > 1:
        raise Problem(
            400, "two-hosts", "Sent to two names", "the header Host is given twice; give it once", field="Host"
        )
    return found[0] if found else b""


def name_of(host: bytes) -> str:
    """The name in a Host header, without port."""
    name = host.decode("latin-1").lower()
    before, colon, port = name.rpartition(":")
    return before if colon and port.isdigit() else name


def wants_page(request: Request) -> bool:
    """Whether the client is a person's browser, and not a program."""
    return not path_within(request.scope).startswith("/v1/") and "text/html" in request.headers.get("accept", "")


def _wrong_host(host: str) -> Problem:
    return Problem(
        421,
        "wrong-host",
        "The service is not called so",
        f"the service is not asked by the name {host!r}; use its own, or start it with --name {host or 'NAME'}",
        field="Host",
    )
