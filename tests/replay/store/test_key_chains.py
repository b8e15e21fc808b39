"""The chains of keys: kept with the records, whatever batches these came in, and told at any position."""

from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.keys import keys_of
from replay.store.base.store import Store
from replay.store.key_chains import key_states, reach
from replay.store.opening import create_store, open_store
from replay.store.reading.key_state import NO_RECORD
from tests.conftest import SOAK
from tests.oracles.key_chains import oracle_keys, oracle_states
from tests.support.making import ingest_events
from tests.worlds.ledgers import World

NOBODYS = ("stream merchant/nobody", "bindings creator/nobody", "retracts urn:test nothing")


def records_of(store: Store) -> dict[int, bytes]:
    return dict(store._query("SELECT position, record FROM records"))


def ingested(store: Store, seed: int, cuts: list[int], folder: Path) -> None:
    """A random world, in batches that end at the cuts."""
    events = World(seed).events(max(cuts))
    for first, end in pairwise(sorted({0, *cuts})):
        ingest_events(store, events[first:end], folder)


def assert_told(store: Store, positions: list[int]) -> None:
    """What the store says of all keys at some positions is what the oracle works out."""
    records = records_of(store)
    keys = {key for record in records.values() for key in oracle_keys(record)} | {*NOBODYS}
    assert {key.split()[0] for key in keys} == {"stream", "bindings", "retracts"}
    for position in positions:
        assert key_states(store, keys, position) == oracle_states(records, keys, position)


@pytest.mark.slow
@settings(max_examples=10 * SOAK)
@given(seed=st.integers(0, 1000), cuts=st.lists(st.integers(1, 160), min_size=1, max_size=8))
def test_any_batches_of_a_random_world_give_the_chains_that_are_specified(
    tmp_path_factory: pytest.TempPathFactory, seed: int, cuts: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("world")
    location = str(folder / "ledger.db")
    create_store(location)
    with open_store(location) as store:
        ingested(store, seed, cuts, folder)
        head = store.head().position
        assert reach(store) == head
        assert_told(store, [0, 1, head // 3, head // 2, head - 1, head, head + 9])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3 * SOAK))
def test_random_batches_give_the_same_on_both_databases(store: Store, seed: int, tmp_path: Path) -> None:
    chance = Random(seed)
    ingested(store, seed, [*(chance.randrange(1, 160) for _ in range(chance.randrange(1, 8))), 160], tmp_path)
    assert reach(store) == store.head().position
    assert_told(store, [1, *(chance.randrange(160) for _ in range(4)), 160])


def test_states_of_keys_are_those_that_are_specified(store: Store, tmp_path: Path) -> None:
    ingested(store, 5, [1, 4, 90, 91, 130], tmp_path)
    assert reach(store) == store.head().position
    assert_told(store, [0, 2, 65, 130])
    assert key_states(store, NOBODYS, 130) == dict.fromkeys(NOBODYS, NO_RECORD)
    assert key_states(store, [], 130) == {}


def test_the_map_reads_from_columns_what_the_records_say(store: Store, tmp_path: Path) -> None:
    ingested(store, 11, [120], tmp_path)
    rows = list(store._query("SELECT type, stream, ref, record FROM records"))
    assert len(rows) == 120
    for event_type, stream, ref, record in rows:
        assert list(keys_of(event_type, stream, ref)) == oracle_keys(record)
