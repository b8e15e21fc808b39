"""A witness as a service: C2SP tlog-witness's `add-checkpoint`, and nothing else."""

import sys
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import click
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from replay.errors import LevelbookError
from replay.proving.cosigning import REQUEST_BYTES_MAX
from replay.sealing.trusted import read_trust
from replay.store.opening import open_store
from replay.witnessing.asking import SIZE_TYPE
from replay.witnessing.cosign import BAD_REQUEST, CosignRefused, cosign
from replay.witnessing.kept import Grade, open_witness

UNAVAILABLE: Final = 503


class Served(NamedTuple):
    """What a witness is served with."""

    folder: Path
    trust: Path
    """Read for each request, so that keys can be rotated."""
    ledger: str
    """Read by a witness who recomputes."""


def witness_application(served: Served, now_s: Any) -> Starlette:
    """The application; `now_s` gives the time in seconds since 1970."""
    add = partial(_add_checkpoint, served, now_s)

    async def add_checkpoint(request: Request) -> Response:
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > REQUEST_BYTES_MAX:
                return PlainTextResponse(f"a request has at most {REQUEST_BYTES_MAX} bytes\n", BAD_REQUEST)
        return await run_in_threadpool(add, body)

    return Starlette(routes=[Route("/add-checkpoint", add_checkpoint, methods=["POST"])])


def cosigned(served: Served, body: bytes, time_s: int) -> str:
    """The witness's answer to a request."""
    witness = open_witness(served.folder)
    trust = read_trust(served.trust)
    with open_store(served.ledger) if witness.grade == Grade.RECOMPUTED else nullcontext() as ledger:
        return cosign(witness, body, trust, time_s, ledger)


def _add_checkpoint(served: Served, now_s: Any, body: bytes) -> Response:
    try:
        return PlainTextResponse(cosigned(served, body, now_s()))
    except CosignRefused as refused:
        click.echo(f"refused with {refused.http_status}: {refused}", err=True)
        if refused.size is not None:
            return Response(f"{refused.size}\n", refused.http_status, media_type=SIZE_TYPE)
        return PlainTextResponse(f"{refused}\n", refused.http_status)
    except LevelbookError as error:
        click.echo(f"not cosigned: {error}", err=True)
        return PlainTextResponse("the witness cannot work now; its own log says why\n", UNAVAILABLE)


def serve_witness(served: Served, host: str, port: int, now_s: Any) -> None:
    """Serve until SIGINT or SIGTERM. Raises UsageError or StoreError where that cannot begin."""
    from granian.constants import HTTPModes, Interfaces
    from granian.log import LogLevels
    from granian.server import Server

    from projections.http.settings import host_name
    from projections.server.serve import check_free

    open_witness(served.folder)
    read_trust(served.trust)
    check_free(host, port)
    server = Server(
        "levelbook-witness",
        address=host,
        port=port,
        interface=Interfaces.ASGI,
        workers=1,
        websockets=False,
        http=HTTPModes.http1,
        log_level=LogLevels.warning,
    )
    server.on_startup(
        lambda: click.echo(f"The witness listens at http://{host_name(host)}:{port}/ (Ctrl-C ends it)", err=True)
    )
    sys.stderr.flush()
    server.serve(target_loader=partial(_loaded, served, now_s), wrap_loader=False)


def _loaded(served: Served, now_s: Any, *_: Any) -> Starlette:
    return witness_application(served, now_s)
