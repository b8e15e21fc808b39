"""A ledger comes back from a backup, into either database, as it was: whole or not at all."""

import sqlite3
import time
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from domain.calendar import shanghai_text
from replay.errors import NoStoreError, StoreError, UsageError
from replay.history.browse import list_subjects
from replay.integrity import backup
from replay.integrity import restore as restoring
from replay.integrity.backup import back_up
from replay.integrity.restore import restore
from replay.integrity.verify import Verified, verify
from replay.recording.erase import erase_at_month_end, erase_now
from replay.sealing.checkpoint import begin_keys, make_checkpoint
from replay.sealing.keys import SIGNING_VARIABLE
from replay.sealing.proofs import latest_checkpoint
from replay.store.base.store import Store
from replay.store.beside import locked
from replay.store.buyers import KEY_VARIABLE
from replay.store.evidence.checkpoints import add_cosignature
from replay.store.location import is_postgres
from replay.store.opening import create_store, open_store
from tests.conftest import KEY, SOAK
from tests.support.aliases import change
from tests.support.making import ingest_events, paid
from tests.support.running import run
from tests.worlds.ledgers import World

TABLES = (
    *("ledger", "records", "tally", "buyers", "erasures_due", "key_chains"),
    *("log_tree", "heads", "head_buckets", "checkpoints", "cosignatures"),
)


def contents(location: str) -> dict[str, Any]:
    """Every row of a store, and of rows of chains, which begin where a batch did, what they hold."""
    with open_store(location) as store:
        found: dict[str, Any] = {name: rows_of(store, f"SELECT * FROM {name}") for name in TABLES}
        chains = store._query("SELECT chains FROM stream_chains ORDER BY position")
        return found | {"stream_chains": b"".join(bytes(some) for (some,) in chains)}


def rows_of(store: Store, sql: str) -> list[tuple[Any, ...]]:
    return sorted(
        (tuple(bytes(value) if isinstance(value, memoryview) else value for value in row) for row in store._query(sql)),
        key=repr,
    )


@pytest.fixture
def whole(location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A ledger with a row in every table: a buyer erased and one to be, seals, checkpoints and a cosignature."""
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    monkeypatch.setenv(SIGNING_VARIABLE, "5b" * 32)
    monkeypatch.setattr(backup, "COPY_ROWS", 97)
    create_store(location)
    with open_store(location) as store:
        buyers = [paid("gone", buyer="gone"), paid("goes", shanghai_text(store.now()), buyer="goes")]
        ingest_events(store, [*World(3).events(300), *buyers], tmp_path)
        begin_keys(store)
        make_checkpoint(store)
        erase_now(store, "gone", "request")
        erase_at_month_end(store, "goes", "request")
        size = make_checkpoint(store).seal.position
        with store.writing() as transaction:
            add_cosignature(transaction, size, "w.example+00000000", "— w.example AAAAAAAAAAA=\n")
    return location


@pytest.fixture
def elsewhere(location: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """An empty place in the other database."""
    if is_postgres(location):
        return str(tmp_path / "elsewhere.db")
    url: str = request.getfixturevalue("postgres_location")
    return url


def backed_up(location: str, path: Path) -> Path:
    with open_store(location) as store:
        back_up(store, path)
    return path


@pytest.mark.slow
def test_a_ledger_moves_to_the_other_database_and_back_as_it_was(whole: str, elsewhere: str, tmp_path: Path) -> None:
    before = contents(whole)
    assert all(before.values())
    found = restore(backed_up(whole, tmp_path / "there.db"), elsewhere)
    assert (found.problems, found.records, found.seals_unchecked) == ([], len(before["records"]), None)
    assert contents(elsewhere) == before
    back = str(tmp_path / "back.db")
    restore(backed_up(elsewhere, tmp_path / "again.db"), back)
    assert contents(back) == before
    with open_store(whole) as store, open_store(elsewhere) as moved:
        assert (moved.identity, moved.head()) == (store.identity, store.head())
        assert latest_checkpoint(moved) == latest_checkpoint(store)
        assert moved.definition_problems() == moved.row_problems() == []


@pytest.mark.slow
def test_what_was_restored_is_gone_on_with(whole: str, elsewhere: str, tmp_path: Path) -> None:
    """It records, signs, decides, proves and shows as the ledger did."""
    restore(backed_up(whole, tmp_path / "copy.db"), elsewhere)
    with open_store(elsewhere) as store:
        counts, _ = ingest_events(store, [*World(3).events(300), paid("more", buyer="b-9")], tmp_path)
        assert (counts.known, counts.recorded) == (300, 1)
        assert make_checkpoint(store).is_new
        subject = str(next(iter(list_subjects(store, "merchant")))["subject"])
    for words in (["rebuild", "--sample", "3"], ["decide", "creator-level", "--period", "2022-11"], ["verify"]):
        run(*words, "--store", elsewhere)
    file, trust = str(tmp_path / "of.evidence"), tmp_path / "trust"
    run("evidence", subject, "--as-of", "2022-11-30", "--out", file, "--store", elsewhere)
    trust.write_text(run("key", "show", "--store", whole))
    run("verify-evidence", file, "--trust", str(trust))


@pytest.mark.slow
def test_a_restore_never_overwrites(whole: str, elsewhere: str, tmp_path: Path) -> None:
    copy = backed_up(whole, tmp_path / "copy.db")
    assert not restore(copy, elsewhere).stood_there
    assert restore(copy, elsewhere).stood_there, "the same once more finds it there, and verifies it"
    before = contents(elsewhere)
    with open_store(whole) as store:
        ingest_events(store, [paid("later")], tmp_path)
    for place in (elsewhere, whole):
        with pytest.raises(UsageError, match="holds a ledger already; a restore never overwrites, name an empty place"):
            restore(backed_up(whole, tmp_path / f"{len(place)}.db") if place == elsewhere else copy, place)
    assert contents(elsewhere) == before


def test_a_backup_that_is_not_sound_is_not_restored(whole: str, elsewhere: str, tmp_path: Path) -> None:
    copy = backed_up(whole, tmp_path / "copy.db")
    with closing(sqlite3.connect(copy)) as raw:
        raw.execute("DROP TRIGGER records_never_updated")
        raw.execute("UPDATE records SET record = CAST(replace(record, 'urn', 'URN') AS BLOB) WHERE position = 9")
        raw.commit()
    with pytest.raises(StoreError, match=r"copy\.db is not sound, and nothing was restored: position 9: .*another bac"):
        restore(copy, elsewhere)
    assert_nothing_at(elsewhere)
    with pytest.raises(UsageError, match=r"there is no backup at .*none; name a file that 'levelbook backup' made"):
        restore(tmp_path / "none", elsewhere)


def assert_nothing_at(place: str) -> None:
    with pytest.raises(NoStoreError):
        open_store(place)
    if not is_postgres(place):
        assert not list(Path(place).parent.glob(f".{Path(place).name}.restoring*[!k]"))


def test_what_another_database_left_is_not_read_into_it(tmp_path: Path) -> None:
    create_store(str(tmp_path / "ledger.db"))
    copy = backed_up(str(tmp_path / "ledger.db"), tmp_path / "copy.db")
    (tmp_path / "new.db-wal").write_bytes(b"left")
    with pytest.raises(UsageError, match=r"new\.db-wal was left by another database, which would be read into what is"):
        restore(copy, str(tmp_path / "new.db"))
    with pytest.raises(UsageError, match=r"the folder .*nowhere for the store does not exist"):
        restore(copy, str(tmp_path / "nowhere" / "new.db"))
    assert not (tmp_path / "new.db").exists()
    lock = tmp_path / ".free.db.restoring.lock"
    with (
        locked(lock, StoreError("")),
        pytest.raises(StoreError, match="is under way: nothing was done by this one"),
    ):
        restore(copy, str(tmp_path / "free.db"))


def test_what_was_left_beside_the_end_of_a_link_is_not_read_into_it(tmp_path: Path, monkeypatch: Any) -> None:
    create_store(str(tmp_path / "ledger.db"))
    copy = backed_up(str(tmp_path / "ledger.db"), tmp_path / "copy.db")
    (tmp_path / "far").mkdir()
    (tmp_path / "link.db").symlink_to(tmp_path / "far" / "end.db")
    left = tmp_path / "far" / "end.db-wal"
    left.write_bytes(b"left")
    with pytest.raises(UsageError, match=r"far/end\.db-wal was left by another database, which would be read into wh"):
        restore(copy, str(tmp_path / "link.db"))
    left.unlink()

    def meanwhile(*asked: Any) -> Verified:
        left.write_bytes(b"left")
        return backup.make_copy(*asked)

    with monkeypatch.context() as patched:
        patched.setattr(restoring, "make_copy", meanwhile)
        with pytest.raises(UsageError, match=r"far/end\.db-wal was left by another database, which would be read into"):
            restore(copy, str(tmp_path / "link.db"))
    assert not (tmp_path / "far" / "end.db").exists()
    left.unlink()
    assert not restore(copy, str(tmp_path / "link.db")).stood_there and (tmp_path / "far" / "end.db").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("table", ["buyers", "erasures_due"])
def test_what_stands_there_is_the_backup_with_its_aliases_and_requests_alone(
    table: str, whole: str, elsewhere: str, tmp_path: Path
) -> None:
    copy = backed_up(whole, tmp_path / "copy.db")
    restore(copy, elsewhere)
    change(elsewhere, [(f"DELETE FROM {table} WHERE key IN (SELECT key FROM erasures_due)", ())])
    with pytest.raises(UsageError, match=r"holds this ledger already, but other rows of ") as refused:
        restore(copy, elsewhere)
    assert f" {table} than the backup" in str(refused.value)
    assert " than the backup, which are no part of its records; a restore never overwrites, name" in str(refused.value)


def test_a_copy_that_is_another_is_told(
    whole: str, elsewhere: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk or a database that does not keep what it was given."""
    copy = backed_up(whole, tmp_path / "copy.db")

    def found(store: Store, *rest: Any, **named: Any) -> Verified:
        result = verify(store, *rest, **named)
        if store.name != str(copy):
            result.problems.append("position 3: another one")
        return result

    monkeypatch.setattr(restoring, "verify", found)
    with pytest.raises(StoreError, match="another one; remove it, look at the database and its disk"):
        restore(copy, elsewhere)


def bring(copy: Path, place: str) -> None:
    restore(copy, place)


@pytest.mark.slow
@pytest.mark.kills
def test_a_restore_that_is_killed_leaves_nothing_or_the_whole(
    whole: str, elsewhere: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "COPY_ROWS", 3)
    copy, before = backed_up(whole, tmp_path / "copy.db"), contents(whole)
    fork, seen, rounds = get_context("fork"), set[bool](), 6 * SOAK
    began = time.monotonic()
    restore(copy, str(tmp_path / "timed.db"))
    seconds = time.monotonic() - began
    for number in range(rounds):
        child = fork.Process(target=bring, args=(copy, elsewhere))
        child.start()
        child.join(seconds * 1.3 * number / rounds)
        child.kill()
        child.join()
        seen.add(stands := not is_missing(elsewhere))
        if stands:
            assert contents(elsewhere) == before
            break
    assert False in seen
    restore(copy, elsewhere)
    assert contents(elsewhere) == before
    if not is_postgres(elsewhere):
        assert {path.name for path in tmp_path.glob(".elsewhere*")} == {".elsewhere.db.restoring.lock"}


def is_missing(place: str) -> bool:
    deadline = time.monotonic() + 20
    while True:
        try:
            open_store(place).close()
        except NoStoreError:
            return True
        except StoreError:  # the server still ends the transaction of who was killed
            assert time.monotonic() < deadline
            time.sleep(0.05)
            continue
        return False
