"""What is installed: the wheel holds the program whole, and works without the packages of any extra."""

import json
import signal
import socket
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Final
from urllib.request import urlopen
from zipfile import ZipFile

import pytest

from replay.extras import FAST
from tests import ROOT
from tests.support.making import event, write_lines
from tests.support.packaged import built, copied_sources, environment_of, needed_by, run_installed

SUBJECT: Final = "merchant/tea-house"
PACKAGES: Final = ("domain", "replay", "projections", "fixtures")


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copied_sources(tmp_path_factory.mktemp("sources"))


@pytest.fixture(scope="module")
def wheel(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built("wheel", sources, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def lean(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment without any extra."""
    return environment_of(wheel, tmp_path_factory.mktemp("lean") / "environment")


@pytest.fixture(scope="module")
def demo(lean: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the demo, which an installed program has made."""
    folder = tmp_path_factory.mktemp("demo")
    told = run_installed(lean, folder, "levelbook", "demo", "--folder", "made")
    assert "Bronze Lv2" in told
    return folder / "made"


def content(wheel: Path) -> dict[str, bytes]:
    """What is in a wheel by name, but for what pip itself reads."""
    with ZipFile(wheel) as packed:
        return {name: packed.read(name) for name in packed.namelist() if not name.endswith(".dist-info/RECORD")}


@pytest.mark.slow
def test_the_wheel_holds_every_file_of_the_program_and_nothing_else(wheel: Path) -> None:
    found = {name for name in content(wheel) if ".dist-info/" not in name}
    own = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    program = {name for name in own if name.endswith(".py") or not name.startswith("fixtures/")}
    program = {name for name in program if not name.startswith("fixtures/records/")}
    assert {name for name in found if name.endswith(".py") or not name.startswith("fixtures/")} == program | {"cli.py"}
    assert sum(name.endswith(".toml") for name in found) > 30


@pytest.mark.slow
def test_the_sdist_gives_the_same_wheel(sources: Path, wheel: Path, tmp_path: Path) -> None:
    (packed := tmp_path / "sdist").mkdir()
    (again := tmp_path / "again").mkdir()
    sdist = built("sdist", sources, packed)
    with tarfile.open(sdist) as archive:
        # The first releases of Python 3.11 know no filters.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(tmp_path / "unpacked")
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    assert content(built("wheel", unpacked, again)) == content(wheel)


@pytest.mark.slow
def test_no_package_of_an_extra_is_asked_for_without_it(wheel: Path) -> None:
    assert not needed_by(wheel, ()) & {*FAST, "confluent-kafka", "opentelemetry-sdk", "protobuf"}
    assert {*FAST} <= needed_by(wheel, ("fast",)) <= needed_by(wheel, ("all",))
    assert {"confluent-kafka", "opentelemetry-sdk"} <= needed_by(wheel, ("all",))


@pytest.mark.slow
def test_without_any_extra_the_ledger_and_replays_work_and_answer_alike(lean: Path, demo: Path) -> None:
    for name in FAST:
        assert "No module named" in run_installed(lean, demo, "python", "-c", f"import {name}", status=1)
    store = str(demo / "ledger.db")
    (demo / "more.jsonl").unlink(missing_ok=True)
    write_lines(demo / "more.jsonl", [event("merchant.onboarded", "lean", subject="merchant/lean", category="fresh")])
    assert "1 recorded" in run_installed(lean, demo, "levelbook", "ingest", "more.jsonl", "--store", store)
    for words in (
        ("replay", SUBJECT, "--as-of", "2022-12-16"),
        ("explain", SUBJECT, "--as-of", "2022-12-16"),
        ("history", "creator/lin", "--as-of", "2023-05-05"),
        ("diff", SUBJECT, "--as-of", "2022-12-16", "--known-at", "2022-12-16"),
        ("ways", SUBJECT, "--as-of", "2022-12-16"),
        ("explain", "mcn/harbour", "--as-of", "2023-05-05"),
        ("leaderboard", "comprehensive", "--month", "2023-04"),
    ):
        asked = ("levelbook", *words, "--store", store, "--format", "json")
        assert run_installed(lean, demo, *asked) == run_from_sources(demo, *asked), words
    for line in ("follow --once", "rebuild --sample 2", "verify", "audit", "status"):
        run_installed(lean, demo, "levelbook", *line.split(), "--store", store)
    told = json.loads(run_installed(lean, demo, "levelbook", "doctor", "--store", store, "--format", "json"))
    (plain,) = [item for item in told["findings"] if item["found"] == "plain"]
    assert plain["figures"] == {"names": "numba, numpy, pyarrow"}


def run_from_sources(folder: Path, *words: str) -> str:
    """The same asked of the program as it stands here, with everything that it may have."""
    return run_installed(Path(sys.executable).parent, folder, *words)


@pytest.mark.slow
def test_what_an_extra_is_needed_for_names_it(lean: Path, demo: Path) -> None:
    store = str(demo / "ledger.db")
    (demo / "rows.parquet").write_bytes(b"PAR1")
    candidate = ROOT / "fixtures" / "errors" / "candidate.toml"
    for words in (
        ("seal",),
        ("events", SUBJECT, "--format", "parquet"),
        ("map", "new", "rows.parquet"),
        ("policy", "try", str(candidate), "--from", "2022-11", "--to", "2022-12"),
        ("policy", "sweep", str(candidate), "--set", "levels.firefly-2.from_points=90..110:10"),
    ):
        where = () if words[0] == "map" else ("--store", store)
        told = run_installed(lean, demo, "levelbook", *words, *where, status=2)
        assert "which this installation of Levelbook lacks: pip install 'levelbook[fast]' adds it" in told, words
    told = run_installed(lean, demo, "levelbook", "follow", "--once", "--otel", "--store", store, status=2)
    assert "lacks: pip install 'levelbook[otel]' adds it" in told


@pytest.mark.slow
def test_without_any_extra_the_service_answers(lean: Path, demo: Path) -> None:
    store = str(demo / "ledger.db")
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        port = tried.getsockname()[1]
    run_installed(lean, demo, "levelbook", "rebuild", "--sample", "0", "--store", store)
    command = [str(lean / "levelbook"), "serve", "--store", store, "--port", str(port)]
    with subprocess.Popen(command, cwd=demo, stderr=subprocess.PIPE, text=True) as process:
        try:
            deadline = time.monotonic() + 60
            while True:
                try:
                    with urlopen(f"http://127.0.0.1:{port}/readyz") as answer:
                        assert answer.status == 200
                    break
                except OSError:
                    assert time.monotonic() < deadline and process.poll() is None
                    time.sleep(0.1)
            for path in (f"/v1/subjects/{SUBJECT}/levels", f"/v1/subjects/{SUBJECT}/explanation", "/metrics", "/"):
                with urlopen(f"http://127.0.0.1:{port}{path}") as answer:
                    assert answer.status == 200, path
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        finally:
            process.kill()


@pytest.mark.slow
def test_with_everything_the_installed_program_seals(wheel: Path, demo: Path, tmp_path: Path) -> None:
    programs = environment_of(wheel, tmp_path / "environment", ("fast",))
    store = str(demo / "ledger.db")
    assert "records sealed" in run_installed(programs, demo, "levelbook", "seal", "--store", store)
    told = run_installed(programs, demo, "levelbook", "doctor", "--store", store)
    assert "sealed up to position" in told and "plain rules" not in told
