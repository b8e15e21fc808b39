"""Every verdict and month of many merchants from segments, against scans of the same files and against peers."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from domain.buckets import BUCKETS
from domain.calendar import parse_instant
from domain.limits import DAY_MICROS, SECOND_MICROS
from domain.merchant_reputation.facts import spans_of
from domain.merchant_reputation.rule import SCHEME, Verdict
from domain.policy import start_of_month, terms_of
from replay.columnar.archive import Archive
from replay.columnar.columns import (
    MERCHANT_ONBOARDED,
    NO_NUMBER,
    ORDER_FLAGGED,
    ORDER_PAID,
    ORDER_RECEIVED,
    REVIEW_POSTED,
    TYPES,
    Columns,
    no_rows,
)
from replay.columnar.numbering import SUBJECT, names_schema
from replay.columnar.parts import SubjectRange
from replay.columnar.places.folder import FolderSegments
from replay.columnar.seal import GENERATION_RECORDS
from replay.columnar.segments import (
    COLUMNS_FILE,
    FORMAT,
    Generation,
    Manifest,
    contents,
    file_name,
    switch_manifest,
)
from replay.policies.catalog import shipped
from replay.schemes.merchant_reputation.fold import fold_reputation
from replay.schemes.merchant_reputation.folded import Folded
from tests import ROOT
from tests.benchmarks import projection_peer
from tests.benchmarks.conftest import Compare
from tests.benchmarks.making_segments import LEDGER, make_segments

EVENTS = int(os.environ.get("LEVELBOOK_BENCH_EVENTS", "20000000"))
MEMORY_EVENTS = int(os.environ.get("LEVELBOOK_BENCH_MEMORY_EVENTS", str(EVENTS)))
"""Of how many the peak of memory is held against that of a tenth of them."""
MERCHANTS = 20_000
EVENTS_EACH = 500
"""A merchant, on the average, where memory is measured: a ledger grows by merchants and generations."""
BEGIN = parse_instant("2022-01-01T00:00:00+08:00")
AS_OF = parse_instant("2025-01-01T00:00:00+08:00")
DAYS = 3 * 365
COLUMNS = f"*.{COLUMNS_FILE}.parquet"
MakeFiles = Callable[[int], Path]
SPANS = spans_of(terms_of(shipped(SCHEME), start_of_month))

# --- segments ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def files_of(tmp_path_factory: pytest.TempPathFactory) -> MakeFiles:
    """Makes the segments of so many events of MERCHANTS merchants, sizes skewed, once."""
    made: dict[int, Path] = {}

    def make(events: int) -> Path:
        if events not in made:
            folder = made[events] = tmp_path_factory.mktemp(f"columns-{events}")
            weights = (np.arange(MERCHANTS) + 1.0) ** -0.8
            orders = np.random.default_rng(7).multinomial(int(events / 2.51), weights / weights.sum())
            files, where = [], FolderSegments(folder)
            for bucket in range(int(os.environ.get("NB", "16"))):
                columns, names = told_of(bucket, orders[bucket::BUCKETS])
                for kind, content in contents(columns, names):
                    files.append(where.put(file_name(1, bucket, kind), *content))
            switch_manifest(where, Manifest(FORMAT, LEDGER, BUCKETS, [Generation(1, 1, 2 * events, "", files)]))
        return made[events]

    return make


def told_of(bucket: int, orders: Any) -> tuple[Columns, pa.Table]:
    """Merchants who have so many orders each within three years: 9 in 10 received, 6 reviewed, 1 in 100 flagged."""
    chance = np.random.default_rng([7, bucket])
    merchants, count = len(orders), int(orders.sum())
    merchant = np.repeat(np.arange(merchants), orders)
    key = np.arange(count) - np.repeat(np.cumsum(orders) - orders, orders)
    paid = BEGIN + (1 + chance.integers(0, DAYS * DAY_MICROS // SECOND_MICROS, count)) * SECOND_MICROS
    received = paid + chance.integers(DAY_MICROS, 8 * DAY_MICROS, count)
    reviewed = received + chance.integers(-DAY_MICROS // 4, 18 * DAY_MICROS, count)
    buyer = (chance.random(count) ** 2 * np.repeat(orders, orders) * 0.7).astype(np.int64)
    amount = np.clip(chance.lognormal(8.5, 1.0, count).astype(np.int64), 1, 10**8)
    kind = np.where(chance.random(count) < 0.97, 0, chance.integers(1, 6, count))
    stars = chance.choice([1, 2, 3, 4, 5], count, p=[0.1, 0.1, 0.1, 0.1, 0.6])
    no, none = np.full(count, NO_NUMBER), np.zeros(count, np.int64)
    opened = np.tile([[NO_NUMBER], [NO_NUMBER], [0], [0], [MERCHANT_ONBOARDED]], merchants)
    parts: list[list[Any]] = [[np.arange(merchants), np.full(merchants, BEGIN), *opened]]
    for number, share, at, *rest in (
        (ORDER_PAID, 1.0, paid, buyer, amount, kind),
        (ORDER_RECEIVED, 0.9, received, no, none, none),
        (REVIEW_POSTED, 0.6, reviewed, no, none, stars),
        (ORDER_FLAGGED, 0.01, received + DAY_MICROS, no, none, none),
    ):
        some = chance.random(count) < share
        parts.append([*(column[some] for column in (merchant, at, key, *rest)), np.full(int(some.sum()), number)])
    subject, at, key, buyer, amount, detail, what = map(np.concatenate, zip(*parts, strict=True))
    order = np.lexsort((at, subject))
    position = np.empty(len(at), np.int64)
    position[np.lexsort((subject, at))] = np.arange(len(at)) * BUCKETS + bucket + 1
    values = (subject, at, position, what, key, buyer, amount, detail, np.zeros(len(at), np.int8))
    arrays = [column[order].astype(kind) for column, kind in zip(values, TYPES.values(), strict=True)]
    streams = [f"merchant/m-{bucket}-{place}" for place in range(merchants)]
    names = [np.full(merchants, SUBJECT), np.zeros(merchants), np.arange(merchants), streams]
    table = pa.table(dict(zip(names_schema().names, names, strict=True)), schema=names_schema())
    return Columns._make([*arrays, streams, [], []]), table


@pytest.fixture(scope="module")
def compile_s() -> float:
    """The loop compiled before anything is timed, and how long that took in a process that had not imported numba."""
    begin = time.perf_counter()
    fold_reputation(no_rows(), SPANS, AS_OF)
    return time.perf_counter() - begin


def folded_by(archive: Archive, bucket: int) -> Iterator[Folded]:
    """The parts of a bucket, one after another; each is let go before the next is read."""
    return map(folded_part, archive.parts(bucket))


def folded_part(part: SubjectRange) -> Folded:
    return fold_reputation(part.columns, SPANS, AS_OF)


def fold(folder: Path) -> list[Folded]:
    """Every verdict and month in memory, on two cores."""
    archive = Archive.open(FolderSegments(folder), LEDGER)
    with ThreadPoolExecutor(2) as pool:
        buckets = list(
            pool.map(lambda bucket: list(folded_by(archive, bucket)), range(int(os.environ.get("NB", "16"))))
        )
    return [folded for bucket in buckets for folded in bucket]


def fold_and_let_go(folder: Path) -> int:
    """Each part folded and let go before the next, as a rebuild does, on two cores; how many verdicts there were."""
    archive = Archive.open(FolderSegments(folder), LEDGER)
    with ThreadPoolExecutor(2) as pool:
        counts = pool.map(
            lambda bucket: sum(map(verdicts_of, folded_by(archive, bucket))), range(int(os.environ.get("NB", "16")))
        )
        return sum(counts)


def verdicts_of(folded: Folded) -> int:
    return len(folded.findings.at)


def asked(sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(config={"threads": 2}) as connection:
        return connection.execute(sql).fetchall()


# --- measured ---------------------------------------------------------------------------------------------------------


def test_every_verdict_against_a_scan(files_of: MakeFiles, compile_s: float, compare: Compare) -> None:
    files = files_of(EVENTS)
    bytes_per_event = sum(path.stat().st_size for path in files.glob(COLUMNS)) / EVENTS
    print(f"\ncompiled in {compile_s:.1f} s; {bytes_per_event:.1f} bytes an event, without names")
    sums = ", ".join(f'sum("{name}")' for name in TYPES)
    compare(
        f"every verdict and month of {EVENTS} events of {MERCHANTS} merchants against DuckDB's sum of every column",
        lambda: fold(files),
        lambda: asked(f"SELECT {sums} FROM read_parquet('{files}/{COLUMNS}')"),
        aim="3",
        rounds=5,
    )


def test_every_verdict_against_points_in_sql(files_of: MakeFiles, compile_s: float, compare: Compare) -> None:
    files = files_of(EVENTS)
    script = (Path(__file__).parent / "points.sql").read_text()
    sql = script.replace("FILES", f"'{files}/{COLUMNS}'").replace("AS_OF", str(AS_OF))
    assert_the_same_points(fold(files), {(file, subject): tenths for file, subject, tenths in asked(sql)})
    compare(
        f"every verdict and month of {EVENTS} events against DuckDB SQL for the points alone",
        lambda: fold(files),
        lambda: asked(sql),
        aim="a third",
    )


def assert_the_same_points(parts: list[Folded], tenths: dict[tuple[int, int], int]) -> None:
    """The SQL does what it says: it agrees about merchants at which no cap took hold."""
    agreed = 0
    for folded in parts:
        months = folded.months
        for place, subject in enumerate(folded.subjects):
            part = slice(months.starts[place], months.starts[place + 1])
            if not months.verdicts[part, [Verdict.PAIR_CAP, Verdict.GROWTH_CAP]].any():
                bucket, number = map(int, subject.split("-")[1:])
                assert tenths.get((bucket, number), 0) == folded.accounts[place, 0]
                agreed += 1
    assert agreed > MERCHANTS / 10


def test_every_verdict_against_the_library(
    files_of: MakeFiles, compile_s: float, benchmark: BenchmarkFixture, tmp_path: Path
) -> None:
    """The library's runner goes over a hundredth of the events; its time is scaled."""
    few = EVENTS // 100
    last = projection_peer.record(told(files_of(few)))

    def project() -> float:
        begin = time.perf_counter()
        projection_peer.project(tmp_path / "points.db", last)
        return time.perf_counter() - begin

    theirs: float = benchmark.pedantic(project, rounds=1) * EVENTS / last  # type: ignore[no-untyped-call]
    files, begin = files_of(EVENTS), time.perf_counter()
    fold(files)
    ours = time.perf_counter() - begin
    print(
        f"\nevery verdict and month of {EVENTS} events: {ours:.2f} s, the library's projection runner for the points"
        f" {theirs:.0f} s (scaled from {last} events): {theirs / ours:.0f} times, aim 500"
    )


def told(folder: Path) -> Iterator[projection_peer.Told]:
    """All buckets' events in the order in which they happened."""
    tables = [pq.read_table(path).to_pydict() for path in sorted(folder.glob(COLUMNS))]
    rows = [
        projection_peer.Told(subject * BUCKETS + bucket, *rest)
        for bucket, table in enumerate(tables)
        for subject, *rest in zip(
            *(table[name] for name in ("subject", "at", "what", "key", "amount", "detail")), strict=True
        )
    ]
    return iter(sorted(rows, key=lambda row: row.at))


def test_time_at_ten_times_the_events(files_of: MakeFiles, compile_s: float, compare: Compare) -> None:
    small, large = files_of(EVENTS // 10), files_of(EVENTS)
    compare(
        f"every verdict and month of {EVENTS} events against those of {EVENTS // 10}",
        lambda: fold(large),
        lambda: fold(small),
        aim="11",
        rounds=5,
    )


def test_memory(tmp_path: Path, benchmark: BenchmarkFixture) -> None:
    """Ledgers of which one has ten times the merchants, events and generations of the other, none of them large.

    LEVELBOOK_BENCH_MEMORY_EVENTS=100000000 takes about ten minutes and 2 GB of disk.
    """
    script = (
        "import re, sys; from pathlib import Path; from tests.benchmarks.test_fold_speed import *\n"
        "verdicts = fold_and_let_go(Path(sys.argv[1]))\n"
        "print(verdicts, re.search('VmHWM:.*?([0-9]+)', open('/proc/self/status').read())[1])"
    )

    def peak_mib(events: int) -> float:
        folder = tmp_path / str(events)
        make_segments(folder, events, events // EVENTS_EACH, 7, GENERATION_RECORDS)
        words = [sys.executable, "-c", script, str(folder)]
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
        shutil.rmtree(folder)
        return int(done.stdout.split()[-1]) / 1024

    small, large = benchmark.pedantic(  # type: ignore[no-untyped-call]
        lambda: (peak_mib(MEMORY_EVENTS // 10), peak_mib(MEMORY_EVENTS)), rounds=1
    )
    print(
        f"\npeak memory of a fold of {MEMORY_EVENTS:,} events {large:.0f} MiB, of a tenth of them {small:.0f} MiB,"
        f" ratio {large / small:.2f}; aim under 2 GB at 100,000,000, and at most 1.3 times that at 10,000,000"
    )
