"""A reputation replayed and explained, against reading the same rows, and against a bare loop over the same tuples."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from domain.merchant_reputation.facts import history_of, spans_of
from domain.merchant_reputation.rule import Fact
from domain.merchant_reputation.running import run
from domain.policy import start_of_month, terms_of
from replay.history.timeline import events_of, taking_part
from replay.policies.catalog import shipped
from replay.store.opening import open_store
from tests.benchmarks.conftest import Compare, events
from tests.benchmarks.timed import DECEMBER, command, read_rows

AS_OF = 1_704_038_400_000_000
"""2024-01-01T00:00+08:00: after all that happens here."""
JANUARY = datetime(2022, 1, 1, tzinfo=timezone(timedelta(hours=8)))
LAST = 1_000
MakeStore = Callable[[int], Path]


@pytest.fixture(scope="module")
def merchant_of(tmp_path_factory: pytest.TempPathFactory) -> MakeStore:
    """Makes the ledger of one merchant of so many events, once: the last thousand of them in December 2022."""
    made: dict[int, Path] = {}

    def make(count: int) -> Path:
        if count not in made:
            folder = tmp_path_factory.mktemp(f"merchant-{count}")
            with (folder / "events.jsonl").open("w") as file:
                opening = {"id": "opening", "type": "merchant.onboarded", "data": {"category": "tea"}}
                for number, item in enumerate(events(count, merchants=1)):
                    told = item | {"time": _time(number, count)} | (opening if number == 0 else {})
                    file.write(json.dumps(told) + "\n")
            made[count] = folder / "ledger.db"
            command("ingest", "--store", str(made[count]), str(folder / "events.jsonl"))
        return made[count]

    return make


def _time(number: int, count: int) -> str:
    earlier = count - LAST
    if number >= earlier:
        return (DECEMBER + timedelta(minutes=20 * (number - earlier))).isoformat()
    return (JANUARY + timedelta(days=300) * number / earlier).isoformat()


@pytest.mark.parametrize("name", ["replay", "explain"])
def test_a_replay_of_10_000_events_against_reading_the_rows(
    merchant_of: MakeStore, compare: Compare, name: str
) -> None:
    store = merchant_of(10_000)
    compare(
        f"levelbook {name} of a merchant of 10,000 events, whole process, against reading its rows",
        lambda: command(name, "--store", str(store), "merchant/m-0"),
        lambda: read_rows(store),
        aim="4.0" if name == "replay" else "none: explain prints a line an event",
        rounds=9,
    )


def add_all(facts: list[Fact]) -> int:
    """Read each tuple and add its fields."""
    total = 0
    for at, position, what, order, buyer, amount_fen, kind, stars, due in facts:
        total += at + position + what + order + buyer + amount_fen + kind + stars + due
    return total


def add_one(facts: list[Fact]) -> int:
    """Read each tuple and add one of its fields."""
    total = 0
    for _, _, _, _, _, amount_fen, _, _, _ in facts:
        total += amount_fen
    return total


@pytest.mark.parametrize(
    ("bare", "told"), [(add_all, "that adds every field"), (add_one, "that unpacks all and adds one field")]
)
def test_the_scheme_against_a_bare_loop(
    merchant_of: MakeStore, compare: Compare, bare: Callable[[list[Fact]], int], told: str
) -> None:
    count = 100_000
    spans = spans_of(terms_of(shipped("merchant-reputation"), start_of_month))
    with open_store(str(merchant_of(count))) as store:
        history = history_of(taking_part(list(events_of(store, "merchant/m-0", count)), AS_OF), spans, AS_OF)

    def product() -> None:
        assert run(history, spans).findings

    compare(
        f"the scheme over {len(history.facts)} facts in memory, plain Python, against a bare loop {told}",
        product,
        lambda: bare(history.facts),
        aim="12",
        rounds=15,
    )
