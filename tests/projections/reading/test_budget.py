"""What is taken only while a replay is made counts while it is made, and is waited for."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event as Signal
from typing import Any

import pytest

from projections.http.problems import Problem
from projections.reading import budget
from projections.reading.budget import Budget
from replay.columnar import size
from replay.columnar.seal import seal
from replay.schemes.merchant_reputation.replay import ReputationReplay
from replay.schemes.replaying import peak_under, weight_under
from replay.store.base.store import Store
from tests.support.making import ingest_events, paid


class Made:
    judged = ()


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.002)


class Making:
    """Replays of 20 events that are made when they may go on."""

    def __init__(self, events: int = 100) -> None:
        self.budget = Budget(events, lambda: False)
        self.begun: list[int] = []
        self.goes_on = Signal()

    def one(self, peak: int) -> Any:
        def make() -> Any:
            self.begun.append(peak)
            assert self.goes_on.wait(20)
            return Made()

        return self.budget.making(20, "merchant/m-1", make, peak)


@pytest.mark.parametrize("peak", [60, 500])
def test_who_lacks_only_what_passes_waits_for_it(peak: int) -> None:
    """Two peaks of 60 have no room in 100; one beyond 100 is made alone."""
    making = Making()
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(making.one, peak) for _ in range(2)]
        until(lambda: making.budget._waiting == 1)
        assert making.begun == [peak] and making.budget.taken == min(peak, 100)
        making.goes_on.set()
        held = [asked[0].result(), asked[1].exception() or asked[1].result()]
    if peak == 60:
        assert [type(item) for item in held] == [Made, Made] and making.budget.taken == 40
    else:
        assert {type(item) for item in held} == {Made, Problem}, "what is held stays, and leaves no room to be alone"
    held.clear()


def test_peaks_that_have_room_beside_one_another_do_not_wait() -> None:
    making = Making()
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(making.one, 50) for _ in range(2)]
        until(lambda: len(making.begun) == 2)
        assert making.budget.taken == 100
        making.goes_on.set()
        held = [item.result() for item in asked]
    assert making.budget.taken == 40
    held.clear()


def test_what_does_not_pass_is_not_waited_for() -> None:
    making = Making()
    making.goes_on.set()
    held = [making.one(20) for _ in range(3)]
    with pytest.raises(Problem, match="more than 100; ask again"):
        making.one(60)
    assert making.budget.taken == 60
    held.clear()


@pytest.mark.parametrize(("name", "value"), [("WAIT_SECONDS", 0.05), ("WAITING_MAX", 0)])
def test_waiting_has_an_end(monkeypatch: pytest.MonkeyPatch, name: str, value: float) -> None:
    monkeypatch.setattr(budget, name, value)
    making = Making()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(making.one, 60)
        until(lambda: making.begun == [60])
        with pytest.raises(Problem, match="more than 100; ask again"):
            making.one(60)
        making.goes_on.set()
        first.result()


def test_what_fails_or_is_dropped_gives_back_what_passed() -> None:
    taking = Budget(100, lambda: False)

    def breaks() -> Any:
        assert taking.taken == 70
        raise ValueError

    with pytest.raises(ValueError):
        taking.making(20, "merchant/m-1", breaks, 70)
    assert taking.taken == 0
    with taking.room(20, "merchant/m-1", 70):
        assert taking.taken == 70
    assert taking.taken == 0 and taking._passing == 0


def test_what_making_takes_goes_by_records_and_whether_they_are_sealed(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def peak(position: int) -> int:
        return peak_under(store, ReputationReplay, "merchant/m-1", position)

    ingest_events(store, [paid(f"o-{n}") for n in range(60)], tmp_path)
    store.named_segments = tmp_path / "segments"
    seal(store, store.named_segments)
    (tmp_path / "more").mkdir()
    ingest_events(store, [paid(f"p-{n}") for n in range(50)], tmp_path / "more")
    head = store.head().position
    plain = weight_under(store, ReputationReplay, "merchant/m-1", head)
    assert peak(head) == plain == 110, "few are read once"
    monkeypatch.setattr(size, "MANY_RECORDS_TO_COMPILE", 0)
    monkeypatch.setattr(size, "MANY_RECORDS", 0)
    assert peak(head) == 60 // 3 + 50 * 3 // 5 > weight_under(store, ReputationReplay, "merchant/m-1", head)
    assert peak(head - 50) == 60 // 3
