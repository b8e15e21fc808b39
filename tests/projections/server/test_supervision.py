"""The units of systemd: started again for the statuses where that helps."""

import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from configparser import ConfigParser
from contextlib import contextmanager
from multiprocessing import Pipe
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import psycopg
import pytest

from projections.projector.follow import ClockJumped
from projections.server.serve import STOP_SECONDS, _end_when_lost
from projections.views.belonging import OtherHistory
from replay.errors import StoreError, UsageError
from replay.store.location import is_postgres
from tests import ROOT
from tests.support.serving import demo_ledger

UNITS = ROOT / "integrations" / "systemd"


def unit(name: str) -> ConfigParser:
    """A unit; of a key that stands several times the last."""
    found = ConfigParser(interpolation=None, strict=False)
    found.optionxform = str  # type: ignore[assignment,method-assign]  # names keep their capitals
    found.read_string((UNITS / name).read_text("utf-8"))
    return found


@pytest.mark.parametrize("name", ["follow", "serve"])
def test_a_unit_is_started_again_where_that_helps_and_not_where_a_person_has_to_look(name: str) -> None:
    found = unit(f"levelbook-{name}.service")
    service = found["Service"]
    asks_for_a_person = {int(status) for status in service["RestartPreventExitStatus"].split()}
    by_hand = {
        UsageError.exit_status,
        *((OtherHistory.exit_status, ClockJumped.exit_status) if name == "follow" else ()),
    }
    assert service["Restart"] == "on-failure" and asks_for_a_person == by_hand
    assert StoreError.exit_status not in by_hand and found["Unit"]["StartLimitIntervalSec"] == "0"
    assert name != "serve" or int(service["TimeoutStopSec"]) > STOP_SECONDS


@contextmanager
def away(location: str) -> Iterator[None]:
    """The ledger cannot be reached meanwhile."""
    if not is_postgres(location):
        path = Path(location)
        moved = path.rename(path.with_name("elsewhere"))
        yield
        moved.rename(path)
        return
    name = re.findall(r"/(test_\d+)", location)[0]
    server = location.replace(f"/{name}", "/postgres")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        yield
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true".encode())


@pytest.mark.slow
def test_a_service_whose_ledger_stays_away_ends_with_the_status_for_which_it_is_started_again(
    location: str, tmp_path: Path
) -> None:
    demo_ledger(location, tmp_path, with_views=False)
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        port = tried.getsockname()[1]
    program = (
        "import cli; from projections.server.serve import serve; from projections.http.settings import Settings;"
        "cli.main.get_command(None, 'serve').callback = lambda store, **_: serve("
        f"Settings(store, port={port}, lost_seconds=3)); cli.main()"
    )
    command = [sys.executable, "-c", program, "serve", "--store", location]
    url = f"http://127.0.0.1:{port}/v1/subjects/merchant/tea-house/levels/merchant-reputation?as_of=2022-12-16"
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        until = time.monotonic() + 60
        while status_of(url) != 200 and time.monotonic() < until:
            time.sleep(0.1)
        with away(location):
            time.sleep(1)
            assert process.poll() is None
        assert status_of(url) == 200, "a ledger that came back is read"
        with away(location):
            _, told = process.communicate(timeout=60)
    assert process.returncode == StoreError.exit_status, told
    assert "the service ends, for its ledger could not be read for 3 s: " in told.splitlines()[-1]


def status_of(url: str) -> int:
    """What the service answers; 0 where it does not."""
    try:
        with urlopen(url, timeout=10) as answer:
            return int(answer.status)
    except HTTPError as error:
        return error.code
    except OSError:
        return 0


def test_a_service_that_is_told_to_end_tells_of_no_loss() -> None:
    heard, teller = Pipe(duplex=False)
    losses: list[str] = []
    teller.close()  # as when the first process ends
    _end_when_lost(heard, losses, lambda: losses.append("ended"))
    assert losses == []
    heard, teller = Pipe(duplex=False)
    teller.send_bytes(b"the disk is away")
    _end_when_lost(heard, losses, lambda: losses.append("ended"))
    assert losses == ["the disk is away", "ended"]
