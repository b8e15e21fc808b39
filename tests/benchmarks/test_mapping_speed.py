"""Rows of tables made into events, against reading the rows, and against the same events as lines."""

import csv
import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from replay.intake.converting import converted
from replay.mapping.language.document import Mapping
from replay.mapping.mapped import blocks_of
from replay.parsing.refusals import Refusal
from replay.store.opening import open_store
from tests.benchmarks.conftest import LINES, Compare
from tests.benchmarks.timed import command
from tests.support.tables import COLUMNS, DOCUMENT, Cells, mapping

ROWS_INGESTED = min(LINES, 200_000)


def orders(count: int) -> Iterator[Cells]:
    """Orders of 2,000 shops, every second of them received: seven columns that events are made of, and a note."""
    chance = random.Random(18)
    paid_at = datetime(2022, 1, 1)
    for number in range(count):
        paid_at += timedelta(seconds=chance.randrange(40))
        fen = chance.randrange(100, 100_000)
        received_at = paid_at + timedelta(seconds=chance.randrange(86_400, 400_000))
        yield [
            f"o-{number}",
            f"m-{int(chance.paretovariate(0.8)) % 2_000}",
            f"b-{chance.randrange(200_000)}",
            f"{fen // 100}.{fen % 100:02}",
            chance.choice(["ordinary", "ordinary", "福袋", ""]),
            f"{paid_at:%Y-%m-%d %H:%M:%S}",
            f"{received_at:%Y-%m-%d %H:%M:%S}" if number % 2 else "",
            "" if number % 5 else "gift",
        ]


@pytest.fixture(scope="session")
def orders_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """LINES orders as separated values."""
    path = tmp_path_factory.mktemp("orders") / "orders.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *orders(LINES)])
    return path


class Unwatched:
    """Counts what is converted; nothing may be refused."""

    events = 0

    def refused(self, where: str, refusal: Refusal) -> None:
        raise AssertionError(where)

    def broken(self, problem: str) -> None:
        raise AssertionError(problem)

    def converted(self, events: int, passed_over: int) -> None:
        self.events += events


def convert(path: Path, by: Mapping) -> None:
    watch = Unwatched()
    with Path(os.devnull).open("wb") as sink:
        for text in converted([str(path)], partial(blocks_of, by, proving=True), watch, None):
            sink.write(text)
    assert watch.events == LINES + LINES // 2


def read_alone(path: Path) -> None:
    with path.open(encoding="utf-8", newline="") as file:
        assert sum(1 for _ in csv.reader(file, strict=True)) == LINES + 1


def test_convert_against_the_reader_of_rows_alone(orders_file: Path, compare: Compare) -> None:
    """Both in this process: lines made, proven and written to nowhere, against the standard library's reader."""
    convert(orders_file, mapping())
    compare(
        f"convert of {LINES} rows against csv.reader alone",
        lambda: convert(orders_file, mapping()),
        lambda: read_alone(orders_file),
        aim="2.0",
    )


def test_convert_of_quoted_rows_in_gbk(orders_file: Path, tmp_path: Path, compare: Compare) -> None:
    path = tmp_path / "orders.csv"
    with orders_file.open(encoding="utf-8", newline="") as file, path.open("w", encoding="gbk", newline="") as quoted:
        csv.writer(quoted, quoting=csv.QUOTE_ALL).writerows(csv.reader(file))

    def read() -> None:
        with path.open(encoding="gbk", newline="") as file:
            assert sum(1 for _ in csv.reader(file, strict=True)) == LINES + 1

    compare(
        f"convert of {LINES} rows in quotes and GBK against csv.reader alone",
        lambda: convert(path, mapping(encoding="gbk")),
        read,
        aim="2.0",
    )


def test_ingest_of_parquet_against_ingest_of_the_same_lines(tmp_path: Path, compare: Compare) -> None:
    """Whole processes, each into a new ledger."""
    rows = list(islice(orders(LINES), ROWS_INGESTED))
    columns = dict(zip(COLUMNS, zip(*rows, strict=True), strict=True))
    pq.write_table(pa.table(columns), tmp_path / "orders.parquet")
    (tmp_path / "orders.toml").write_text(as_toml(), "utf-8")
    with (tmp_path / "orders.jsonl").open("wb") as lines:
        lines.writelines(
            line + b"\n"
            for block in blocks_of(mapping(format="parquet"), str(tmp_path / "orders.parquet"))
            for line in block.lines
            if line
        )
    folder = tmp_path / "run"

    def clean() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()

    def ingest(*words: str) -> Callable[[], None]:
        def run() -> None:
            command("ingest", "--store", str(folder / "ledger.db"), *words)
            with open_store(str(folder / "ledger.db")) as store:
                assert store.head().position == ROWS_INGESTED + ROWS_INGESTED // 2

        return run

    compare(
        f"ingest of {ROWS_INGESTED} rows of Parquet against ingest of the same lines",
        ingest("--map", str(tmp_path / "orders.toml"), str(tmp_path / "orders.parquet")),
        ingest(str(tmp_path / "orders.jsonl")),
        aim="1.2",
        before=clean,
    )


def as_toml() -> str:
    """The mapping of orders for a file of Parquet; TOML has texts and lists as JSON has them."""
    document = DOCUMENT | {"format": "parquet"}
    return "".join(f"{key} = {inline(value)}\n" for key, value in document.items())


def inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {inline(below)}" for key, below in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(inline, value)) + "]"
    return json.dumps(value)
