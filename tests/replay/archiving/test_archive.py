"""A ledger whose records left for segments is the ledger that it was: what is said of it is the same, to the byte."""

import errno
import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import pytest

from domain.calendar import shanghai_text
from domain.events import STAYING_TYPES
from replay.archiving import archive as archiving
from replay.archiving import places
from replay.archiving.archive import archive, records_place
from replay.archiving.limit import MICROS_A_DAY, ArchiveLimit, archive_limit
from replay.blocks.files import SegmentBytes
from replay.blocks.form import prefix
from replay.errors import DamagedError, LevelbookError, StoreError, UsageError
from replay.integrity.backup import back_up
from replay.integrity.restore import restore
from replay.integrity.verify import verify
from replay.recording.erase import erase_now
from replay.schema.versions import BUYERS, LEFT_ALIASES, LEFT_NAMES, ROWS_LEFT, STILL_HERE, STREAM_CHAINS
from replay.store.base.store import RECORDS_VARIABLE
from replay.store.beside import locked
from replay.store.buyers import KEY_VARIABLE
from replay.store.leaving import rows as leaving
from replay.store.leaving.segments import archived_up_to
from replay.store.location import is_postgres
from replay.store.opening import create_store, open_store
from replay.store.reading.asked import EVERYTHING
from tests.conftest import KEY, SOAK, by_turns
from tests.support.archived import answers, archived, contents, made, rows_to_go, sealed, small_segments
from tests.support.earlier import put_back
from tests.support.making import ingest_events, paid
from tests.support.running import run
from tests.worlds.ledgers import World

EVENTS = 250


@pytest.fixture
def folder(location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the records of the store go, in small segments."""
    small_segments(monkeypatch)
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    return tmp_path / "ledger.db.records"


@pytest.mark.slow
@pytest.mark.parametrize(("location", "seed"), by_turns(range(3 * SOAK)), indirect=["location"])
def test_everything_is_answered_as_before_after_cuts_at_random(
    location: str, folder: Path, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaving, "AT_ONCE_FROM_ROWS", (30, 20_000)[seed // 2 % 2])
    world = made(location, tmp_path, seed)
    random = Random(seed)
    before, path = answers(location, tmp_path), tmp_path / "before.db"
    assert len(before) > 40
    with open_store(location) as store:
        rows, limit = contents(store), archive_limit(store)
        back_up(store, path)
        for below in sorted(random.sample(range(2, limit.last), 3)):
            archived(store, folder, below)
            assert archived_up_to(store) == below - 1
            assert contents(store) == rows
        assert verify(store).problems == []
        done = archived(store, folder)
        assert (done.position, done.before) == (limit.last, below - 1) and done.segments > EVENTS // 61
        assert archived(store, folder)[:2] == (limit.last, limit.last)
    assert rows_to_go(location, limit.last) == 0
    assert answers(location, tmp_path) == before
    run("verify", "--store", location)
    with open_store(location) as store:
        assert contents(store) == rows
        copy = back_up(store, tmp_path / "copy.db")
        assert copy.problems == copy.source_problems == []
        counts, watch = ingest_events(store, World(seed).events(EVENTS), tmp_path)
        assert (counts.recorded, counts.known) == (0, EVENTS) and watch.refusals == []
        counts, _ = ingest_events(store, world.events(50), tmp_path)
        assert counts.recorded == 50
        sealed(store)
        archived(store, folder)
        assert verify(store).problems == []
    with closing(sqlite3.connect(path)) as whole, closing(sqlite3.connect(tmp_path / "copy.db")) as copied:
        for one in (whole, copied):
            assert one.execute("PRAGMA user_version").fetchone() == (2,)
        sql = "SELECT * FROM records ORDER BY position"
        assert whole.execute(sql).fetchall() == copied.execute(sql).fetchall()


def test_conflicts_are_told_alike_and_what_is_known_is_known(location: str, folder: Path, tmp_path: Path) -> None:
    create_store(location)
    events = [paid("1"), paid("2", buyer="b-2"), paid("3", amount=5)]
    other = [paid("1", amount=1), paid("2", buyer="b-3"), paid("3", amount=5)]
    with open_store(location) as store:
        ingest_events(store, events, tmp_path)
        _, told = ingest_events(store, other, tmp_path)
        sealed(store)
        archived(store, folder)
        counts, told_now = ingest_events(store, other, tmp_path)
        assert [refusal for _, refusal in told_now.refusals] == [refusal for _, refusal in told.refusals]
        assert len(told.refusals) == 2 and counts.known == 1
    said = run("ingest", "--dry-run", str(tmp_path / "events.jsonl"), "--store", location, status=1)
    assert "position 1" in said and "data.amount" in said


@pytest.mark.slow
def test_views_and_segments_are_made_from_what_left(location: str, folder: Path, tmp_path: Path) -> None:
    world = made(location, tmp_path, 5, 200)
    with open_store(location) as store:
        archived(store, folder)
    run("seal", "--store", location, "--segments", str(tmp_path / "segments"))
    run("rebuild", "--sample", "5", "--store", location)
    with open_store(location) as store:
        ingest_events(store, world.events(30), tmp_path)
    run("follow", "--once", "--store", location)
    run("verify", "--store", location, "--segments", str(tmp_path / "segments"))


@pytest.mark.slow
def test_a_ledger_that_was_archived_comes_back_whole_from_a_backup(
    location: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(location, tmp_path, 3, 150)
    with open_store(location) as store:
        archived(store, folder)
        back_up(store, tmp_path / "backup.db")
        rows = contents(store)
    place = str(tmp_path / "elsewhere.db")
    assert restore(tmp_path / "backup.db", place).problems == []
    with open_store(place) as there:
        assert contents(there) == rows and there.record_segments() == [] and verify(there).problems == []
    assert restore(tmp_path / "backup.db", location).stood_there


def test_an_erasure_finds_the_payments_of_a_buyer_that_left(location: str, folder: Path, tmp_path: Path) -> None:
    create_store(location)
    with open_store(location) as store:
        now = shanghai_text(store.now())
        ingest_events(store, [paid("1", now, buyer="b-1"), paid("2", buyer="b-2")], tmp_path)
        sealed(store)
        archived(store, folder)
        with pytest.raises(UsageError, match="at 1 of 1 merchants something happened to the buyer's orders this month"):
            erase_now(store, "b-1", "request")
        assert erase_now(store, "b-2", "request")[1:3] == (1, 0)
        assert verify(store).problems == []
        with store.writing() as transaction:
            transaction.execute(f"DELETE FROM {LEFT_ALIASES}")
        (problem,) = verify(store).problems
        assert problem.startswith("2 aliases in records have no row in the table of aliases")


# --- what leaves, and when --------------------------------------------------------------------------------------------


def test_nothing_leaves_that_no_seal_is_over(location: str, folder: Path, tmp_path: Path) -> None:
    create_store(location)
    with open_store(location) as store:
        said = "is sealed, and only what a seal is over is archived: 'levelbook checkpoint' makes one"
        with pytest.raises(UsageError, match=said):
            archive_limit(store)
        ingest_events(store, World(1).events(90), tmp_path)
        size = sealed(store)
        ingest_events(store, World(2).events(20), tmp_path, skip_refused=True)
        assert archive_limit(store) == (0, size, size)
        assert archive_limit(store, below=10**9).last == size
        assert archive_limit(store, below=31).last == 30
        assert archive_limit(store, older_than_days=1).last == 0
        assert archive_limit(store, older_than_days=0).last == size
        archived(store, folder, 31)
        assert archive_limit(store, below=5) == (30, size, 30)
        assert archive_limit(store, older_than_days=1).last == 30
        assert rows_to_go(location, 30) == 0 and rows_to_go(location, 31) == 1


def test_what_is_older_is_found_by_when_it_was_recorded(
    location: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_store(location)
    with open_store(location) as store:
        days = ("2022-11-01", "2022-11-02", "2022-11-03")
        backfilled = [
            paid(f"{day}-{number}", f"{day}T10:00:00+08:00", recordedtime=f"{day}T1{number}:00:00+08:00")
            for day in days
            for number in range(5)
        ]
        ingest_events(store, backfilled, tmp_path, backfill=True)
        sealed(store)
        last = next(row[8] for row in contents(store) if row[0] == 7)
        for late, expected in ((0, 7), (-1, 6), (1, 7)):
            monkeypatch.setattr(type(store), "now", lambda _, late=late: last + 30 * MICROS_A_DAY + late)
            assert archive_limit(store, older_than_days=30).last == expected


def test_a_store_of_one_alias_everywhere_is_left_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ledger.db"
    create_store(str(path))
    with open_store(str(path)) as store:
        monkeypatch.setattr(store, "identity", store.identity._replace(version=1))
        with pytest.raises(UsageError, match="one alias at all merchants"):
            archive(store, tmp_path / "records", ArchiveLimit(0, 0, 0))
    assert not (tmp_path / "records").exists()


def test_what_was_free_is_given_back_and_nothing_else_changes(location: str, folder: Path, tmp_path: Path) -> None:
    made(location, tmp_path, 1, 300)
    with open_store(location) as store:
        rows, before = contents(store), store.size_bytes()
        archived(store, folder)
        store.compact()
        assert store.size_bytes() < before
        assert contents(store) == rows and verify(store).problems == []
    with open_store(location) as store:
        assert ingest_events(store, [paid("more")], tmp_path)[0].recorded == 1


@pytest.mark.postgres
def test_every_table_that_rows_went_from_is_written_anew_by_a_server(
    postgres_location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_segments(monkeypatch)
    made(postgres_location, tmp_path, 1, 60)

    def files() -> set[tuple[str, int]]:
        tables = (STILL_HERE, STREAM_CHAINS, BUYERS, LEFT_NAMES)
        return {(table, *next(store._query(f"SELECT pg_relation_filenode('{table}')"))) for table in tables}

    with open_store(postgres_location) as store:
        archived(store, tmp_path / "records")
        before = files()
        store.compact()
        assert before.isdisjoint(files())


def test_drafts_of_a_killed_run_go_and_whole_segments_stay_whoever_names_them(
    location: str, folder: Path, tmp_path: Path
) -> None:
    made(location, tmp_path, 1, 60)
    folder.mkdir()
    with open_store(location) as store:
        mine, other = prefix(store.identity.id), prefix("0" * 32)
        left, unnamed = f".{mine}000000000001-000000000002.00.jsonl.zst.00000000.new", f"{mine}x.jsonl.zst"
        stays = [unnamed, f".{other}x.jsonl.zst.00000000.new", f"{other}x.jsonl.zst", f"{mine}notes.txt"]
        for name in (left, *stays):
            (folder / name).touch()
        assert archived(store, folder).not_named == 1
        found = {path.name for path in folder.iterdir()}
        assert left not in found and {*stays} < found


def test_a_folder_is_needed_where_none_is_beside(postgres_location: str, monkeypatch: pytest.MonkeyPatch) -> None:
    create_store(postgres_location)
    with open_store(postgres_location) as store:
        with pytest.raises(UsageError, match="the records of a PostgreSQL store need a folder"):
            records_place(store, None)
        with pytest.raises(UsageError, match="the folder /nowhere for archived records does not exist"):
            archive(store, Path("/nowhere/records"), ArchiveLimit(0, 0, 0))
        monkeypatch.setenv(RECORDS_VARIABLE, "/there")
        assert records_place(store, None) == Path("/there")


def test_only_the_role_that_made_a_ledger_archives_it_and_others_read_on(
    postgres_location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_segments(monkeypatch)
    made(postgres_location, tmp_path, 1, 60)
    with psycopg.connect(postgres_location, autocommit=True) as owner:
        owner.execute("CREATE ROLE archive_writer LOGIN")
        try:
            owner.execute("GRANT USAGE ON SCHEMA levelbook TO archive_writer")
            owner.execute("GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA levelbook TO archive_writer")
            as_writer = postgres_location.replace("postgres:@", "archive_writer:@")
            assert as_writer != postgres_location
            with (
                open_store(as_writer) as store,
                pytest.raises(StoreError, match="is to be archived for the first time, and this role may not change"),
            ):
                archived(store, tmp_path / "records")
            with open_store(postgres_location) as store:
                rows = contents(store)
                archived(store, tmp_path / "records")
            with open_store(as_writer) as store:
                assert contents(store) == rows
                with pytest.raises(StoreError, match="permission denied"), store.writing() as transaction:
                    transaction.execute("INSERT INTO record_segments SELECT * FROM record_segments")
        finally:
            owner.execute("DROP OWNED BY archive_writer")
            owner.execute("DROP ROLE archive_writer")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["store-2-first", "views-6"])
def test_a_ledger_of_an_earlier_version_is_archived(name: str, location: str, folder: Path, tmp_path: Path) -> None:
    put_back(name, location)
    run("upgrade", "--ledger-only", "--store", location)
    with open_store(location) as store:
        rows = contents(store)
        sealed(store)
        archived(store, folder)
        assert contents(store)[: len(rows)] == rows and verify(store).problems == []
    assert "of this version: nothing to do" in run("upgrade", "--ledger-only", "--store", location)


def test_a_folder_may_be_moved(location: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(location, tmp_path, 1, 100)
    with open_store(location) as store:
        rows = contents(store)
        archived(store, folder)
    folder.rename(tmp_path / "moved")
    with open_store(location) as store, pytest.raises(DamagedError, match=r"is missing.*LEVELBOOK_RECORDS"):
        contents(store)
    monkeypatch.setenv(RECORDS_VARIABLE, str(tmp_path / "moved"))
    with open_store(location) as store:
        assert contents(store) == rows


def test_a_program_that_knows_of_no_segments_refuses_the_store(location: str, folder: Path, tmp_path: Path) -> None:
    """It finds a schema version that it does not read, where it looks first."""
    made(location, tmp_path, 1, 60)
    with open_store(location) as store:
        identity, head = store.identity, store.head()
        archived(store, folder)
        assert list(store._query("SELECT schema_version FROM ledger")) == [(ROWS_LEFT,)]
        if not is_postgres(location):
            assert list(store._query("PRAGMA user_version")) == [(ROWS_LEFT,)]
    with open_store(location) as store:
        assert (store.identity, store.head()) == (identity, head)


# --- what can go wrong ------------------------------------------------------------------------------------------------


def test_a_segment_that_is_lost_or_changed_is_named_by_whoever_reads_it(
    location: str, folder: Path, tmp_path: Path
) -> None:
    made(location, tmp_path, 1, 150)
    with open_store(location) as store:
        archived(store, folder)
        segment = store.record_segments()[1]
        path = Path(store.blocks.file_of(segment, True).shown)
    content = path.read_bytes()
    path.write_bytes(content[:20] + bytes([content[20] ^ 1]) + content[21:])
    with open_store(location) as store:
        (problem, *_) = verify(store).problems
        assert "cannot be read: the file of archived records" in problem and str(path) in problem
    assert path.name in run("verify", "--store", location, status=1)
    path.unlink()
    with open_store(location) as store, pytest.raises(DamagedError, match="is missing"):
        contents(store)
    path.write_bytes(content)
    with open_store(location) as store:
        assert verify(store).problems == []


def test_what_is_read_back_otherwise_than_it_was_written_leaves_nothing(
    location: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(location, tmp_path, 1, 150)
    with open_store(location) as store:
        archived(store, folder, 50)
        whole, read_back = archiving._read_back, []

        def spoil(file: SegmentBytes, *given: Any) -> None:
            draft = Path(file.shown)
            content = draft.read_bytes()
            draft.write_bytes(content[:9] + bytes([content[9] ^ 1]) + content[10:])
            read_back.append(draft)
            whole(file, *given)

        monkeypatch.setattr(archiving, "_read_back", spoil)
        with pytest.raises(DamagedError, match="is not what is read back: nothing of it has left the store"):
            archived(store, folder)
        assert read_back and not any(path.exists() for path in read_back)
        monkeypatch.setattr(archiving, "_read_back", whole)
        assert archived_up_to(store) == 49
        assert rows_to_go(location, EVERYTHING) == sum(row[3] not in STAYING_TYPES for row in contents(store)[49:-1])
        archived(store, folder)
        assert len([*folder.glob("*.zst")]) == len(store.record_segments())
        assert verify(store).problems == []


def test_a_record_that_does_not_fit_its_chain_stays(location: str, folder: Path, tmp_path: Path) -> None:
    made(location, tmp_path, 1, 100)
    lift = "ALTER TABLE records DISABLE TRIGGER ALL" if is_postgres(location) else "DROP TRIGGER records_never_updated"
    with open_store(location) as store:
        with store.writing() as transaction:
            transaction.execute(lift)
            transaction.execute("UPDATE records SET chain = ? WHERE position = 70", (bytes(32),))
        if not is_postgres(location):
            with store.writing() as transaction:
                from replay.schema.triggers import SQLITE_GUARDS

                transaction.execute(SQLITE_GUARDS["records_never_updated"])
        with pytest.raises(DamagedError, match="the ledger at position 70, which does not fit its chain"):
            archived(store, folder)
        assert archived_up_to(store) == 61


def test_one_archives_at_a_time(location: str, folder: Path, tmp_path: Path) -> None:
    made(location, tmp_path, 1, 60)
    folder.mkdir()
    with (
        open_store(location) as store,
        locked(folder / places.LOCK, AssertionError()),
        pytest.raises(StoreError, match="another run archives into"),
    ):
        archived(store, folder)


def test_a_folder_in_a_closed_one_cannot_be_archived_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stat_of(path: Path, **how: Any) -> os.stat_result:
        if path == closed:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return stat(path, **how)

    closed, stat = tmp_path / "closed", os.stat
    place = places.RecordsFolder(closed / "records", None)
    monkeypatch.setattr(os, "stat", stat_of)
    with pytest.raises(StoreError, match=r"cannot be archived into .*/records: Permission denied"), place.alone():
        pass


def test_a_full_disk_is_told(location: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(location, tmp_path, 1, 60)

    def full(_: Path) -> None:
        raise OSError(28, "No space left on device")

    with open_store(location) as store:
        monkeypatch.setattr(places, "sync", full)
        with pytest.raises(StoreError, match=r"the disk of .* is full: what was archived before is whole"):
            archived(store, folder)
        monkeypatch.setattr(places, "sync", lambda _: (_ for _ in ()).throw(OSError(5, "Input/output error")))
        with pytest.raises(StoreError, match=r"records cannot be archived into .*: Input/output error"):
            archived(store, folder)
        assert archived_up_to(store) == 0 and verify(store).problems == []


def test_errors_are_of_the_ledger(location: str, folder: Path, tmp_path: Path) -> None:
    """What cannot be read is refused by a command with its status, and nothing else is said."""
    made(location, tmp_path, 1, 100)
    with open_store(location) as store:
        archived(store, folder)
    for path in folder.glob("*.zst"):
        path.unlink()
    with pytest.raises(LevelbookError), open_store(location) as store:
        contents(store)
    said = run("replay", "merchant/m-1", "--store", location, "--format", "json", status=3)
    assert "the file of archived records" in said
    with pytest.raises(json.JSONDecodeError):
        json.loads(said)


# --- how far it has come ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at_once", [30, 20_000])
def test_how_far_it_has_come_is_told_of_each_phase(
    at_once: int, folder: Path, location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of what this run does alone: the second one has the records behind the first."""
    monkeypatch.setattr(leaving, "AT_ONCE_FROM_ROWS", at_once)
    monkeypatch.setattr(leaving, "ROWS_TOLD", 10)
    made(location, tmp_path)
    told: list[tuple[str, int, int]] = []
    with open_store(location) as store:
        for below in (121, None):
            limit = archive_limit(store, below)
            archive(store, folder, limit, lambda *done: told.append(done))
            phases = {phase: [done for one, done, _ in told if one == phase] for phase, _, _ in told}
            assert [*phases] == ["archiving", "noting where rows stand", "letting rows go"]
            assert {total for _, _, total in told} == {limit.last - limit.before} != {0}
            for done in phases.values():
                assert done == sorted(done) and done[-1] == limit.last - limit.before
            assert len(phases["noting where rows stand"]) > 8 and phases["letting rows go"][0] == 0
            told.clear()
