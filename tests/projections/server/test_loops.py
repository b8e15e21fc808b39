"""Kept loops are loaded beside the first answers of a service: only kept ones, only where many records are."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from projections.reading.reader import Reading
from projections.server import loops
from projections.server.loops import AFTER_SECONDS
from replay.columnar.size import MANY_RECORDS
from replay.objects.cache import CACHE_VARIABLE
from replay.schemes.registry import SCHEMES
from tests import ROOT
from tests.support.serving import demo_ledger

SETTLED = "import replay; replay.STARTED += 1_000\n"
"""As in a process that begins long after the sources were written: what it compiles is kept."""
KEEPING = SETTLED + "from replay.schemes.creator_firefly.large import Large\nLarge.load_loops()\n"
LOADING = (
    SETTLED + "import json\n"
    "from replay.columnar import jit\n"
    "made, compiled = [], jit.compiled\n"
    "jit.compiled = lambda *loop, **how: made.append(compiled(*loop, **how)) or made[-1]\n"
    "from replay.schemes.warming import load_kept\n"
    "looked_for = list(load_kept())\n"
    "loaded = [loop.py_func.__module__ for loop in made if loop.overloads]\n"
    "print(json.dumps([looked_for, len(made), loaded]))\n"
)
COMPILING_LATER = (
    SETTLED + "import json, sys\n"
    "from replay.schemes.creator_firefly.large import Large\n"
    "Large.load_loops()\n"
    "from numba import njit\n"
    "lacked = 'numba.np.linalg' not in sys.modules\n"
    "def twice(number):\n found = [number]\n found.append(number)\n return sum(found)\n"
    "print(json.dumps([lacked, njit(twice)(21)]))\n"
)
SERVING = (
    SETTLED + "import sys\n"
    "from projections.server import loops, serve\n"
    "from projections.http.settings import Settings\n"
    "loops.MANY_RECORDS = int(sys.argv[3])\n"
    "load = loops.LoopLoader._load\n"
    "def told(self):\n print('loading', flush=True)\n load(self)\n print('loaded', flush=True)\n"
    "loops.LoopLoader._load = told\n"
    "serve.serve(Settings(sys.argv[1], port=int(sys.argv[2])))\n"
)


def python(program: str, cache: Path) -> Any:
    """What a program prints, as JSON, with its loops kept in a folder."""
    place = os.environ | {CACHE_VARIABLE: str(cache)}
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=place, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout or "null")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the loops of one scheme."""
    folder = tmp_path_factory.mktemp("kept")
    python(KEEPING, folder)
    return folder


def files(folder: Path) -> dict[Path, int]:
    """Every file, and when it was written."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("loops")
    demo_ledger(str(folder / "ledger.db"), folder)
    return str(folder / "ledger.db")


@contextmanager
def service(ledger: str, cache: Path, many: int) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """A service that answers and for which so many records are many, and its address."""
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        port = tried.getsockname()[1]
    command = [sys.executable, "-c", SERVING, ledger, str(port), str(many)]
    place = os.environ | {CACHE_VARIABLE: str(cache)}
    with subprocess.Popen(
        command, cwd=ROOT, env=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            address = f"http://127.0.0.1:{port}"
            deadline = time.monotonic() + 60
            while True:
                try:
                    urlopen(f"{address}/healthz", timeout=5).close()
                    break
                except OSError:
                    assert time.monotonic() < deadline and process.poll() is None
                    time.sleep(0.02)
            yield process, address
        finally:
            process.kill()


def end(process: "subprocess.Popen[str]") -> str:
    """End a service as an operator does, and give what else it printed."""
    process.send_signal(signal.SIGTERM)
    printed, told = process.communicate(timeout=30)
    assert process.returncode == 0, told
    assert "refused to gracefully stop" not in told and "Traceback" not in told and "Fatal" not in told, told
    return printed


@pytest.mark.slow
def test_what_is_kept_is_loaded_and_nothing_compiled(kept: Path) -> None:
    before = files(kept)
    assert before, "the loops of one scheme"
    looked_for, made, loaded = python(LOADING, kept)
    assert {*looked_for} == {scheme.code for scheme in SCHEMES.values() if scheme.large}
    assert len(loaded) == 2 < made and {*loaded} == {"replay.schemes.creator_firefly.fold"}
    assert files(kept) == before


@pytest.mark.slow
def test_kept_loops_are_loaded_without_what_compiling_needs_and_others_are_compiled_later(kept: Path) -> None:
    assert python(COMPILING_LATER, kept) == [True, 42]


@pytest.mark.slow
def test_a_service_loads_loops_that_nobody_asked_for_yet(ledger: str, kept: Path) -> None:
    before = files(kept)
    with service(ledger, kept, many=1) as (process, address):
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(2)] == ["loading\n", "loaded\n"]
        with urlopen(f"{address}/readyz", timeout=10) as answer:
            assert answer.status == 200
        assert end(process) == ""
    assert files(kept) == before


@pytest.mark.slow
def test_a_service_that_is_told_to_end_while_it_loads_ends(ledger: str, kept: Path) -> None:
    with service(ledger, kept, many=1) as (process, _):
        assert process.stdout is not None and process.stdout.readline() == "loading\n"
        assert end(process) in ("", "loaded\n")


@pytest.mark.slow
@pytest.mark.parametrize("lacks", ["records", "loops"])
def test_a_service_loads_nothing_where_records_are_few_or_no_loops_are_kept(
    ledger: str, kept: Path, tmp_path: Path, lacks: str
) -> None:
    cache = tmp_path if lacks == "loops" else kept
    with service(ledger, cache, many=MANY_RECORDS if lacks == "records" else 1) as (process, _):
        time.sleep(AFTER_SECONDS + 1)
        assert end(process) == ""


def test_what_cannot_be_read_has_not_many_records(ledger: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whoever asks is told why; nobody asked for what is loaded beforehand."""
    monkeypatch.setattr(loops, "MANY_RECORDS", 1)
    for location, has_many in ((ledger, True), (str(tmp_path / "nowhere.db"), False)):
        reading = Reading(location)
        assert loops._has_many(reading) is has_many
        reading.close()
