"""The other schemes over sealed columns of many subjects, against DuckDB adding up every column of the same files."""

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from domain.calendar import parse_instant
from domain.creator_level.facts import evaluation_period
from domain.limits import DAY_MICROS
from domain.merchant_reputation.facts import spans_of
from domain.merchant_tier.facts import last_closed_day
from domain.policy import start_of_day, start_of_month, terms_of
from replay.columnar import columns as number
from replay.columnar.columns import Columns
from replay.policies.catalog import shipped
from replay.schemes.creator_firefly.fold import FireflyFolded, fold_firefly
from replay.schemes.creator_level.fold import CreatorFolded, fold_creators
from replay.schemes.mcn_level.fold import Parts, fold_parts, slots_of
from replay.schemes.merchant_reputation.fold import fold_reputation
from replay.schemes.merchant_reputation.folded import Folded
from replay.schemes.merchant_tier.fold import TierFolded, fold_tier
from tests.benchmarks.conftest import Compare

EVENTS = int(os.environ.get("LEVELBOOK_BENCH_COLUMNS", "5000000"))
EACH = 500
"""Events a subject."""
FILES = 16
CREATORS_EACH = 20
"""Creators an agency."""
BEGIN = parse_instant("2022-01-01T00:00:00+08:00")
DAYS = 500
AS_OF = BEGIN + DAYS * DAY_MICROS
NAMES = Columns._fields[:9]
TYPES = (np.int32, np.int64, np.int64, np.int8, np.int32, np.int32, np.int64, np.int8, np.int8)

MERCHANT = {
    number.ORDER_PAID: 0.4,
    number.ORDER_RECEIVED: 0.3,
    number.REVIEW_POSTED: 0.28,
    number.ORDER_COMPLAINED: 0.02,
}
CREATOR = {
    number.SALE_SETTLED: 0.6,
    number.SALE_REFUNDED: 0.05,
    number.CREATOR_SCORED: 0.3,
    number.LIVE_HELD: 0.04,
    number.CREDIT_DEDUCTED: 0.01,
}

FIREFLY = {number.POINTS_EARNED: 0.6, number.POINTS_REDEEMED: 0.35, number.REDEMPTION_CANCELLED: 0.05}

Table = list[NDArray[Any]]


def table_of(kinds: dict[int, float], opening: int, share: int, seed: int) -> Table:
    """Rows of many subjects over the days, each with an opening first; orders are named again later."""
    pick = np.random.default_rng(seed)
    rows = share * EACH
    subject = np.repeat(np.arange(share), EACH)
    at = BEGIN + np.sort(pick.integers(1, DAYS * DAY_MICROS, (share, EACH)), axis=1)
    what = pick.choice(list(kinds), p=list(kinds.values()), size=(share, EACH))
    at[:, 0], what[:, 0] = BEGIN, opening
    first = next(iter(kinds))
    opened = np.cumsum(what == first, axis=1)
    again = (pick.random((share, EACH)) * np.maximum(opened, 1)).astype(np.int64)
    key = np.where(what == first, opened - 1, again)
    detail = pick.choice((5, 5, 5, 5, 5, 5, 4, 4, 3, 1), (share, EACH))
    detail = np.where(what == number.SALE_SETTLED, detail % 3, detail)
    detail = np.where((what == opening) | (what == number.CREATOR_SCORED), 0, detail)
    amount = np.where(what == number.CREATOR_SCORED, 460, np.where(what == number.LIVE_HELD, 90, 50_000))
    amount = np.where(what == number.CREDIT_DEDUCTED, 1, amount)
    extra = np.where(what == number.SALE_SETTLED, 3, detail)
    buyer = np.where(what == number.ORDER_PAID, again, number.NO_NUMBER)
    position = np.arange(1, rows + 1) * FILES + seed
    return [subject, at.ravel(), position, *(c.ravel() for c in (what, key, buyer, amount, detail, extra))]


def agencies_of(count: int, first: int, creators: NDArray[Any], file: int) -> Table:
    """Agencies that are onboarded and bind creators; half of these move on to the next agency in the middle."""
    each = 1 + creators.shape[1]
    what = np.full((count, each), number.CREATOR_BOUND)
    what[:, 0] = number.MCN_ONBOARDED
    at = np.full((count, each), BEGIN)
    at[:, 1 + CREATORS_EACH :] = BEGIN + DAYS // 2 * DAY_MICROS
    key = np.column_stack([np.full(count, number.NO_NUMBER), creators])
    subject = np.repeat(np.arange(count), each) + first
    position = (EVENTS + np.arange(count * each)) * FILES + file
    nothing = [np.zeros(count * each, np.int64) for _ in range(3)]
    buyer = np.full(count * each, number.NO_NUMBER)
    return [subject, at.ravel(), position, what.ravel(), key.ravel(), buyer, *nothing]


class Segments:
    """Parquet files of columns, and the names that their numbers stand for."""

    def __init__(self, folder: Path, scheme: str) -> None:
        self.glob = str(folder / f"{scheme}-*.parquet")
        self.paths: list[Path] = []
        self.names: list[list[str]] = []
        self.creators: list[str] = []
        share = EVENTS // EACH // FILES
        kind = "merchant" if scheme == "merchant-tier" else "creator"
        agencies = share // CREATORS_EACH
        if scheme == "mcn-level":
            self.creators = [f"{file}-{n}" for file in range(FILES) for n in range(share)]
        for file in range(FILES):
            if kind == "merchant":
                table = table_of(MERCHANT, number.MERCHANT_ONBOARDED, share, file)
            else:
                events = FIREFLY if scheme == "creator-firefly" else CREATOR
                table = table_of(events, number.CREATOR_REGISTERED, share, file)
            names = [f"{kind}/{file}-{n}" for n in range(share)]
            if scheme == "mcn-level":
                own = np.arange(agencies * CREATORS_EACH).reshape(agencies, CREATORS_EACH)
                moving = np.roll(own, 1, axis=0)[:, : CREATORS_EACH // 2]
                bound = np.column_stack([own, moving]) + file * share
                both = zip(table, agencies_of(agencies, share, bound, file), strict=True)
                table = [np.concatenate(pair) for pair in both]
                names += [f"mcn/{file}-{n}" for n in range(agencies)]
            path = folder / f"{scheme}-{file}.parquet"
            arrays = {name: column.astype(kind) for name, column, kind in zip(NAMES, table, TYPES, strict=True)}
            pq.write_table(pa.table(arrays), path, compression="zstd")
            self.paths.append(path)
            self.names.append(names)

    def read(self, file: int) -> Columns:
        table = pq.read_table(self.paths[file], use_threads=False)
        arrays = [table[name].combine_chunks().to_numpy() for name in NAMES]
        return Columns._make([*arrays, self.names[file], self.creators, ["fresh"]])

    def add_up(self) -> object:
        """The floor."""
        sums = ", ".join(f'sum("{name}")' for name in NAMES)
        return duckdb.execute(f"select {sums} from read_parquet('{self.glob}')").fetchall()


def fold_tiers(segments: Segments) -> list[TierFolded]:
    terms, last_day = terms_of(shipped("merchant-tier"), start_of_day), last_closed_day(AS_OF)
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda file: fold_tier(segments.read(file), terms, last_day), range(FILES)))


def fold_all_creators(segments: Segments) -> list[CreatorFolded]:
    terms = terms_of(shipped("creator-level"), evaluation_period)
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda file: fold_creators(segments.read(file), terms, AS_OF), range(FILES)))


def fold_all_firefly(segments: Segments) -> list[FireflyFolded]:
    terms = terms_of(shipped("creator-firefly"), start_of_month)
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda file: fold_firefly(segments.read(file), terms, AS_OF), range(FILES)))


def fold_reputations(segments: Segments) -> list[Folded]:
    """What the others are held against, an event by an event."""
    spans = spans_of(terms_of(shipped("merchant-reputation"), start_of_month))
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda file: fold_reputation(segments.read(file), spans, AS_OF), range(FILES)))


def fold_all_parts(segments: Segments) -> list[Parts]:
    """What creators add to agencies, and their own levels, as a rebuild works them out."""
    creator_terms = terms_of(shipped("creator-level"), evaluation_period)
    with ThreadPoolExecutor(2) as pool:
        columns = list(pool.map(segments.read, range(FILES)))
        slots = slots_of(columns, AS_OF)

        def one(columns: Columns) -> Parts:
            fold_creators(columns, creator_terms, AS_OF)
            return fold_parts(columns, slots, AS_OF)

        return list(pool.map(one, columns))


@pytest.mark.parametrize(
    ("scheme", "fold"),
    [
        ("merchant-tier", fold_tiers),
        ("creator-level", fold_all_creators),
        ("creator-firefly", fold_all_firefly),
        ("mcn-level", fold_all_parts),
    ],
)
def test_a_scheme_against_reputation(
    scheme: str, fold: Callable[[Segments], list[Any]], tmp_path: Path, compare: Compare
) -> None:
    (tmp_path / "merchants").mkdir()
    segments, merchants = Segments(tmp_path, scheme), Segments(tmp_path / "merchants", "merchant-tier")
    fold(segments)
    fold_reputations(merchants)
    compare(
        f"{scheme} over {EVENTS:,} events in {FILES} files, against merchant-reputation over as many",
        lambda: fold(segments),
        lambda: fold_reputations(merchants),
        aim="2",
        rounds=5,
    )


@pytest.mark.parametrize(
    ("scheme", "fold", "aim"),
    [
        ("merchant-tier", fold_tiers, "4.0"),
        ("creator-level", fold_all_creators, "4.0"),
        ("creator-firefly", fold_all_firefly, "4.0"),
        ("mcn-level", fold_all_parts, "6.0"),
    ],
)
def test_a_scheme_over_sealed_columns(
    scheme: str, fold: Callable[[Segments], list[Any]], aim: str, tmp_path: Path, compare: Compare
) -> None:
    segments = Segments(tmp_path, scheme)
    begin = time.perf_counter()
    found = fold(segments)
    first = time.perf_counter() - begin
    begin = time.perf_counter()
    fold(segments)
    print(f"\n{scheme}: compiling {first - (time.perf_counter() - begin):.1f} s")
    size = sum(path.stat().st_size for path in segments.paths) / EVENTS
    results = {
        "merchant-tier": lambda: f"{sum(len(item.moves) for item in found):,} moves",
        "creator-level": lambda: f"{sum(len(item.evaluations) for item in found):,} evaluations",
        "creator-firefly": lambda: f"{sum(len(item.months) for item in found):,} months",
        "mcn-level": lambda: f"{sum(len(item.months) for item in found):,} parts",
    }[scheme]()
    compare(
        f"{scheme} over {EVENTS:,} events in {FILES} files ({size:.1f} bytes an event), {results}, against their sum",
        lambda: fold(segments),
        segments.add_up,
        aim=aim,
        rounds=5,
    )


def _folding(scheme: str, columns: list[Columns]) -> Callable[[bool], object]:
    """All columns folded, with verdicts or without."""
    tiers, last_day = terms_of(shipped("merchant-tier"), start_of_day), last_closed_day(AS_OF)
    creators = terms_of(shipped("creator-level"), evaluation_period)
    points = terms_of(shipped("creator-firefly"), start_of_month)
    slots = slots_of(columns, AS_OF)
    fold: dict[str, Callable[[Columns, bool], object]] = {
        "merchant-tier": lambda part, judges: fold_tier(part, tiers, last_day, judges=judges),
        "creator-level": lambda part, judges: fold_creators(part, creators, AS_OF, judges=judges),
        "creator-firefly": lambda part, judges: fold_firefly(part, points, AS_OF, judges=judges),
        "mcn-level": lambda part, judges: fold_parts(part, slots, AS_OF, judges=judges),
    }
    return lambda judges: [fold[scheme](part, judges) for part in columns]


@pytest.mark.parametrize("scheme", ["merchant-tier", "creator-level", "creator-firefly", "mcn-level"])
def test_verdicts_beside_the_rest(scheme: str, tmp_path: Path, compare: Compare) -> None:
    """What every verdict costs, where it is asked for; agencies have one for each that ever held the creator."""
    segments = Segments(tmp_path, scheme)
    folding = _folding(scheme, [segments.read(file) for file in range(FILES)])
    folding(True)
    folding(False)
    compare(
        f"{scheme} over {EVENTS:,} events in memory with every verdict, against without",
        lambda: folding(True),
        lambda: folding(False),
        aim="2.5",
        rounds=5,
    )
