"""The chains of keys against the same work without them: recorded with the records, told of many keys, filled in."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from domain.keys import stream_key
from replay.recording.chaining import chain_keys
from replay.store.base.store import Store
from replay.store.key_chains import key_states
from replay.store.opening import create_store, open_store
from replay.store.queries import plain_rows
from replay.store.reading.row import leaf_hash
from tests import ROOT
from tests.benchmarks.conftest import LINES, Compare
from tests.benchmarks.years import write, year_of
from tests.support.chains import make_older

SOME = LINES // 5
MERCHANTS = 10_000
WITH = "import sys; from replay.recording import append; {}import cli; sys.argv[0] = 'levelbook'; cli.main()"
"""The command, begun in the same way whether something is chained or nothing."""
WITHOUT = WITH.format("append.record = lambda transaction, rows, leaves, chains: transaction.record(rows);")


@pytest.fixture(scope="module")
def some_lines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("some") / "events.jsonl"
    write(path, year_of(SOME - MERCHANTS, MERCHANTS))
    return path


@pytest.fixture(scope="module")
def some_ledger(some_lines: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    location = str(tmp_path_factory.mktemp("ledger") / "ledger.db")
    ingest(WITH.format(""), location, some_lines)
    return location


def ingest(script: str, location: str, lines: Path) -> None:
    words = [sys.executable, "-c", script, "ingest", "--store", location, str(lines)]
    subprocess.run(words, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def processor_seconds() -> float:
    """Of the processes that this one has waited for, with those that these have."""
    spent = os.times()
    return spent.children_user + spent.children_system


def test_ingest_with_chains_against_ingest_without(
    some_lines: Path, location: str, benchmark: BenchmarkFixture, tmp_path: Path
) -> None:
    """By processor time of the command, the server's not counted: other work on the machine changes that least."""
    import psycopg

    times: dict[str, list[float]] = {"with": [], "without": []}

    def clean() -> None:
        if location.startswith("postgresql"):
            with psycopg.connect(location, autocommit=True) as connection:
                connection.execute("DROP SCHEMA IF EXISTS levelbook CASCADE")
                connection.execute("CHECKPOINT")
        else:
            for path in Path(location).parent.glob("ledger.db*"):
                path.unlink()
        create_store(location)

    def one_round() -> None:
        for name, script in (("without", WITHOUT), ("with", WITH.format(""))):
            clean()
            before = processor_seconds()
            ingest(script, location, some_lines)
            times[name].append(processor_seconds() - before)

    benchmark.pedantic(one_round, rounds=5, iterations=1)  # type: ignore[no-untyped-call]
    ours, floor = median(times["with"]), median(times["without"])
    benchmark.extra_info.update(
        ratio=round(ours / floor, 3), ours_s=times["with"], floor_s=times["without"], aim="1.05"
    )
    database = "PostgreSQL" if location.startswith("postgresql") else "SQLite"
    print(
        f"\ningest of {SOME} lines, {database}, with chains of keys: {ours:.2f} s of processor, without {floor:.2f} s,"
        f" ratio {ours / floor:.3f}, aim 1.05"
    )


@pytest.mark.parametrize("back", [0, 2], ids=["at the head", "half back"])
def test_states_of_all_streams_against_reading_their_heads(some_ledger: str, compare: Compare, back: int) -> None:
    with open_store(some_ledger) as store:
        streams = sorted({stream for (stream,) in store._query("SELECT DISTINCT stream FROM records")})
        keys = [stream_key(stream) for stream in streams]
        position = SOME // back if back else SOME
        counted = sum(state.records for state in key_states(store, keys, position).values())
        assert counted == position

        def floor() -> None:
            store.reader().versions(streams)

        where = "half back" if back else "at the head"
        compare(
            f"states of {len(keys)} keys {where} against the versions of their streams",
            lambda: key_states(store, keys, position),
            floor,
            aim="25" if back else "10",
        )


def test_filling_an_older_ledger_against_reading_and_hashing_it(
    some_ledger: str, compare: Compare, tmp_path: Path
) -> None:
    def older() -> None:
        for path in tmp_path.glob("older.db*"):
            path.unlink()
        for suffix in ("", ".key"):
            shutil.copy(some_ledger + suffix, tmp_path / f"older.db{suffix}")
        make_older(str(tmp_path / "older.db"))

    def hashed(store: Store) -> None:
        for row in plain_rows(store, 0, SOME):
            leaf_hash(row[-1])

    def opened(work: Callable[[Store], None]) -> Callable[[], None]:
        def run() -> None:
            with open_store(str(tmp_path / "older.db")) as store:
                work(store)

        return run

    compare(f"chaining {SOME} records that were not", opened(chain_keys), opened(hashed), aim="3.0", before=older)
