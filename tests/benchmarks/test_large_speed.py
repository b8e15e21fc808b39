"""A merchant of a million events at any moment: replayed, explained, compared, on the desk, sealed and not."""

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from projections.http.settings import Settings
from tests import ROOT
from tests.benchmarks.conftest import BUYERS, Compare
from tests.benchmarks.timed import command, read_rows
from tests.benchmarks.years import told, write
from tests.support.serving import serving

EVENTS = int(os.environ.get("LEVELBOOK_BENCH_LARGE", "1000000"))
SMALL_EVENTS = 100
CORRECTIONS = 20
MONTHS = 37
BEGIN = datetime(2022, 1, 1, tzinfo=timezone(timedelta(hours=8)))
MONTH = "2022-11"
MEMORY_AIM_MB = 400
DESK_AIMS_SECONDS = (1.5, 0.1)


class Made(NamedTuple):
    """Two copies of a ledger of one large merchant and a small one."""

    sealed: Path
    bare: Path
    """Without segments."""
    head: int


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("large")
    sealed, bare = folder / "sealed.db", folder / "bare.db"
    write(folder / "events.jsonl", life("merchant/m-0", EVENTS))
    write(folder / "small.jsonl", life("merchant/m-1", SMALL_EVENTS))
    command("ingest", "--store", str(sealed), str(folder / "small.jsonl"), str(folder / "events.jsonl"))
    shutil.copy(sealed, bare)
    command("seal", "--store", str(sealed))
    command("replay", "--store", str(sealed), "merchant/m-0")  # compiled, and kept
    return Made(sealed, bare, EVENTS + SMALL_EVENTS + 2 * (1 + CORRECTIONS))


def life(subject: str, count: int) -> Iterator[dict[str, Any]]:
    """An opening, so many events over 37 months, and at the end some that are retracted."""
    chance = random.Random(5)

    def event(name: str, at: datetime, kind: str, data: dict[str, Any]) -> dict[str, Any]:
        return told(0, at, subject, kind, data) | {"id": f"{subject}-{name}"}

    yield event("opening", BEGIN - timedelta(days=5), "merchant.onboarded", {"category": "tea"})
    orders: list[str] = []
    end = BEGIN + timedelta(days=30 * MONTHS)
    for number in range(count):
        at, draw = BEGIN + (end - BEGIN) / count * number, chance.random()
        if draw < 0.4 or not orders:
            orders.append(f"o-{number}")
            data = {"order": orders[-1], "buyer": f"b-{chance.randrange(BUYERS)}", "amount": 9_900}
            yield event(str(number), at, "order.paid", data)
            continue
        order = orders[chance.randrange(max(0, len(orders) - 20_000), len(orders))]
        kind, more = "order.received", dict[str, Any]()
        if draw >= 0.99:
            kind, more = "order.flagged", {"reason": "fake_trade"}
        elif draw >= 0.7:
            kind, more = "review.posted", {"quality": chance.randrange(1, 6)}
        yield event(str(number), at, kind, {"order": order, **more})
    for number in range(CORRECTIONS):
        named = {"source": "urn:example:orders", "event": f"{subject}-{chance.randrange(count)}", "reason": "wrong"}
        yield event(f"correction-{number}", end, "event.retracted", named)


@pytest.mark.parametrize(
    ("words", "aim"),
    [
        (("replay",), 1.5),
        (("explain", "--month", MONTH), 2.0),
        (("diff", "--position", "{before}"), 2.5),
        (("history",), 1.5),
        (("replay", "--scheme", "merchant-tier"), 1.5),
    ],
    ids=["replay", "explain a month", "diff", "history", "replay of the tier"],
)
def test_a_large_merchant_sealed(made: Made, benchmark: BenchmarkFixture, words: tuple[str, ...], aim: float) -> None:
    """Whole processes: seconds and the most memory."""
    asked = [word.format(before=made.head - CORRECTIONS) for word in words]
    found: list[tuple[float, int]] = []
    run(asked, made.sealed)  # compiled, and kept
    benchmark.pedantic(lambda: found.append(run(asked, made.sealed)), rounds=5)  # type: ignore[no-untyped-call]
    seconds, memory = (sorted(item)[len(found) // 2] for item in zip(*found, strict=True))
    print(
        f"\n{' '.join(asked)} of a merchant of {EVENTS:,} events: {seconds:.2f} s, aim {aim} s;"
        f" {memory // 1024} MB, aim {MEMORY_AIM_MB} MB"
    )


def run(words: list[str], store: Path) -> tuple[float, int]:
    """Seconds and KiB of a command about the merchant."""
    begin = time.perf_counter()
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": ""}
    line = [sys.executable, "-m", "cli", words[0], "--store", str(store), "merchant/m-0", *words[1:]]
    process = subprocess.Popen(line, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return time.perf_counter() - begin, used.ru_maxrss


def test_a_large_merchant_without_segments(made: Made, compare: Compare) -> None:
    compare(
        f"replay of a merchant of {EVENTS:,} events without segments, whole process, against reading its rows",
        lambda: command("replay", "--store", str(made.bare), "merchant/m-0"),
        lambda: read_rows(made.bare),
        aim="1.5",
    )


def test_a_small_merchant(made: Made, compare: Compare) -> None:
    compare(
        f"replay of a merchant of {SMALL_EVENTS} events, whole process, against reading its rows",
        lambda: command("replay", "--store", str(made.bare), "merchant/m-1"),
        lambda: read_rows(made.bare, "merchant/m-1"),
        aim="0.19 s",
        rounds=9,
    )


def test_why_on_the_desk_where_no_views_stand(made: Made, benchmark: BenchmarkFixture) -> None:
    times: list[float] = []
    page = f"/subjects/merchant/m-0/why?month={MONTH}&position={made.head - CORRECTIONS}"
    with serving(Settings(str(made.sealed))) as client:
        client.get("/subjects/merchant/m-1")

        def one(number: int) -> None:
            begin = time.perf_counter()
            answer = client.get(f"{page}&page={number}")
            assert answer.status_code == 200, answer.text[:400]
            times.append(time.perf_counter() - begin)

        one(1)
        benchmark.pedantic(one, args=(2,), rounds=5, iterations=1)  # type: ignore[no-untyped-call]
    first, *further = times
    print(
        f"\nWhy of a month of a merchant of {EVENTS:,} events, no views: first page {first:.2f} s, further ones"
        f" {sorted(further)[len(further) // 2]:.3f} s, aims {DESK_AIMS_SECONDS} s"
    )
