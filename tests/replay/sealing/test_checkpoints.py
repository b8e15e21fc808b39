"""Checkpoints: what is signed is the log as it is, by the keys in force; keys are made, replaced and lost."""

import time
from collections.abc import Sequence
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from random import Random

import pytest

from replay.errors import StoreError, UsageError
from replay.proving.checkpoint import origin_of, parse_checkpoint
from replay.proving.log_tree import root_by_inclusion
from replay.proving.notes import parse_note, parse_verifier_key
from replay.proving.trust import judge, parse_trust
from replay.sealing import checkpoint, keys, seal
from replay.sealing.checkpoint import MadeCheckpoint, begin_keys, has_keys, make_checkpoint, replace_keys
from replay.sealing.keys import NEXT_VARIABLE, SIGNING_VARIABLE, shown_keys
from replay.sealing.proofs import inclusion, latest_checkpoint
from replay.store.base.store import Store
from replay.store.evidence.announced import announcements
from replay.store.evidence.checkpoints import add_cosignature, stored_checkpoints
from replay.store.evidence.seals import latest_seal
from replay.store.location import is_postgres
from replay.store.opening import create_store, open_store
from replay.store.reading.row import leaf_hash
from tests.conftest import SOAK
from tests.oracles.evidence import oracle_log_root
from tests.support.making import ingest_events, paid, records
from tests.support.running import run

FIRST, SECOND, THIRD = "11" * 32, "22" * 32, "33" * 32


@pytest.fixture
def signing(location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A ledger of ten records with keys: in a file beside it, or where there can be none in the environment."""
    if is_postgres(location):
        monkeypatch.setenv(SIGNING_VARIABLE, FIRST)
    create_store(location)
    with open_store(location) as store:
        ingest_events(store, [paid(f"o-{number}") for number in range(10)], tmp_path)
        begin_keys(store)
    return location


def assert_trusted(store: Store, made: MadeCheckpoint, trusts: Sequence[str]) -> None:
    """The note is the ledger's at the size of its seal, and is believed by whoever has one of some trust files."""
    note, origin = parse_note(made.note), origin_of(store.identity.id)
    said = parse_checkpoint(note.text)
    stored = records(store)
    assert (
        said == (origin, made.seal.position, oracle_log_root(stored[: made.seal.position])) and said.root == made.root
    )
    for trust in trusts:
        judged = judge(note, parse_trust(trust.encode()), origin)
        assert judged.is_trusted and len(judged.signed) >= 2
    path = inclusion(store, made.seal.position, said.size)
    assert root_by_inclusion(leaf_hash(made.seal.record), made.seal.position - 1, said.size, path) == said.root


def test_a_checkpoint_is_signed_by_both_keys_and_kept(signing: str, tmp_path: Path) -> None:
    with open_store(signing) as store:
        trust = shown_keys(store).trust
        made = make_checkpoint(store)
        assert made.is_new and made.seal.position == 12 and made.seal.size == 11
        assert_trusted(store, made, [trust])
        again = make_checkpoint(store)
        assert not again.is_new and again[1:4] == made[1:4] and store.head().position == 12
        ingest_events(store, [paid("more")], tmp_path)
        later = make_checkpoint(store)
        assert later.seal.position == 14
        assert_trusted(store, later, [trust])
        assert [kept.size for kept in stored_checkpoints(store)] == [12, 14]
        assert latest_checkpoint(store) == (14, later.note)
        assert [key.kind for key in map(parse_verifier_key, shown_keys(store).vkeys)] == [1, 6]


def test_what_witnesses_sign_is_kept_with_a_checkpoint(signing: str) -> None:
    with open_store(signing) as store:
        made = make_checkpoint(store)
        with store.writing() as transaction:
            assert add_cosignature(transaction, made.seal.position, "w.example+0badcafe", "— w.example AAAA\n")
            assert not add_cosignature(transaction, made.seal.position, "w.example+0badcafe", "— w.example BBBB\n")
            assert add_cosignature(transaction, made.seal.position, "v.example+0badcafe", "— v.example CCCC\n")
        found = latest_checkpoint(store)
        assert found is not None and found.note == made.note + "— v.example CCCC\n— w.example AAAA\n".encode()
        assert make_checkpoint(store).note == found.note


def test_keys_are_announced_once_and_the_secret_is_private(signing: str) -> None:
    with open_store(signing) as store:
        assert has_keys(store)
        with pytest.raises(UsageError, match="announced its keys at position 11: 'levelbook key show' tells them"):
            begin_keys(store)
        path = store.signing_path()
        if path is not None:
            assert path.stat().st_mode & 0o777 == 0o600 and len(path.read_text()) == 65
        (made,) = announcements(store)
        assert (made.said.lost, made.said.reason, made.said.replaces) == (False, None, [])
        assert shown_keys(store).announced[0]["position"] == made.position == 11


def test_a_ledger_without_keys_signs_nothing(store: Store, tmp_path: Path) -> None:
    ingest_events(store, [paid("o-1")], tmp_path)
    assert not has_keys(store)
    for work in (make_checkpoint, shown_keys, partial(replace_keys, reason="r", lost=True)):
        with pytest.raises(UsageError, match="has no keys to sign with: 'levelbook key new' makes them"):
            work(store)
    assert store.head().position == 1


def test_keys_are_rotated_and_both_sign_once(signing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_store(signing) as store:
        make_checkpoint(store)
        before = shown_keys(store)
        if is_postgres(signing):
            monkeypatch.setenv(NEXT_VARIABLE, SECOND)
        done = replace_keys(store, "the yearly change", lost=False)
        if is_postgres(signing):
            assert done.left_to_do == f"now put the secret of {NEXT_VARIABLE} into {SIGNING_VARIABLE}"
            monkeypatch.delenv(NEXT_VARIABLE)
            monkeypatch.setenv(SIGNING_VARIABLE, SECOND)
        else:
            assert done.left_to_do is None and not Path(f"{signing}.signing.next").exists()
        after = shown_keys(store)
        assert done.replaced == before.vkeys and done.vkeys == after.vkeys and not {*before.vkeys} & {*after.vkeys}
        both = make_checkpoint(store)
        assert not both.is_new
        assert_trusted(store, both, [before.trust, after.trust])
        ingest_events(store, [paid("more")], tmp_path)
        later = make_checkpoint(store)
        assert_trusted(store, later, [after.trust])
        assert not judge(
            parse_note(later.note), parse_trust(before.trust.encode()), origin_of(store.identity.id)
        ).is_trusted
        assert shown_keys(store).announced[1]["reason"] == "the yearly change"


def test_keys_that_are_lost_sign_no_more(signing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if is_postgres(signing):
        monkeypatch.setenv(SIGNING_VARIABLE, THIRD)
    else:
        Path(f"{signing}.signing").unlink()
    with open_store(signing) as store:
        before = shown_keys(store)
        with pytest.raises(UsageError, match=r"looked for in .*\. Bring their secret back from its copy"):
            make_checkpoint(store)
        if is_postgres(signing):
            with pytest.raises(UsageError, match=f"must be given in {NEXT_VARIABLE}: 64 hexadecimal digits"):
                replace_keys(store, "the disk broke", lost=True)
            monkeypatch.setenv(NEXT_VARIABLE, SECOND)
        with pytest.raises(UsageError, match="are not there to sign with: bring their secret back from its copy"):
            replace_keys(store, "the disk broke", lost=False)
        replace_keys(store, "the disk broke", lost=True)
        made = make_checkpoint(store)
        assert_trusted(store, made, [shown_keys(store).trust])
        assert not {key.key_id for key in map(parse_verifier_key, before.vkeys)} & {
            line.key_id for line in parse_note(made.note).signatures
        }
        assert announcements(store)[-1].said.lost


def test_stolen_keys_that_are_still_there_do_not_sign_either(signing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_store(signing) as store:
        if is_postgres(signing):
            monkeypatch.setenv(NEXT_VARIABLE, SECOND)
        replace_keys(store, "others have it", lost=True)
        assert len(parse_note(make_checkpoint(store).note).signatures) == 2


def test_a_secret_from_before_is_not_taken_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SIGNING_VARIABLE, FIRST)
    begin_keys(store)
    monkeypatch.setenv(NEXT_VARIABLE, SECOND)
    replace_keys(store, "r", lost=False)
    monkeypatch.setenv(SIGNING_VARIABLE, SECOND)
    monkeypatch.setenv(NEXT_VARIABLE, FIRST)
    with pytest.raises(UsageError, match="were in force before; nothing was announced: make others"):
        replace_keys(store, "r", lost=False)


def test_the_same_secret_gives_other_keys_to_another_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SIGNING_VARIABLE, FIRST)
    made = []
    for name in ("a.db", "b.db"):
        create_store(str(tmp_path / name))
        with open_store(str(tmp_path / name)) as store:
            made.append({parse_verifier_key(vkey).public for vkey in begin_keys(store)})
            assert not (tmp_path / f"{name}.signing").exists()
    assert not made[0] & made[1]


@pytest.mark.parametrize("text", ["", "5a" * 31, "zz" * 32, "5a" * 33, "5a " * 32])
def test_what_is_no_secret_is_refused(store: Store, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(SIGNING_VARIABLE, text)
    with pytest.raises(UsageError, match="holds no key to sign with: 64 hexadecimal digits are needed"):
        begin_keys(store)
    assert store.head().position == 0


def test_a_secret_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    create_store(str(tmp_path / "a.db"))
    (tmp_path / "a.db.signing").mkdir()
    told = r"the key to sign with .*a\.db\.signing cannot be read: Is a directory"
    with open_store(str(tmp_path / "a.db")) as store, pytest.raises(StoreError, match=told):
        begin_keys(store)


@pytest.mark.parametrize("where", ["_announce", "_made", "settle_rotation"])
def test_a_rotation_that_is_killed_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """Before its announcement, before both sign it, and before the secret takes its place."""

    class Killed(Exception):
        pass

    def killed(*_: object, **__: object) -> None:
        raise Killed

    create_store(str(tmp_path / "a.db"))
    with open_store(str(tmp_path / "a.db")) as store:
        begin_keys(store)
        before = shown_keys(store)
        with monkeypatch.context() as patched, pytest.raises(Killed):
            patched.setattr(keys if where == "_announce" else checkpoint, where, killed)
            replace_keys(store, "r", lost=False)
        made = make_checkpoint(store)
        assert_trusted(store, made, [before.trust, shown_keys(store).trust])
        replace_keys(store, "r", lost=False)
        assert not (tmp_path / "a.db.signing.next").exists()
        assert len(announcements(store)) == 2
        assert_trusted(store, make_checkpoint(store), [shown_keys(store).trust])


def test_other_keys_meanwhile_are_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create_store(str(tmp_path / "a.db"))
    with open_store(str(tmp_path / "a.db")) as store:
        begin_keys(store)
        seal_heads = seal.seal_heads

        def overtaken(*args: object, **options: object) -> object:
            keys.rotate_keys(store, "r", lost=False)
            return seal_heads(*args, **options)  # type: ignore[arg-type]

        monkeypatch.setattr(checkpoint, "seal_heads", overtaken)
        with pytest.raises(StoreError, match="other keys or another checkpoint came meanwhile; nothing was signed"):
            make_checkpoint(store)
        assert list(stored_checkpoints(store)) == []


def test_a_run_of_decisions_ends_with_a_checkpoint(signing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run("decide", "merchant-reputation", "--month", "2022-11", "--store", signing)
    with open_store(signing) as store:
        made, found = latest_seal(store), latest_checkpoint(store)
        assert made is not None and found is not None and found.size == made.position == store.head().position
        assert made.size == made.position - 1 > 12
    monkeypatch.setenv(SIGNING_VARIABLE, THIRD)
    told = run("decide", "merchant-reputation", "--month", "2022-12", "--store", signing)
    assert "no checkpoint was made: the keys that " in told
    with open_store(signing) as store:
        assert store.head().position > found.size


def test_the_commands_make_keys_and_print_what_others_read(signing: str, tmp_path: Path) -> None:
    trust = run("key", "show", "--store", signing)
    note = run("checkpoint", "--store", signing)
    with open_store(signing) as store:
        assert judge(parse_note(note.encode()), parse_trust(trust.encode()), origin_of(store.identity.id)).is_trusted


def sign(location: str) -> None:
    with open_store(location) as store:
        make_checkpoint(store)


def record_on(location: str, folder: str, seed: int) -> None:
    with open_store(location) as store:
        for number in range(1_000):
            ingest_events(store, [paid(f"on-{seed}-{number}")], Path(folder))


@pytest.mark.slow
@pytest.mark.kills
def test_checkpoints_that_are_killed_at_any_moment_leave_a_sound_row_of_them(signing: str, tmp_path: Path) -> None:
    chance, fork = Random(4), get_context("fork")
    for number in range(15 * SOAK):
        works = [partial(sign, signing)] * chance.choice((1, 2)) + [partial(record_on, signing, str(tmp_path), number)]
        children = [fork.Process(target=work) for work in works]
        for child in children:
            child.start()
        time.sleep(chance.uniform(0.05, 0.9))
        for child in children:
            child.kill()
            child.join()
    with open_store(signing) as store:
        trust = parse_trust(shown_keys(store).trust.encode())
        make_checkpoint(store)
        made = list(stored_checkpoints(store))
        assert len(made) > 1
        stored = records(store)
        for size, note in made:
            parsed = parse_note(note)
            assert judge(parsed, trust, origin_of(store.identity.id)).is_trusted
            assert parse_checkpoint(parsed.text).root == oracle_log_root(stored[:size])
