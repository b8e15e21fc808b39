"""A receiver of webhooks on loopback, and what it has been told."""

import json
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, NamedTuple

from tests.support.serving import Copied


class Got(NamedTuple):
    """A request."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def number(self) -> int:
        return int(self.id.rpartition("-")[2])


class Answer(NamedTuple):
    """What it is answered."""

    status: int = 204
    headers: Mapping[str, str] = {}
    body: bytes = b""


Answering = Callable[[Got], Answer | None]
"""None breaks the connection off."""


class Receiver:
    """Keeps what came, and of that what it said yes to."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.got: list[Got] = []
        self.accepted: list[Got] = []

    @property
    def levels(self) -> Copied:
        """What a copy holds that takes over each message."""
        return levels_of(self.accepted)


def levels_of(accepted: Iterable[Got]) -> Copied:
    copy: Copied = {}
    for got in accepted:
        told = json.loads(got.body)
        if told["type"] == "levelbook.feed.began":
            copy.clear()
            continue
        unit = told["data"]["subject"], told["data"]["scheme"]
        copy.pop(unit, None)
        if told["type"] == "levelbook.level.changed":
            copy[unit] = told["data"]
    return copy


@contextmanager
def receiving(
    answer: Answering = lambda _: Answer(), tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> Iterator[Receiver]:
    """A receiver that answers so, over TLS where a context is given."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got = Got(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            found.got.append(got)
            answered = answer(got)
            if answered is None:
                self.close_connection = True
                return
            if 200 <= answered.status < 300:
                found.accepted.append(got)
            self.send_response(answered.status)
            for name, value in answered.headers.items():
                self.send_header(name, value)
            if "Content-Length" not in answered.headers:
                self.send_header("Content-Length", str(len(answered.body)))
            self.end_headers()
            self.wfile.write(answered.body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Senders that are killed break off."""

    server = Quiet((host, 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    found = Receiver(f"{'http' if tls is None else 'https'}://{host}:{server.server_port}/levels")
    thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
