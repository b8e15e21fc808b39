"""A folder of backups: whole ones with their hashes, of which the latest stay, and nothing of others goes."""

import json
import re
import subprocess
import time
from collections.abc import Iterator
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import Any

import pytest

from replay.errors import StoreError, UsageError
from replay.integrity import backup_folder
from replay.integrity.backup import BackedUp, back_up
from replay.integrity.backup_folder import HASH_SUFFIX, LOCK, back_up_into, backups_in, latest_in
from replay.integrity.restore import restore
from replay.integrity.verify import verify
from replay.store.base.store import Store
from replay.store.beside import locked
from replay.store.opening import create_store, open_store
from tests.conftest import SOAK
from tests.support.aliases import change
from tests.support.making import ingest_events, paid
from tests.support.running import run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "backups"
    made.mkdir()
    return made


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A clock that goes on by a second whenever it is read."""
    now = iter(range(1_700_000_000, 1_800_000_000))
    for kind in ("sqlite.SqliteStore", "postgres.PostgresStore"):
        monkeypatch.setattr(f"replay.store.{kind}.now", lambda _: next(now) * 1_000_000)
    yield


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {LOCK}


@pytest.mark.usefixtures("seconds")
def test_a_backup_says_whose_it_is_and_bears_its_hash(store: Store, folder: Path, tmp_path: Path) -> None:
    ingest_events(store, [paid("o-1"), paid("o-2")], tmp_path)
    made = back_up_into(store, folder, None)
    assert re.fullmatch(rf"levelbook-{store.identity.id[:8]}-000000000002-2023111\dT\d{{6}}Z\.db", made.file.path.name)
    assert names(folder) == {made.file.path.name, made.file.path.name + HASH_SUFFIX}
    assert (made.file.path.stat().st_mode & 0o777, made.kept, made.removed) == (0o600, 1, [])
    assert made.hash == sha256(made.file.path.read_bytes()).hexdigest()
    told = (folder / (made.file.path.name + HASH_SUFFIX)).read_text()
    assert told == f"{made.hash}  {made.file.path.name}\n"
    with open_store(str(made.file.path)) as copy:
        assert copy.head() == store.head() and verify(copy).problems == []


@pytest.mark.slow
@pytest.mark.usefixtures("seconds")
def test_the_latest_stay_and_nothing_of_others_goes(store: Store, folder: Path, tmp_path: Path) -> None:
    others = ["notes.txt", "levelbook-0-1-2.db", "ledger.db", "levelbook-00000000-000000000001-20200101T000000Z.db"]
    for name in others:
        (folder / name).write_text("of somebody else")
    made = []
    for number in range(5):
        ingest_events(store, [paid(f"o-{number}")], tmp_path)
        made.append(back_up_into(store, folder, 3))
    assert [len(done.removed) for done in made] == [0, 0, 0, 1, 1] and made[-1].kept == 3
    left = [done.file for done in made[2:]]
    assert backups_in(folder) == left and latest_in(folder) == left[-1].path
    assert names(folder) == {*others, *(f"{file.path.name}{end}" for file in left for end in ("", HASH_SUFFIX))}


def test_the_one_just_made_stays_though_a_clock_went_back(
    store: Store, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest_events(store, [paid("o-1")], tmp_path)
    first = back_up_into(store, folder, 1)
    monkeypatch.setattr(type(store), "now", lambda _: 1_600_000_000_000_000)
    second = back_up_into(store, folder, 1)
    assert second.removed == [first.file.path] and backups_in(folder) == [second.file]


@pytest.mark.usefixtures("seconds")
def test_what_holds_more_than_the_ledger_stays_and_is_the_latest(store: Store, folder: Path, tmp_path: Path) -> None:
    """The tail is cut; the clock has gone on, so that what was made last is whole by the clock alone."""
    ingest_events(store, [paid("o-1")], tmp_path)
    short = back_up_into(store, folder, None)
    ingest_events(store, [paid("o-2"), paid("o-3")], tmp_path)
    whole = back_up_into(store, folder, None)
    restore(short.file.path, str(tmp_path / "cut.db"))
    with open_store(str(tmp_path / "cut.db")) as cut:
        made = back_up_into(cut, folder, 1)
    assert made.removed == [short.file.path] and made.beyond == [whole.file.path] and made.kept == 2
    assert backups_in(folder) == [made.file, whole.file] and latest_in(folder) == whole.file.path


@pytest.mark.usefixtures("seconds")
def test_a_backup_is_named_after_its_own_head(
    store: Store, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Something is recorded between the look at the store and the copy."""
    ingest_events(store, [paid("o-1")], tmp_path)

    def later(*asked: Any) -> BackedUp:
        ingest_events(store, [paid("o-2")], tmp_path)
        return back_up(*asked)

    monkeypatch.setattr(backup_folder, "back_up", later)
    made = back_up_into(store, folder, None)
    assert (made.file.position, backups_in(folder)) == (2, [made.file])


@pytest.mark.slow
def test_the_command_tells_of_backups_that_hold_more(folder: Path, tmp_path: Path) -> None:
    create_store(str(tmp_path / "ledger.db"))
    with open_store(str(tmp_path / "ledger.db")) as store:
        ingest_events(store, [paid("o-1")], tmp_path)
        whole = f"levelbook-{store.identity.id[:8]}-000000000002-20200101T000000Z.db"
    for name in (whole, whole + HASH_SUFFIX):
        (folder / name).touch()
    asked = ("backup", "--to", str(folder), "--keep", "1", "--store", str(tmp_path / "ledger.db"))
    told = json.loads(run(*asked, "--format", "json", status=1))
    assert (told["beyond"], told["removed"]) == ([str(folder / whole)], [])
    time.sleep(1.01)  # names go by the second
    assert "ends at position 1, and stays: " in run(*asked, status=1)


def test_where_the_store_is_not_sound_none_goes(store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = back_up_into(store, folder, 1)
    monkeypatch.setattr(type(store), "now", lambda _: 1_900_000_000_000_000)
    change(store.location, [("CREATE VIEW odd AS SELECT 1", ())])
    second = back_up_into(store, folder, 1)
    assert second.removed == [] and backups_in(folder) == [first.file, second.file]


def test_what_a_killed_run_left_goes(store: Store, folder: Path) -> None:
    whole = f"levelbook-{store.identity.id[:8]}-000000000000-20200101T000000Z.db"
    (folder / f"{whole}{HASH_SUFFIX}").write_text("of none")
    for name in (
        f".{whole}.new",
        f".{whole}{HASH_SUFFIX}.new",
        f"..{whole}.new.ab12cd34.new",
        f"..{whole}.new.1.new-wal",
    ):
        (folder / name).touch()
    kept = [".levelbook-notes.new", ".other.db.new"]
    for name in kept:
        (folder / name).touch()
    made = back_up_into(store, folder, None)
    assert names(folder) == {*kept, made.file.path.name, made.file.path.name + HASH_SUFFIX}


def test_what_cannot_be_done_is_told(
    store: Store, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="nowhere is no folder for backups; make it first, on a disk other than"):
        back_up_into(store, tmp_path / "nowhere", None)
    with pytest.raises(UsageError, match="holds no backup that 'levelbook backup --to' made there; name a file"):
        latest_in(folder)
    monkeypatch.setattr(type(store), "now", lambda _: 1_600_000_000_000_000)
    made = back_up_into(store, folder, None)
    with pytest.raises(UsageError, match="exists; a backup never overwrites, make it again in a second"):
        back_up_into(store, folder, None)
    with (
        locked(folder / LOCK, StoreError("")),
        pytest.raises(StoreError, match=": nothing was made by this one; wait for it"),
    ):
        back_up_into(store, folder, None)
    create_store(str(tmp_path / "second.db"))
    with open_store(str(tmp_path / "second.db")) as second:
        back_up_into(second, folder, None)
    with pytest.raises(UsageError, match="holds backups of several ledgers "):
        restore(folder, str(tmp_path / "new.db"))
    with made.file.path.open("ab") as file:
        file.write(b"\0")
    with pytest.raises(
        StoreError,
        match=r"\. Nothing was restored; take another backup",
    ):
        restore(made.file.path, str(tmp_path / "new.db"))
    assert not (tmp_path / "new.db").exists()


@pytest.mark.slow
def test_the_command_tells_what_is_in_no_backup(location: str, folder: Path, tmp_path: Path) -> None:
    create_store(location)
    with open_store(location) as store:
        ingest_events(store, [paid("o-1")], tmp_path)
    run("rebuild", "--sample", "0", "--store", location)
    run("token", "new", "--name", "w", "--store", location)
    run("deliver", "add", "http://127.0.0.1:1/", "--allow-private", "--allow-http", "--store", location)
    run("verify", "--store", location)
    told = json.loads(run("backup", "--to", str(folder), "--keep", "1", "--store", location, "--format", "json"))
    assert (told["kept"], told["removed"], told["source_problems"]) == (1, [], [])
    assert [item["what"] for item in told["left_out"]] == ["buyer_key", "service", "deliveries", "checks", "views"]
    again = run("restore", str(folder), "--into", str(tmp_path / "new.db"), "--format", "json")
    found = json.loads(again)
    assert (found["sha256"], found["head"], found["stood_there"]) == (told["sha256"], told["head"], False)


def keep_on(location: str, folder: Path) -> None:
    with open_store(location) as store:
        for _ in range(100):
            back_up_into(store, folder, 2)
            time.sleep(1.01 - time.time() % 1)  # names go by the second


@pytest.mark.slow
@pytest.mark.kills
def test_whatever_is_killed_each_backup_that_stands_is_whole(location: str, folder: Path, tmp_path: Path) -> None:
    create_store(location)
    with open_store(location) as store:
        ingest_events(store, [paid(f"o-{number}") for number in range(30)], tmp_path)
        back_up_into(store, folder, None)
    chance, fork = Random(2), get_context("fork")
    for _ in range(4 * SOAK):
        child = fork.Process(target=keep_on, args=(location, folder))
        child.start()
        child.join(chance.uniform(0.02, 1.3))
        child.kill()
        child.join()
        found = backups_in(folder)
        assert found, "the newest one is never removed"
        subprocess.run(
            ["sha256sum", "--check", "--quiet", *(f"{backup.path.name}{HASH_SUFFIX}" for backup in found)],
            cwd=folder,
            check=True,
        )
        for backup in found:
            with open_store(str(backup.path)) as copy:
                assert verify(copy).problems == [] and copy.head().position == 30
    with open_store(location) as store:
        time.sleep(1.01)
        back_up_into(store, folder, 2)
    assert len(backups_in(folder)) == 2 and len(names(folder)) == 4
