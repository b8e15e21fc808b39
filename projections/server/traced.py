"""A span for each request, where spans are exported: which route was asked, how, and with which status it was answered.

The address itself is left out of it: subjects, and what is looked for, stand there.
"""

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from projections.api.routes import OPERATIONS
from replay.tracing import TRACEPARENT, TRACESTATE, span

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE")
OTHER_METHOD: Final = "_OTHER"
_PARENT: Final = {name.encode(): name for name in (TRACEPARENT, TRACESTATE)}
_ROUTES: Final = {operation.name: operation.path for operation in OPERATIONS}


class Traced:
    """Stands before the guard."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        method, called = (scope["method"],) * 2 if scope["method"] in METHODS else (OTHER_METHOD, "HTTP")
        asked_by = {_PARENT[name]: value.decode("latin-1") for name, value in scope["headers"] if name in _PARENT}
        with span(called, {"http.request.method": method}, kind="server", asked_by=asked_by) as tell:

            async def told(message: Message) -> None:
                if message["type"] == "http.response.start":
                    status = message["status"]
                    tell({"http.response.status_code": status}, failed=status >= 500)
                await send(message)

            try:
                await self._app(scope, receive, told)
            finally:
                route = _route_of(scope)
                if route is not None:
                    tell({"http.route": route}, name=f"{called} {route}")


def _route_of(scope: Scope) -> str | None:
    """The form of the address; None where there is none of that form, or the guard let nobody that far."""
    operation = scope.get("levelbook.operation")
    if operation in _ROUTES:
        return _ROUTES[operation]
    found: str | None = getattr(scope.get("route"), "path", None)
    return found
