"""A rebuild from sealed segments against a bare insert of the rows that it writes; how soon kept loops judge."""

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from projections.views.database import open_views
from projections.views.location import views_path
from replay.columnar.seal import seal
from replay.store.opening import open_store
from replay.store.sqlite import SqliteStore
from tests import ROOT
from tests.benchmarks.conftest import LINES, Compare
from tests.benchmarks.timed import command
from tests.benchmarks.years import write, year_of

MERCHANTS = 10_000


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ledger of a year of merchants who are all in the scope of tiers, sealed, and its views, loops kept."""
    folder = tmp_path_factory.mktemp("rebuilt")
    write(folder / "year.jsonl", year_of(LINES, MERCHANTS, fresh_each=1))
    location = folder / "ledger.db"
    command("ingest", "--store", str(location), str(folder / "year.jsonl"))
    with open_store(str(location)) as store:
        place = store.segments_path()
        assert place is not None
        seal(store, place)
    command("rebuild", "--store", str(location))
    return location


def without_views(location: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        Path(f"{location}.views{suffix}").unlink(missing_ok=True)


def test_a_rebuild_against_a_bare_insert_of_its_rows(sealed: Path, tmp_path: Path, compare: Compare) -> None:
    """The whole command with its proof, loops kept; bare: a fresh file with the same tables, indexes and settings."""
    with open_store(str(sealed)) as store, open_views(store) as views, views.reading() as connection:
        assert isinstance(store, SqliteStore)
        driver: Any = connection.connection.driver_connection
        made = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND type IN ('table', 'index')"
        statements = [sql for (sql,) in driver.execute(made)]
        names = [table.name for table in views.all_tables(connection)]
        rows = {name: driver.execute(f"SELECT * FROM {name}").fetchall() for name in names}
        assert views_path(store).exists()
    count = sum(map(len, rows.values()))

    def bare() -> None:
        target = tmp_path / "bare.db"
        target.unlink(missing_ok=True)
        connection = sqlite3.connect(target, isolation_level=None)
        for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "cache_size = -65536"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("BEGIN IMMEDIATE")
        for statement in statements:
            connection.execute(statement)
        for name, told in rows.items():
            if told:
                connection.executemany(f"INSERT INTO {name} VALUES ({', '.join('?' * len(told[0]))})", told)
        connection.execute("COMMIT")
        connection.close()

    compare(
        f"rebuild of {LINES:,} events of {MERCHANTS:,} merchants from segments, {count:,} rows, against a bare insert",
        lambda: command("rebuild", "--store", str(sealed)),
        bare,
        aim="3",
        before=lambda: without_views(sealed),
    )


def test_a_rebuild_by_two_processes_beside_the_writing_one(sealed: Path, compare: Compare) -> None:
    """By one process against two that judge, and the one that writes; without the sample of replays, which is equal."""
    words = ("rebuild", "--store", str(sealed), "--sample", "0")
    compare(
        f"rebuild of {LINES:,} events from segments, by one process, against two workers",
        lambda: command(*words),
        lambda: command(*words, "--workers", "2"),
        aim="at least 1.7",
        before=lambda: without_views(sealed),
    )


def test_a_rebuild_into_files_by_two_processes(sealed: Path, tmp_path: Path, compare: Compare) -> None:
    """By one process against two, each of which writes its own files; without the sample of replays, which is equal.

    Each process takes a second or two to begin: two pay from some millions of records on (LEVELBOOK_BENCH_LINES).
    """
    words = ("rebuild", "--store", str(sealed), "--sample", "0", "--into", str(tmp_path / "out"))
    compare(
        f"rebuild of {LINES:,} events from segments into files, by one process, against two",
        lambda: command(*words),
        lambda: command(*words, "--workers", "2"),
        aim="at least 1.7 of ten million events",
        before=lambda: shutil.rmtree(tmp_path / "out", ignore_errors=True),
    )


def test_kept_loops_begin_to_judge(compare: Compare) -> None:
    """A process that imports numpy and numba and folds nothing by a kept loop, against one that imports numpy."""
    script = (
        "import numpy as np; from replay.columnar.columns import TYPES, Columns\n"
        "from replay.schemes.merchant_reputation.fold import fold_reputation\n"
        "from replay.policies.catalog import shipped\n"
        "from domain.policy import start_of_month, terms_of\n"
        "from domain.merchant_reputation.facts import spans_of\n"
        "nothing = Columns._make([*(np.zeros(0, kind) for kind in TYPES.values()), [], [], []])\n"
        "fold_reputation(nothing, spans_of(terms_of(shipped('merchant-reputation'), start_of_month)), 0)\n"
    )
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": ""}

    def run(text: str) -> None:
        subprocess.run((sys.executable, "-c", text), cwd=ROOT, env=environment, check=True)

    run(script)
    compare("kept loops loaded, a fresh process", lambda: run(script), lambda: run("import numpy"), aim="under 0.7 s")
