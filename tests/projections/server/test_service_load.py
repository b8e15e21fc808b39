"""The service under load from those who mean ill: connections, bodies and streams without end, ended processes."""

import asyncio
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from starlette.applications import Starlette

from projections.api import feed
from projections.http import bodies
from projections.http.settings import Settings
from projections.server import serve
from tests import ROOT
from tests.conftest import SOAK
from tests.support.serving import demo_ledger, serving

BOUND = 40
"""Connections that the service of these tests holds."""
QUICK = ("--head-seconds", "1.5", "--body-seconds", "1", "--connections", str(BOUND))
FORM = b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\nab"
CHUNKS = b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n"


class Running:
    """A service in processes of its own."""

    def __init__(self, process: "subprocess.Popen[str]", port: int) -> None:
        self.process, self.port = process, port

    def ask(self, seconds: float = 20) -> float:
        """How long an answer took."""
        began = time.monotonic()
        with urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=seconds) as answer:
            assert answer.status == 200
        return time.monotonic() - began

    def await_answer(self) -> None:
        deadline = time.monotonic() + 60
        while True:
            try:
                self.ask(5)
                return
            except OSError:
                assert time.monotonic() < deadline and self.process.poll() is None
                time.sleep(0.05)

    def connect(self, opened: ExitStack, data: bytes) -> socket.socket:
        made = opened.enter_context(socket.create_connection(("127.0.0.1", self.port), timeout=20))
        made.sendall(data)
        return made

    def workers(self, without: int = 0) -> list[int]:
        """The two workers, as soon as both are there, and one that was killed is not."""
        deadline = time.monotonic() + 60
        while True:
            found = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
            if len(found) == 2 and str(without) not in found:
                return [int(pid) for pid in found]
            assert time.monotonic() < deadline, found
            time.sleep(0.02)


@contextmanager
def running(location: str, *options: str) -> Iterator[Running]:
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        port = tried.getsockname()[1]
    command = [sys.executable, "-m", "cli", "serve", "--store", location, "--port", str(port), *options]
    place = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=ROOT, env=place, stderr=subprocess.PIPE, text=True) as process:
        try:
            made = Running(process, port)
            made.await_answer()
            yield made
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            finally:
                process.kill()


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("load")
    demo_ledger(str(folder / "ledger.db"), folder)
    return str(folder / "ledger.db")


@pytest.mark.slow
def test_connections_that_send_nothing_and_bodies_that_never_end_give_way(ledger: str) -> None:
    with running(ledger, *QUICK) as service:
        for data, answer in ((b"", b""), (b"GET /healthz HTTP/1.1\r\nHo", b""), (FORM, b" 408 "), (CHUNKS, b" 408 ")):
            with ExitStack() as opened:
                half = [service.connect(opened, data) for _ in range(BOUND // 2)]
                assert service.ask() < 1, "there is room for others"
                for _ in range(BOUND * SOAK):
                    service.connect(opened, data)
                assert service.ask() < 10 * SOAK, "they are ended when their time is up, and others get their turn"
                assert answer in half[0].recv(100)


@pytest.mark.slow
def test_more_idle_connections_than_the_service_once_held_leave_room(ledger: str) -> None:
    with running(ledger) as service, ExitStack() as opened:
        for _ in range(1_100):
            service.connect(opened, b"")
        assert service.ask() < 5


@pytest.mark.slow
def test_a_process_that_is_killed_twice_is_replaced_and_none_outlives_the_first(ledger: str) -> None:
    with running(ledger, "--workers", "2") as service:
        for _ in range(2 * SOAK):
            worker, _ = service.workers()
            os.kill(worker, signal.SIGKILL)
            service.workers(without=worker)
            service.await_answer()
        assert service.process.poll() is None
        workers = service.workers()
        service.process.kill()
        service.process.wait(10)
        deadline = time.monotonic() + 10
        while any(is_alive(worker) for worker in workers) or not is_free(service.port):
            assert time.monotonic() < deadline, "a worker keeps the port"
            time.sleep(0.02)


@pytest.mark.slow
def test_a_process_that_is_told_to_end_before_it_has_begun_ends(ledger: str) -> None:
    """It begins as a copy of the first one, whose handler of signals it has until it sets its own."""
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        port = tried.getsockname()[1]
    program = (
        "import sys, time; from granian.server import mp\n"
        "from projections.server import serve; from projections.http.settings import Settings\n"
        "def slow(_):\n print('begun', flush=True)\n until = time.monotonic() + 2\n"
        " while time.monotonic() < until: time.sleep(0.01)\n"
        "mp.load_env = slow\n"
        f"serve.serve(Settings({ledger!r}, port={port}))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        try:
            assert process.stdout.readline() == "begun\n"
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
            assert "refused to gracefully stop" not in process.stderr.read()
        finally:
            process.kill()


def is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that ended and is waited for by nobody does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_service_whose_processes_only_end_says_so(ledger: str) -> None:
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        port = tried.getsockname()[1]
    program = (
        "import os; from projections.server import serve; from projections.http.settings import Settings\n"
        "from replay.errors import StoreError\n"
        "serve._application = lambda *_: os._exit(9)\n"
        "serve.ENDED_MAX = 3\n"
        f"try: serve.serve(Settings({ledger!r}, port={port}))\n"
        "except StoreError as error: print(error)\n"
    )
    command = [sys.executable, "-c", program]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert "the processes of the service ended 3 times within 60 s" in ran.stdout, ran.stderr
    assert " s: too often to go on; what stands above says why, or the system's log" in ran.stdout


def test_so_many_connections_as_files_may_be_opened(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    limits = [(1_024, 2_000)]
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _, found: limits.append(found))
    assert serve._room_for(700) == 700 and len(limits) == 1
    assert serve._room_for(1_000) == 1_000 and limits[-1] == (1_256, 2_000)
    assert serve._room_for(4_000) == 1_744 and limits[-1] == (2_000, 2_000)
    assert "a process may open 2000 files: it holds 1744 connections, not 4000" in capsys.readouterr().err


# --- within one process -----------------------------------------------------------------------------------------------


def asked(
    app: Any, method: str, path: str, pieces: Sequence[dict[str, Any]], accept: bytes = b"*/*", *, is_taken: bool = True
) -> list[Any]:
    """What an application sends, when of a body these pieces come and then nothing more."""
    sent: list[Any] = []
    coming = iter(pieces)

    async def receive() -> dict[str, Any]:
        for piece in coming:
            return {"type": "http.request", **piece}
        await asyncio.sleep(60)
        raise AssertionError("waited for too long")

    async def send(message: Any) -> None:
        sent.append(message)
        if not is_taken and message["type"] == "http.response.body":
            await asyncio.sleep(60)

    headers = [(b"host", b"localhost"), (b"accept", accept)]
    scope = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": headers}
    asyncio.run(asyncio.wait_for(app(scope, receive, send), 10))
    return sent


def test_a_body_has_its_time_and_so_many_are_under_way(ledger: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(Settings(ledger, body_seconds=0.05)) as client:
        for path in ("/v1/levels:read", "/login"):
            start, body = asked(client.app, "POST", path, [{"body": b"{", "more_body": True}])
            assert start["status"] == 408 and b"did not come within 0.05 s" in body["body"]
            assert (b"connection", b"close") in [(name.lower(), value) for name, value in start["headers"]]
        whole: list[dict[str, Any]] = [{"body": b'{"subjects"', "more_body": True}, {"body": b": []}"}]
        for _ in range(2):  # what was late or whole is under way no more
            monkeypatch.setattr(bodies, "OF_NOBODY_MAX", 1)
            assert asked(client.app, "POST", "/v1/levels:read", whole)[0]["status"] == 200
        monkeypatch.setattr(bodies, "OF_NOBODY_MAX", 0)
        start, body = asked(client.app, "POST", "/login", [{"body": b"a"}])
        assert start["status"] == 503 and b"bodies are being sent to this process already" in body["body"]


def test_a_stream_that_nobody_takes_is_ended(ledger: str) -> None:
    with serving(Settings(ledger, take_seconds=0.05)) as client:
        assert isinstance(client.app, Starlette)
        got = [{"body": b""}]
        sent = asked(client.app, "GET", "/v1/changes", got, feed.EVENT_STREAM.encode(), is_taken=False)
        assert [item["type"] for item in sent] == ["http.response.start", "http.response.body"]
        assert len(client.app.state.streams) == 0
