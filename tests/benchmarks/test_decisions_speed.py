"""Runs of decisions and their audit over many merchants, sealed, compiled loops kept: seconds of the whole process.

LEVELBOOK_BENCH_LINES scales the ledgers: 1,000,000 events of 10,000 merchants within a year; and for the history a
fifth of that, and ten times that fifth at the same activity.
"""

import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any, Final

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from replay.columnar.size import MANY_RECORDS
from tests.benchmarks.conftest import LINES
from tests.benchmarks.timed import command
from tests.benchmarks.years import write, year_of

MERCHANTS: Final = 10_000
SHORT_HISTORY: Final = max(LINES // 5, MANY_RECORDS)
TIMES: Final = 10
ROUNDS: Final = 3
MONTH_AIM_SECONDS: Final = 4.0
DAY_AIM_SECONDS: Final = 2.0
HISTORY_AIM: Final = 1.3
AUDIT_AIM: Final = 2.0


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sealed ledger of a year."""
    return sealed(tmp_path_factory.mktemp("decisions"), year_of(LINES, MERCHANTS))


def sealed(folder: Path, events: Iterator[dict[str, Any]]) -> Path:
    store = folder / "ledger.db"
    write(folder / "events.jsonl", events)
    command("ingest", "--store", str(store), str(folder / "events.jsonl"))
    (folder / "events.jsonl").unlink()
    command("seal", "--store", str(store))
    return store


def month_before(months: int) -> str:
    """A month that is long over, so many months before the last that is."""
    last = datetime.now(UTC).replace(day=1) - timedelta(days=40)
    count = last.year * 12 + last.month - 1 - months
    return f"{count // 12}-{count % 12 + 1:02}"


def seconds_of(*words: str) -> float:
    begin = time.perf_counter()
    command(*words)
    return time.perf_counter() - begin


def decided_month(store: Path, months: int) -> float:
    period = ("--month", month_before(months))
    return seconds_of("decide", "merchant-reputation", *period, "--store", str(store))


def test_a_month_and_its_audit(ledger: Path, benchmark: BenchmarkFixture) -> None:
    decided_month(ledger, ROUNDS)  # compiles
    months: list[float] = []
    benchmark.pedantic(lambda: months.append(decided_month(ledger, len(months))), rounds=ROUNDS)  # type: ignore[no-untyped-call]
    audited = ("--scheme", "merchant-reputation", "--month", month_before(0), "--store", str(ledger))
    audits = [seconds_of("audit", *audited) for _ in range(ROUNDS)]
    run, audit = median(months), median(audits)
    print(
        f"\na month of {MERCHANTS:,} merchants and {LINES:,} events: {run:.2f} s, aim {MONTH_AIM_SECONDS};"
        f" its audit {audit:.2f} s, ratio {audit / run:.2f}, aim {AUDIT_AIM}"
    )


def test_a_day_of_tiers_after_the_day_before(ledger: Path, benchmark: BenchmarkFixture) -> None:
    days: list[float] = []

    def decide_next() -> None:
        day = datetime.now(UTC) - timedelta(days=30 - len(days))
        days.append(seconds_of("decide", "merchant-tier", "--day", f"{day:%Y-%m-%d}", "--store", str(ledger)))

    benchmark.pedantic(decide_next, rounds=ROUNDS + 1)  # type: ignore[no-untyped-call]
    print(f"\na day of tiers after the day before: {median(days[1:]):.2f} s, aim {DAY_AIM_SECONDS}")


def test_ten_times_the_history(tmp_path: Path, benchmark: BenchmarkFixture) -> None:
    """A month of a ledger, and of one that goes back ten times as far at the same activity, in turn."""
    long = sealed(tmp_path, year_of(TIMES * SHORT_HISTORY, MERCHANTS))
    folder = tmp_path / "short"
    folder.mkdir()
    openings_and_last = recent(year_of(TIMES * SHORT_HISTORY, MERCHANTS))
    short = sealed(folder, openings_and_last)
    times: dict[Path, list[float]] = {short: [], long: []}

    def decide_both() -> None:
        for store, taken in times.items():
            taken.append(decided_month(store, len(taken)))

    benchmark.pedantic(decide_both, rounds=ROUNDS)  # type: ignore[no-untyped-call]
    ratio = median(times[long]) / median(times[short])
    print(
        f"\na month after {SHORT_HISTORY:,} events {median(times[short]):.2f} s, after {TIMES} times as many"
        f" {median(times[long]):.2f} s, ratio {ratio:.2f}, aim {HISTORY_AIM}"
    )
    shutil.rmtree(tmp_path)


def recent(events: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The openings of all merchants, and the last tenth of what follows."""
    yield from islice(events, MERCHANTS)
    yield from islice(events, (TIMES - 1) * SHORT_HISTORY, None)
