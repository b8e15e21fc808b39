"""A seal that is killed leaves a draft: the next goes on with it, and seals nothing that does not fit the records."""

import time
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from random import Random

import pytest

from replay.errors import DamagedError, StoreError
from replay.sealing import heads as drafting
from replay.sealing import log
from replay.sealing.heads import drafted_size
from replay.sealing.seal import seal_heads
from replay.store.base.store import Store
from replay.store.evidence import heads
from replay.store.evidence.heads import bucket_roots
from replay.store.evidence.log_tree import log_reach
from replay.store.evidence.seals import latest_seal, seals
from replay.store.opening import create_store, open_store
from tests.conftest import SOAK
from tests.oracles.evidence import oracle_heads, oracle_log_root, oracle_trie_root
from tests.support.aliases import change
from tests.support.making import ingest_events, paid, records
from tests.worlds.ledgers import World


class Killed(Exception):
    """Stands for a kill."""


@pytest.fixture
def drafted(location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A ledger with a seal over 30 records, and half of a draft over 151."""
    monkeypatch.setattr(drafting, "STRETCH_HEADS", 2)
    create_store(location)
    with open_store(location) as store:
        events = list(World(4).events(150))
        ingest_events(store, events[:30], tmp_path)
        seal_heads(store)
        ingest_events(store, events[30:], tmp_path)
        times, add = [0], heads.add_heads

        def killed(*args: object) -> None:
            times[0] += 1
            if times[0] == 5:
                raise Killed
            add(*args)  # type: ignore[arg-type]

        with monkeypatch.context() as patched, pytest.raises(Killed):
            patched.setattr(drafting, "add_heads", killed)
            seal_heads(store)
        assert drafted_size(store, latest_seal(store)) == 151
    return location


def assert_all_as_specified(store: Store) -> None:
    for seal in seals(store):
        below = records(store)[: seal.size]
        assert (seal.tree, seal.heads) == (oracle_log_root(below), oracle_trie_root(oracle_heads(below)))


@pytest.mark.parametrize("more", [0, 7])
def test_a_draft_is_gone_on_with(drafted: str, tmp_path: Path, more: int) -> None:
    """And what was recorded behind it is sealed then."""
    with open_store(drafted) as store:
        ingest_events(store, [paid(f"more-{number}") for number in range(more)], tmp_path)
        seal_heads(store)
        assert [seal.size for seal in seals(store)] == [30, 151, *([159] if more else [])]
        assert drafted_size(store, latest_seal(store)) is None
        assert_all_as_specified(store)


ONE = "key_hash = (SELECT key_hash FROM heads WHERE size = 151 ORDER BY key_hash LIMIT 1)"


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        (f"UPDATE heads SET state = ? WHERE size = 151 AND {ONE}", "at 151 records do not fit the records"),
        (f"DELETE FROM heads WHERE size = 151 AND state <> ? AND {ONE}", "at 151 records do not fit the records"),
        ("UPDATE head_buckets SET root = ? WHERE size = 151", "at 151 records do not fit the records"),
        ("UPDATE head_buckets SET root = ? WHERE size = 30", "at 30 records do not fit the seal at position 31"),
        ("UPDATE head_buckets SET keys = 9 WHERE size = 30 AND root <> ?", "do not fit the seal at position 31"),
        ("INSERT INTO head_buckets VALUES (1, 151, ?, 1)", "at 151 records do not fit the records"),
        ("INSERT INTO head_buckets VALUES (1, 70, ?, 1)", "at 151 records do not fit the records"),
    ],
)
def test_what_does_not_fit_is_never_sealed(drafted: str, statement: str, told: str) -> None:
    change(drafted, [(statement, (b"x" * 32,))])
    with open_store(drafted) as store:
        with pytest.raises(StoreError, match=told) as refused:
            seal_heads(store)
        assert ": nothing was sealed; 'levelbook verify' tells what was changed" in str(refused.value)
        assert len(list(seals(store))) == 1


def test_where_a_record_or_a_hash_of_the_log_is_missing_nothing_is_sealed(location: str, tmp_path: Path) -> None:
    create_store(location)
    with open_store(location) as store:
        events = list(World(4).events(1_100))
        ingest_events(store, events[:800], tmp_path)
        seal_heads(store)
        ingest_events(store, events[800:], tmp_path)
    change(location, [("DELETE FROM log_tree WHERE level = ?", (9,))])
    with open_store(location) as store, pytest.raises(DamagedError, match="the table log_tree, where the hash 0 of"):
        seal_heads(store)


def test_chains_that_are_not_kept_so_far_are_not_sealed(store: Store, tmp_path: Path) -> None:
    ingest_events(store, [paid("o-1")], tmp_path)
    with pytest.raises(DamagedError, match="what is kept of the chains of keys, which ends before position 2"):
        heads.moved_heads(store, 0, 2)


def test_another_seal_meanwhile_is_noticed(location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the lock that keeps two from it does not hold."""
    create_store(location)
    with open_store(location) as store:
        ingest_events(store, World(4).events(50), tmp_path)
        moved = heads.moved_heads

        def overtaken(*args: object) -> object:
            monkeypatch.setattr(drafting, "moved_heads", moved)
            with open_store(location) as other:
                seal_heads(other)
            return moved(*args)  # type: ignore[arg-type]

        monkeypatch.setattr(drafting, "moved_heads", overtaken)
        with pytest.raises(StoreError, match="another checkpoint was made meanwhile, and nothing was sealed"):
            seal_heads(store)
        assert len(list(seals(store))) == 1
        assert_all_as_specified(store)


def test_two_at_once_wait_for_one_another(location: str, monkeypatch: pytest.MonkeyPatch) -> None:
    create_store(location)
    monkeypatch.setattr("replay.store.sqlite.BUSY_SECONDS", 0)
    monkeypatch.setattr("replay.store.postgres.LOCK_SECONDS", 1)
    with open_store(location) as store, open_store(location) as other:
        with store.checkpointing(), pytest.raises(StoreError, match="is still being made: nothing was signed"):  # noqa: SIM117
            with other.checkpointing():
                pass
        with other.checkpointing():
            pass


def seal(location: str) -> None:
    with open_store(location) as store, store.checkpointing():
        seal_heads(store)


def record_on(location: str, folder: str, seed: int) -> None:
    with open_store(location) as store:
        for number in range(1_000):
            ingest_events(store, [paid(f"on-{seed}-{number}", subject=f"merchant/on-{number}")], Path(folder))


@pytest.mark.slow
@pytest.mark.kills
def test_a_seal_that_is_killed_at_any_moment_is_gone_on_with(
    location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While others record and seal as well."""
    monkeypatch.setattr(drafting, "STRETCH_HEADS", 2)
    monkeypatch.setattr(log, "STRETCH_RUNS", 1)
    create_store(location)
    with open_store(location) as store:
        ingest_events(store, World(4).events(600), tmp_path)
    chance, fork, drafts = Random(3), get_context("fork"), set()
    for number in range(25 * SOAK):
        works = [partial(seal, location)] * chance.choice((1, 1, 2)) + [
            partial(record_on, location, str(tmp_path), number)
        ]
        children = [fork.Process(target=work) for work in works]
        for child in children:
            child.start()
        time.sleep(chance.uniform(0, 0.4))
        for child in children:
            child.kill()
            child.join()
        with open_store(location) as store:
            drafts.add((drafted_size(store, latest_seal(store)), log_reach(store)))
    assert len(drafts) > 1
    seal(location)
    with open_store(location) as store:
        assert len(list(seals(store))) > 1 and bucket_roots(store, store.head().position)
        assert_all_as_specified(store)
