"""The export of a million rows, against writing the same Arrow tables."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyarrow import concat_tables, parquet
from pytest_benchmark.fixture import BenchmarkFixture
from sqlalchemy import text

from projections.exporting.columns import file_columns
from projections.exporting.writing import COMPRESSION, ROW_GROUP_ROWS
from projections.views.database import Views, open_views
from replay.store.opening import create_store, open_store
from tests.support.exports import exported, manifest_in, table_of
from tests.support.views import empty_live

SUBJECTS = 100_000
AIM = 1.5
HASH = f"'{'5c' * 32}'"
MERCHANT = "printf('merchant/m-%07d', i / {})"
ROWS = {
    "levels": (
        1,
        (
            "'merchant-reputation', 'rated', 'bronze-' || (i % 5 + 1), i * 7919 % 90000, 'rated',"
            f" 'bronze-' || (i % 5 + 1), 1667232000000000 + i * 977000000 % 9000000000000, '2022-10-26', {HASH}, 1"
        ),
    ),
    "history": (
        6,
        (
            "'merchant-reputation', i % 6, 1640000000000000 + i % 6 * 5000000000000 + i * 7919 % 86400 * 1000000, NULL,"
            f" 'rated', 'bronze-' || (i % 5 + 1), i * 7919 % 90000, '2022-10-26', {HASH}, 1, 'counted', i * 3"
        ),
    ),
    "tier_figures": (3, "19000 + i % 3 * 30, i % 90, i * 7919 % 9000000, i % 2, i % 40, i % 30, i % 40, i % 35"),
}
"""By table, how many rows a subject has, and what stands in each behind the subject, by its number."""
VIEWS = tuple(f"v1_{name}" for name in ROWS)


@pytest.fixture
def views(tmp_path: Path) -> Iterator[Views]:
    """Views that hold 1,000,000 rows of 100,000 merchants."""
    create_store(str(tmp_path / "ledger.db"))
    with open_store(str(tmp_path / "ledger.db")) as store, open_views(store, make=True) as opened:
        empty_live(opened)
        with opened.moving() as connection:
            for name, (each, values) in ROWS.items():
                counted = f"WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n LIMIT {each * SUBJECTS})"
                subject = MERCHANT.format(each)
                connection.execute(text(f"INSERT INTO b1_{name} {counted} SELECT {subject}, {values} FROM n"))
        yield opened


def test_a_million_rows(views: Views, tmp_path: Path, benchmark: BenchmarkFixture) -> None:
    """Read, parted, encoded, hashed, synced and named, against Arrow's own writing of the same tables, synced."""
    ours, ours_busy = [], []
    for number in range(3):
        begin, busy = time.perf_counter(), time.process_time()
        exported(views, tmp_path / f"export-{number}", VIEWS)
        ours.append(time.perf_counter() - begin)
        ours_busy.append(time.process_time() - busy)
    again = time.perf_counter()
    benchmark.pedantic(exported, (views, tmp_path / "export-0", VIEWS), {"full": True}, rounds=1)  # type: ignore[no-untyped-call]
    again = time.perf_counter() - again
    begin = time.perf_counter()
    assert not exported(views, tmp_path / "export-1", VIEWS).is_new
    at_rest = time.perf_counter() - begin
    folder = tmp_path / "export-1"
    tables = {
        told["view"]: concat_tables(
            [table_of(folder, file, file_columns(told["view"])) for file in told["files"]]
        ).combine_chunks()
        for told in manifest_in(folder)["tables"]
    }
    rows = sum(table.num_rows for table in tables.values())
    assert rows == 10 * SUBJECTS
    floors, floors_busy = [], []
    for number in range(3):
        begin, busy = time.perf_counter(), time.process_time()
        for view, table in tables.items():
            path = tmp_path / f"{view}-{number}.parquet"
            parquet.write_table(table, path, compression=COMPRESSION, row_group_size=ROW_GROUP_ROWS)
            with path.open("rb") as file:
                os.fsync(file.fileno())
        floors.append(time.perf_counter() - begin)
        floors_busy.append(time.process_time() - busy)
    product, floor, product_busy, floor_busy = (sorted(some)[1] for some in (ours, floors, ours_busy, floors_busy))
    print(
        f"\nexport of {rows:,} rows: {product:.2f} s, writing the same Arrow tables {floor:.2f} s, ratio"
        f" {product / floor:.2f}, aim {AIM}; of a processor {product_busy:.2f} s and {floor_busy:.2f} s, ratio"
        f" {product_busy / floor_busy:.2f}; once more in full {again:.2f} s; where nothing has moved {at_rest:.2f} s"
    )
