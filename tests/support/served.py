"""The service as its command runs it: a process of its own on loopback."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple
from urllib.request import urlopen

from tests import ROOT


class Served(NamedTuple):
    url: str
    process: "subprocess.Popen[str]"

    def end(self) -> str:
        """Stop it as it is stopped by whoever supervises it: what it said on stderr."""
        self.process.send_signal(signal.SIGTERM)
        _, said = self.process.communicate(timeout=20)
        assert self.process.returncode == 0, said
        return said


@contextmanager
def served(location: str, *options: str, environment: Mapping[str, str] | None = None) -> Iterator[Served]:
    """A service that answers already."""
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        port = tried.getsockname()[1]
    command = [sys.executable, "-m", "cli", "serve", "--store", location, "--port", str(port), *options]
    place = os.environ | {"PYTHONPATH": str(ROOT)} | dict(environment or {})
    with subprocess.Popen(command, cwd=ROOT, env=place, stderr=subprocess.PIPE, text=True) as process:
        try:
            found = Served(f"http://127.0.0.1:{port}", process)
            _wait_for(found)
            yield found
        finally:
            process.kill()


def _wait_for(found: Served) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            with urlopen(f"{found.url}/healthz"):
                return
        except OSError:
            assert time.monotonic() < deadline and found.process.poll() is None, "the service does not start"
            time.sleep(0.05)
