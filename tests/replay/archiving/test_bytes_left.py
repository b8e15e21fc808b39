"""A ledger that a former program archived is read as ever: the bytes of records went from it, their rows did not."""

from contextlib import closing
from pathlib import Path
from sqlite3 import connect

import psycopg
import pytest

from domain.events import STAYING_TYPES
from replay.errors import DamagedError, StoreError
from replay.integrity.backup import back_up
from replay.integrity.verify import verify
from replay.schema.triggers import REFUSE_BUT_OF_BYTES
from replay.schema.versions import ALIAS_BYTES, ARCHIVED, RECORD_SEGMENTS, ROWS_LEFT
from replay.store.base.store import Store
from replay.store.buyers import KEY_VARIABLE
from replay.store.leaving.segments import archived_up_to
from replay.store.location import is_postgres
from replay.store.opening import create_store, open_store
from tests.conftest import KEY, SOAK, by_turns
from tests.support.archived import (
    answers,
    archived,
    archived_as_bytes,
    contents,
    made,
    rows_to_go,
    sealed,
    small_segments,
)
from tests.support.making import ingest_events, paid
from tests.worlds.ledgers import World


@pytest.fixture
def folder(location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the records of the store go, in small segments."""
    small_segments(monkeypatch)
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    return tmp_path / "ledger.db.records"


def small(
    location: str, folder: Path, tmp_path: Path, below: int | None = None, bytes_below: int | None = None
) -> None:
    """A small ledger that such a program archived."""
    create_store(location)
    with open_store(location) as store:
        ingest_events(store, World(1).events(150), tmp_path)
        sealed(store)
        archived_as_bytes(store, folder, below, bytes_below)


def version(store: Store) -> int:
    ((found,),) = store._query("SELECT schema_version FROM ledger")
    return int(found)


def empty_rows(store: Store) -> int:
    """Of how many rows the bytes of the record have gone."""
    ((count,),) = store._query(f"SELECT count(*) FROM records WHERE length(record) <= {ALIAS_BYTES}")
    return int(count)


@pytest.mark.slow
@pytest.mark.parametrize(("location", "seed"), by_turns(range(2 * SOAK)), indirect=["location"])
def test_it_is_answered_verified_backed_up_and_recorded_into_as_before(
    location: str, folder: Path, seed: int, tmp_path: Path
) -> None:
    world = made(location, tmp_path, seed)
    before = answers(location, tmp_path)
    with open_store(location) as store:
        rows, head = contents(store), store.head()
        archived_as_bytes(store, folder, 200, 150)
        assert (version(store), empty_rows(store), archived_up_to(store)) == (ARCHIVED, 149, 199)
    with open_store(location) as store:
        assert store.left is None and (store.head(), contents(store)) == (head, rows)
        assert store.definition_problems() == store.row_problems() == verify(store).problems == []
        assert back_up(store, tmp_path / "copy.db").problems == []
    with open_store(str(tmp_path / "copy.db")) as copy:
        assert contents(copy) == rows and copy.record_segments() == []
    assert answers(location, tmp_path) == before
    with open_store(location) as store:
        counts, watch = ingest_events(store, World(seed).events(250), tmp_path)
        assert (counts.recorded, counts.known) == (0, 250) and watch.refusals == []
        _, watch = ingest_events(store, [paid("gone", amount=1)], tmp_path)
        assert len(watch.refusals) == 1
        assert ingest_events(store, world.events(30), tmp_path)[0].recorded == 30
        assert contents(store)[: len(rows)] == rows and verify(store).problems == []


@pytest.mark.slow
@pytest.mark.parametrize(("below", "bytes_below"), [(None, None), (130, 100), (130, 1), (62, 62)])
def test_the_next_run_lets_its_rows_leave_and_all_stays_equal(
    below: int | None, bytes_below: int | None, location: str, folder: Path, tmp_path: Path
) -> None:
    """Whether the former run came to its end or was killed once it had written down where records stand."""
    made(location, tmp_path, 3, 200)
    before = answers(location, tmp_path)
    with open_store(location) as store:
        rows = contents(store)
        archived_as_bytes(store, folder, below, bytes_below)
        segments = store.record_segments()
        done = archived(store, folder)
        assert store.record_segments()[: len(segments)] == segments and done.before == segments[-1].last
        assert version(store) == ROWS_LEFT and contents(store) == rows and verify(store).problems == []
        assert empty_rows(store) <= sum(row[3] in STAYING_TYPES for row in rows)
    assert rows_to_go(location, done.position) == 0
    with open_store(location) as store:
        assert contents(store) == rows and store.definition_problems() == store.row_problems() == []
        assert back_up(store, tmp_path / "copy.db").problems == []
        assert ingest_events(store, World(3).events(200), tmp_path)[0].known == 200
    assert answers(location, tmp_path) == before


@pytest.mark.slow
def test_who_had_it_open_is_told_to_start_again(location: str, folder: Path, tmp_path: Path) -> None:
    small(location, folder, tmp_path)
    with open_store(location) as reads, open_store(location) as store:
        rows = contents(reads)
        archived(store, folder)
        with pytest.raises(StoreError, match=r"rows have begun to leave .* since it was opened here"):
            contents(reads)
        assert contents(store) == rows and not reads.is_current()


# --- what stays of a record -------------------------------------------------------------------------------------------


def lift(location: str) -> str:
    """The statement that lets rows be updated."""
    return "ALTER TABLE records DISABLE TRIGGER ALL" if is_postgres(location) else "DROP TRIGGER records_never_updated"


@pytest.mark.parametrize("stays", [b"0" * ALIAS_BYTES, b""])
def test_an_alias_that_stayed_is_held_against_the_record(
    stays: bytes, location: str, folder: Path, tmp_path: Path
) -> None:
    small(location, folder, tmp_path)
    with open_store(location) as store:
        ((payment,),) = store._query("SELECT min(position) FROM records WHERE type = 'order.paid'")
        with store.writing() as transaction:
            transaction.execute(lift(location))
            transaction.execute("UPDATE records SET record = ? WHERE position = ?", (stays, payment))
    said = f"the record at position {payment}, which bears another alias than the store says,"
    with open_store(location) as store:
        with pytest.raises(DamagedError, match=said):
            contents(store)
        assert f"position {payment}: cannot be read: {said}" in verify(store).problems[0]


def test_of_a_record_its_own_alias_stays_and_nothing_else(location: str, folder: Path, tmp_path: Path) -> None:
    small(location, folder, tmp_path, 62, 1)
    with open_store(location) as store:
        types = dict(store._query("SELECT position, type FROM records WHERE position <= 61"))
        payment = min(at for at, of in types.items() if of == "order.paid")
        other = min(at for at, of in types.items() if of != "order.paid")
        ((record,),) = store._query("SELECT record FROM records WHERE position = ?", (payment,))
    for position, stays in ((payment, b""), (payment, b"0" * 16), (other, b"0" * 16), (payment, record[:-1])):
        with (
            open_store(location) as store,
            pytest.raises(StoreError, match="append only: UPDATE is refused"),
            store.writing() as transaction,
        ):
            transaction.execute("UPDATE records SET record = ? WHERE position = ?", (stays, position))
    with open_store(location) as store:
        rows = contents(store)
        archived_as_bytes(store, folder, 62)
        assert empty_rows(store) == 61 and contents(store) == rows and verify(store).problems == []


# --- guards -----------------------------------------------------------------------------------------------------------


def test_of_a_record_nothing_but_its_bytes_may_go_and_only_once(location: str, folder: Path, tmp_path: Path) -> None:
    small(location, folder, tmp_path, 80)
    refused = [
        "UPDATE records SET record = {empty} WHERE position = 80",
        "UPDATE records SET record = {empty} WHERE position = 7",
        "UPDATE records SET chain = {empty} WHERE position = 7",
        "UPDATE records SET stream = 'merchant/other' WHERE position = 7",
        "DELETE FROM records WHERE position = 7",
        "DELETE FROM record_segments",
        "UPDATE record_segments SET file_bytes = 1",
        "UPDATE ledger SET schema_version = 2",
    ]
    empty = "''::bytea" if is_postgres(location) else "x''"
    for sql in refused:
        with (
            open_store(location) as store,
            pytest.raises(StoreError, match=r"refused|append only"),
            store.writing() as transaction,
        ):
            transaction.execute(sql.format(empty=empty))
    with open_store(location) as store:
        assert verify(store).problems == []


def test_its_guards_and_definitions_are_looked_at(location: str, folder: Path, tmp_path: Path) -> None:
    small(location, folder, tmp_path, 80)
    with open_store(location) as store:
        assert store.definition_problems() == store.row_problems() == []
    if is_postgres(location):
        with psycopg.connect(location) as connection:
            connection.execute("ALTER TABLE levelbook.records DISABLE TRIGGER records_never_changed")
            connection.execute(f"DROP TRIGGER {RECORD_SEGMENTS}_never_changed ON levelbook.{RECORD_SEGMENTS}".encode())
        names = [f"{RECORD_SEGMENTS}_never_changed", "records_never_changed"]
    else:
        names = ["records_never_updated", *(f"{RECORD_SEGMENTS}_{what}" for what in ("only_appended", "never_deleted"))]
        with closing(connect(location)) as file:
            for name in names:
                file.execute(f"DROP TRIGGER {name}")
    with open_store(location) as store:
        problems = verify(store).problems
    for name in names:
        assert f"the guard {name} is missing or was changed: records could be changed" in problems
    assert len(problems) == len(names)


def test_a_guard_that_lets_other_bytes_go_is_named(
    postgres_location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_segments(monkeypatch)
    small(postgres_location, tmp_path / "records", tmp_path, 80)
    with psycopg.connect(postgres_location) as connection:
        connection.execute(
            f"CREATE OR REPLACE FUNCTION levelbook.{REFUSE_BUT_OF_BYTES}() RETURNS trigger LANGUAGE plpgsql"
            " AS $$ BEGIN RETURN NEW; END $$".encode()
        )
    with open_store(postgres_location) as store:
        problems = store.definition_problems()
    assert "the guard records_never_changed is missing or was changed: records could be changed" in problems
