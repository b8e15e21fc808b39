"""The stages of a rebuild on machines, by an engine of this process that loses and repeats work as large ones do."""

import pickle
import random
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from click.testing import CliRunner

from cli import main
from projections.spreading import agencies, spark, stages
from projections.spreading.into import AskedInto, IntoReport, rebuild_into
from projections.spreading.processes import Helpers
from projections.spreading.spark import OnSpark
from projections.spreading.stages import DONE, REFUSED, TASKS, TOLD, OnMachines, first_stage, second_stage
from replay.columnar import segments
from replay.columnar.jit import kept_in
from replay.columnar.seal import seal
from replay.errors import DamagedError, LevelbookError
from replay.extras import SPARK
from replay.objects.cache import CACHE_VARIABLE
from replay.objects.naming import place_of
from replay.store.base.store import Store
from replay.store.opening import create_store, open_store
from tests.support.buckets import bucket_server, keys_in_environment
from tests.support.making import ingest_events
from tests.support.views import ALL
from tests.worlds.ledgers import END, World

ALONE = "--engine spark works with --into, by workers of its own: name a place, and leave out --workers"
Told = list[tuple[int, str, bytes]]


def told(batches: Iterator[pa.RecordBatch]) -> Told:
    """What a stage tells, each batch as it must be."""
    found: Told = []
    for batch in batches:
        assert batch.schema == TOLD
        found += [(row["group"], row["what"], row["content"]) for row in batch.to_pylist()]
    return found


def batches_of(rows: Told) -> Iterator[pa.RecordBatch]:
    """Rows in batches of several."""
    for begin in range(0, len(rows), 3):
        columns = zip(*rows[begin : begin + 3], strict=True)
        arrays = [pa.array(column, field.type) for column, field in zip(columns, TOLD, strict=True)]
        yield pa.record_batch(arrays, TOLD)


class Engine:
    """Runs each task twice and takes what the second one tells, in any order; keeps what it was given."""

    def __init__(self) -> None:
        self.tables = 0
        """Tables that were handed from the first stage to the second."""
        self.groups = set[int]()

    def told(
        self, _: Any, sent: OnMachines, tasks: Sequence[bytes], total: int, progress: Callable[..., None]
    ) -> list[tuple[str, Any]]:
        pick, exchanged = random.Random(3), defaultdict[int, Told](list)
        sent = pickle.loads(pickle.dumps(sent))
        for task in pick.sample(list(tasks), len(tasks)):
            given = pa.record_batch([pa.array([task], pa.binary())], TASKS)
            once, again = (told(first_stage(sent, lambda _: None, [given])) for _ in range(2))
            assert [row[:2] for row in once] == [row[:2] for row in again]
            for row in again:
                exchanged[row[0] % sent.groups.number].append(row)
        found: Told = []
        for group, rows in exchanged.items():
            pick.shuffle(rows)
            self.groups |= {row[0] for row in rows if row[1] not in (DONE, REFUSED)}
            self.tables += sum(row[1] not in (DONE, REFUSED) for row in rows)
            assert group < sent.groups.number
            once, again = (told(second_stage(sent, batches_of(rows))) for _ in range(2))
            assert sorted(once) == sorted(again)
            found += again
        return spark.opened(found)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    """In the place of Spark."""
    made = Engine()
    monkeypatch.setattr(spark, "told_by_spark", made.told)
    return made


@pytest.fixture
def ledger(store: Store, tmp_path: Path) -> Store:
    """Most of its records are sealed."""
    world = World(83)
    ingest_events(store, world.events(600), tmp_path)
    seal(store, tmp_path / "segments")
    (tmp_path / "more").mkdir()
    ingest_events(store, world.events(100), tmp_path / "more")
    return store


def spread(store: Store, tmp_path: Path, beside: Helpers | OnSpark, to: str) -> IntoReport:
    asked = AskedInto(str(tmp_path / to), segments=tmp_path / "segments", as_of=END, sample=ALL, seed=1)
    return rebuild_into(store, asked, beside)


def on_engine() -> OnSpark:
    session: Any = SimpleNamespace(sparkContext=SimpleNamespace(defaultParallelism=3))
    return OnSpark(session)


@pytest.mark.slow
def test_stages_that_are_repeated_write_what_one_process_writes(
    ledger: Store, tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it proved by replays; agencies in several groups."""
    monkeypatch.setattr(agencies, "CREATORS_EACH", 1)
    one = spread(ledger, tmp_path, Helpers(tmp_path, []), "one")
    staged = spread(ledger, tmp_path, on_engine(), "staged")
    assert staged.manifest.tables == one.manifest.tables and staged.digest == one.digest
    assert staged.proof == one.proof and staged.proof.compared > 10 and not staged.proof.problems
    assert staged.written == one.written
    assert len(engine.groups) > 1 and engine.tables > 10


@pytest.mark.slow
def test_a_segment_whose_rows_are_out_of_order_is_refused_and_not_tried_again(
    ledger: Store, tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader that drops a sort in silence, as engines have been seen to, gives rows in another order."""
    real = segments.columns_in

    def unsorted(*given: Any) -> Iterator[Any]:
        for columns in real(*given):
            yield columns._replace(at=columns.at[::-1].copy(), position=columns.position[::-1].copy())

    monkeypatch.setattr("replay.columnar.archive.columns_in", unsorted)
    with pytest.raises(DamagedError, match="is not in order at row"):
        spread(ledger, tmp_path, on_engine(), "out")
    assert not (tmp_path / "out" / "manifest.json").exists()


@pytest.mark.slow
def test_segments_and_files_may_lie_in_storage_of_objects(
    tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is sent names them: each machine opens them by keys of its own."""
    keys_in_environment(monkeypatch)
    kept_in()  # loops stay where they are kept
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    create_store(str(tmp_path / "ledger.db"))
    with bucket_server() as server, open_store(str(tmp_path / "ledger.db")) as store:
        ingest_events(store, World(84).events(300), tmp_path)
        url = server.url("levels", "segments")
        seal(store, place_of(url))
        asked = AskedInto(server.url("levels", "out"), segments=place_of(url), as_of=END, sample=ALL, seed=1)
        staged, one = (rebuild_into(store, asked, beside) for beside in (on_engine(), Helpers(tmp_path, [])))
        assert staged.digest == one.digest
        assert any("GET /levels/segments/" in told for told in server.asked)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ("--into", "out"),
            "a rebuild on Spark takes pyspark and pandas, which this installation of Levelbook lacks",
        ),
        ((), ALONE),
        (("--into", "out", "--workers", "2"), ALONE),
    ],
    ids=["without the extra", "without a place", "with workers"],
)
def test_the_command_says_what_spark_takes(
    words: tuple[str, ...], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for package in SPARK:
        monkeypatch.setitem(sys.modules, package, None)
    create_store("ledger.db")
    found = CliRunner().invoke(main, ["rebuild", "--engine", "spark", "--store", "ledger.db", *words])
    assert found.exit_code == 2 and told in found.stderr
    assert ("levelbook[spark]" in found.stderr) == told.startswith("a rebuild")
    assert not (tmp_path / "out").exists()


def test_a_machine_with_other_rules_tells_so_and_writes_nothing(tmp_path: Path) -> None:
    work: Any = SimpleNamespace(ground=None)
    sent = OnMachines(work, tmp_path, None, tmp_path, None, "other")  # type: ignore[arg-type]
    task = stages.packed(stages.BucketTask(0, None))  # type: ignore[arg-type]
    given = pa.record_batch([pa.array([task], pa.binary())], TASKS)
    ((group, what, content),) = told(first_stage(sent, lambda _: None, [given]))
    assert (group, what) == (0, REFUSED)
    with pytest.raises(LevelbookError, match="a machine has another levelbook, Python or numba than the one"):
        spark.opened([(group, what, content)])
    assert list(tmp_path.iterdir()) == []
