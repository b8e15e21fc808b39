"""Spans by OpenTelemetry, as a collector on loopback decodes them: of commands and the service, and which is below."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from domain.version import PROGRAM_VERSION
from replay import tracing
from replay.extras import NotInstalled
from replay.schemes.registry import kinds
from tests import ROOT
from tests.support.brokers import cluster
from tests.support.making import Event, event, line, paid, write_lines
from tests.support.running import run
from tests.support.served import Served, served
from tests.support.serving import demo_ledger
from tests.support.spans import OPENTELEMETRY, Collector, collecting

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"
OTHER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
BUYER = "buyer-who-is-named-nowhere"
ORDER = "order-that-is-named-nowhere"


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    for name in [name for name in os.environ if name.startswith(OPENTELEMETRY)]:
        monkeypatch.delenv(name)
    with collecting() as found:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", found.endpoint)
        yield found


def traced(order: str, parent: str = PARENT, amount: int = 12_900) -> Event:
    return paid(order, amount=amount, buyer=BUYER) | {"traceparent": parent}


def test_an_ingest_is_a_span_with_its_batches_below_it(
    collector: Collector, location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ("--store", location, "--otel")
    first = write_lines(tmp_path / "1.jsonl", [traced(ORDER), traced("o-2"), paid("o-3", buyer=BUYER)])
    run("ingest", first, *asked)
    (whole,) = collector.named("ingest")
    (batch,) = collector.named("record batch")
    assert (whole.kind, whole.parent, whole.about) == ("internal", "", {"levelbook.files": 1})
    assert (batch.trace, batch.parent) == (whole.trace, whole.id)
    counts = {"levelbook.recorded": 3, "levelbook.known": 0, "levelbook.refused": 0, "levelbook.position": 3}
    assert batch.about == counts and batch.links == [PARENT] and not batch.failed
    assert collector.resources[0]["service.name"] == "levelbook"
    assert collector.resources[0]["service.version"] == PROGRAM_VERSION

    monkeypatch.setenv("TRACEPARENT", OTHER)
    monkeypatch.setenv("OTEL_SERVICE_NAME", "levels of the north")
    again = write_lines(tmp_path / "2.jsonl", [traced("o-2"), traced(ORDER, amount=1), traced("o-4", "00-not-one-01")])
    run("ingest", again, *asked, "--rejects", str(tmp_path / "rejects.jsonl"), status=1)
    *_, whole = collector.named("ingest")
    *_, batch = collector.named("record batch")
    assert f"00-{whole.trace}-{whole.parent}-01" == OTHER
    counts = {"levelbook.recorded": 1, "levelbook.known": 1, "levelbook.refused": 1, "levelbook.position": 4}
    assert batch.about == counts and batch.links == [PARENT]
    assert collector.resources[-1]["service.name"] == "levels of the north"
    shown_nowhere(collector, BUYER, ORDER, "m-1", str(tmp_path))


@pytest.mark.parametrize(
    ("variables", "shown"),
    [
        ({}, "levelbook"),
        ({"OTEL_SERVICE_NAME": "north"}, "north"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=south,team=levels"}, "south"),
        ({"OTEL_SERVICE_NAME": "north", "OTEL_RESOURCE_ATTRIBUTES": "service.name=south"}, "north"),
    ],
)
def test_a_process_is_called_as_the_environment_says(
    variables: dict[str, str], shown: str, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with tracing.exporting(), tracing.span("some"):
        pass
    (resource,) = collector.resources
    assert (resource["service.name"], resource["service.version"]) == (shown, PROGRAM_VERSION)
    assert resource.get("team") == ("levels" if "team" in str(variables) else None)


@pytest.mark.slow
def test_rebuilding_and_following_are_spans_by_part_and_by_step(
    collector: Collector, location: str, tmp_path: Path
) -> None:
    asked = ("--store", location, "--otel")
    run("ingest", write_lines(tmp_path / "1.jsonl", [traced(ORDER)]), "--store", location)
    run("rebuild", *asked)
    (whole,) = collector.named("rebuild")
    parts = collector.named("rebuild part")
    assert [part.about["levelbook.stage"] for part in parts] == ["kept", *kinds(), "boards"]
    assert sum(part.about["levelbook.events"] for part in parts) == 1
    below = [*parts, *collector.named("rebuild catching up"), *collector.named("rebuild proving")]
    assert len(below) == len(parts) + 2 and {span.parent for span in below} == {whole.id}
    position = whole.about["levelbook.position"]
    assert whole.about == {"levelbook.build": 1, "levelbook.position": position, "levelbook.resumed": False}

    run("ingest", write_lines(tmp_path / "2.jsonl", [paid("o-2"), paid("o-3")]), "--store", location)
    run("follow", "--once", *asked)
    step = next(span for span in collector.named("follow step") if span.about["levelbook.events"])
    assert step.parent == "" and step.about == {
        "levelbook.build": 1,
        "levelbook.from_position": position,
        "levelbook.position": position + 2,
        "levelbook.events": 2,
        "levelbook.units": step.about["levelbook.units"],
        "levelbook.set_aside": 0,
    }
    shown_nowhere(collector, BUYER, ORDER, "m-1")


def test_an_error_is_told_by_its_kind_and_never_by_its_text(
    collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tracing.exporting(), pytest.raises(LookupError), tracing.span("outer"), tracing.span("inner", {"n": 1}):
        raise LookupError(BUYER)
    outer, inner = collector.spans
    assert (inner.parent, inner.about, inner.failed) == (outer.id, {"n": 1, "error.type": "LookupError"}, True)
    assert outer.about == {"error.type": "LookupError"} and outer.failed
    shown_nowhere(collector, BUYER)


@pytest.mark.slow
def test_batches_of_topics_are_linked_to_what_their_senders_traced(
    collector: Collector, location: str, tmp_path: Path
) -> None:
    with cluster() as brokers:
        brokers.topic("orders", 1)
        brokers.send("orders", line(traced(ORDER)), ("traceparent", OTHER.encode()))
        brokers.send("orders", b"poison")
        brokers.sent()
        run(
            "ingest",
            write_lines(tmp_path / "1.jsonl", [event("merchant.onboarded", "m", category="fresh")]),
            "--store",
            location,
        )
        asked = ("--servers", brokers.servers, "--topic", "orders", "--dead-letter-file", str(tmp_path / "dead.jsonl"))
        run("consume", *asked, "--once", "--store", location, "--otel", status=1)
    batches = collector.named("consume batch")
    assert [link for batch in batches for link in batch.links] == [OTHER]
    assert sum(batch.about["messaging.batch.message_count"] for batch in batches) == 2
    assert sum(batch.about["levelbook.dead_letters"] for batch in batches) == 1
    assert {(batch.kind, batch.parent, batch.about["messaging.system"]) for batch in batches} == {
        ("consumer", "", "kafka")
    }
    (recorded,) = collector.named("record batch")
    assert recorded.links == [PARENT] and recorded.parent in {batch.id for batch in batches}
    shown_nowhere(collector, BUYER, ORDER, "poison")


@pytest.mark.slow
def test_each_request_is_a_span_below_who_asked(collector: Collector, tmp_path: Path) -> None:
    store = str(tmp_path / "ledger.db")
    demo_ledger(store, tmp_path)
    with served(store, environment={"LEVELBOOK_OTEL": "1"}) as service:
        for _ in range(2):  # the second time it is told out of memory, before any route
            ask(service, "/v1/subjects/merchant/tea-house/levels", PARENT)
        ask(service, "/v1/subjects/merchant/tea-house/explanation?event=rev-ring-1")
        ask(service, "/subjects/merchant/tea-house/why")
        ask(service, "/v1/subjects/merchant/nobody-knows/levels?nothing=there", "rubbish")
        ask(service, "/tea-house")
        told = service.end()
    assert told.count("\n") == 1, told
    of_subject = "GET /v1/subjects/{kind}/{id}/levels"
    below = [span for span in collector.named(of_subject) if span.trace == TRACE]
    answered = {"http.request.method": "GET", "http.route": of_subject[4:], "http.response.status_code": 200}
    assert [(span.kind, f"00-{span.trace}-{span.parent}-01", span.about) for span in below] == [
        ("server", PARENT, answered)
    ] * 2
    (explained,) = collector.named("GET /v1/subjects/{kind}/{id}/explanation")
    assert explained.parent == "" and explained.about["http.response.status_code"] == 200
    (page,) = [span for span in collector.spans if "/subjects/" in span.name and "/v1/" not in span.name]
    assert page.name == "GET /subjects/{kind}/{id}/why", page
    (refused,) = [span for span in collector.named(of_subject) if span.about["http.response.status_code"] == 400]
    assert refused.parent == "" and not refused.failed
    (lost,) = collector.named("GET")
    assert lost.about == {"http.request.method": "GET", "http.response.status_code": 404}
    shown_nowhere(collector, "tea-house", "rev-ring-1", "nobody-knows", "nothing", str(tmp_path))


def ask(service: Served, path: str, parent: str | None = None) -> None:
    headers = {} if parent is None else {"traceparent": parent}
    try:
        with urlopen(Request(f"{service.url}{path}", headers=headers)) as answer:
            answer.read()
    except HTTPError as problem:
        problem.close()


def shown_nowhere(collector: Collector, *words: str) -> None:
    """Nobody and nothing of what the ledger is about is named in what was sent."""
    assert collector.bytes
    for word in words:
        assert word.encode() not in collector.bytes, word


# --- when it is off, and when nobody takes it -------------------------------------------------------------------------


@pytest.mark.slow
def test_a_collector_that_is_away_holds_no_command_up_and_changes_no_answer(
    location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens there
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{taken.getsockname()[1]}")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
        began = time.monotonic()
        told = run("ingest", write_lines(tmp_path / "1.jsonl", [paid("o-1")]), "--store", location, "--otel")
    assert "1 recorded" in told and time.monotonic() - began < 60


@pytest.mark.parametrize("name", ["OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"])
def test_another_way_out_than_there_is_is_refused(name: str, location: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "grpc")
    told = run("follow", "--once", "--store", location, "--otel", status=2)
    assert f"{name} is 'grpc', and spans are exported by http/protobuf" in told
    assert " alone; set it so, or take it out" in told
    assert f"{name} is 'grpc'" in run("serve", "--store", location, "--otel", status=2)


def test_without_its_packages_spans_are_refused_with_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk", None)
    with pytest.raises(NotInstalled, match=r"exporting spans \(--otel\) takes opentelemetry.sdk, .*levelbook\[otel\]"):
        tracing.begin()


@pytest.mark.slow
def test_where_nobody_asks_for_spans_nothing_of_it_is_imported(tmp_path: Path) -> None:
    store, lines = str(tmp_path / "ledger.db"), write_lines(tmp_path / "1.jsonl", [traced("o-1")])
    words = [["ingest", lines], ["rebuild"], ["follow", "--once"]]
    program = (
        "import json, sys\n"
        "from click.testing import CliRunner\n"
        "from starlette.testclient import TestClient\n"
        "from cli import main\n"
        f"for words in {words}:\n"
        f"    assert CliRunner().invoke(main, [*words, '--store', {store!r}]).exit_code == 0, words\n"
        "from projections.http.settings import Settings\n"
        "from projections.server.app import application\n"
        f"with TestClient(application(Settings({store!r})), base_url='http://127.0.0.1') as client:\n"
        "    assert client.get('/v1/levels', headers={'traceparent': 'x'}).status_code == 200\n"
        "print(json.dumps([name for name in sys.modules if name.partition('.')[0] in ('opentelemetry', 'google')]))\n"
    )
    place = os.environ | {"PYTHONPATH": str(ROOT)}
    words_of = [sys.executable, "-c", program]
    told = subprocess.run(words_of, cwd=tmp_path, env=place, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout) == []
    assert tracing.span("one") is tracing.span("another"), "a span that nobody asked for is made of nothing"
