"""Sealing against reading the same rows and writing the same columns; bytes an event; reading back."""

import os
import shutil
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from domain.buckets import AGENCIES
from replay.columnar.archive import open_archive
from replay.columnar.reading import READ_ROWS
from replay.columnar.seal import seal
from replay.store.base.store import Store
from replay.store.opening import create_store, open_store
from replay.store.queries import sealed_rows
from tests.benchmarks.conftest import LINES, Compare
from tests.support.making import ingest_files

EVENTS = LINES // 2
BYTES_AIM = 40


@pytest.fixture(scope="module")
def ledger(lines_file: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A SQLite store of EVENTS events."""
    folder = tmp_path_factory.mktemp("sealed")
    some = folder / "events.jsonl"
    with lines_file.open() as lines, some.open("w") as file:
        file.writelines(line for line, _ in zip(lines, range(EVENTS), strict=False))
    location = str(folder / "ledger.db")
    create_store(location)
    with open_store(location) as store:
        ingest_files(store, [str(some)], folder / "rejects.jsonl")
    return location


def test_sealing(ledger: str, tmp_path: Path, compare: Compare, benchmark: BenchmarkFixture) -> None:
    with open_store(ledger) as store:
        folder = tmp_path / "segments"
        seal(store, folder)
        tables = [pq.read_table(file) for file in sorted(folder.glob("*.parquet"))]

        def floor() -> None:
            (tmp_path / "floor").mkdir(exist_ok=True)
            read_rows(store)
            write_tables(tables, tmp_path / "floor")

        ratio = compare(
            f"seal of {EVENTS} events, against reading the same rows and writing the same columns and names",
            lambda: seal(store, folder),
            floor,
            aim="2",
            before=lambda: shutil.rmtree(folder, ignore_errors=True),
        )
        archive = open_archive(store, folder)
        files = [file for generation in archive.manifest.generations for file in generation.files]
        size = sum(file.bytes for file in files) / EVENTS
        begin = time.perf_counter()
        rows = sum(len(archive.read(bucket).at) for bucket in range(AGENCIES + 1))
        rate = rows / (time.perf_counter() - begin)
        benchmark.extra_info.update(bytes_an_event=round(size, 2), read_rows_a_second=round(rate))
        print(f"{size:.1f} bytes an event, aim {BYTES_AIM}; read back at {rate / 1e6:.1f} M rows/s, hashes checked")
        assert rows == EVENTS
        assert size <= BYTES_AIM
        assert ratio <= 3, "far beyond the aim"


def read_rows(store: Store) -> None:
    for begin in range(0, EVENTS, READ_ROWS):
        list(sealed_rows(store, begin, min(begin + READ_ROWS, EVENTS)))


def write_tables(tables: list["pa.Table"], folder: Path) -> None:
    """As many files as sealing writes, with the library's own choice of encodings, each on the disk before the next."""
    for number, table in enumerate(tables):
        with (folder / f"{number}.parquet").open("wb") as file:
            pq.write_table(table, file, compression="zstd")
            file.flush()
            os.fsync(file.fileno())
