"""A witness as a service: C2SP's add-checkpoint over HTTP, and asked by the command."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from projections.server.witness import Served, witness_application
from replay.proving.cosigning import REQUEST_BYTES_MAX
from replay.proving.notes import parse_signatures
from replay.store.base.store import Store
from replay.store.evidence.checkpoints import cosignature_lines
from replay.store.opening import create_store, open_store
from replay.witnessing.kept import Grade, new_witness
from tests import ROOT
from tests.support.making import ingest_events, paid
from tests.support.running import run
from tests.support.signed import TIME_S, keep_checkpoint, log_keys, request, sealed_size


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Store]:
    create_store(str(tmp_path / "ledger.db"))
    with open_store(str(tmp_path / "ledger.db")) as store:
        ingest_events(store, [paid(f"o-{number}") for number in range(5)], tmp_path)
        yield store


@pytest.fixture
def logs(ledger: Store, tmp_path: Path) -> Path:
    """The witness's trust file."""
    path = tmp_path / "logs.txt"
    path.write_text("".join(f"log {key.verifier.text}\n" for key in log_keys(ledger)) + "quorum none\n")
    return path


@pytest.fixture
def client(ledger: Store, logs: Path, tmp_path: Path) -> TestClient:
    new_witness(tmp_path / "w", "w.example", Grade.RECOMPUTED)
    return TestClient(witness_application(Served(tmp_path / "w", logs, ledger.location), lambda: TIME_S))


def test_statuses_and_bodies_are_those_of_the_protocol(
    client: TestClient, ledger: Store, logs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    size = sealed_size(ledger)
    answer = client.post("/add-checkpoint", content=request(ledger, 0, size))
    assert (answer.status_code, len(parse_signatures(answer.text))) == (200, 2)
    later = client.post("/add-checkpoint", content=request(ledger, 3, size))
    assert (later.status_code, later.text) == (409, f"{size}\n")
    assert later.headers["content-type"].partition(";")[0] == "text/x.tlog.size"
    assert f"refused with 409: {size} records of levelbook/" in capsys.readouterr().err
    assert client.post("/add-checkpoint", content=b"old 0\n").status_code == 400
    assert client.post("/add-checkpoint", content=b"x" * (REQUEST_BYTES_MAX + 1)).status_code == 400
    assert client.get("/add-checkpoint").status_code == 405
    wrong = request(ledger, size, size, root=bytes(32))
    assert (client.post("/add-checkpoint", content=wrong).status_code) == 409
    logs.write_text("quorum none\n")
    assert client.post("/add-checkpoint", content=request(ledger, size, size)).status_code == 404
    logs.write_text("quorum")
    answer = client.post("/add-checkpoint", content=request(ledger, size, size))
    assert (answer.status_code, answer.text) == (503, "the witness cannot work now; its own log says why\n")
    assert "not cosigned: the trust file" in capsys.readouterr().err


@pytest.mark.slow
def test_a_ledger_asks_a_witness_that_is_served(ledger: Store, logs: Path, tmp_path: Path) -> None:
    folder, trust = str(tmp_path / "w"), tmp_path / "trust.txt"
    named = run("witness", "new", folder, "--name", "w.example")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    first, second, group = named.splitlines()
    url = f"http://127.0.0.1:{port}"
    trust.write_text(f"{first} {url}\n{second} {url}/\n{group}\nquorum w.example/recomputed\n")
    assert run("witness", "keys", folder) == named
    words = ["witness", "serve", folder, "--trust", str(logs), "--port", str(port), "--store", ledger.location]
    with subprocess.Popen([sys.executable, "-m", "cli", *words], cwd=ROOT, stderr=subprocess.PIPE, text=True) as served:
        try:
            assert served.stderr is not None and "The witness listens at" in served.stderr.readline()
            sizes = []
            for number in range(2):
                ingest_events(ledger, [paid(f"more-{number}")], tmp_path)
                sizes.append(size := sealed_size(ledger))
                keep_checkpoint(ledger, size)
                for _ in range(50):
                    told = collect(ledger, trust, status=None)
                    if "cannot be reached" not in told:
                        break
                    time.sleep(0.1)
                assert told.count("cosigned by w.example/recomputed+") == 2
                assert len(cosignature_lines(ledger, size)) == 2
            asked = run("witness", "request", "--store", ledger.location, "--old", str(sizes[0]))
            (tmp_path / "request.txt").write_text(asked)
        finally:
            os.kill(served.pid, signal.SIGTERM)
    assert served.returncode == 0
    words = ["witness", "add", folder, str(tmp_path / "request.txt"), "--trust", str(logs), "--store", ledger.location]
    assert f"ask again, going on from {sizes[1]}" in run(*words, status=1)
    assert "cannot be reached" in collect(ledger, trust, status=1)
    trust.write_text("quorum none\n")
    assert "names no witness with a URL that could be asked" in collect(ledger, trust, status=2)


def test_a_witness_that_cannot_begin_says_why(ledger: Store, logs: Path, tmp_path: Path) -> None:
    words = ["witness", "serve", str(tmp_path / "w"), "--trust", str(logs), "--store", ledger.location, "--port"]
    assert "there is no witness in" in run(*words, "1", status=2)
    new_witness(tmp_path / "w", "w.example", Grade.RECOMPUTED)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"the service cannot listen on 127.0.0.1:{port}" in run(*words, str(port), status=3)


def collect(ledger: Store, trust: Path, status: int | None) -> str:
    from click.testing import CliRunner

    from cli import main

    result = CliRunner().invoke(main, ["witness", "collect", "--trust", str(trust), "--store", ledger.location])
    assert status is None or result.exit_code == status, result.output
    return result.output
