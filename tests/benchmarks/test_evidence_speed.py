"""Evidence of a merchant of many events: made, checked and worked out again, against reading its rows alone."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from tests import ROOT
from tests.benchmarks.conftest import BUYERS, Compare
from tests.benchmarks.timed import command, read_rows
from tests.support.making import event, paid, write_lines

EVENTS = int(os.environ.get("LEVELBOOK_BENCH_EVIDENCE", "1000000"))
FEW_EVENTS = 10_000
BEGIN = datetime(2022, 9, 1, tzinfo=timezone(timedelta(hours=8)))
DAYS = 85
MERCHANT = "merchant/m-1"
FEW_BYTES_AIM, MANY_BYTES_AIM = 600_000, 60_000_000
AIM_MB = 1_000


class Sealed(NamedTuple):
    """A ledger of one merchant with a decided month under a checkpoint, its evidence and its trust file."""

    ledger: Path
    evidence: Path
    trust: Path


@pytest.fixture(scope="module", params=[FEW_EVENTS, EVENTS], ids=["few", "many"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Sealed:
    folder = tmp_path_factory.mktemp("evidence")
    found = Sealed(folder / "ledger.db", folder / "some.evidence", folder / "trust.txt")
    at = ("--store", str(found.ledger))
    command("ingest", *at, write_lines(folder / "events.jsonl", told(request.param)))
    command("key", "new", *at)
    command("decide", "merchant-reputation", "--month", "2022-11", *at)  # and signs a checkpoint
    shown = subprocess.run([sys.executable, "-m", "cli", "key", "show", *at], cwd=ROOT, capture_output=True, check=True)
    found.trust.write_bytes(shown.stdout)
    make(found)
    return found


def told(count: int) -> Iterator[dict[str, Any]]:
    """Orders with their receipts and reviews, spread over three months."""
    yield event("merchant.onboarded", "e-0", BEGIN.isoformat(), category="toys")
    for number in range(count // 3):
        order, at = f"o-{number}", BEGIN + number * timedelta(days=DAYS) / (count // 3)
        yield paid(order, at.isoformat(), buyer=f"b-{number % BUYERS}", amount=100 + number % 90_000)
        yield event("order.received", f"got-{number}", (at + timedelta(hours=1)).isoformat(), order=order)
        stars = 1 + number % 5
        yield event("review.posted", f"rev-{number}", (at + timedelta(hours=2)).isoformat(), order=order, quality=stars)


def make(made: Sealed) -> None:
    made.evidence.unlink(missing_ok=True)
    asked = ("--scheme", "merchant-reputation", "--month", "2022-11", "--gzip")
    command("evidence", MERCHANT, *asked, "--out", str(made.evidence), "--store", str(made.ledger))


def test_making_evidence_against_reading_its_rows(made: Sealed, compare: Compare) -> None:
    compare(
        f"evidence of {MERCHANT} made, {made.ledger.parent.name}, whole process, against reading its rows",
        lambda: make(made),
        lambda: read_rows(made.ledger, MERCHANT),
        aim="2 s of 10,000 events",
    )
    print(f"{made.evidence.stat().st_size:,} bytes, aim {FEW_BYTES_AIM:,} and {MANY_BYTES_AIM:,}")


def test_checking_evidence(made: Sealed, benchmark: BenchmarkFixture) -> None:
    """Whole processes: seconds and the most memory."""
    found: list[tuple[float, int]] = []
    benchmark.pedantic(lambda: found.append(check(made)), rounds=3)  # type: ignore[no-untyped-call]
    seconds, memory = (sorted(item)[len(found) // 2] for item in zip(*found, strict=True))
    print(f"\nchecked and worked out again: {seconds:.2f} s, aim 2 s and 60 s; {memory // 1024} MB, aim {AIM_MB} MB")


def check(made: Sealed) -> tuple[float, int]:
    """Seconds and KiB of checking a file."""
    words = [sys.executable, "-m", "cli", "verify-evidence", str(made.evidence), "--trust", str(made.trust)]
    begin = time.perf_counter()
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return time.perf_counter() - begin, used.ru_maxrss
