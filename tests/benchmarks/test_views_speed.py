"""Views followed, restated and rebuilt, each against a floor taken in the same run."""

import json
import shutil
import sqlite3
import statistics
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain, islice
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from domain.buckets import BUCKETS
from domain.merchant_reputation.facts import spans_of
from domain.merchant_reputation.rule import SCHEME
from domain.policy import start_of_month, terms_of
from projections.projector.advance import StepReport, advance
from projections.projector.bulk import BulkReader, rows_of_part
from projections.projector.follow import follow
from projections.schemes.shared import bulk_rows
from projections.schemes.shared.bulk_rows import insert_rows
from projections.views.database import Views, open_views
from projections.views.readahead import Windows
from projections.views.step import Step
from replay.columnar import size
from replay.columnar.archive import open_archive
from replay.columnar.ledger_columns import BEGINS
from replay.history.timeline import Moment
from replay.policies.catalog import shipped
from replay.schemes.merchant_reputation.fold import fold_reputation
from replay.store.base.store import Store
from replay.store.opening import open_store
from tests.benchmarks.conftest import LINES, Compare
from tests.benchmarks.timed import command
from tests.benchmarks.years import _merchant, told, write, year_of
from tests.support.making import ingest_files

EVENTS = LINES * 3 // 5
MERCHANTS = 20_000
FOLLOWED = 20_000
BACKLOG = LINES // 2
OFFERED = {500: 0.5, 5_000: 1.5}
"""Events offered a second, and the seconds that the slowest of a hundred may take to be shown."""
OFFERED_SECONDS = 20
RESTATED_AIM_SECONDS = 0.7
Made = tuple[Path, Path]
"""A ledger, and a file of further events."""
Written = list[tuple[str, list[tuple[Any, ...]], list[str]]]
"""Tables, rows and names of columns."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A rebuilt ledger of a year of 20,000 merchants, and the events that come next."""
    folder = tmp_path_factory.mktemp("year")
    events = year_of(EVENTS + 2 * FOLLOWED + sum(OFFERED) * OFFERED_SECONDS + BACKLOG, MERCHANTS)
    write(folder / "year.jsonl", (next(events) for _ in range(MERCHANTS + EVENTS)))
    write(folder / "next.jsonl", events)
    command("ingest", "--store", str(folder / "ledger.db"), str(folder / "year.jsonl"))
    command("rebuild", "--store", str(folder / "ledger.db"), "--sample", "5")
    return folder / "ledger.db", folder / "next.jsonl"


def test_following(made: Made, tmp_path: Path, benchmark: BenchmarkFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Events a second through all views, of merchants seen first and seen before, against inserting the rows written;
    then append to visible."""
    location, further = made
    lines = further.read_text().splitlines(keepends=True)
    with open_store(str(location)) as store, open_views(store) as views:
        follow(views, stay=False)
        written = rows_written(monkeypatch)
        figures = []
        stretches = [lines[:FOLLOWED], lines[FOLLOWED : 2 * FOLLOWED]]
        begun = [0.0]

        def next_stretch(moved: StepReport | None = None) -> None:
            if moved is not None and moved.build.position < store.head().position:
                return
            if moved is not None and begun[0]:
                figures.append((time.perf_counter() - begun[0], list(written)))
            written.clear()
            begun[0] = 0.0
            if stretches:
                (tmp_path / "followed.jsonl").write_text("".join(just_now(stretches.pop(0))))
                ingest_files(store, [str(tmp_path / "followed.jsonl")], tmp_path / "rejects.jsonl")
                begun[0] = time.perf_counter()

        next_stretch()
        staying = {"stay": True, "told": next_stretch, "stopped": lambda: len(figures) == 2}
        benchmark.pedantic(follow, (views,), staying, rounds=1)  # type: ignore[no-untyped-call]
        monkeypatch.undo()
        for name, (ours, some_rows) in zip(("seen first", "seen before"), figures, strict=True):
            floor = inserted(some_rows, tmp_path / f"floor-{name}.db")
            rows = sum(len(some) for _, some, _ in some_rows)
            print(
                f"\nfollow, merchants {name}: {FOLLOWED / ours:,.0f} events/s; {rows:,} rows written in {ours:.2f} s,"
                f" bare inserts of the same {floor:.2f} s, ratio {ours / floor:.1f}, aim 4"
            )
        behind = 2 * FOLLOWED
        for a_second, aim in OFFERED.items():
            some = lines[behind : behind + a_second * OFFERED_SECONDS]
            behind += len(some)
            delays = visible_after(store, views, some, a_second, tmp_path)
            p50, p99 = (statistics.quantiles(delays, n=100)[place] for place in (49, 98))
            print(f"append to visible at {a_second:,} events/s: median {p50:.2f} s, p99 {p99:.2f} s, aim {aim}")


def test_following_a_backlog(
    made: Made, tmp_path: Path, benchmark: BenchmarkFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backlog, of merchants seen before and dated over months, against taking in the same lines, and against bare
    inserts of the rows that are written."""
    location = shutil.copy(made[0], tmp_path / "ledger.db")
    for suffix in (".key", ".views"):
        shutil.copy(f"{made[0]}{suffix}", f"{location}{suffix}")
    lines = made[1].read_text().splitlines(keepends=True)[-BACKLOG:]
    (tmp_path / "backlog.jsonl").write_text("".join(lines))
    written = rows_written(monkeypatch)
    with open_store(str(location)) as store, open_views(store) as views:
        follow(views, stay=False)
        written.clear()
        begin = time.perf_counter()
        ingest_files(store, [str(tmp_path / "backlog.jsonl")], tmp_path / "rejects.jsonl")
        taken_in = time.perf_counter() - begin
        begin = time.perf_counter()
        benchmark.pedantic(follow, (views,), {"stay": False}, rounds=1)  # type: ignore[no-untyped-call]
        ours = time.perf_counter() - begin
    floor = inserted(written, tmp_path / "floor.db")
    rows = sum(len(some) for _, some, _ in written)
    print(
        f"\nfollow with a backlog of {BACKLOG:,} events: {BACKLOG / ours:,.0f} events/s, ingest of the same lines"
        f" {BACKLOG / taken_in:,.0f}, ratio {taken_in / ours:.2f}, aim at least 1; {rows:,} rows written in"
        f" {ours:.2f} s, bare inserts of the same {floor:.2f} s, ratio {ours / floor:.1f}, aim 8"
    )


def test_steps_in_sets_against_one_by_one(
    made: Made, tmp_path: Path, benchmark: BenchmarkFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Processor time of steps of so many events as they occur, of merchants seen before: from where on sets pay."""
    location = shutil.copy(made[0], tmp_path / "ledger.db")
    for suffix in (".key", ".views"):
        shutil.copy(f"{made[0]}{suffix}", f"{location}{suffix}")
    lines = iter(made[1].read_text().splitlines(keepends=True)[-BACKLOG:])
    seconds: dict[tuple[str, int], float] = {}
    with open_store(str(location)) as store, open_views(store) as views:
        follow(views, stay=False)
        for way, many in (("in sets", 0), ("one by one", 10**9)):
            monkeypatch.setattr(size, "MANY_TO_MOVE", many)
            windows = Windows()
            for number, count in enumerate((4_000, 4_000, 2_000, 1_000, 500, 250)):
                path = tmp_path / f"{way}-{number}.jsonl"
                path.write_text("".join(just_now(list(islice(lines, count)))))
                ingest_files(store, [str(path)], tmp_path / "rejects.jsonl")
                begin = time.process_time()
                advance(views, 1, windows=windows)
                seconds[way, count] = time.process_time() - begin
    benchmark.pedantic(lambda: None, rounds=1)  # type: ignore[no-untyped-call]
    for count in (4_000, 2_000, 1_000, 500, 250):
        ours, theirs = seconds["in sets", count], seconds["one by one", count]
        print(
            f"\na step of {count:,} events in sets: {ours:.2f} s, one by one {theirs:.2f} s, ratio {ours / theirs:.2f}"
        )


def rows_written(monkeypatch: pytest.MonkeyPatch) -> Written:
    """The rows that steps will write from here on, as tables, rows and names of columns."""
    written: Written = []
    insert, write_rows = bulk_rows.insert_rows, Step.write

    def inserting(connection: Any, table: Any, columns: dict[str, list[Any]]) -> int:
        if columns:
            written.append((table.name, list(zip(*columns.values(), strict=True)), list(columns)))
        return insert(connection, table, columns)

    def writing(step: Step, rewrites: Any) -> None:
        kept = list(rewrites)
        for item in kept:
            if item.rows:
                rows = [tuple(row.values()) for row in item.rows]
                written.append((step.tables[item.table].name, rows, list(item.rows[0])))
        write_rows(step, kept)

    monkeypatch.setattr(bulk_rows, "insert_rows", inserting)
    monkeypatch.setattr(Step, "write", writing)
    return written


def inserted(written: Written, path: Path) -> float:
    """Seconds that bare inserts of these rows take, in one transaction."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    for table, _, names in written:
        connection.execute(f"CREATE TABLE IF NOT EXISTS {table} ({', '.join(names)})")
    begin = time.perf_counter()
    connection.execute("BEGIN")
    for table, rows, names in written:
        marks = ", ".join("?" * len(names))
        connection.executemany(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})", rows)
    connection.execute("COMMIT")
    connection.close()
    return time.perf_counter() - begin


def just_now(lines: list[str]) -> list[str]:
    """The same events, a microsecond after one another, as they occur now."""
    begin = datetime.now(UTC) - timedelta(microseconds=len(lines))
    events = [json.loads(line) for line in lines]
    for number, item in enumerate(events):
        item["time"] = (begin + timedelta(microseconds=number)).isoformat()
    return [json.dumps(item, separators=(",", ":")) + "\n" for item in events]


def visible_after(store: Store, views: Views, lines: list[str], a_second: int, folder: Path) -> list[float]:
    """Seconds from the commit of each event to the transaction that shows it, offered at a steady rate by a process."""
    seen: list[tuple[int, float]] = []
    ours, theirs = get_context("spawn").Pipe()
    offering = get_context("spawn").Process(target=offer, args=(store.location, lines, a_second, folder, theirs))
    offering.start()
    follow(
        views,
        stay=True,
        told=lambda moved: seen.append((moved.build.position, time.time())),
        stopped=lambda: ours.poll() and bool(seen) and seen[-1][0] >= store.head().position,
    )
    appended: list[tuple[int, float]] = ours.recv()
    offering.join()
    delays = []
    for position, at in appended:
        delays += [next(shown for reached, shown in seen if reached >= position) - at] * (a_second // 10)
    return delays


def offer(location: str, lines: list[str], a_second: int, folder: Path, told_to: Connection) -> None:
    """Append lines at the rate, ten batches a second; tell the position and time of each commit at the end."""
    appended = []
    with open_store(location) as writer:
        begin = time.time()
        for batch in range(OFFERED_SECONDS * 10):
            path = folder / f"offered-{a_second}-{batch}.jsonl"
            some = lines[batch * a_second // 10 : (batch + 1) * a_second // 10]
            path.write_text("".join(just_now(some)))
            ingest_files(writer, [str(path)], folder / "rejects.jsonl")
            appended.append((writer.head().position, time.time()))
            time.sleep(max(0.0, begin + (batch + 1) / 10 - time.time()))
    told_to.send(appended)


# --- a correction at a large merchant ---------------------------------------------------------------------------------


def one_large(count: int, others: int) -> Iterator[dict[str, Any]]:
    """A merchant of so many events over three years, and a tenth of a thousand events each of others."""
    end = datetime.now(UTC) - timedelta(minutes=10)
    for rank in range(others + 1):
        yield told(-1 - rank, end - timedelta(days=1_700), _merchant(rank), "merchant.onboarded", {"category": "fresh"})
    total = count + 100 * others
    for number in range(total):
        rank = 0 if number * count // total != (number + 1) * count // total else 1 + number % max(others, 1)
        at = end - timedelta(days=1_095 * (total - number) / total)
        order = {"order": f"o-{rank}-{number // 3 if rank == 0 else number // 3 // max(others, 1)}"}
        name = ("order.paid", "order.received", "review.posted")[number % 3]
        more: dict[str, Any] = {
            "order.paid": {"buyer": f"b-{number % 99_991}", "amount": 9_900},
            "order.received": {},
            "review.posted": {"quality": 5},
        }
        yield told(number, at, _merchant(rank), name, order | more[name])


def test_a_correction_in_last_month_at_a_merchant_of_a_million_events(
    tmp_path: Path, benchmark: BenchmarkFixture
) -> None:
    seconds = {}
    for others in (300, 3_000):
        folder = tmp_path / str(others)
        folder.mkdir()
        write(folder / "events.jsonl", one_large(LINES, others))
        command("ingest", "--store", str(folder / "ledger.db"), str(folder / "events.jsonl"))
        command("rebuild", "--store", str(folder / "ledger.db"), "--sample", "0")
        with open_store(str(folder / "ledger.db")) as store, open_views(store) as views:
            follow(views, stay=False)
            (order,) = next(
                store._query(
                    "SELECT ref FROM records WHERE stream = 'merchant/m-0' AND type = 'review.posted'"
                    " AND occurred_at > ? ORDER BY occurred_at LIMIT 1",
                    (store.now() - 40 * 86_400_000_000,),
                )
            )
            times = []
            for number, name in enumerate(("order.flagged", "order.cleared") * 3):
                data = {"order": order} | ({"reason": "fake_trade"} if name == "order.flagged" else {})
                write(
                    folder / "more.jsonl",
                    iter([told(-10_000_000 - number, datetime.now(UTC), _merchant(0), name, data)]),
                )
                begin = time.perf_counter()
                ingest_files(store, [str(folder / "more.jsonl")], folder / "rejects.jsonl")
                moved = advance(views, 1)
                times.append(time.perf_counter() - begin)
                assert moved.events == 1 and moved.units >= 1
            seconds[others] = statistics.median(times)
    benchmark.pedantic(lambda: None, rounds=1)  # type: ignore[no-untyped-call]
    print(
        f"\na correction 40 days back at a merchant of {LINES:,} events, append to views restated:"
        f" {seconds[300]:.2f} s, aim {RESTATED_AIM_SECONDS}; beside ten times the other merchants"
        f" {seconds[3_000]:.2f} s, ratio {seconds[3_000] / seconds[300]:.2f}, aim 1.5"
    )


# --- rebuilding -------------------------------------------------------------------------------------------------------


def test_writing_the_views_against_bare_inserts(made: Made, tmp_path: Path, compare: Compare) -> None:
    """The rows of four parts through `insert_rows`, against the driver's own executemany of the same tuples."""
    location = shutil.copy(made[0], tmp_path / "ledger.db")
    with open_store(str(location)) as store, open_views(store, make=True) as views, views.moving() as connection:
        head = store.head().position
        moment = Moment(store.now(), 0, head)
        views.tables(90).metadata.create_all(connection)
        views.tables(91).metadata.create_all(connection)
        step = Step(store, connection, views.tables(90), moment, moment)
        reader = BulkReader(store, head, moment.as_of, None)
        parts = islice(chain.from_iterable(map(reader.parts, BEGINS)), 4)
        prepared = [item for part in parts for item in rows_of_part(step, part.columns, reader.slots, ())]
        driver: Any = connection.connection.driver_connection
        tuples = [
            (
                f"INSERT INTO b91_{table} ({', '.join(rows)}) VALUES ({', '.join('?' * len(rows))})",
                list(zip(*rows.values(), strict=True)),
            )
            for table, rows in prepared
        ]

        def empty() -> None:
            for build in (90, 91):
                for table in views.tables(build).metadata.tables:
                    driver.execute(f"DELETE FROM {table}")

        compare(
            f"writing {sum(len(rows) for _, rows in tuples):,} rows of views, against bare inserts of the same",
            lambda: [insert_rows(connection, views.tables(90)[table], rows) for table, rows in prepared],
            lambda: [driver.executemany(statement, rows) for statement, rows in tuples],
            aim="1.5",
            before=empty,
        )


def test_the_store_to_every_verdict(made: Made, compare: Compare) -> None:
    """Straight from the store, nothing sealed."""
    location = str(made[0])

    def read() -> None:
        connection = sqlite3.connect(location)
        for _ in connection.execute("SELECT stream, type, occurred_at, position, record FROM records"):
            pass
        connection.close()

    def judge() -> None:
        """From the store to every verdict and month of merchant-reputation in memory."""
        with open_store(location) as store:
            head, archive = store.head(), open_archive(store, None)
            spans = spans_of(terms_of(shipped(SCHEME), start_of_month))
            tail = archive.tail(store, head.position)
            for bucket in range(BUCKETS):
                for part in archive.parts(bucket, tail):
                    fold_reputation(part.columns, spans, head.recorded_at)

    judge()  # compiles
    compare(
        f"{EVENTS:,} events straight from the store to every verdict and month, against reading the same rows",
        judge,
        read,
        aim="2",
    )
