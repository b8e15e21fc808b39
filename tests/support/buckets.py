"""A server of S3 on this machine, which counts what is asked of it, and may be told to answer otherwise."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any
from urllib.request import Request, urlopen

import pytest
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from pyarrow.fs import FileSystem
from werkzeug.serving import WSGIRequestHandler, make_server

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class _Quiet(WSGIRequestHandler):
    """Says nothing of what is asked."""

    def log(self, type: str, message: str, *args: Any) -> None:
        pass


class BucketServer:
    """Listens on loopback until it is left."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        """What was asked, as METHOD /path."""
        self.instead: Callable[[dict[str, Any], Application], Application] = lambda _, application: application
        """Gives by a request what answers it."""
        self._application: Application = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True, request_handler=_Quiet)
        self.address = f"127.0.0.1:{self._server.server_port}"

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        query = environ.get("QUERY_STRING")
        self.asked.append(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}{f'?{query}' if query else ''}")
        return self.instead(environ, self._application)(environ, start)

    def url(self, bucket: str, prefix: str) -> str:
        """The URL of a prefix in a bucket, which is made."""
        told = f"scheme=http&endpoint_override={self.address}&region=us-east-1"
        files, _ = FileSystem.from_uri(f"s3://{bucket}/?{told}&allow_bucket_creation=true")
        files.create_dir(bucket)
        return f"s3://{bucket}/{prefix}?{told}"


@contextmanager
def bucket_server() -> Iterator[BucketServer]:
    """One with no bucket that another has left."""
    found = BucketServer()
    serving = threading.Thread(target=found._server.serve_forever, daemon=True)
    serving.start()
    try:
        urlopen(Request(f"http://{found.address}/moto-api/reset", method="POST")).close()
        found.asked.clear()
        yield found
    finally:
        found._server.shutdown()
        serving.join()
        found._server.server_close()


def kills_at(server: BucketServer, number: int, killed: Callable[[], None]) -> None:
    """Do something at the n-th request from now on, before it is answered or, where n is even, after."""
    requests = count(1)

    def instead(environ: dict[str, Any], application: Application) -> Application:
        if next(requests) != number:
            return application

        def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
            if number % 2 == 0:
                body = list(application(environ, start))
                killed()
                return body
            killed()
            start("503 Slow Down", [])
            return [b""]

        return answer

    server.instead = instead


def heeds_no_condition(environ: dict[str, Any], application: Application) -> Application:
    """A server that knows no conditional writes."""
    environ.pop("HTTP_IF_NONE_MATCH", None)
    return application


def keys_in_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys that the server takes, as it takes any."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
