"""The other schemes against reputation, per event, from events in memory; a creator-month explained as a process."""

import json
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from domain.calendar import parse_instant
from domain.events import (
    CreatorNamed,
    CreatorScored,
    Data,
    Event,
    LiveHeld,
    MerchantOnboarded,
    NoData,
    OrderNamed,
    OrderPaid,
    ReviewPosted,
    SaleRefunded,
    SaleSettled,
)
from domain.limits import DAY_MICROS, HOUR_MICROS
from replay.history.timeline import Moment
from replay.policies.catalog import shipped
from replay.replaying.base import Policies, Replay
from replay.schemes.creator_level.replay import CreatorReplay
from replay.schemes.mcn_level.replay import McnReplay
from replay.schemes.merchant_reputation.replay import ReputationReplay
from replay.schemes.merchant_tier.replay import TierReplay
from replay.store.opening import open_store
from tests.benchmarks.conftest import LINES, Compare
from tests.benchmarks.timed import DECEMBER, command, read_rows

EACH = 500
"""Events a subject."""
BEGIN = parse_instant("2022-01-01T00:00:00+08:00")
AS_OF = BEGIN + 365 * DAY_MICROS
AIMS = {"merchant-tier": 2.0, "creator-level": 2.0, "mcn-level": 3.0}


def merchant(number: int) -> list[Event]:
    """A year of a fresh-food merchant: orders, receipts, reviews, complaints."""
    pick = Random(number)
    told: list[tuple[int, str, Data]] = [(BEGIN, "merchant.onboarded", MerchantOnboarded(category="fresh"))]
    while len(told) < EACH:
        at, order = BEGIN + pick.randrange(365 * 24) * HOUR_MICROS, f"o-{len(told)}"
        told.append((at, "order.paid", OrderPaid(order=order, buyer=f"b-{pick.randrange(300)}", amount=9_900)))
        told.append((at + DAY_MICROS, "order.received", OrderNamed(order=order)))
        if pick.random() < 0.6:
            stars = pick.choice((5, 5, 5, 4, 3, 1))
            told.append((at + 2 * DAY_MICROS, "review.posted", ReviewPosted(order=order, quality=stars, service=stars)))
        if pick.random() < 0.03:
            told.append((at + DAY_MICROS, "order.complained", OrderNamed(order=order)))
    return recorded("merchant/m", told[:EACH])


def creator(number: int, name: str = "c", count: int = EACH) -> list[Event]:
    """A year of a creator: sales, refunds, scores, live sessions."""
    pick = Random(number)
    told: list[tuple[int, str, Data]] = [(BEGIN, "creator.registered", NoData())]
    while len(told) < count:
        at, order = BEGIN + pick.randrange(365 * 24) * HOUR_MICROS, f"o-{len(told)}"
        told.append((at, "sale.settled", SaleSettled(order=order, amount=50_000, good_goods=True, channel="showcase")))
        if pick.random() < 0.1:
            told.append((at + DAY_MICROS, "sale.refunded", SaleRefunded(order=order, amount=50_000)))
        if pick.random() < 0.5:
            told.append((at, "creator.scored", CreatorScored(score="reputation", value="4.6")))
        if pick.random() < 0.1:
            told.append((at, "live.held", LiveHeld(minutes=90)))
    return recorded(f"creator/{name}", told[:count])


def agency(number: int) -> list[Event]:
    """An agency with five creators of a hundred events each."""
    names = [f"c-{n}" for n in range(5)]
    own = [
        (BEGIN, "mcn.onboarded", NoData()),
        *((BEGIN, "creator.bound", CreatorNamed(creator=name)) for name in names),
    ]
    events = recorded("mcn/a", own)
    for place, name in enumerate(names):
        events += creator(number * 5 + place, name, (EACH - len(own)) // 5)
    return [event._replace(position=position) for position, event in enumerate(events, 1)]


def recorded(subject: str, told: list[tuple[int, str, Data]]) -> list[Event]:
    told = sorted(told, key=lambda item: item[0])
    return [
        Event(subject, place, place, at, at, "urn:bench", f"e-{place}", kind, data)
        for place, (at, kind, data) in enumerate(told, 1)
    ]


def seconds(judge: Callable[[], object]) -> float:
    begin = time.perf_counter()
    judge()
    return time.perf_counter() - begin


@pytest.mark.parametrize(
    ("judging", "make", "subject"),
    [(TierReplay, merchant, "merchant/m"), (CreatorReplay, creator, "creator/c"), (McnReplay, agency, "mcn/a")],
)
def test_a_scheme_against_reputation_per_event(
    judging: type[Replay], make: Callable[[int], list[Event]], subject: str, benchmark: BenchmarkFixture
) -> None:
    subjects = max(LINES // EACH // 4, 10)
    histories, merchants = ([build(n) for n in range(subjects)] for build in (make, merchant))
    policies = Policies(shipped(judging.scheme), shipped("creator-level") if judging is McnReplay else ())
    reputation = Policies(shipped("merchant-reputation"))
    ours: list[float] = []
    floors: list[float] = []

    def one_round() -> None:
        for replay, events, name, using, times in (
            (ReputationReplay, merchants, "merchant/m", reputation, floors),
            (judging, histories, subject, policies, ours),
        ):
            moment = Moment(AS_OF, AS_OF, EACH)
            times.append(seconds(lambda: [replay(name, known, moment, using).standing() for known in events]))  # noqa: B023

    benchmark.pedantic(one_round, rounds=5, iterations=1)  # type: ignore[no-untyped-call]
    ratio = median(ours) / sum(map(len, histories)) / (median(floors) / sum(map(len, merchants)))
    each = median(ours) / sum(map(len, histories)) * 1e6
    print(
        f"\n{judging.scheme}: {subjects} subjects of {EACH} events, all months, {each:.1f} us an event,"
        f" ratio to merchant-reputation {ratio:.2f}, aim {AIMS[judging.scheme]}"
    )


def test_a_creator_month_of_10_000_sales_explained(tmp_path: Path, compare: Compare) -> None:
    lines, store = tmp_path / "events.jsonl", tmp_path / "ledger.db"
    with lines.open("w") as file:
        for n in range(10_000):
            kind: tuple[str, dict[str, Any]] = (
                ("sale.settled", {"order": f"o-{n}", "amount": 9_900, "good_goods": True, "channel": "live"})
                if n
                else ("creator.registered", {})
            )
            at = (DECEMBER + timedelta(minutes=4 * n)).isoformat()
            told = {"specversion": "1.0", "source": "urn:bench", "id": f"e-{n}", "time": at, "subject": "creator/c"}
            file.write(json.dumps(told | {"type": kind[0], "data": kind[1]}) + "\n")
    command("ingest", "--store", str(store), str(lines))
    compare(
        "explain of a creator-month of 10,000 sales, whole process, against reading its rows",
        lambda: command("explain", "--store", str(store), "creator/c", "--month", "2022-12"),
        lambda: read_rows(store, "creator/c"),
        aim="4.0",
        rounds=7,
    )


def test_an_agency_costs_no_more_among_many_others(tmp_path: Path, benchmark: BenchmarkFixture) -> None:
    """The same agency in a ledger of its own and beside hundreds of others."""
    from replay.store.opening import create_store
    from tests.support.making import ingest_events

    def ledger(agencies: int) -> Any:
        location = str(tmp_path / f"{agencies}.db")
        create_store(location)
        events = []
        for n in range(agencies):
            events.append(told(f"on-{n}", f"mcn/a-{n}", "mcn.onboarded", {}))
            for c in range(5):
                events.append(told(f"b-{n}-{c}", f"mcn/a-{n}", "creator.bound", {"creator": f"c-{n}-{c}"}))
                data = {"amount": 9_900, "good_goods": True, "channel": "live"}
                events += [
                    told(f"s-{n}-{c}-{s}", f"creator/c-{n}-{c}", "sale.settled", {**data, "order": f"o-{s}"})
                    for s in range(20)
                ]
        store = open_store(location)
        ingest_events(store, events, tmp_path)
        return store

    def told(name: str, subject: str, kind: str, data: dict[str, Any]) -> dict[str, Any]:
        time_ = "2023-02-01T10:00:00+08:00"
        return {
            "specversion": "1.0",
            "id": name,
            "source": "urn:b",
            "type": kind,
            "subject": subject,
            "time": time_,
            "data": data,
        }

    with ledger(1) as alone, ledger(500) as among:
        times: dict[int, list[float]] = {1: [], 500: []}

        def one_round() -> None:
            for count, store in ((1, alone), (500, among)):
                times[count].append(seconds(lambda: McnReplay.load(store, "mcn/a-0", store.head().position)))  # noqa: B023

        benchmark.pedantic(one_round, rounds=30, iterations=1)  # type: ignore[no-untyped-call]
    ratio = median(times[500]) / median(times[1])
    print(f"\nloading an agency among 500 against alone: ratio {ratio:.2f}, aim 1: nothing grows with others")
