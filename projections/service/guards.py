"""The guard before every request: by which name it came, and the headers that every answer bears."""

import logging
from typing import Final

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from projections.service.asking import ANYONE
from projections.service.problems import Problem, broken, problem_response
from projections.service.settings import Settings

_log = logging.getLogger("levelbook.service")
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS: Final = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)


class Guard:
    """Stands before the whole application."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._hosts = settings.hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        begun = False

        async def guarded(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                message["headers"] = [*message["headers"], *HEADERS]
            await send(message)

        scope["levelbook.asker"] = ANYONE
        host = host_of(scope)
        if host not in self._hosts:
            await problem_response(_wrong_host(host))(scope, receive, guarded)
            return
        try:
            await self._app(scope, receive, guarded)
        except Exception as error:
            _log.error("%s %s broke", scope["method"], scope["path"], exc_info=error)
            if begun:
                raise
            await problem_response(broken())(scope, receive, guarded)


def host_of(scope: Scope) -> str:
    """The name that a request was sent to, without port; empty where it names none."""
    for name, value in scope["headers"]:
        if name == b"host":
            host: str = value.decode("latin-1").lower()
            before, colon, port = host.rpartition(":")
            return before if colon and port.isdigit() else host
    return ""


def wants_page(request: Request) -> bool:
    """Whether a person with a browser asks, and not a program."""
    path = request.url.path
    return not path.startswith("/v1/") and "text/html" in request.headers.get("accept", "")


def _wrong_host(host: str) -> Problem:
    return Problem(
        421,
        "wrong-host",
        "The service is not called so",
        f"the service is not asked by the name {host!r}; use its own, or start it with --name {host or 'NAME'}",
        field="Host",
    )
