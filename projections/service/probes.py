"""Whether the service lives, and whether it is fit to be asked."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


def routes() -> list[Route]:
    return [Route("/healthz", _healthz)]


async def _healthz(_: Request) -> Response:
    return JSONResponse({"status": "alive"}, headers={"Cache-Control": "no-store"})
