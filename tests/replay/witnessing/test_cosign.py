"""Witnesses: what they cosign, and what they refuse, each with the status that C2SP tlog-witness has for it."""

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from random import Random
from time import monotonic

import pytest

from domain.events import HeadsSealed
from replay.errors import StoreError, UsageError
from replay.proving.checkpoint import Checkpoint
from replay.proving.cosigning import CosignRequest
from replay.proving.heads_trie import trie_root
from replay.proving.notes import SignedNote, is_right, parse_signatures, sign, time_of
from replay.proving.trust import TrustPolicy, parse_trust
from replay.sealing import seal as sealing
from replay.sealing.heads import SealedHeads, draft_heads
from replay.sealing.proofs import log_root
from replay.store.base.store import Store
from replay.store.opening import create_store, open_store
from replay.witnessing.cosign import CosignRefused, cosign
from replay.witnessing.kept import STATE, Grade, Witness, keeping, new_witness, open_witness
from tests.oracles.evidence import oracle_heads, oracle_log_root, oracle_trie_root
from tests.support.kills import Child
from tests.support.making import event, ingest_events, paid, records
from tests.support.signed import TIME_S, log_keys, request, sealed_size, signed, trusting
from tests.worlds.ledgers import World

Lied = Callable[[SealedHeads], SealedHeads]


@pytest.fixture(params=list(Grade))
def witness(request: pytest.FixtureRequest, tmp_path: Path) -> Witness:
    return new_witness(tmp_path / "witness", "w.example", request.param)


@pytest.fixture
def recomputing(tmp_path: Path) -> Witness:
    return new_witness(tmp_path / "witness", "w.example", Grade.RECOMPUTED)


def asked(witness: Witness, store: Store, old: int, size: int, root: bytes | None = None) -> str:
    return cosign(witness, request(store, old, size, root), trusting(store), TIME_S, store)


def refused(witness: Witness, store: Store, found: bytes, ledger: Store | None = None) -> CosignRefused:
    with pytest.raises(CosignRefused) as caught:
        cosign(witness, found, trusting(store), TIME_S, ledger or store)
    return caught.value


def cosigned_size(witness: Witness, store: Store) -> int:
    with keeping(witness) as kept:
        return kept.cosigned(log_keys(store)[0].name).size


def grown(store: Store, folder: Path, seed: int, times: int) -> Iterator[int]:
    """Sizes that checkpoints must cover, of a random ledger that is sealed again and again."""
    chance, rest = Random(seed), iter(World(seed).events(90 * times))
    for _ in range(times):
        ingest_events(store, [next(rest) for _ in range(chance.choice((1, 3, 90)))], folder)
        yield sealed_size(store)


@pytest.mark.slow
def test_a_witness_cosigns_with_all_its_keys_what_goes_on(witness: Witness, store: Store, tmp_path: Path) -> None:
    old = 0
    for size in grown(store, tmp_path, 1, 5):
        lines = asked(witness, store, old, size)
        text = signed(store, size).text
        found = parse_signatures(lines)
        assert [line.name for line in found] == [f"w.example/{witness.grade}"] * 2
        assert all(is_right(text, key.verifier, line) for key, line in zip(witness.keys, found, strict=True))
        assert [time_of(key.kind, line) for key, line in zip(witness.keys, found, strict=True)] == [TIME_S] * 2
        assert asked(witness, store, size, size)  # whoever lost the answer asks again
        old = size
    assert cosigned_size(witness, store) == old


@pytest.mark.slow
def test_what_is_recomputed_is_what_is_specified(recomputing: Witness, store: Store, tmp_path: Path) -> None:
    old, origin = 0, log_keys(store)[0].name
    for size in grown(store, tmp_path, 2, 6):
        asked(recomputing, store, old, size)
        heads = oracle_heads(records(store)[:size])
        with keeping(recomputing) as kept:
            assert trie_root(sorted(kept.leaves(origin))) == oracle_trie_root(heads)
            assert kept.cosigned(origin).root == oracle_log_root(records(store)[:size])
        old = size


@pytest.mark.slow
def test_several_seals_between_two_checkpoints_are_all_recomputed(
    recomputing: Witness, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *_, last = grown(store, tmp_path, 3, 6)
    asked(recomputing, store, 0, first)
    asked(recomputing, store, first, last)
    lying(monkeypatch, lambda said: said._replace(keys=said.keys + 1))
    ingest_events(store, [paid("o-1")], tmp_path)
    wrong = sealed_size(store)
    ingest_events(store, [paid("o-2")], tmp_path)
    assert f"position {wrong}: the number of keys" in str(refused(recomputing, store, request(store, last, wrong + 1)))
    assert asked(recomputing, store, last, wrong - 1)
    assert cosigned_size(recomputing, store) == wrong - 1


def lying(monkeypatch: pytest.MonkeyPatch, lied: Lied) -> None:
    """From here on the ledger seals something else than it found."""
    honest = draft_heads
    monkeypatch.setattr(sealing, "draft_heads", lambda *args: lied(honest(*args)))


def test_a_ledger_that_hides_an_event_of_a_subject_is_found_by_who_recomputes(
    recomputing: Witness, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeing = new_witness(tmp_path / "other", "w.example", Grade.SEEN)
    ingest_events(store, [paid(f"o-{number}", subject="merchant/m-1") for number in range(5)], tmp_path)
    size = sealed_size(store)
    asked(recomputing, store, 0, size)
    ingest_events(store, [event("merchant.closed", "c-1", subject="merchant/m-1"), paid("o-9")], tmp_path)

    def without_the_last(said: SealedHeads) -> SealedHeads:
        shown = records(store)[: store.head().position]
        heads = oracle_heads(shown)
        heads["stream merchant/m-1"] = oracle_heads(shown[:size])["stream merchant/m-1"]
        assert heads != oracle_heads(shown)
        return SealedHeads(oracle_trie_root(heads), said.keys)

    lying(monkeypatch, without_the_last)
    wrong = sealed_size(store)
    found = refused(recomputing, store, request(store, size, wrong))
    assert found.http_status == 422
    assert f"position {wrong}: the root of the heads over {wrong - 1} records is sealed as" in str(found)
    assert asked(seeing, store, 0, wrong)  # who only sees cannot know


def test_a_root_that_the_records_do_not_come_to(recomputing: Witness, store: Store, tmp_path: Path) -> None:
    (size,) = grown(store, tmp_path, 6, 1)
    found = refused(recomputing, store, request(store, 0, size, root=bytes(32)))
    assert (found.http_status, cosigned_size(recomputing, store)) == (422, 0)
    assert f"the checkpoint over {size} records has the root {'00' * 32}, but the records come to" in str(found)
    assert str(found).endswith(": they were changed, or those signed were others")
    assert asked(recomputing, store, 0, size)


def test_a_seal_of_another_log_root_is_found(
    recomputing: Witness, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing, "root_at", lambda *_: bytes(32))
    (size,) = grown(store, tmp_path, 6, 1)
    found = refused(recomputing, store, request(store, 0, size))
    assert f"position {size}: the root of the log over {size - 1} records is sealed as {'00' * 32}" in str(found)


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (1, "fewer than the 2 that were cosigned: this witness can no longer recompute it; a new one can"),
        (9, "a seal of map 1 over 9 records, which cannot be checked here"),
    ],
)
def test_a_seal_over_what_no_checkpoint_seals(
    recomputing: Witness, store: Store, tmp_path: Path, number: int, told: str
) -> None:
    ingest_events(store, [paid("o-1"), paid("o-2")], tmp_path)
    asked(recomputing, store, 0, 1)
    asked(recomputing, store, 1, 2)
    said = HeadsSealed(heads="00" * 32, keys=1, map=1, size=number, tree="00" * 32)
    sealing._append(store, None, said, clock_behind=False)
    assert told in str(refused(recomputing, store, request(store, 2, 3)))


def test_two_histories_are_refused_with_both_sizes_and_kept(witness: Witness, tmp_path: Path) -> None:
    """A ledger that was restored from a backup and went on otherwise."""
    path = tmp_path / "ledger.db"
    create_store(str(path))
    with open_store(str(path)) as store:
        ingest_events(store, [paid("o-1")], tmp_path)
    backup = path.read_bytes()
    with open_store(str(path)) as store:
        first = sealed_size(store)
        ingest_events(store, [paid(f"o-{number}") for number in range(2, 9)], tmp_path)
        last = sealed_size(store)
        asked(witness, store, 0, last)
        then = signed(store, last)
    for beside in tmp_path.glob("ledger.db-*"):
        beside.unlink()
    path.write_bytes(backup)
    with open_store(str(path)) as store:
        again = sealed_size(store)
        assert again == first
        found = refused(witness, store, request(store, 0, again))
        assert (found.http_status, found.size) == (409, last)
        assert f"Its checkpoint covers only {again}: a ledger that was restored from an older backup" in str(found)
        ingest_events(store, [paid(f"other-{number}") for number in range(30)], tmp_path)
        other = sealed_size(store)
        found = refused(witness, store, request(store, last, other))
        assert found.http_status == 422
        assert f"over {other} records does not go on from the one over {last} that was cosigned" in str(found)
        same = refused(witness, store, request(store, last, last))
        assert (same.http_status, same.size) == (409, last)
        kept = sorted(witness.folder.glob("contradiction-*.txt"))
        assert [path.name.rpartition("-")[0] for path in kept] == [
            f"contradiction-{last}-{size}" for size in (last, other)
        ]
        assert all(then.text in path.read_text("utf-8") for path in kept)
        assert signed(store, other).text in kept[1].read_text("utf-8")
        assert cosigned_size(witness, store) == last


def test_each_other_refusal_has_its_status(witness: Witness, store: Store, tmp_path: Path) -> None:
    first, second = grown(store, tmp_path, 7, 2)
    asked(witness, store, 0, first)
    right = request(store, first, second)
    found = refused(witness, store, request(store, 0, second))
    assert (found.http_status, found.size) == (409, first)
    assert f"{first} records of {log_keys(store)[0].name} were cosigned, and the request goes on from 0" in str(found)
    found = refused(witness, store, right[:-1])
    assert found.http_status == 400 and "what is to be cosigned cannot be read: the signature lines" in str(found)
    head, _, tail = right.partition(b"\n")
    without_proof = head + b"\n\n" + tail.partition(b"\n\n")[2]
    assert refused(witness, store, without_proof).http_status == 422
    unsigned = signed(store, second)
    unsigned = unsigned._replace(signatures=unsigned.signatures[1:])
    found = refused(witness, store, right[: right.index(b"\n\n") + 2] + unsigned.whole.encode())
    assert found.http_status == 403
    assert "the checkpoint is not signed as the trust file asks: no signature of levelbook/" in str(found)
    with pytest.raises(CosignRefused, match="no log line of the trust file is of levelbook/") as caught:
        cosign(witness, right, parse_trust(b"quorum none\n"), TIME_S, store)
    assert caught.value.http_status == 404
    assert asked(witness, store, first, second)


def test_a_proof_from_nothing_must_be_empty(witness: Witness, store: Store, tmp_path: Path) -> None:
    (size,) = grown(store, tmp_path, 7, 1)
    found = request(store, 0, size).replace(b"old 0\n", b"old 0\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n")
    assert refused(witness, store, found).http_status == 422


def test_who_recomputes_needs_the_right_ledger_whole(recomputing: Witness, store: Store, tmp_path: Path) -> None:
    (size,) = grown(store, tmp_path, 8, 1)
    with pytest.raises(CosignRefused, match="a witness that recomputes needs the ledger's records; name it"):
        cosign(recomputing, request(store, 0, size), trusting(store), TIME_S)
    other = tmp_path / "other.db"
    create_store(str(other))
    with open_store(str(other)) as opened:
        found = refused(recomputing, store, request(store, 0, size), opened)
        assert f"the ledger read here is {opened.identity.id}, and the checkpoint is of levelbook/" in str(found)
    found = refused(recomputing, store, _beyond(store, size))
    assert f"the ledger ends at position {size}, but a checkpoint covers {size + 1} records" in str(found)


def _beyond(store: Store, size: int) -> bytes:
    """A request over one more record than there are."""
    text = Checkpoint(log_keys(store)[0].name, size + 1, log_root(store, size)).text
    return CosignRequest(
        0, (), SignedNote(text, tuple(sign(text, key, TIME_S) for key in log_keys(store)))
    ).text.encode()


def test_a_folder_holds_one_witness(tmp_path: Path) -> None:
    made = new_witness(tmp_path / "w", "w.example", Grade.SEEN)
    assert open_witness(tmp_path / "w") == made
    assert (tmp_path / "w" / "witness.keys").stat().st_mode & 0o777 == 0o600
    with pytest.raises(UsageError, match="holds a witness already, with keys of its own; nothing was changed"):
        new_witness(tmp_path / "w", "w.example", Grade.RECOMPUTED)
    assert open_witness(tmp_path / "w") == made
    with pytest.raises(UsageError, match=r"there is no witness in .*none; 'levelbook witness new' makes one"):
        open_witness(tmp_path / "none")
    for name in ("", "a b", "a+b", "n" * 255):
        with pytest.raises(UsageError, match="is no name for a witness: give one without spaces and plus signs"):
            new_witness(tmp_path / "x", name, Grade.SEEN)
    (tmp_path / "w" / "witness.keys").write_text("cut off")
    with pytest.raises(StoreError, match="does not hold a witness's keys, or was cut off when it was made"):
        open_witness(tmp_path / "w")


def test_a_damaged_state_cosigns_nothing(witness: Witness, store: Store, tmp_path: Path) -> None:
    (size,) = grown(store, tmp_path, 9, 1)
    (witness.folder / STATE).write_bytes(b"no database" * 1000)
    with pytest.raises(
        StoreError, match=r"cannot be read or written: .*; nothing was cosigned. Where it is damaged, only"
    ):
        asked(witness, store, 0, size)


@pytest.mark.slow
def test_of_two_requests_at_once_one_is_cosigned_and_nothing_is_rolled_back(witness: Witness, tmp_path: Path) -> None:
    """The race that C2SP tlog-witness tells of."""
    location, old = str(tmp_path / "ledger.db"), 0
    create_store(location)

    def work(body: bytes, trust: TrustPolicy) -> None:
        with open_store(location) as opened:
            try:
                cosign(witness, body, trust, TIME_S, opened)
            except CosignRefused as error:
                os.write(2, str(error).encode())
                raise SystemExit(1) from None

    for number in range(6):
        bodies = {}
        for part in range(2):
            with open_store(location) as store:
                ingest_events(store, [paid(f"o-{number}-{part}")], tmp_path)
                size, trust = sealed_size(store), trusting(store)
                bodies[size] = request(store, old, size)
        children = {}
        for size, body in bodies.items():
            (folder := tmp_path / f"{size}").mkdir()
            children[size] = Child(folder, partial(work, body, trust))
        ended = {size: child.end() for size, child in children.items()}
        (old,) = [size for size, found in ended.items() if found.status == 0]
        (other,) = [found for found in ended.values() if found.status == 1]
        assert f"ask again, going on from {old}" in other.err, other
        with open_store(location) as store:
            assert cosigned_size(witness, store) == old


@pytest.mark.kills
@pytest.mark.slow
def test_a_witness_killed_at_any_moment_goes_on(witness: Witness, tmp_path: Path) -> None:
    """What it answered is kept, and what it did not answer it can be asked again."""
    location = str(tmp_path / "ledger.db")
    create_store(location)
    chance, old, killed = Random(11), 0, 0

    def work(body: bytes, trust: TrustPolicy) -> None:
        with open_store(location) as opened:
            os.write(1, cosign(witness, body, trust, TIME_S, opened).encode())

    took = 0.0
    for number in range(12):
        with open_store(location) as store:
            ingest_events(store, [paid(f"o-{number}-{each}") for each in range(60)], tmp_path)
            size, trust, kept = sealed_size(store), trusting(store), old
        for attempt in range(5):
            with open_store(location) as store:
                body = request(store, kept, size)
            child = Child(tmp_path, partial(work, body, trust))
            ended = child.end(chance.uniform(0, took) if number and attempt < 4 else None)
            took = took or monotonic() - child.began
            killed += ended.status is None
            with open_store(location) as store:
                kept = cosigned_size(witness, store)
            assert kept == size if ended.status == 0 else kept in (old, size)
            if ended.status == 0:
                assert len(parse_signatures(ended.out)) == 2
                break
        assert kept == size
        old = size
    assert killed >= 4
