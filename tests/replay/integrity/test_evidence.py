"""What is kept for evidence is held against the records: whoever seals, signs or keeps something else is found."""

import re
from pathlib import Path

import pytest
from msgspec import structs

from domain.events import HeadsSealed
from replay.errors import DamagedError
from replay.integrity import verify as verifying
from replay.integrity.backup import back_up
from replay.integrity.verify import verify
from replay.proving.heads_trie import key_hash
from replay.proving.notes import SignedNote, parse_note, sign
from replay.sealing import heads as drafting
from replay.sealing import seal
from replay.sealing.checkpoint import begin_keys, make_checkpoint
from replay.sealing.keys import SIGNING_VARIABLE, Secret, signers
from replay.sealing.proofs import latest_checkpoint
from replay.sealing.seal import seal_heads
from replay.store.base.store import Store
from replay.store.evidence import heads
from replay.store.evidence.checkpoints import add_cosignature
from replay.store.evidence.copies import COPIED, copied_rows
from replay.store.evidence.heads import KeyHead
from replay.store.evidence.log_tree import log_reach
from replay.store.evidence.seals import Seal, seals
from replay.store.opening import create_store, open_store
from tests.support.aliases import change
from tests.support.chains import make_older
from tests.support.making import event, ingest_events, paid
from tests.worlds.ledgers import World

SECRET = "11" * 32


@pytest.fixture
def signed(location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A ledger with keys and checkpoints after 301, 604 and 807 records, and some more behind them."""
    monkeypatch.setenv(SIGNING_VARIABLE, SECRET)
    create_store(location)
    with open_store(location) as store:
        begin_keys(store)
        events = list(World(4).events(820))
        for begin, end in ((0, 300), (300, 602), (602, 804)):
            ingest_events(store, events[begin:end], tmp_path)
            make_checkpoint(store)
        ingest_events(store, events[804:], tmp_path)
        assert [made.size for made in seals(store)] == [301, 604, 807] and log_reach(store) == 768
    return location


@pytest.fixture(params=[False, True], ids=["walked by one", "walked by two"])
def by_two(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param:
        monkeypatch.setattr(verifying, "RECORDS_BEFORE_HELP", 2)


@pytest.mark.slow
def test_what_is_right_is_found_sound(signed: str, by_two: None) -> None:
    with open_store(signed) as store:
        assert verify(store).problems == []
        with store.writing() as transaction:
            add_cosignature(transaction, 808, "w.example+00000000", "— w.example AAAAAAAAAAA=\n")
        assert verify(store).problems == []


def test_a_draft_is_no_fault(signed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with open_store(signed) as store:
        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(seal, "_append", killed)
            seal_heads(store)
        assert verify(store).problems == []


FIRST_ROW = "(SELECT key_hash FROM heads WHERE size = 604 ORDER BY key_hash LIMIT 1)"
NOTE_OF_605 = "UPDATE checkpoints SET note = (SELECT note FROM checkpoints WHERE size = 605)"
WRONG = b"x" * 32
CHANGES = {
    "a hash of the log": ("UPDATE log_tree SET hash = ? WHERE level = 8 AND number = 1", (WRONG,)),
    "a hash above": ("UPDATE log_tree SET hash = ? WHERE level = 9", (WRONG,)),
    "a hash of the log too few": ("DELETE FROM log_tree WHERE level = 9 AND hash <> ?", (WRONG,)),
    "a gap in the log": ("DELETE FROM log_tree WHERE level = 8 AND number = 1 AND hash <> ?", (WRONG,)),
    "a level too many": ("INSERT INTO log_tree VALUES (10, 0, ?)", (WRONG,)),
    "a head": (f"UPDATE heads SET state = ? WHERE size = 604 AND key_hash = {FIRST_ROW}", (WRONG,)),
    "a head too few": (f"DELETE FROM heads WHERE state <> ? AND size = 604 AND key_hash = {FIRST_ROW}", (WRONG,)),
    "a head too many": ("INSERT INTO heads VALUES (?, 604, ?)", (WRONG, WRONG)),
    "heads of no seal": ("INSERT INTO heads VALUES (?, 605, ?)", (WRONG, WRONG)),
    "a bucket": ("UPDATE head_buckets SET root = ? WHERE size = 604", (WRONG,)),
    "a count of keys": ("UPDATE head_buckets SET keys = keys + 1 WHERE size = 604 AND root <> ?", (WRONG,)),
    "a checkpoint of no seal": ("INSERT INTO checkpoints VALUES (700, ?)", (WRONG,)),
    "no checkpoint": ("UPDATE checkpoints SET note = ? WHERE size = 605", (WRONG,)),
    "a checkpoint of another size": (f"{NOTE_OF_605} WHERE size = 808 AND note <> ?", (WRONG,)),
    "a cosignature of nothing": ("INSERT INTO cosignatures VALUES (700, 'w.example+00000000', ?)", ("x",)),
    "no cosignature": ("INSERT INTO cosignatures VALUES (605, 'w.example+00000000', ?)", ("x",)),
    "a cosignature of another": ("INSERT INTO cosignatures VALUES (605, 'w.example+11111111', ?)",
                                 ("— w.example AAAAAAAAAAA=\n",)),
}  # fmt: skip
TOLD = {
    "a hash of the log": "log_tree holds 7878.* as hash 1 of level 8, but the records up to position 512 give ",
    "a hash above": "log_tree holds 7878.* as hash 0 of level 9, but the records up to position 512 give ",
    "a hash of the log too few": "log_tree holds 0 hashes of level 9, where 1 belong",
    "a gap in the log": "log_tree holds hash 2 of level 8 where hash 1 belongs",
    "a level too many": "log_tree holds 1 hashes of level 10, where 0 belong",
    "a head": "heads or head_buckets do not hold over 604 records .*: the head of the key with hash .* is another one",
    "a head too few": "heads or head_buckets do not hold over 604 records .* is missing",
    "a head too many": "heads or head_buckets do not hold over 604 records .* hash 7878.* is extra",
    "heads of no seal": "heads or head_buckets do not hold over 605 records what these give: no seal is over so many",
    "a bucket": "do not hold over 604 records what these give: the root over a bucket is missing, extra or another one",
    "a count of keys": "do not hold over 604 records what these give: the root over a bucket is missing",
    "a checkpoint of no seal": "checkpoints holds one over 700 records, the last of which is no seal",
    "no checkpoint": "checkpoints holds one over 605 records that is no signed note: ",
    "a checkpoint of another size": r"checkpoints holds one over 808 records that says '.*\\n605\\n",
    "a cosignature of nothing": r"cosignatures holds one of w.example\+00000000 over 700 records that is no signature",
    "no cosignature": r"cosignatures holds one of w.example\+00000000 over 605 records that is no signature",
    "a cosignature of another": r"cosignatures holds one of w.example\+11111111 over 605 records that is no signature",
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_was_changed_is_named(signed: str, what: str) -> None:
    change(signed, [CHANGES[what]])
    with open_store(signed) as store:
        problems = verify(store).problems
        assert len(problems) == 1
        with pytest.raises(AssertionError, match=TOLD[what]):
            raise AssertionError(problems[0])


def said_falsely(field: str, value: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let seals say something else."""
    append = seal._append

    def changed(store: Store, before: Seal | None, said: HeadsSealed, *, clock_behind: bool) -> Seal:
        return append(store, before, structs.replace(said, **{field: value}), clock_behind=clock_behind)

    monkeypatch.setattr(seal, "_append", changed)


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("tree", "78" * 32, "the seal says that the log tree over 824 records is 7878"),
        ("heads", "78" * 32, "the seal says that the heads of "),
        ("keys", 7, "the seal says that the heads of 7 keys over 824 records are "),
        ("size", 100, "the seal says that it is over 100 records, which is not between 807 and its own position"),
        ("size", 825, "the seal says that it is over 825 records, which is not between 807 and its own position"),
        ("tree", "7", "is damaged"),
    ],
)
def test_a_seal_that_says_something_else_is_named(
    signed: str, monkeypatch: pytest.MonkeyPatch, field: str, value: object, told: str
) -> None:
    said_falsely(field, value, monkeypatch)
    with open_store(signed) as store:
        try:
            seal_heads(store)
        except DamagedError:
            assert value == "7"
        (problem,) = verify(store).problems
        assert told in problem and "position 825" in problem


def test_an_event_that_was_hidden_is_found_although_all_later_seals_are_right(
    location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that is kept fits the seal that hides it, and so do its proofs."""
    create_store(location)
    with open_store(location) as store:
        ingest_events(store, [paid(f"o-{number}") for number in range(5)], tmp_path)
        seal_heads(store)
        ingest_events(store, [paid("hidden"), event("merchant.closed", "c", subject="merchant/m-2")], tmp_path)
        hidden, moved = key_hash("stream merchant/m-1"), heads.moved_heads

        def without(*args: object) -> list[KeyHead]:
            return [head for head in moved(*args) if head.key_hash != hidden]  # type: ignore[arg-type]

        with monkeypatch.context() as patched:
            patched.setattr(drafting, "moved_heads", without)
            lie = seal_heads(store)
        assert lie.keys == 3
        (problem,) = verify(store).problems
        assert f"position {lie.position}: the seal says that the heads of 3 keys over 8 records are " in problem
        assert problem.endswith(": events of a subject were left out of it, or made up")
        ingest_events(store, [paid("again")], tmp_path)
        seal_heads(store)
        assert verify(store).problems == [problem]


@pytest.mark.parametrize(
    ("secrets", "told"),
    [
        (
            ["22" * 32],
            r"with a signature of levelbook/[0-9a-f]{32}, key id [0-9a-f]{8}, that is not right",
        ),
        ([], "that the keys in force then have not all signed"),
    ],
)
def test_a_note_that_the_keys_in_force_did_not_sign_is_named(
    signed: str, monkeypatch: pytest.MonkeyPatch, secrets: list[str], told: str
) -> None:
    with open_store(signed) as store:
        found = latest_checkpoint(store)
        assert found is not None
        text = parse_note(found.note).text
        keys = [key for secret in secrets for key in Secret(bytes.fromhex(secret), "").keys(store.identity.id)]
        keys = keys or signers(store).keys[:1]
        note = SignedNote(text, tuple(sign(text, key, 1) for key in keys)).whole.encode()
    change(signed, [("UPDATE checkpoints SET note = ? WHERE size = 808", (note,))])
    with open_store(signed) as store:
        (problem,) = verify(store).problems
        assert re.search(f"checkpoints holds one over 808 records {told}", problem)


def test_a_backup_holds_what_is_kept_for_evidence(signed: str, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    with open_store(signed) as store:
        with store.writing() as transaction:
            add_cosignature(transaction, 808, "w.example+00000000", "— w.example AAAAAAAAAAA=\n")
        assert back_up(store, copy).source_problems == []
        with open_store(str(copy)) as copied:
            for table in COPIED:
                assert list(copied_rows(copied, table)) == list(copied_rows(store, table)) != []
            assert latest_checkpoint(copied) == latest_checkpoint(store)
            assert make_checkpoint(copied).seal.size == make_checkpoint(store).seal.size


def test_a_ledger_of_an_earlier_version_is_backed_up_without(location: str, tmp_path: Path) -> None:
    create_store(location)
    with open_store(location) as store:
        ingest_events(store, [paid("o-1")], tmp_path)
    make_older(location)
    with open_store(location) as store:
        assert back_up(store, tmp_path / "copy.db").problems == []
