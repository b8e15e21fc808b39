"""Inputs of the benchmarks, and the ratio that each of them prints."""

import json
import os
import random
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

LINES = int(os.environ.get("LEVELBOOK_BENCH_LINES", "1000000"))
MERCHANTS = 2_000
BUYERS = 200_000

Timed = Callable[[], object]
Compare = Callable[..., float]


def events(lines: int, merchants: int = MERCHANTS) -> Iterator[dict[str, Any]]:
    """Orders, receipts, reviews and a few flags of merchants of very different sizes."""
    chance = random.Random(7)
    start = datetime(2022, 1, 1, tzinfo=timezone(timedelta(hours=8)))
    open_orders: list[tuple[str, str]] = []
    for n in range(lines):
        draw = chance.random()
        if draw < 0.4 or not open_orders:
            order, subject = f"o-{n}", f"merchant/m-{int(chance.paretovariate(0.8)) % merchants}"
            open_orders.append((order, subject))
            kind = "order.paid"
            data = {"order": order, "buyer": f"b-{chance.randrange(BUYERS)}", "amount": chance.randrange(100, 100_000)}
        else:
            order, subject = open_orders[chance.randrange(max(0, len(open_orders) - 5_000), len(open_orders))]
            kind, data = "order.received", {"order": order}
            if draw >= 0.99:
                kind, data = "order.flagged", {"order": order, "reason": "fake_trade"}
            elif draw >= 0.7:
                kind, data = "review.posted", {"order": order, "quality": chance.randrange(1, 6)}
        yield {
            "specversion": "1.0",
            "id": f"event-{n}",
            "source": "urn:example:orders",
            "type": kind,
            "subject": subject,
            "time": (start + timedelta(seconds=20 * n)).isoformat(),
            "data": data,
        }


@pytest.fixture(scope="session")
def lines_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of LINES events."""
    path = tmp_path_factory.mktemp("lines") / "events.jsonl"
    with path.open("w") as file:
        for item in events(LINES):
            file.write(json.dumps(item, separators=(",", ":")) + "\n")
    return path


@pytest.fixture
def compare(benchmark: BenchmarkFixture, request: pytest.FixtureRequest) -> Compare:
    """Time a thing and its floor in turn, print and record the ratio of their medians."""

    def run(
        what: str, product: Timed, floor: Timed, *, aim: str, rounds: int = 3, before: Timed = lambda: None
    ) -> float:
        ours: list[float] = []
        floors: list[float] = []

        def one_round() -> None:
            for function, times in ((floor, floors), (product, ours)):
                before()
                begin = time.perf_counter()
                function()
                times.append(time.perf_counter() - begin)

        benchmark.pedantic(one_round, rounds=rounds, iterations=1)  # type: ignore[no-untyped-call]
        ratio = median(ours) / median(floors)
        benchmark.extra_info.update(ratio=round(ratio, 2), ours_s=ours, floor_s=floors, aim=aim)
        print(
            f"\n{what}: {median(ours):.3f} s ({min(ours):.3f} to {max(ours):.3f}),"
            f" floor {median(floors):.3f} s ({min(floors):.3f} to {max(floors):.3f}), ratio {ratio:.2f}, aim {aim}"
        )
        return ratio

    return run
