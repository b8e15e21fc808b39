"""A rebuild on a real Spark: `make spark` runs these. What needs no Spark of the stages stands in test_stages."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from domain.calendar import parse_instant
from projections.spreading import agencies, spark
from projections.spreading.into import AskedInto, IntoReport, rebuild_into
from projections.spreading.processes import Helpers
from projections.spreading.session import spark_session
from projections.spreading.spark import OnSpark
from projections.spreading.stages import OnMachines, first_stage
from replay.columnar.seal import seal
from replay.errors import DamagedError, StoreError
from replay.store.opening import create_store, open_store
from tests import ROOT
from tests.support.exports import manifest_in
from tests.support.making import ingest_events
from tests.support.views import ALL
from tests.worlds.ledgers import END, World

pytest.importorskip("pyspark", reason="make spark installs it")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]
CLUSTER = "local-cluster[2,1,1024]"
"""Two executors, each a process of its own with one core."""


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a ledger of all kinds, most of it sealed."""
    folder = tmp_path_factory.mktemp("ledger")
    create_store(str(folder / "ledger.db"))
    world = World(85)
    with open_store(str(folder / "ledger.db")) as store:
        ingest_events(store, world.events(600), folder)
        seal(store, folder / "ledger.db.segments")
        (folder / "more").mkdir()
        ingest_events(store, world.events(100), folder / "more")
    return folder


@pytest.fixture(scope="module")
def expected(ledger: Path, tmp_path_factory: pytest.TempPathFactory) -> IntoReport:
    """What one process makes of it."""
    folder = tmp_path_factory.mktemp("one")
    return rebuilt(ledger, folder / "out", Helpers(folder, []))


@pytest.fixture(autouse=True)
def several_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agencies, "CREATORS_EACH", 1)


def rebuilt(ledger: Path, to: Path, beside: Helpers | OnSpark) -> IntoReport:
    with open_store(str(ledger / "ledger.db")) as store:
        return rebuild_into(store, AskedInto(str(to), as_of=END, sample=ALL, seed=1), beside)


def on_spark(ledger: Path, to: Path) -> IntoReport:
    with spark_session() as session:
        return rebuilt(ledger, to, OnSpark(session))


def killed_once(mark: Path, sent: OnMachines, counted: Any, batches: Any) -> Iterator[pa.RecordBatch]:
    """The first stage by a process that is killed when it has told something, the first time of all."""
    for told in first_stage(sent, counted, batches):
        yield told
        try:
            mark.touch(exist_ok=False)
        except FileExistsError:
            continue
        os.kill(os.getpid(), signal.SIGKILL)


def unlucky(*_: Any) -> Iterator[pa.RecordBatch]:
    """The first stage where it fails as nobody foresaw, each time."""
    raise RuntimeError("out of luck")
    yield


def test_spark_writes_what_one_process_writes_with_one_exchange(
    ledger: Path, expected: IntoReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All views of all schemes, proved by replays; though a process at work is killed."""
    plans, frame_of = list[str](), spark.frame_of

    def noted(*given: Any) -> Any:
        frame = frame_of(*given)
        plans.append(frame._jdf.queryExecution().executedPlan().toString())
        return frame

    monkeypatch.setattr(spark, "frame_of", noted)
    monkeypatch.setattr(spark, "first_stage", partial(killed_once, tmp_path / "killed"))
    found = on_spark(ledger, tmp_path / "out")
    assert (tmp_path / "killed").exists()
    assert found.manifest.tables == expected.manifest.tables and found.digest == expected.digest
    assert found.proof == expected.proof and found.proof.compared > 10 and not found.proof.problems
    (plan,) = plans
    assert plan.count("Exchange") == 1 and plan.count("MapInArrow") == 2, plan
    assert "Sort" not in plan and "Aggregate" not in plan
    assert plan.index("MapInArrow") < plan.index("Exchange") < plan.rindex("MapInArrow")


def test_what_cannot_be_worked_out_is_said_and_the_manifest_is_left(
    ledger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files of what was done stay beside it no longer than until the next rebuild."""
    (tmp_path / "again").mkdir()
    before = rebuilt(ledger, tmp_path / "out", Helpers(tmp_path, []))
    file = max((ledger / "ledger.db.segments").glob("*-[0-9][0-9].columns.*"), key=lambda path: path.stat().st_size)
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    try:
        with spark_session() as session:
            with pytest.raises(DamagedError, match=re.escape(file.name)):
                rebuilt(ledger, tmp_path / "out", OnSpark(session))
            monkeypatch.setattr(spark, "first_stage", unlucky)
            with pytest.raises(StoreError) as refused:
                rebuilt(ledger, tmp_path / "out", OnSpark(session))
            cause, _, rest = str(refused.value).partition(". The manifest was left as it was; see to what its log")
            assert cause == "Spark gave up the rebuild: RuntimeError: out of luck"
            assert rest == " says, then rebuild again"
    finally:
        file.write_bytes(content)
    assert manifest_in(tmp_path / "out")["number"] == before.manifest.number
    assert rebuilt(ledger, tmp_path / "out", Helpers(tmp_path / "again", [])).written == 0


def by_command(ledger: Path, to: Path, **environment: str) -> "subprocess.Popen[str]":
    words = ("rebuild", "--engine", "spark", "--into", str(to), "--store", str(ledger / "ledger.db"), "--sample", "0")
    return subprocess.Popen(
        [sys.executable, "-m", "cli", *words, "--format", "json"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def descendants(pid: int) -> dict[int, str]:
    """By process id, the command lines of all that a process has begun."""
    found: dict[int, str] = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            above = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            line = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        found[int(path.name)] = f"{above} {line}"
    ours = {pid}
    while more := {child for child, told in found.items() if int(told.partition(" ")[0]) in ours} - ours:
        ours |= more
    return {child: found[child] for child in ours - {pid}}


def test_an_executor_that_is_killed_is_replaced_with_an_equal_result(ledger: Path, tmp_path: Path) -> None:
    """On two executors, one of which is killed -9 with all its tasks once the first files lie in the place."""
    process = by_command(ledger, tmp_path / "out", PYSPARK_SUBMIT_ARGS=f"--master {CLUSTER} pyspark-shell")
    try:
        end = time.monotonic() + 240
        while not list((tmp_path / "out").rglob("*.parquet")):
            assert process.poll() is None and time.monotonic() < end, process.communicate()
            time.sleep(0.05)
        executors = [pid for pid, told in descendants(process.pid).items() if "CoarseGrainedExecutorBackend" in told]
        assert len(executors) == 2
        os.kill(executors[0], signal.SIGKILL)
        assert not (tmp_path / "out" / "manifest.json").exists()  # there was work left
        out, err = process.communicate(timeout=240)
    finally:
        process.kill()
    assert process.returncode == 0, err
    made = manifest_in(tmp_path / "out")
    with open_store(str(ledger / "ledger.db")) as store:
        asked = AskedInto(str(tmp_path / "one"), sample=0, as_of=parse_instant(made["as_of"]))
        expected = rebuild_into(store, asked, Helpers(tmp_path, []))
    assert json.loads(out)["digest"] == expected.digest


def test_without_java_it_is_said_what_spark_takes(ledger: Path, tmp_path: Path) -> None:
    process = by_command(ledger, tmp_path / "out", JAVA_HOME=str(tmp_path / "none"))
    _, err = process.communicate(timeout=120)
    assert process.returncode == StoreError.exit_status
    assert "Error: Spark does not begin (" in err and "): it takes Java 17 or later; see to its settings" in err
    assert "Traceback" not in err
