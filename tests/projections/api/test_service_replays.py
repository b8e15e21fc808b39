"""Replays of the service rest on so many events at a time; equal questions are answered once; memory comes back."""

import gc
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event as Signal
from typing import Any

import pytest
from starlette.testclient import TestClient

from projections.http.problems import Problem
from projections.http.settings import Settings
from projections.reading import flights
from projections.reading.budget import Budget
from replay.history.timeline import events_of
from replay.schemes.mcn_level.replay import McnReplay
from replay.schemes.merchant_reputation.replay import ReputationReplay
from replay.schemes.registry import kinds, schemes_of
from replay.schemes.replaying import weight_under
from replay.store.base.store import Store
from replay.store.opening import open_store
from tests.support.making import ingest_events
from tests.support.serving import demo_ledger, serving
from tests.worlds.ledgers import World

TEA_HOUSE = "/v1/subjects/merchant/tea-house"


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("replays")
    demo_ledger(str(folder / "ledger.db"), folder)
    return str(folder / "ledger.db")


@pytest.fixture
def events(ledger: str) -> int:
    """On how many events the tea house rests."""
    with open_store(ledger) as store:
        return len(list(events_of(store, "merchant/tea-house", store.head().position)))


def budget_of(client: TestClient) -> Budget:
    found: Budget = client.app.state.reading._budget  # type: ignore[attr-defined]
    return found


@pytest.fixture
def slow_loads(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Signal, list[str]]]:
    """Loading goes on only when the signal is set; and which subjects were loaded."""
    signal, loaded = Signal(), []
    load = ReputationReplay.load.__func__  # type: ignore[attr-defined]

    def loading(cls: Any, store: Store, subject: str, position: int) -> Any:
        loaded.append(subject)
        assert signal.wait(20)
        return load(cls, store, subject, position)

    monkeypatch.setattr(ReputationReplay, "load", classmethod(loading))
    yield signal, loaded
    signal.set()


@pytest.mark.slow
def test_events_are_counted_by_index_before_they_are_read(store: Store, tmp_path: Path) -> None:
    ingest_events(store, World(4).events(150), tmp_path)
    streams = [name for (name,) in store._query("SELECT DISTINCT stream FROM records")]
    for subject in (name for name in streams if name.partition("/")[0] in kinds()):
        for position in range(0, store.head().position + 1, 7):
            for judging in [scheme.replay for scheme in schemes_of(subject.partition("/")[0])]:
                loaded = judging.load(store, subject, position)
                counted = weight_under(store, judging, subject, position)
                if judging is McnReplay:  # beside whole streams it reads single events of other agencies
                    whole = {*judging.streams(store, subject, position)}
                    assert counted == sum(event.originator_id in whole for event in loaded)
                else:
                    assert counted == len(loaded)
    assert weight_under(store, ReputationReplay, "merchant/nobody", 100) == 0


def test_a_subject_that_is_too_large_is_named_with_the_limit(ledger: str, events: int) -> None:
    with serving(Settings(ledger, replay_events=events - 1)) as client:
        for path, takes in (
            (f"{TEA_HOUSE}/levels/merchant-reputation?position=418", events),
            (f"{TEA_HOUSE}/history", events),
            (f"{TEA_HOUSE}/explanation", events),
            (f"{TEA_HOUSE}/diff?as_of=2022-12-16", events),
            ("/subjects/merchant/tea-house/appeal/file.json?period=2022-11", 3 * events),
        ):
            answer = client.get(path)
            assert answer.status_code == 422, (path, answer.text)
            assert f"--replay-events {takes} or more" in answer.json()["detail"]
        assert client.get(f"{TEA_HOUSE}/levels/merchant-reputation").status_code == 200, "the views hold it"
        assert budget_of(client).taken == 0
    with serving(Settings(ledger, replay_events=events)) as client:
        assert client.get(f"{TEA_HOUSE}/history").status_code == 200


def test_so_many_events_are_replayed_at_a_time_and_given_back(
    ledger: str, events: int, slow_loads: tuple[Signal, list[str]]
) -> None:
    signal, _ = slow_loads
    with serving(Settings(ledger, replay_events=2 * events + 1)) as client, ThreadPoolExecutor(2) as pool:
        asked = [f"{TEA_HOUSE}/history?position={position}" for position in (418, 417)]
        under_way = [pool.submit(client.get, path) for path in asked]
        deadline = time.monotonic() + 20
        while budget_of(client).taken < events * 2 - 1:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        refused = client.get(f"{TEA_HOUSE}/history?position=416")
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
        assert "with the replays under way that is more than" in refused.json()["detail"]
        signal.set()
        assert [answer.result().status_code for answer in under_way] == [200, 200]
        assert client.get(f"{TEA_HOUSE}/history?position=416").status_code == 200, "what was kept makes room"
        client.app.state.reading.let_go()  # type: ignore[attr-defined]
        assert budget_of(client).taken == 0, "nothing is counted that is not there"


def test_equal_questions_are_answered_once(
    ledger: str, slow_loads: tuple[Signal, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    signal, loaded = slow_loads
    monkeypatch.setattr(flights, "WAITING_MAX", 4)
    with serving(Settings(ledger)) as client, ThreadPoolExecutor(8) as pool:
        under_way = [pool.submit(client.get, f"{TEA_HOUSE}/history") for _ in range(5)]
        joined = client.app.state.reading._flights  # type: ignore[attr-defined]
        deadline = time.monotonic() + 20
        while joined._waiting < 4:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        refused = client.get(f"{TEA_HOUSE}/history")
        assert refused.status_code == 503 and "many ask the same" in refused.json()["detail"]
        assert client.get("/healthz").status_code == 200
        signal.set()
        assert [answer.result().status_code for answer in under_way] == [200] * 5
        assert loaded == ["merchant/tea-house"]


def test_who_waits_is_told_what_the_first_was_told() -> None:
    made: flights.Flights[int] = flights.Flights()
    begun, going = Signal(), Signal()

    def breaks() -> int:
        begun.set()
        assert going.wait(20)
        raise Problem(503, "x", "x", "broke")

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(made.joined, "a", breaks)
        assert begun.wait(20)
        second = pool.submit(made.joined, "a", breaks)
        while made._waiting < 1:
            time.sleep(0.001)
        going.set()
        for asked in (first, second):
            with pytest.raises(Problem, match="broke"):
                asked.result()
    assert made.joined("a", lambda: 7) == 7 and made._waiting == 0


def test_without_memory_one_answer_fails_and_the_next_does_not(ledger: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(Settings(ledger)) as client:
        assert client.get(f"{TEA_HOUSE}/history?position=400").status_code == 200
        with monkeypatch.context() as patch:

            def without(*_: object) -> None:
                raise MemoryError

            patch.setattr(ReputationReplay, "load", without)
            answer = client.get(f"{TEA_HOUSE}/history")
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5"), answer.text
        gc.collect()
        assert budget_of(client).taken == 0, "what was kept was let go, what failed is not counted"
        assert client.get(f"{TEA_HOUSE}/history").status_code == 200


def test_memory_is_frozen_only_while_no_replay_is_in_it(ledger: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was frozen would never be collected: what it took would not come back."""
    frozen: list[int] = []
    monkeypatch.setattr(gc, "freeze", lambda: frozen.append(1))
    with serving(Settings(ledger)) as client:
        reading = client.app.state.reading  # type: ignore[attr-defined]
        assert client.get(f"{TEA_HOUSE}/history").status_code == 200
        reading.freeze()
        assert not frozen
        reading.let_go()
        reading.freeze()
        assert frozen == [1]
