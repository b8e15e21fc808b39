"""A backlog of creators and agencies followed: from what is stored of them, against reading all of their records."""

import random
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from projections.projector.advance import advance
from projections.schemes.registry import VIEWS, views_of
from projections.views.database import open_views
from projections.views.readahead import Windows
from replay.columnar import size
from replay.store.opening import open_store
from replay.store.sqlite import SqliteStore
from tests.benchmarks.conftest import LINES
from tests.benchmarks.timed import command
from tests.benchmarks.years import told, write
from tests.support.making import ingest_files

EVENTS = LINES * 3 // 10
CREATORS, EACH = 5_000, 20
"""So many creators, and so many of them held by each agency."""
DAYS = 730
BACKLOGS = (50_000, 4_000, 1_000, 1_000)
"""Events behind one another: the first backlog is read into an empty cache."""


def years_of_creators(count: int) -> Iterator[dict[str, Any]]:
    """Two years up to now: creators register and are bound, and sell, are scored, go live and earn points in order."""
    chance = random.Random(11)
    end = datetime.now(UTC) - timedelta(minutes=10)
    begin = end - timedelta(days=DAYS)
    for creator in range(CREATORS):
        agency = creator // EACH
        if creator % EACH == 0:
            yield told(-3 * creator - 1, begin, f"mcn/a-{agency}", "mcn.onboarded", {})
        yield told(-3 * creator - 2, begin, f"creator/c-{creator}", "creator.registered", {})
        yield told(-3 * creator - 3, begin, f"mcn/a-{agency}", "creator.bound", {"creator": f"c-{creator}"})
    sold: list[tuple[str, int]] = []
    for number in range(count):
        at = end - timedelta(days=DAYS * (count - number) / count)
        draw, creator = chance.random(), chance.randrange(CREATORS)
        name: str = "creator.scored"
        data: dict[str, Any] = {"score": "reputation", "value": "4.7"}
        if draw < 0.5 or not sold:
            name = "sale.settled"
            data = {"order": f"o-{number}", "amount": chance.randrange(100, 90_000), "channel": "live"}
            data["good_goods"] = chance.random() < 0.4
            sold.append((data["order"], creator))
        elif draw < 0.55:
            order, creator = sold[chance.randrange(max(0, len(sold) - 20_000), len(sold))]
            name, data = "sale.refunded", {"order": order, "amount": 100}
        elif draw < 0.62:
            name, data = "live.held", {"minutes": 90}
        elif draw < 0.75:
            name, data = "points.earned", {"task": f"t-{number}", "points": 3}
        elif draw < 0.76:
            name, data = "credit.deducted", {"violation": f"v-{number}", "points": 1}
        yield told(number, at, f"creator/c-{creator}", name, data)


class Reads:
    """How many records are read out of a store from here on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.records = 0
        real = SqliteStore._query

        def counted(store: SqliteStore, sql: str, parameters: Any = ()) -> Any:
            rows = real(store, sql, parameters)
            return self._counted(rows) if "record" in sql.partition(" FROM ")[0] else rows

        monkeypatch.setattr(SqliteStore, "_query", counted)

    def _counted(self, rows: Iterator[Any]) -> Iterator[Any]:
        for row in rows:
            self.records += 1
            yield row


def test_following_a_backlog_of_creators(
    tmp_path: Path, benchmark: BenchmarkFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Processor time and records read, by event, of steps of so many events dated over the last months and weeks."""
    events = years_of_creators(EVENTS + sum(BACKLOGS))
    write(tmp_path / "past.jsonl", islice(events, EVENTS + 2 * CREATORS + CREATORS // EACH))
    for number, count in enumerate(BACKLOGS):
        write(tmp_path / f"next-{number}.jsonl", islice(events, count))
    command("ingest", "--store", str(tmp_path / "ledger.db"), str(tmp_path / "past.jsonl"))
    command("rebuild", "--store", str(tmp_path / "ledger.db"), "--sample", "5")
    found: dict[str, list[tuple[float, float]]] = {}
    for way in ("from what is stored", "from all records", "one by one"):
        folder = tmp_path / way
        folder.mkdir()
        for suffix in ("", ".key", ".views"):
            shutil.copy(tmp_path / f"ledger.db{suffix}", folder / f"ledger.db{suffix}")
        with monkeypatch.context() as patched:
            if way == "from all records":
                for view in views_of("creator"):
                    patched.setitem(VIEWS, view.code, replace(view, goes_on=False))
                patched.setattr(size, "MANY_TO_READ", 0)
            patched.setattr(size, "MANY_TO_MOVE", 10**9 if way == "one by one" else 0)
            found[way] = _stepped(folder, tmp_path, Reads(patched))
    benchmark.pedantic(lambda: None, rounds=1)  # type: ignore[no-untyped-call]
    for number, count in enumerate(BACKLOGS):
        figures = ", ".join(
            f"{way}: {steps[number][0] * 1e6:,.0f} µs and {steps[number][1]:.1f} records"
            for way, steps in found.items()
        )
        print(f"\na step of {count:,} events of {CREATORS:,} creators, by event, {figures}")


def _stepped(folder: Path, lines: Path, reads: Reads) -> list[tuple[float, float]]:
    """By step, the processor seconds of an event and the records read for it."""
    figures, windows = [], Windows()
    with open_store(str(folder / "ledger.db")) as store, open_views(store) as views:
        live = 1
        advance(views, live, windows=windows)
        for number, count in enumerate(BACKLOGS):
            ingest_files(store, [str(lines / f"next-{number}.jsonl")], folder / "rejects.jsonl")
            reads.records, begin = 0, time.process_time()
            while advance(views, live, windows=windows).build.position < store.head().position:
                pass
            figures.append(((time.process_time() - begin) / count, reads.records / count))
    return figures
