"""A ledger that is older than the chains of keys gets them when decisions need them, whatever happens meanwhile."""

import os
import time
from functools import partial
from multiprocessing import get_context
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from random import Random

import psycopg
import pytest

from replay.errors import StoreError
from replay.integrity.verify import verify
from replay.recording import chaining
from replay.recording.chaining import chain_keys, unchained
from replay.store.base.store import Store
from replay.store.key_chains import has_chains, key_states, reach
from replay.store.opening import create_store, open_store
from tests.conftest import SOAK
from tests.oracles.key_chains import oracle_keys, oracle_states
from tests.support.chains import make_older
from tests.support.making import ingest_events, paid, records
from tests.support.running import run
from tests.worlds.ledgers import World

STRETCH = 7


@pytest.fixture
def older(location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A ledger of a random world without chains, which are filled in short stretches."""
    monkeypatch.setattr(chaining, "STRETCH_ROWS", STRETCH)
    create_store(location)
    with open_store(location) as store:
        ingest_events(store, World(4).events(100), tmp_path)
    make_older(location)
    return location


def assert_as_specified(store: Store, position: int) -> None:
    """All keys are told as they are specified, be they kept or not."""
    by_position = dict(enumerate(records(store), 1))
    keys = {key for record in by_position.values() for key in oracle_keys(record)}
    assert key_states(store, keys, position) == oracle_states(by_position, keys, position)


def test_an_older_ledger_is_read_recorded_into_and_verified_without_chains(older: str, tmp_path: Path) -> None:
    with open_store(older) as store:
        assert not has_chains(store) and reach(store) == 0 and unchained(store) == 100
        assert_as_specified(store, 61)
        ingest_events(store, World(5).events(3), tmp_path)
        assert not has_chains(store) and verify(store).problems == []


def test_chains_are_filled_in_and_then_kept_with_what_is_recorded(older: str, tmp_path: Path) -> None:
    told: list[int] = []
    with open_store(older) as store:
        chain_keys(store, told.append)
        assert told == [*range(STRETCH, 100 - STRETCH, STRETCH), 100]
        assert reach(store) == 100 and unchained(store) == 0
        ingest_events(store, [paid("more")], tmp_path)
        assert reach(store) == 101 and verify(store).problems == []
        assert_as_specified(store, 101)
        assert_as_specified(store, 50)
        told.clear()
        chain_keys(store, told.append)
        assert told == []
    with open_store(older) as store:
        assert store.definition_problems() == [] and store.row_problems() == []


def test_what_is_kept_for_a_part_is_told_with_the_rest_of_the_records(older: str) -> None:
    with open_store(older) as store:
        with store.writing() as transaction:
            transaction.make_later_tables()
        chaining._chain_stretch(store)
        assert reach(store) == STRETCH
        for position in (3, STRETCH, 50, 100):
            assert_as_specified(store, position)
        assert verify(store).problems == []


def test_a_decision_fills_in_what_is_missing(older: str) -> None:
    run("decide", "creator-level", "--month", "2022-11", "--store", older)
    with open_store(older) as store:
        assert reach(store) == store.head().position > 100
        assert verify(store).problems == []


def test_two_may_fill_at_the_same_time(older: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one has read what comes next, another one chains it."""
    hashed, times = chaining._hashed, list[int]()

    def overtaken(readable: object, after: int) -> object:
        found = hashed(readable, after)  # type: ignore[arg-type]
        if not times:
            times.append(1)
            with open_store(older) as other:
                chain_keys(other)
        return found

    monkeypatch.setattr(chaining, "_hashed", overtaken)
    with open_store(older) as store:
        chain_keys(store)
        assert reach(store) == 100 and verify(store).problems == []


def test_what_is_recorded_meanwhile_is_chained_too(older: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed, more = chaining._hashed, iter(range(4))

    def followed(readable: object, after: int) -> object:
        found = hashed(readable, after)  # type: ignore[arg-type]
        if isinstance(readable, Store) and (number := next(more, None)) is not None:
            with open_store(older) as other:
                ingest_events(other, [paid(f"more-{number}")], tmp_path)
        return found

    monkeypatch.setattr(chaining, "_hashed", followed)
    with open_store(older) as store:
        chain_keys(store)
        assert reach(store) == store.head().position == 104 and verify(store).problems == []


def test_a_role_that_may_not_make_the_tables_is_told_what_to_do(postgres_location: str, tmp_path: Path) -> None:
    create_store(postgres_location)
    with open_store(postgres_location) as store:
        ingest_events(store, [paid("o-1")], tmp_path)
    make_older(postgres_location)
    with psycopg.connect(postgres_location, autocommit=True) as owner:
        owner.execute("CREATE ROLE chains_writer LOGIN")
        owner.execute("GRANT USAGE ON SCHEMA levelbook TO chains_writer")
        owner.execute("GRANT SELECT ON ALL TABLES IN SCHEMA levelbook TO chains_writer")
        owner.execute("GRANT INSERT ON levelbook.records, levelbook.buyers TO chains_writer")
        owner.execute("GRANT INSERT, UPDATE ON levelbook.tally TO chains_writer")
    writers = postgres_location.replace("//postgres:", "//chains_writer:", 1)
    try:
        with open_store(writers) as store:
            with pytest.raises(
                StoreError, match="was made before there were the tables stream_chains, key_chains, "
            ) as refused:
                chain_keys(store)
            assert "); run the same once as the role that made the ledger" in str(refused.value)
            ingest_events(store, [paid("o-2")], tmp_path)
        with open_store(postgres_location) as store:
            chain_keys(store)
        with open_store(writers) as store:
            ingest_events(store, [paid("o-3")], tmp_path)
            assert reach(store) == 3 and verify(store).problems == []
    finally:
        with psycopg.connect(postgres_location, autocommit=True) as owner:
            owner.execute("DROP OWNED BY chains_writer CASCADE")
            owner.execute("DROP ROLE chains_writer")


def fill(location: str, done: "Synchronized[int]") -> None:
    with open_store(location) as store:
        done.value = 0
        chain_keys(store, partial(setattr, done, "value"))


def record_on(location: str, folder: str) -> None:
    with open_store(location) as store:
        for number in range(1_000_000):
            ingest_events(store, [paid(f"on-{os.getpid()}-{number}")], Path(folder))


@pytest.mark.slow
@pytest.mark.kills
def test_a_fill_that_is_killed_at_any_moment_is_gone_on_with(
    older: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While another process records, which is killed as well."""
    monkeypatch.setattr(chaining, "STRETCH_ROWS", 2)
    chance, fork, reached = Random(3), get_context("fork"), [0]
    rounds = 0
    # As many as it takes: how far one comes before it is killed is the machine's business.
    while rounds < 24 * SOAK or (len(set(reached)) <= 4 and rounds < 240 * SOAK):
        rounds += 1
        done = fork.Value("q", -1)
        children = [fork.Process(target=fill, args=(older, done))]
        if chance.random() < 0.5:
            children.append(fork.Process(target=record_on, args=(older, str(tmp_path))))
        for child in children:
            child.start()
        wanted = chance.choice((0, 0, 2, 4, 8))
        while children[0].is_alive() and done.value < wanted:
            time.sleep(0.0005)
        time.sleep(chance.uniform(0, 0.003))
        for child in children:
            child.kill()
            child.join()
        with open_store(older) as store:
            reached.append(reach(store))
            assert verify(store).problems == [] and reached[-1] >= reached[-2]
    assert len(set(reached)) > 4
    with open_store(older) as store:
        chain_keys(store)
        assert reach(store) == store.head().position and verify(store).problems == []
        assert_as_specified(store, store.head().position)
