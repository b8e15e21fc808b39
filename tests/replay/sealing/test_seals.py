"""Seals of random ledgers, made in between: each says what is specified, and everything can be proved by it."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

import pytest

from replay.errors import UsageError
from replay.proving.heads_trie import HeadLeaf, is_absent, is_present
from replay.proving.log_tree import is_consistent, root_by_inclusion
from replay.recording.chaining import chain_keys
from replay.sealing import heads as drafting
from replay.sealing import log
from replay.sealing.proofs import consistency, head_path, inclusion, log_root
from replay.sealing.seal import seal_heads
from replay.store import key_chains
from replay.store.base.store import Store
from replay.store.evidence import heads
from replay.store.evidence.heads import bucket_of, bucket_roots
from replay.store.evidence.log_tree import LogNode, log_nodes, log_reach
from replay.store.evidence.seals import Seal, latest_seal, seal_at, seals
from replay.store.opening import create_store, open_store
from replay.store.reading.row import leaf_hash
from tests.oracles.evidence import oracle_heads, oracle_log_root, oracle_trie_root
from tests.support.chains import make_older
from tests.support.making import event, ingest_events, paid, records
from tests.worlds.ledgers import World


@pytest.fixture(autouse=True)
def short_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "STRETCH_RUNS", 2)
    monkeypatch.setattr(drafting, "STRETCH_HEADS", 5)


def grown(store: Store, folder: Path, seed: int, batches: int, sizes: Sequence[int] = (1, 2, 20, 130)) -> Iterator[int]:
    """Record a random world in batches of some sizes: how many records there are after each."""
    chance, rest = Random(seed), iter(World(seed).events(max(sizes) * batches))
    for _ in range(batches):
        ingest_events(store, [next(rest) for _ in range(chance.choice(sizes))], folder)
        yield store.head().position


def assert_as_specified(store: Store, seal: Seal) -> None:
    """What a seal says follows from the records below it."""
    below = records(store)[: seal.size]
    heads = oracle_heads(below)
    assert (seal.tree, seal.keys) == (oracle_log_root(below), len(heads))
    assert seal.heads == oracle_trie_root(heads)
    assert seal.record == records(store)[seal.position - 1] and seal.size < seal.position


def assert_seal_proved(store: Store, seal: Seal) -> None:
    """Every key that the ledger ever has is proved by a seal: present as it was then, or absent."""
    then = oracle_heads(records(store)[: seal.size])
    for key in (*oracle_heads(records(store)), "stream merchant/nobody", "bindings nobody"):
        found = head_path(store, key, seal.size)
        assert found.is_present == (key in then)
        if found.is_present:
            assert is_present(key, *then[key], found.turns, seal.heads)
        else:
            assert is_absent(key, found.leaf.key_hash, found.state, found.turns, seal.heads)


@pytest.mark.parametrize("seed", range(3))
def test_every_seal_of_a_random_ledger_says_and_proves_what_is_specified(
    store: Store, tmp_path: Path, seed: int
) -> None:
    chance = Random(seed)
    for _ in grown(store, tmp_path, seed, 12):
        if chance.random() < 0.5:
            seal_heads(store)
    seal_heads(store)
    made = list(seals(store))
    assert len(made) > 3 and made[-1] == latest_seal(store)
    for seal in made:
        assert_as_specified(store, seal)
        assert seal_at(store, seal.position) == seal
        assert_seal_proved(store, seal)


def test_records_and_growth_are_proved_at_every_size(store: Store, tmp_path: Path) -> None:
    """Also where the hashes that are kept end before, and in the midst of a run."""
    for size in grown(store, tmp_path, 5, 7, (140, 150)):
        if size > 550 and log_reach(store) == 0:
            seal_heads(store)
    stored = records(store)
    assert 512 <= log_reach(store) < len(stored) - 100
    chance = Random(1)
    roots = {size: oracle_log_root(stored[:size]) for size in (1, 255, 256, 257, 511, 512, 640, len(stored))}
    for size, root in roots.items():
        assert log_root(store, size) == root
        for position in {1, size, chance.randint(1, size), chance.randint(1, size)}:
            path = inclusion(store, position, size)
            assert root_by_inclusion(leaf_hash(stored[position - 1]), position - 1, size, path) == root
        for first, before in roots.items():
            if first <= size:
                assert is_consistent(first, before, size, root, consistency(store, first, size))
    assert consistency(store, 0, 5) == []


def test_hashes_of_the_log_are_kept_of_whole_subtrees_only(store: Store, tmp_path: Path) -> None:
    *_, size = grown(store, tmp_path, 9, 3, (420, 430))
    assert size > 1_024
    seal_heads(store)
    stored = records(store)
    for level in (8, 9, 10):
        width = 1 << level
        assert list(log_nodes(store, level, 0)) == [
            LogNode(level, number, oracle_log_root(stored[number * width : (number + 1) * width]))
            for number in range(size // width)
        ]
    assert size < 2_048 and list(log_nodes(store, 11, 0)) == []


def test_nothing_recorded_nothing_sealed(store: Store, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no record; there is nothing to seal"):
        seal_heads(store)
    ingest_events(store, [paid("o-1")], tmp_path)
    seal = seal_heads(store)
    assert (seal.size, seal.position, seal.version, seal.keys) == (1, 2, 1, 1)
    assert seal_heads(store) == seal and store.head().position == 2
    ingest_events(store, [paid("o-2")], tmp_path)
    assert seal_heads(store)[:3] == (4, 2, 3)


def test_a_seal_touches_the_keys_that_moved_alone(store: Store, tmp_path: Path) -> None:
    merchants = [f"merchant/m-{number}" for number in range(200)]
    ingest_events(store, [event("merchant.closed", f"c-{of}", subject=of) for of in merchants], tmp_path)
    first = seal_heads(store)
    ingest_events(store, [paid("o-1", subject="merchant/m-7")], tmp_path)
    second = seal_heads(store)
    assert (first.keys, second.keys) == (200, 201)
    moved = [root for root in bucket_roots(store, second.size) if root.size == second.size]
    hashes = [head_path(store, key, second.size).leaf for key in ("stream merchant/m-7", "stream ledger/heads")]
    assert [root.bucket for root in moved] == sorted(bucket_of(leaf.key_hash) for leaf in hashes)
    assert isinstance(hashes[0], HeadLeaf)


def test_what_is_recorded_while_a_seal_is_made_stands_below_it_and_is_not_sealed(
    store: Store, location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest_events(store, World(3).events(40), tmp_path)
    drafted = heads.heads_in

    def meanwhile(*args: object) -> object:
        with open_store(location) as other:
            ingest_events(other, [paid(f"late-{other.head().position}")], tmp_path)
        return drafted(*args)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(drafting, "heads_in", meanwhile)
        seal = seal_heads(store)
    assert seal.size == 40 and seal.position > 42
    assert_as_specified(store, seal)
    again = seal_heads(store)
    assert again.size == seal.position
    for found in (seal, again):
        assert_as_specified(store, found)
        assert_seal_proved(store, found)


@pytest.mark.parametrize("without", [(), ("log_tree", "heads", "head_buckets", "checkpoints", "cosignatures")])
def test_a_ledger_of_an_earlier_version_gets_what_it_lacks(
    location: str, tmp_path: Path, without: tuple[str, ...]
) -> None:
    """Of one that kept no chains of keys, and of one that kept these alone."""
    create_store(location)
    with open_store(location) as store:
        ingest_events(store, World(4).events(100), tmp_path)
    make_older(location, *without)
    with open_store(location) as store:
        assert latest_seal(store) is None and log_reach(store) == 0
        assert log_root(store, 77) == oracle_log_root(records(store)[:77])
        told: list[tuple[str, int, int]] = []
        seal = seal_heads(store, lambda *said: told.append(said))
        assert_as_specified(store, seal)
        assert ("chaining the keys of records", 100, 100) in told or without
        assert store.definition_problems() == []
        chain_keys(store)
        assert key_chains.reach(store) == store.head().position == 101


def test_proofs_of_what_is_not_there_are_refused(store: Store, tmp_path: Path) -> None:
    ingest_events(store, [paid("o-1"), paid("o-2")], tmp_path)
    with pytest.raises(UsageError, match="no seal is over the first 2 records; 'levelbook checkpoint' makes them"):
        head_path(store, "stream merchant/m-1", 2)
    with pytest.raises(UsageError, match="no seal of the heads stands at position 1"):
        seal_at(store, 1)
    with pytest.raises(UsageError, match="a log of 3 records was asked for, but "):
        log_root(store, 3)
    with pytest.raises(UsageError, match="position 3 is not among the first 2 records"):
        inclusion(store, 3, 2)
    with pytest.raises(UsageError, match="a log of 1 records does not go on from one of 2"):
        consistency(store, 2, 1)
