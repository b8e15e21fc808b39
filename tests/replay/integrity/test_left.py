"""Notes of where rows stand that left, each changed in turn: verify says so, and a backup brings back what is right."""

from pathlib import Path

import pytest

from replay.integrity.backup import back_up
from replay.integrity.restore import restore
from replay.integrity.verify import verify
from replay.schema.versions import LATER_INDEXES, LEFT_NAMES, LEFT_STREAMS
from replay.store.base import Store
from replay.store.buyers import KEY_VARIABLE
from replay.store.opening import create_store, open_store
from replay.store.queries import plain_rows
from tests.conftest import KEY
from tests.support.archived import archived, sealed, small_segments
from tests.support.making import ingest_events
from tests.worlds.ledgers import World

PLACES = f"{LEFT_STREAMS} gives other places of records that left than their segments"
NAMES = f"{LEFT_NAMES} gives other places of names and refs than the records"
TIMES = f"{LEFT_STREAMS} does not say of "


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "Store":
    """A store from which the rows of a random world have left, but for the last ones, without its guards."""
    small_segments(monkeypatch)
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    location = str(tmp_path / "ledger.db")
    create_store(location)
    with open_store(location) as made:
        ingest_events(made, World(3).events(300), tmp_path)
        sealed(made)
        archived(made, tmp_path / "records", 251)
        with made.writing() as transaction:
            for guard in ("updated", "deleted"):
                transaction.execute(f"DROP TRIGGER {LEFT_STREAMS}_never_{guard}")
    return open_store(location)


def changed(store: Store, sql: str) -> list[str]:
    """What is found once a statement was carried out, guards that are missing left out."""
    with store.writing() as transaction:
        transaction.execute(sql)
    return [problem for problem in verify(store).problems if not problem.startswith("the guard left_streams_never_")]


def test_notes_that_are_right_are_found_right(store: Store) -> None:
    with store:
        assert changed(store, "SELECT 1") == []


LONGEST = f"(SELECT stream FROM {LEFT_STREAMS} ORDER BY length(places) DESC LIMIT 1)"
OTHER_TYPE = "CAST(substr(places, 1, length(places) - 1) || x'09' AS BLOB)"
FULLEST = f"(SELECT bucket FROM {LEFT_NAMES} ORDER BY length(entries) DESC LIMIT 1)"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (f"DELETE FROM {LEFT_STREAMS} WHERE stream = {LONGEST}", TIMES),
        (f"UPDATE {LEFT_STREAMS} SET first_time = first_time + 1", TIMES),
        (f"UPDATE {LEFT_STREAMS} SET last_time = last_time - 1", TIMES),
        (f"UPDATE {LEFT_STREAMS} SET first_version = first_version + 1 WHERE stream = {LONGEST}", PLACES),
        (f"UPDATE {LEFT_STREAMS} SET last_position = last_position - 1 WHERE stream = {LONGEST}", PLACES),
        (f"UPDATE {LEFT_STREAMS} SET first_position = first_position + 1 WHERE stream = {LONGEST}", PLACES),
        (f"UPDATE {LEFT_STREAMS} SET places = {OTHER_TYPE} WHERE stream = {LONGEST}", PLACES),
        (f"UPDATE {LEFT_STREAMS} SET places = x'00'", "the table of places, in a row of the records from position"),
        (f"DELETE FROM {LEFT_NAMES} WHERE bucket = {FULLEST}", NAMES),
        (f"UPDATE {LEFT_NAMES} SET bucket = 262143 WHERE bucket = {FULLEST}", NAMES),
        (f"UPDATE {LEFT_NAMES} SET entries = substr(entries, 11) WHERE bucket = {FULLEST}", NAMES),
    ],
)
def test_notes_that_are_wrong_are_named_and_a_backup_has_what_is_right(
    store: Store, tmp_path: Path, change: str, said: str
) -> None:
    with store:
        rows = list(plain_rows(store, 0, store.head().position))
        problems = changed(store, change)
        assert problems, change
        assert said in problems[0]
        back_up(store, tmp_path / "backup.db")
    restore(tmp_path / "backup.db", str(tmp_path / "again.db"))
    with open_store(str(tmp_path / "again.db")) as again:
        assert list(plain_rows(again, 0, again.head().position)) == rows and verify(again).problems == []


RETRACTED = "type = 'event.retracted'"
BOUND = "type IN ('creator.bound', 'creator.unbound')"
ONE = f"(SELECT min(position) FROM records WHERE {BOUND})"
PUT_IN = (
    "INSERT INTO records SELECT {}, stream, 999, type, source, event_id || 1, ref, occurred_at, recorded_at,"
    f" content_hash, chain, record FROM records WHERE position = {ONE}"
)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            f"DELETE FROM records WHERE {RETRACTED} AND position < 251",
            "the row of event.retracted, which stays, is missing",
        ),
        (f"DELETE FROM records WHERE position = {ONE}", "which stays, is missing"),
        (f"UPDATE records SET ref = 'c-other' WHERE position = {ONE}", "is not what the record of creator."),
        (
            f"UPDATE records SET recorded_at = recorded_at + 1 WHERE position = {ONE}",
            "is not what the record of creator.",
        ),
        (
            f"UPDATE records SET record = CAST(record || x'20' AS BLOB) WHERE position = {ONE}",
            "is not what the record of",
        ),
        (PUT_IN.format(7), "a row at position 7 is not what the record of"),
        (PUT_IN.format(-7), "a row at position -7 is not what the record of"),
    ],
)
def test_rows_that_stay_are_held_against_their_records(store: Store, change: str, said: str) -> None:
    with store:
        with store.writing() as transaction:
            for guard in ("only_appended", "never_updated", "never_deleted"):
                transaction.execute(f"DROP TRIGGER records_{guard}")
            transaction.execute("PRAGMA ignore_check_constraints = ON")
        with store.writing() as transaction:
            positions = {at for (at,) in transaction.execute("SELECT position FROM records")}
            assert 7 not in positions and transaction.execute(f"SELECT {ONE}") != [(None,)]
        problems = changed(store, change)
        assert said in problems[0], problems


def test_a_store_that_lacked_later_indexes_is_sound_once_rows_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_segments(monkeypatch)
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    location = str(tmp_path / "ledger.db")
    create_store(location)
    with open_store(location) as made:
        ingest_events(made, World(3).events(100), tmp_path)
        sealed(made)
        with made.writing() as transaction:
            for name in LATER_INDEXES:
                transaction.execute(f"DROP INDEX {name}")
        archived(made, tmp_path / "records")
        made.index_later()
    with open_store(location) as made:
        assert all(made.has_index(name) for name in LATER_INDEXES)
        assert verify(made).problems == []
