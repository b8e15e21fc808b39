"""Two policies tried over the same history, against one fold of it: from segments, without a store behind them.

LEVELBOOK_BENCH_EVENTS scales the history.
"""

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from domain.buckets import BUCKETS
from domain.calendar import month_start, month_text, parse_month
from domain.limits import DAY_MICROS, HOUR_MICROS
from domain.policy import Policy
from replay.columnar.archive import Archive
from replay.columnar.columns import Columns, no_rows
from replay.columnar.places.folder import FolderSegments
from replay.history.timeline import Moment
from replay.lab import folding, sweep
from replay.lab.candidates import with_candidates
from replay.lab.folding import JudgedPart
from replay.lab.sampling import Sample
from replay.lab.tally import Tally, tally_of
from replay.lab.trial import GROUPINGS, AskedTrial, PolicyTrial, Sides, TrialPeriod
from replay.policies.catalog import shipped
from replay.replaying.base import Policies
from replay.schemes.registry import SCHEMES, fold_of
from replay.store.base.identity import Head
from tests.benchmarks.conftest import Compare
from tests.benchmarks.making_segments import LEDGER, make_segments
from tests.worlds.merchant_reputation import with_values

MERCHANTS: Final = 20_000
EVENTS: Final = int(os.environ.get("LEVELBOOK_BENCH_EVENTS", "20000000"))
REPUTATION: Final = SCHEMES["merchant-reputation"]
(BASELINE,) = shipped(REPUTATION.code)
CANDIDATE: Final[Policy] = with_values(BASELINE, id="tried", default_tenths=5, pair_cap_tenths=40)
FIRST: Final = parse_month("2022-01")
ROUNDS: Final = 3
TWO_AIM: Final = 2.2
MONTHS_AIM: Final = 30
CELLS: Final = (10, 25, 50)


class Segments:
    """Segments in the place of a ledger's columns."""

    def __init__(self, folder: Path) -> None:
        self.archive = Archive.open(FolderSegments(folder), LEDGER)

    def parts_of(self, bucket: int) -> Iterator[Columns]:
        return (part.columns for part in self.archive.parts(bucket))

    def check_read(self, _: object) -> None:
        """Everything can be read."""


@pytest.fixture(scope="module")
def segments(tmp_path_factory: pytest.TempPathFactory) -> Segments:
    folder = tmp_path_factory.mktemp("segments")
    make_segments(folder, EVENTS, MERCHANTS, seed=7)
    fold_of(REPUTATION.code)(no_rows(), Policies([BASELINE]), Moment(0, 0, 0))  # compiles
    return Segments(folder)


def trial_over(segments: Segments, months: int) -> PolicyTrial:
    """So many months, each by what had happened by the 16th of the next; of none the whole history at once."""
    columns = next(segments.parts_of(0))
    names = [name for bucket in range(BUCKETS) for part in segments.parts_of(bucket) for name in part.subjects]
    last = int(columns.position.max()) + BUCKETS
    periods = []
    for month in range(FIRST, FIRST + max(1, months)):
        end = month_start(month + 1) if months else month_start(FIRST + 36)
        known = end + 15 * DAY_MICROS + 12 * HOUR_MICROS
        position = int(np.max(columns.position[columns.at <= known], initial=0)) if months else last
        moment, policies = Moment(end - 1, known, position), Policies([BASELINE])
        begins = month_start(FIRST) if months else None
        candidates = {REPUTATION.code: CANDIDATE}
        sides = Sides(moment, policies, with_candidates(policies, REPUTATION, candidates, begins))
        periods.append(TrialPeriod(month_text(month), month_start(month) if months else None, sides, None))
    head, sample = Head(last, 0, b""), Sample(frozenset(names), len(names))
    return PolicyTrial(REPUTATION, {REPUTATION.code: CANDIDATE}, AskedTrial(), periods, head, sample)


def tried(segments: Segments, trial: PolicyTrial) -> Tally:
    found = Tally()

    def counted(part: JudgedPart) -> Tally:
        return tally_of(trial, part.names, part.then, GROUPINGS)

    def judged(judging: folding.JudgesPart) -> Tally:
        return counted(folding._judged(trial, None, judging))

    for tally in folding._in_bulk(segments, trial, judged):  # type: ignore[arg-type]
        found.add(tally)
    return found


def folded(segments: Segments) -> int:
    """One fold of the whole history, as decisions read it, on as many threads."""
    fold, moment = fold_of(REPUTATION.code), Moment(month_start(FIRST + 36) - 1, 0, 2**60)

    def of_bucket(bucket: int) -> int:
        return sum(len(fold(part, Policies([BASELINE]), moment).names) for part in segments.parts_of(bucket))

    with ThreadPoolExecutor(folding.THREADS) as pool:
        return sum(pool.map(of_bucket, range(BUCKETS)))


def seconds_of(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def swept(segments: Segments, trial: PolicyTrial, cells: int) -> None:
    policies = [with_values(CANDIDATE, id=f"cell-{cell}", pair_cap_tenths=20 + cell) for cell in range(cells)]
    found = folding._in_bulk(segments, trial, lambda part: sweep._counted(trial, part, policies))  # type: ignore[arg-type]
    assert all(len(some) == cells for some in found)


def test_a_sweep_is_linear(tmp_path_factory: pytest.TempPathFactory, benchmark: BenchmarkFixture) -> None:
    folder = tmp_path_factory.mktemp("swept")
    make_segments(folder, EVENTS // 10, MERCHANTS // 10, seed=7)
    segments = Segments(folder)
    trial = trial_over(segments, 0)
    swept(segments, trial, 1)
    works = {cells: partial(swept, segments, trial, cells) for cells in CELLS}
    taken: dict[int, list[float]] = {cells: [] for cells in CELLS}

    def one_round() -> None:
        for cells, work in works.items():
            taken[cells].append(seconds_of(work))

    benchmark.pedantic(one_round, rounds=ROUNDS)  # type: ignore[no-untyped-call]
    times = {cells: median(some) for cells, some in taken.items()}
    each = {cells: seconds / cells * 1000 for cells, seconds in times.items()}
    print(
        f"\na sweep over {EVENTS // 10:,} events, by cells: "
        + ", ".join(f"{cells}: {times[cells]:.2f} s ({each[cells]:.0f} ms each)" for cells in CELLS)
        + "; aim: linear within a fifth"
    )


@pytest.mark.parametrize(("months", "aim"), [(0, TWO_AIM), (24, MONTHS_AIM)])
def test_two_policies_against_one_fold(months: int, aim: float, segments: Segments, compare: Compare) -> None:
    trial = trial_over(segments, months)
    compare(
        f"two policies over {EVENTS:,} events, {months or 'no'} months, against one fold",
        lambda: tried(segments, trial),
        lambda: folded(segments),
        aim=f"{aim}",
        rounds=1 if months else ROUNDS,
    )
    assert tried(segments, trial).moving > 0
