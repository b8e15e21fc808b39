"""A merchant and an agency of a million events at any moment: replayed, explained, compared, on the desk, sealed and
not.
"""

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime, timedelta, timezone
from functools import partial
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
AGENCY_CREATORS = 200
CORRECTIONS = 20
MONTHS = 37
BEGIN = datetime(2022, 1, 1, tzinfo=timezone(timedelta(hours=8)))
MONTH = "2022-11"
MEMORY_AIM_MB = 400
AGENCY_MEMORY_AIM_MB = 800
DESK_AIMS_SECONDS = (1.5, 0.1)


class Made(NamedTuple):
    """Two copies of a ledger of one large subject and a small one."""

    sealed: Path
    bare: Path
    """Without segments."""
    head: int


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    lives = life("merchant/m-1", SMALL_EVENTS), life("merchant/m-0", EVENTS)
    return kept(tmp_path_factory.mktemp("large"), lives)


@pytest.fixture(scope="module")
def made_agency(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """In the same way of one large agency and a small one, each with its creators."""
    lives = agency_life("mcn/a-1", 2, SMALL_EVENTS), agency_life("mcn/a-0", AGENCY_CREATORS, EVENTS)
    return kept(tmp_path_factory.mktemp("agency"), lives)


def kept(folder: Path, lives: Sequence[Iterator[dict[str, Any]]]) -> Made:
    """A ledger of some lives, sealed and not."""
    sealed, bare = folder / "sealed.db", folder / "bare.db"
    files = [folder / f"events-{number}.jsonl" for number, _ in enumerate(lives)]
    for file, events in zip(files, lives, strict=True):
        write(file, events)
    command("ingest", "--store", str(sealed), *map(str, files))
    shutil.copy(sealed, bare)
    command("seal", "--store", str(sealed))
    with closing(sqlite3.connect(bare)) as store:
        (head,) = store.execute("SELECT max(position) FROM records").fetchone()
    return Made(sealed, bare, head)


def event(subject: str, name: str, at: datetime, kind: str, data: dict[str, Any]) -> dict[str, Any]:
    return told(0, at, subject, kind, data) | {"id": f"{subject}-{name}"}


def agency_life(subject: str, creators: int, count: int) -> Iterator[dict[str, Any]]:
    """An agency and its creators, one in ten of which leaves halfway; so many sales, and some that are retracted."""
    chance = random.Random(5)
    end = BEGIN + timedelta(days=30 * MONTHS)
    yield event(subject, "opening", BEGIN - timedelta(days=5), "mcn.onboarded", {})
    names = [f"{subject.partition('/')[2]}-c{number}" for number in range(creators)]
    for name in names:
        yield event(f"creator/{name}", "opening", BEGIN - timedelta(days=4), "creator.registered", {})
        yield event(subject, f"bound-{name}", BEGIN - timedelta(days=3), "creator.bound", {"creator": name})
    for name in names[::10]:
        yield event(subject, f"unbound-{name}", BEGIN + (end - BEGIN) / 2, "creator.unbound", {"creator": name})
    sold: list[tuple[str, int]] = []
    for number in range(count):
        at, draw, creator = BEGIN + (end - BEGIN) / count * number, chance.random(), f"creator/{chance.choice(names)}"
        if draw < 0.06 and sold:
            creator, order = sold[chance.randrange(max(0, len(sold) - 20_000), len(sold))]
            yield event(creator, str(number), at, "sale.refunded", {"order": f"o-{order}", "amount": 900})
        elif draw < 0.08:
            value = f"4.{chance.randrange(10)}"
            yield event(creator, str(number), at, "creator.scored", {"score": "reputation", "value": value})
        else:
            sold.append((creator, number))
            sale = {"order": f"o-{number}", "amount": 9_900, "good_goods": draw < 0.5, "channel": "live"}
            yield event(creator, str(number), at, "sale.settled", sale)
    for number in range(CORRECTIONS):
        creator, order = sold[chance.randrange(len(sold))]
        named = {"source": "urn:example:orders", "event": f"{creator}-{order}", "reason": "wrong"}
        yield event(creator, f"correction-{number}", end, "event.retracted", named)


def life(subject: str, count: int) -> Iterator[dict[str, Any]]:
    """An opening, so many events over 37 months, and at the end some that are retracted."""
    chance = random.Random(5)
    one = partial(event, subject)

    yield one("opening", BEGIN - timedelta(days=5), "merchant.onboarded", {"category": "tea"})
    orders: list[str] = []
    end = BEGIN + timedelta(days=30 * MONTHS)
    for number in range(count):
        at, draw = BEGIN + (end - BEGIN) / count * number, chance.random()
        if draw < 0.4 or not orders:
            orders.append(f"o-{number}")
            data = {"order": orders[-1], "buyer": f"b-{chance.randrange(BUYERS)}", "amount": 9_900}
            yield one(str(number), at, "order.paid", data)
            continue
        order = orders[chance.randrange(max(0, len(orders) - 20_000), len(orders))]
        kind, more = "order.received", dict[str, Any]()
        if draw >= 0.99:
            kind, more = "order.flagged", {"reason": "fake_trade"}
        elif draw >= 0.7:
            kind, more = "review.posted", {"quality": chance.randrange(1, 6)}
        yield one(str(number), at, kind, {"order": order, **more})
    for number in range(CORRECTIONS):
        named = {"source": "urn:example:orders", "event": f"{subject}-{chance.randrange(count)}", "reason": "wrong"}
        yield one(f"correction-{number}", end, "event.retracted", named)


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
    measured(benchmark, made, "merchant/m-0", words, aim, MEMORY_AIM_MB)


@pytest.mark.parametrize(
    ("words", "aim"),
    [(("replay",), 3.0), (("explain", "--month", MONTH), 4.0), (("diff", "--position", "{before}"), 5.0)],
    ids=["replay", "explain a month", "diff"],
)
def test_a_large_agency_sealed(
    made_agency: Made, benchmark: BenchmarkFixture, words: tuple[str, ...], aim: float
) -> None:
    measured(benchmark, made_agency, "mcn/a-0", words, aim, AGENCY_MEMORY_AIM_MB)


def measured(
    benchmark: BenchmarkFixture, made: Made, subject: str, words: tuple[str, ...], aim: float, memory_aim: int
) -> None:
    """Whole processes: seconds and the most memory."""
    asked = [word.format(before=made.head - CORRECTIONS) for word in words]
    found: list[tuple[float, int]] = []
    run(asked, made.sealed, subject)  # compiled, and kept
    once = partial(run, asked, made.sealed, subject)
    benchmark.pedantic(lambda: found.append(once()), rounds=5)  # type: ignore[no-untyped-call]
    seconds, memory = (sorted(item)[len(found) // 2] for item in zip(*found, strict=True))
    print(
        f"\n{' '.join(asked)} of {subject} of {EVENTS:,} events: {seconds:.2f} s, aim {aim} s;"
        f" {memory // 1024} MB, aim {memory_aim} MB"
    )


def run(words: list[str], store: Path, subject: str) -> tuple[float, int]:
    """Seconds and KiB of a command about a subject."""
    begin = time.perf_counter()
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": ""}
    line = [sys.executable, "-m", "cli", words[0], "--store", str(store), subject, *words[1:]]
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


@pytest.mark.parametrize(("subject", "count"), [("merchant/m-0", EVENTS), ("merchant/m-1", SMALL_EVENTS)])
def test_what_if(made: Made, compare: Compare, subject: str, count: int, tmp_path: Path) -> None:
    """An order that is paid and reviewed on the day after the last of all."""
    at, data = BEGIN + timedelta(days=30 * MONTHS + 1), {"order": "supposed"}
    paid = event(subject, "supposed", at, "order.paid", data | {"buyer": "supposed", "amount": 9_900})
    reviewed = event(subject, "supposed-review", at, "review.posted", data | {"quality": 5})
    write(tmp_path / "supposed.jsonl", iter((paid, reviewed)))
    compare(
        f"what-if of a merchant of {count:,} events, whole process, against its replay",
        lambda: command("what-if", "--store", str(made.sealed), subject, "--events", str(tmp_path / "supposed.jsonl")),
        lambda: command("replay", "--store", str(made.sealed), subject),
        aim="1.2",
        rounds=5,
    )


def test_why_on_a_desk_that_has_loaded_its_loops_where_no_views_stand(made: Made, benchmark: BenchmarkFixture) -> None:
    times: list[float] = []
    page = f"/subjects/merchant/m-0/why?month={MONTH}&position={made.head - CORRECTIONS}"
    with serving(Settings(str(made.sealed))) as client:
        client.get("/subjects/merchant/m-1")
        assert client.app.state.loops.is_over.wait(60)  # type: ignore[attr-defined]  # as some seconds after it began

        def one(number: int) -> None:
            begin = time.perf_counter()
            answer = client.get(f"{page}&page={number}")
            assert answer.status_code == 200, answer.text[:400]
            times.append(time.perf_counter() - begin)

        one(1)
        benchmark.pedantic(one, args=(2,), rounds=5, iterations=1)  # type: ignore[no-untyped-call]
    first, *further = times
    print(
        f"\nWhy of a month of a merchant of {EVENTS:,} events, no views, loops loaded as the service began: first page"
        f" {first:.2f} s, further ones {sorted(further)[len(further) // 2]:.3f} s, aims {DESK_AIMS_SECONDS} s"
    )
