"""The service: levels a second against an endpoint that does nothing, latencies under load, explanations by page."""

import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import NamedTuple
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from replay.store.opening import open_store
from tests.benchmarks.loading import Load, offer_requests
from tests.benchmarks.timed import command
from tests.benchmarks.years import told, write, year_of
from tests.support.making import ingest_files

EVENTS = 60_000
MERCHANTS = 2_000
LARGE = "merchant/m-large"
LARGE_EVENTS = 10_000
OFFERED_A_SECOND = 1_000
CONNECTIONS = 200
SECONDS = 20
RECORDED_A_SECOND = 100
ONE_WORKER_AIM = 0.6
TWO_WORKERS_AIM = 1.1
P99_AIM_SECONDS = 0.020
PAGE_AIM_SECONDS = 0.100
BARE = """
import sys
from granian.constants import Interfaces
from granian.server import Server
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

body = sys.stdin.buffer.read()

async def level(request):
    return Response(body, 200, None, "application/json")

app = Starlette(routes=[Route("/v1/subjects/{kind}/{id}/levels/{scheme}", level)])
port, workers = map(int, sys.argv[1:])
Server(
    "bare", port=port, workers=workers, interface=Interfaces.ASGI, websockets=False, log_enabled=False
).serve(target_loader=lambda: app, wrap_loader=False)
"""


class Served(NamedTuple):
    """A ledger that is served, and lines to record in it."""

    location: Path
    port: int
    further: list[str]


def free_port() -> int:
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        return int(tried.getsockname()[1])


@contextmanager
def running(words: list[str], port: int, path: str, standard_input: bytes = b"") -> Iterator[int]:
    """The number of a server's process, from when it answers on."""
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert process.stdin is not None
        process.stdin.write(standard_input)
        process.stdin.close()
        until = time.monotonic() + 30
        while True:
            try:
                urlopen(f"http://127.0.0.1:{port}{path}").close()
                break
            except (URLError, ConnectionError):
                assert time.monotonic() < until and process.poll() is None
                time.sleep(0.1)
        yield process.pid
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A year of 2,000 merchants, one of them large, with views, served."""
    folder = tmp_path_factory.mktemp("served")
    location, port = folder / "ledger.db", free_port()
    events = list(year_of(EVENTS + RECORDED_A_SECOND * SECONDS * 4, MERCHANTS))
    write(folder / "year.jsonl", iter(events[: MERCHANTS + EVENTS]))
    write(folder / "large.jsonl", iter(large_merchant()))
    command("ingest", "--store", str(location), str(folder / "year.jsonl"), str(folder / "large.jsonl"))
    command("rebuild", "--store", str(location), "--sample", "5")
    further = [json.dumps(event) + "\n" for event in events[MERCHANTS + EVENTS :]]
    with running(serve_words(location, port), port, "/healthz"):
        yield Served(location, port, further)


def large_merchant() -> Iterator[dict[str, object]]:
    """A merchant of 10,000 events: payments, receipts and reviews in turn."""
    from datetime import UTC, datetime, timedelta

    begin = datetime.now(UTC) - timedelta(days=300)
    yield told(10**9, begin, LARGE, "merchant.onboarded", {"category": "tea"})
    for number in range(LARGE_EVENTS - 1):
        at, order = begin + timedelta(minutes=40 * number + 1), f"large-{number // 3}"
        name, data = (
            ("order.paid", {"order": order, "buyer": f"b-{number}", "amount": 9_900}),
            ("order.received", {"order": order}),
            ("review.posted", {"order": order, "quality": 5}),
        )[number % 3]
        yield told(10**9 + 1 + number, at, LARGE, name, data)


def level_path(merchant: int) -> str:
    return f"/v1/subjects/merchant/m-{merchant}/levels/merchant-reputation"


# --- levels a second --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("workers", "aim"), [(1, ONE_WORKER_AIM), (2, TWO_WORKERS_AIM)])
def test_levels_a_second(served: Served, benchmark: BenchmarkFixture, workers: int, aim: float) -> None:
    """Against an endpoint of the same framework on the same server, with one worker, that returns the same bytes.

    The generator takes a part of the same cores: what a second worker can bring at all, the same endpoint with as many
    workers says, in the same rounds. Rates of a full machine say little: processor time a request, of the server's
    processes, is told beside them.
    """
    if shutil.which("wrk") is None:
        pytest.skip("needs wrk, from the system's packages")
    path, port, bare_port, peer_port = level_path(5), free_port(), free_port(), free_port()
    ours: list[Rate] = []
    bare: list[Rate] = []
    peers: list[Rate] = []
    with urlopen(f"http://127.0.0.1:{served.port}{path}") as answer:
        body = answer.read()
    with (
        running(serve_words(served.location, port, workers), port, "/healthz") as product,
        running([sys.executable, "-c", BARE, str(bare_port), "1"], bare_port, path, body) as floor,
        running([sys.executable, "-c", BARE, str(peer_port), str(workers)], peer_port, path, body) as peer,
    ):

        def one_round() -> None:
            bare.append(rate_of(floor, bare_port, path))
            peers.append(rate_of(peer, peer_port, path))
            ours.append(rate_of(product, port, path))

        benchmark.pedantic(one_round, rounds=5, iterations=1)  # type: ignore[no-untyped-call]
    ratio = middle(ours, "a_second") / middle(bare, "a_second")
    print(
        f"\nlevels, {workers} worker(s): {middle(ours, 'a_second'):,.0f}/s ({middle(ours, 'cpu_micros'):.0f} µs of"
        f" processor time each), bare endpoint {middle(bare, 'a_second'):,.0f}/s ({middle(bare, 'cpu_micros'):.0f} µs),"
        f" ratio {ratio:.2f}, aim {aim}; of processor time"
        f" {middle(bare, 'cpu_micros') / middle(ours, 'cpu_micros'):.2f}; bare endpoint with {workers} worker(s)"
        f" {middle(peers, 'a_second'):,.0f}/s ({middle(peers, 'cpu_micros'):.0f} µs),"
        f" {middle(peers, 'a_second') / middle(bare, 'a_second'):.2f} times one, the product to it"
        f" {middle(ours, 'a_second') / middle(peers, 'a_second'):.2f}"
    )


class Rate(NamedTuple):
    a_second: float
    cpu_micros: float
    """Processor time a request, of every process of the server."""


def middle(rates: list[Rate], what: str) -> float:
    return float(statistics.median(getattr(rate, what) for rate in rates))


def rate_of(server: int, port: int, path: str) -> Rate:
    before = cpu_seconds(server)
    done = subprocess.run(
        ["wrk", "-t1", "-c16", "-d4", f"http://127.0.0.1:{port}{path}"], capture_output=True, text=True, check=True
    )
    assert "Non-2xx" not in done.stdout, done.stdout
    requests = int(done.stdout.partition(" requests in")[0].split()[-1])
    a_second = float(done.stdout.partition("Requests/sec:")[2].split()[0])
    return Rate(a_second, (cpu_seconds(server) - before) / requests * 1e6)


def cpu_seconds(process: int) -> float:
    """User and system time of a process and its children that live."""
    place = Path(f"/proc/{process}")
    fields = (place / "stat").read_text().rpartition(")")[2].split()
    children = (place / f"task/{process}/children").read_text().split()
    own = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return own + sum(cpu_seconds(int(child)) for child in children)


def serve_words(location: Path, port: int, workers: int = 1) -> list[str]:
    serve = [sys.executable, "-m", "cli", "serve", "--store", str(location)]
    return [*serve, "--port", str(port), "--workers", str(workers)]


# --- latencies --------------------------------------------------------------------------------------------------------


def test_latency_while_events_are_recorded_and_followed(served: Served, benchmark: BenchmarkFixture) -> None:
    follow = [sys.executable, "-m", "cli", "follow", "--store", str(served.location)]
    following = subprocess.Popen(follow, stdout=subprocess.DEVNULL)
    recording = Thread(target=record, args=(served,))
    try:
        recording.start()
        load = benchmark.pedantic(offered, (served,), rounds=1)  # type: ignore[no-untyped-call]
    finally:
        recording.join()
        following.terminate()
        following.wait(20)
    tell("while recorded and followed", load, f"p99 aim {P99_AIM_SECONDS * 1000:.0f} ms")
    assert load.failed == 0


def test_latency_while_views_are_rebuilt_and_switched(served: Served, benchmark: BenchmarkFixture) -> None:
    words = [sys.executable, "-m", "cli", "rebuild", "--store", str(served.location), "--sample", "0"]
    rebuilding = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    load = benchmark.pedantic(offered, (served,), rounds=1)  # type: ignore[no-untyped-call]
    while rebuilding.poll() is None:
        more = offered(served)
        load = Load(load.latencies + more.latencies, load.failed + more.failed, load.builds | more.builds)
    more = offered(served)
    tell("while rebuilt and switched", load, "failed aim 0")
    assert load.failed == more.failed == 0 and len(load.builds | more.builds) == 2, "the switch was under load"


def offered(served: Served) -> Load:
    paths = [level_path(merchant) for merchant in range(MERCHANTS)]
    return offer_requests(served.port, paths, a_second=OFFERED_A_SECOND, connections=CONNECTIONS, seconds=SECONDS)


def record(served: Served) -> None:
    """Record events at a steady rate, twice a second."""
    batch = RECORDED_A_SECOND // 2
    with open_store(str(served.location)) as store:
        begin = time.monotonic()
        for turn in range(SECONDS * 2):
            file = served.location.parent / "batch.jsonl"
            file.write_text("".join(served.further[turn * batch : (turn + 1) * batch]))
            ingest_files(store, [str(file)], file.with_suffix(".rejects"))
            time.sleep(max(begin + (turn + 1) / 2 - time.monotonic(), 0))


def tell(what: str, load: Load, aim: str) -> None:
    cuts = statistics.quantiles(load.latencies, n=1000)
    print(
        f"\n{len(load.latencies):,} requests at {OFFERED_A_SECOND}/s over {CONNECTIONS} connections {what}: median"
        f" {cuts[499] * 1000:.1f} ms, p99 {cuts[989] * 1000:.1f} ms, p99.9 {cuts[998] * 1000:.1f} ms,"
        f" {load.failed} failed, {aim}"
    )


# --- explanations -----------------------------------------------------------------------------------------------------


def test_first_page_of_a_long_explanation(served: Served, benchmark: BenchmarkFixture) -> None:
    path = f"/v1/subjects/{LARGE}/explanation?limit=500"
    with urlopen(f"http://127.0.0.1:{served.port}{path}") as answer:
        page = json.load(answer)
    fixed = f"{path}&position={page['position']}&as_of={page['as_of'].replace('+', '%2B')}"
    times: list[float] = []

    def one_page() -> None:
        begin = time.perf_counter()
        with urlopen(f"http://127.0.0.1:{served.port}{fixed}") as answer:
            assert len(json.load(answer)["verdicts"]) == 500
        times.append(time.perf_counter() - begin)

    one_page()
    cold = times.pop()
    benchmark.pedantic(one_page, rounds=100, iterations=1)  # type: ignore[no-untyped-call]
    cuts = statistics.quantiles(times, n=100)
    print(
        f"\nfirst page of {page['listed']:,} verdicts and notes: cold {cold * 1000:.0f} ms, warm median"
        f" {cuts[49] * 1000:.1f} ms, p99 {cuts[98] * 1000:.1f} ms, aim {PAGE_AIM_SECONDS * 1000:.0f} ms"
    )
