"""The same work on PostgreSQL and on SQLite, each twice in turn: taking in, following a backlog, replaying a merchant.

The server is that of the tests: on this machine, beside what is measured. LEVELBOOK_BENCH_LINES scales it.
"""

import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any, Final

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from projections.projector.follow import follow
from projections.views.database import open_views
from replay.schemes.warming import warm
from replay.store.opening import create_store, open_store
from tests.benchmarks.conftest import LINES
from tests.benchmarks.timed import command
from tests.benchmarks.years import write, year_of
from tests.support.making import ingest_files

MERCHANTS: Final = max(LINES // 100, 10)
SEEN_BEFORE: Final = LINES // 4
BACKLOG: Final = LINES // 4
ONE: Final = max(LINES // 2, 100)
ROUNDS: Final = 2
Locations = dict[str, str]


@pytest.fixture
def locations(tmp_path: Path, postgres_location: str) -> Locations:
    found = {"PostgreSQL": postgres_location, "SQLite": str(tmp_path / "ledger.db")}
    for location in found.values():
        create_store(location)
    return found


def seconds_of(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def tell(what: str, count: int, taken: dict[str, list[float]]) -> None:
    here, there = (median(taken[name]) for name in ("PostgreSQL", "SQLite"))
    print(
        f"\n{what}: PostgreSQL {here:.2f} s ({count / here:,.0f}/s), SQLite {there:.2f} s ({count / there:,.0f}/s),"
        f" ratio {here / there:.2f}"
    )


def files_of(folder: Path, events: Iterator[dict[str, Any]], counts: list[int]) -> list[Path]:
    found = [folder / f"events-{number}.jsonl" for number in range(len(counts))]
    for file, count in zip(found, counts, strict=True):
        write(file, islice(events, count))
    return found


def test_taking_in_and_following_a_backlog(locations: Locations, tmp_path: Path, benchmark: BenchmarkFixture) -> None:
    """Of merchants seen before, by sets; the loops are loaded before anything is timed."""
    warm()
    counts = [MERCHANTS + SEEN_BEFORE, *[BACKLOG] * ROUNDS]
    first, *further = files_of(tmp_path, year_of(sum(counts), MERCHANTS), counts)
    taken_in, followed = ({name: list[float]() for name in locations} for _ in range(2))

    def take_in(location: str, file: Path) -> None:
        with open_store(location) as store:
            ingest_files(store, [str(file)], tmp_path / "rejects.jsonl")

    def follow_up(location: str) -> None:
        with open_store(location) as store, open_views(store, make=True) as views:
            follow(views, stay=False)

    def in_turn() -> None:
        for file in further:
            for name, location in locations.items():
                taken_in[name].append(seconds_of(partial(take_in, location, file)))
                followed[name].append(seconds_of(partial(follow_up, location)))

    for location in locations.values():
        take_in(location, first)
        follow_up(location)
    benchmark.pedantic(in_turn, rounds=1)  # type: ignore[no-untyped-call]
    tell(f"ingest of {BACKLOG:,} events", BACKLOG, taken_in)
    tell(f"follow of them as a backlog, {MERCHANTS:,} merchants seen before", BACKLOG, followed)


def test_replaying_a_merchant(locations: Locations, tmp_path: Path, benchmark: BenchmarkFixture) -> None:
    """Whole processes, nothing sealed: segments would be read alike beside either."""
    write(tmp_path / "events.jsonl", year_of(ONE, 1))
    for location in locations.values():
        command("ingest", "--store", location, str(tmp_path / "events.jsonl"))
        command("replay", "--store", location, "merchant/m-0")  # compiled, and kept
    taken = {name: list[float]() for name in locations}

    def in_turn() -> None:
        for name, location in locations.items():
            taken[name].append(seconds_of(partial(command, "replay", "--store", location, "merchant/m-0")))

    benchmark.pedantic(in_turn, rounds=ROUNDS)  # type: ignore[no-untyped-call]
    tell(f"replay of a merchant of {ONE:,} events, whole process, not sealed", ONE, taken)
