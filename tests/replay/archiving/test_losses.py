"""What must never lose a record: copies in one folder, disks that are not there, power cuts, runs beside each other."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from random import Random
from threading import Condition, local
from typing import Any

import psycopg
import pytest
from psycopg import sql as pgsql

from domain.events import STAYING_TYPES
from projections.reading.lending import Lending
from replay.archiving import archive as archiving
from replay.archiving import places
from replay.archiving.archive import archive, records_place
from replay.archiving.limit import archive_limit
from replay.blocks.form import packed
from replay.errors import DamagedError, StoreError
from replay.integrity.backup import back_up
from replay.integrity.restore import restore
from replay.integrity.verify import verify
from replay.schema.versions import STILL_HERE
from replay.store.base.store import RECORDS_VARIABLE, Store
from replay.store.beside import sync
from replay.store.buyers import KEY_VARIABLE
from replay.store.leaving import rows as leaving
from replay.store.leaving.segments import add_segment, archived_up_to
from replay.store.location import is_postgres
from replay.store.opening import create_store, open_store
from replay.store.queries import plain_rows
from replay.store.reading.asked import marks
from tests.conftest import KEY, SOAK, by_turns
from tests.support.archived import archived, sealed, small_segments
from tests.support.making import ingest_events, paid
from tests.support.running import run
from tests.worlds.ledgers import World


@pytest.fixture
def folder(location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the records of a sealed store go, in small segments."""
    small_segments(monkeypatch)
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    create_store(location)
    with open_store(location) as store:
        ingest_events(store, World(1).events(150), tmp_path)
        sealed(store)
    return tmp_path / "ledger.db.records"


def rows_of_all(store: Store) -> list[tuple[Any, ...]]:
    return list(plain_rows(store, 0, store.head().position))


# --- copies of a ledger that share a folder ---------------------------------------------------------------------------


def test_a_copy_that_archives_into_the_same_folder_takes_nothing_from_the_other(
    location: str, folder: Path, tmp_path: Path
) -> None:
    """A clone for trials, or a dump of yesterday brought back: it names fewer segments, and those are not to go."""
    copy = str(tmp_path / "copy.db")
    with open_store(location) as store:
        back_up(store, tmp_path / "backup.db")
        restore(tmp_path / "backup.db", copy)
        rows = rows_of_all(store)
        archived(store, folder)
        files = {path.name for path in folder.glob("*.zst")}
    with open_store(copy) as store:
        done = archived(store, folder, 31)
        assert rows_of_all(store) == rows
    assert files < {path.name for path in folder.glob("*.zst")}
    with open_store(location) as store:
        assert rows_of_all(store) == rows and verify(store).problems == []
    assert done.not_named == len(files)
    said = run("archive", "--below", "40", "--into", str(folder), "--store", copy)
    assert f"that this store does not name: {len(files)}" in said


def test_a_file_that_another_copy_reads_is_replaced_by_nothing_unread(
    location: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = str(tmp_path / "copy.db")
    with open_store(location) as store:
        back_up(store, tmp_path / "backup.db")
        restore(tmp_path / "backup.db", copy)
        rows = rows_of_all(store)
        archived(store, folder)

    def cut(*given: Any) -> Any:
        segment, pieces = packed(*given)
        return segment, [b"x" * len(pieces[0]), *pieces[1:]]

    monkeypatch.setattr(archiving, "packed", cut)
    with open_store(copy) as store:
        with pytest.raises(DamagedError, match=r"what was written into .* is not what is read back"):
            archived(store, folder)
        assert archived_up_to(store) == 0 and rows_of_all(store) == rows
    with open_store(location) as store:
        assert rows_of_all(store) == rows


# --- folders ----------------------------------------------------------------------------------------------------------


def test_the_folder_itself_is_on_the_disk_before_any_byte_goes(
    location: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = list[object]()

    def synced(path: Path) -> None:
        sync(path)
        done.append(path)

    def written_down(*given: Any) -> None:
        add_segment(*given)
        done.append("written down")

    monkeypatch.setattr(places, "sync", synced)
    monkeypatch.setattr(archiving, "add_segment", written_down)
    with open_store(location) as store:
        archived(store, folder, 40)
    assert done == [folder.parent, folder, "written down"]


def test_nothing_more_is_archived_where_earlier_segments_are_not_found(location: str, folder: Path) -> None:
    """As where a disk is not mounted: what goes into the empty folder would be hidden once it is."""
    with open_store(location) as store:
        rows = rows_of_all(store)
        archived(store, folder, 70)
        folder.rename(folder.with_name("away"))
        with pytest.raises(DamagedError, match="is missing"):
            archived(store, folder)
        assert archived_up_to(store) == 69 and not list(folder.glob("*.zst"))
        (folder / places.LOCK).unlink()
        folder.rmdir()
        folder.with_name("away").rename(folder)
        archived(store, folder)
        assert rows_of_all(store) == rows


def test_segments_in_several_folders_are_read_wherever_the_variable_points(
    location: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_store(location) as store:
        rows = rows_of_all(store)
        archived(store, folder, 70)
        monkeypatch.setenv(RECORDS_VARIABLE, str(tmp_path / "named"))
        archive(store, tmp_path / "other", archive_limit(store, 140))
        archive(store, records_place(store, None), archive_limit(store))
    assert all(list(place.glob("*.zst")) for place in (folder, tmp_path / "other", tmp_path / "named"))
    for named in (str(tmp_path / "named"), str(tmp_path / "nowhere"), ""):
        monkeypatch.setenv(RECORDS_VARIABLE, named)
        with open_store(location) as store:
            assert rows_of_all(store) == rows
    monkeypatch.delenv(RECORDS_VARIABLE)
    with open_store(location) as store:
        assert rows_of_all(store) == rows and verify(store).problems == []


def test_a_store_moves_with_the_folder_beside_it_however_that_was_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_segments(monkeypatch)
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    create_store(str(here / "ledger.db"))
    monkeypatch.chdir(here)
    with open_store("ledger.db") as store:
        ingest_events(store, [paid(str(number)) for number in range(90)], tmp_path)
        sealed(store)
        rows = rows_of_all(store)
        archive(store, Path("ledger.db.records"), archive_limit(store, 40))
        monkeypatch.setenv(RECORDS_VARIABLE, "ledger.db.records")
        archive(store, records_place(store, None), archive_limit(store))
    monkeypatch.delenv(RECORDS_VARIABLE)
    here.rename(there)
    with open_store(str(there / "ledger.db")) as store:
        assert rows_of_all(store) == rows


@pytest.mark.parametrize("step", ["let_rows_go", "_go"])
def test_no_row_goes_whose_record_its_segment_has_lost_since_a_run_was_killed(
    step: str, location: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of records that an earlier run wrote down, the row is all that there is where their disk has lost them."""
    with open_store(location) as store:
        rows = rows_of_all(store)
        with monkeypatch.context() as patch:
            patch.setattr(archiving if step == "let_rows_go" else leaving, step, lambda *_: None)
            archived(store, folder, 100)
        segment = store.record_segments()[1]
    path = folder / segment.file_name(store.identity.id)
    content = path.read_bytes()
    path.write_bytes(content[:20] + bytes([content[20] ^ 1]) + content[21:])
    with open_store(location) as store:
        for _ in range(2):
            with pytest.raises(DamagedError, match="was changed: the SHA-256 of its block 0"):
                archived(store, folder)
        ((here,),) = store._query("SELECT count(*) FROM records WHERE position <= 99 AND length(record) > 16")
        assert here == 99
    path.write_bytes(content)
    with open_store(location) as store:
        archived(store, folder)
        assert rows_of_all(store) == rows and verify(store).problems == []


def test_no_row_goes_that_holds_another_record_than_its_segment(
    location: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_store(location) as store:
        with monkeypatch.context() as patch:
            patch.setattr(archiving, "let_rows_go", lambda *_: None)
            archived(store, folder, 100)
        sql = f"SELECT min(position) FROM records WHERE type NOT IN ({marks(STAYING_TYPES)})"
        ((position,),) = store._query(sql, sorted(STAYING_TYPES))
        disable = f"ALTER TABLE {STILL_HERE} DISABLE TRIGGER ALL"
        with store.writing() as transaction:
            transaction.execute(disable if is_postgres(location) else "DROP TRIGGER records_never_updated")
            change = "UPDATE records SET record = ? WHERE position = ?"
            transaction.execute(change, (b"what nobody recorded here", position))
        with pytest.raises(DamagedError, match=f"holds another record for position {position}: these records"):
            archived(store, folder)
        assert store.left is not None and store.left.up_to() == 0


# --- runs beside one another ------------------------------------------------------------------------------------------


def test_of_two_runs_into_two_folders_one_ends_and_says_why(
    location: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_down = archiving._write_down
    said = r"another run archives .*: of what this one made nothing more counts"

    def later(store: Store, segment: Any) -> None:
        monkeypatch.setattr(archiving, "_write_down", write_down)
        with open_store(location) as other:
            archived(other, tmp_path / "other", 31)
        write_down(store, segment)

    monkeypatch.setattr(archiving, "_write_down", later)
    with open_store(location) as store:
        rows = rows_of_all(store)
        with pytest.raises(StoreError, match=said):
            archived(store, folder)
        assert [(found.first, found.last) for found in store.record_segments()] == [(1, 30)]
        archived(store, folder)
        assert rows_of_all(store) == rows and verify(store).problems == []


class Turns:
    """Lets one of several threads work at a time, and at each transaction that one begins, chooses who goes on."""

    def __init__(self, random: Random, count: int) -> None:
        self._random, self._at_work = random, set(range(count))
        self._turn, self._changed = 0, Condition()
        self.mine = local()

    def work(self, me: int, work: Callable[[], None]) -> None:
        """Work as one of them."""
        self.mine.number = me
        with self._changed:
            self._changed.wait_for(lambda: self._turn == me)
        try:
            work()
        finally:
            with self._changed:
                self._at_work.discard(me)
                self._choose()

    def pass_on(self) -> None:
        """Let somebody else go on, perhaps, and wait for the next turn."""
        me = getattr(self.mine, "number", None)
        if me is None:
            return
        with self._changed:
            self._choose()
            assert self._changed.wait_for(lambda: self._turn == me, timeout=60)

    def _choose(self) -> None:
        if self._at_work:
            self._turn = self._random.choice(sorted(self._at_work))
            self._changed.notify_all()


@pytest.mark.slow
@pytest.mark.parametrize(("location", "seed"), by_turns(range(16 * SOAK)), indirect=["location"])
def test_runs_beside_one_another_note_and_lose_nothing_twice(
    seed: int, location: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each into a folder of its own, up to positions of their own, their transactions in any order."""
    random = Random(seed)
    with open_store(location) as store:
        before, size = rows_of_all(store), archive_limit(store).sealed
        if seed % 4:
            archived(store, folder, random.randrange(10, 40))
    turns, ended = Turns(random, 2 + seed % 2), list[str]()
    whole = type(store).writing

    def by_turn(store: Store) -> Any:
        turns.pass_on()
        return whole(store)

    def run_of(number: int, below: int) -> None:
        try:
            with open_store(location) as store:
                archived(store, tmp_path / f"of-{number}", below)
            ended.append("well")
        except StoreError as error:
            ended.append(str(error))

    monkeypatch.setattr(type(store), "writing", by_turn)
    with ThreadPoolExecutor() as threads:
        limits = [random.randrange(41, size + 2) for _ in range(2 + seed % 2)]
        for done in [threads.submit(turns.work, at, partial(run_of, at, below)) for at, below in enumerate(limits)]:
            done.result()
    assert all(re.search(f"well|{BESIDE}", how) for how in ended) and "well" in ended, ended
    with open_store(location) as store:
        assert rows_of_all(store) == before and verify(store).problems == [], ended
        archived(store, folder)
        assert rows_of_all(store) == before and verify(store).problems == [], ended


BESIDE = "another run archives .* of what this one made nothing more counts|since it was opened here"
"""What a run is told that another one went beside."""


# --- a service, and roles ---------------------------------------------------------------------------------------------


def open_segments() -> set[str]:
    """The segments that this process has open."""
    found = set()
    for handle in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            found.add(str(handle.readlink()))
    return {name for name in found if name.endswith(".zst")}


def test_a_store_that_lies_idle_holds_no_segment_open(location: str, folder: Path) -> None:
    with open_store(location) as store:
        archived(store, folder)
    lending = Lending(location)
    with closing(lending):
        for _ in range(2):
            with lending.lent() as store:
                assert rows_of_all(store) and open_segments()
            assert not open_segments()
    with open_store(location) as store:
        assert rows_of_all(store) and open_segments()
    assert not open_segments()


def test_who_owns_a_ledger_archives_it_without_being_superuser(
    postgres_location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_segments(monkeypatch)
    role = "archive_owner"
    with psycopg.connect(postgres_location, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {role} LOGIN NOSUPERUSER".encode())
        database = pgsql.Identifier(admin.info.dbname)
        admin.execute(pgsql.SQL("GRANT CREATE ON DATABASE {} TO {}").format(database, pgsql.Identifier(role)))
        try:
            location = postgres_location.replace("postgres:@", f"{role}:@")
            create_store(location)
            with open_store(location) as store:
                ingest_events(store, World(1).events(80), tmp_path)
                sealed(store)
                rows = rows_of_all(store)
                archived(store, tmp_path / "records", 50)
                archived(store, tmp_path / "records")
                store.compact()
                assert rows_of_all(store) == rows and verify(store).problems == []
        finally:
            admin.execute(f"DROP OWNED BY {role}".encode())
            admin.execute(f"DROP ROLE {role}".encode())


def test_a_writer_that_is_made_after_archiving_recognises_what_left(
    postgres_location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_segments(monkeypatch)
    create_store(postgres_location)
    events = [paid(str(number)) for number in range(5)]
    with open_store(postgres_location) as store:
        ingest_events(store, events, tmp_path)
        sealed(store)
        archived(store, tmp_path / "records")
    role = "archive_later"
    printed = run("grants", "--writer", role).replace("-- GRANT", "GRANT")
    with psycopg.connect(postgres_location, autocommit=True) as owner:
        owner.execute(f"CREATE ROLE {role} LOGIN".encode())
        try:
            for line in printed.splitlines():
                if not line.startswith("--") and " levelbook.records " not in line:
                    owner.execute(line.encode())
            with open_store(postgres_location.replace("postgres:@", f"{role}:@")) as store:
                counts, _ = ingest_events(store, [*events, paid("new")], tmp_path)
                assert (counts.known, counts.recorded) == (5, 1)
        finally:
            owner.execute(f"DROP OWNED BY {role}".encode())
            owner.execute(f"DROP ROLE {role}".encode())
