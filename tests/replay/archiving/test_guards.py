"""The database itself refuses to change or lose what it holds of a ledger from which rows have left."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from domain.events import STAYING_TYPES
from replay.archiving import archive as archiving
from replay.archiving.archive import archive
from replay.archiving.limit import ArchiveLimit
from replay.errors import StoreError
from replay.integrity.verify import verify
from replay.schema.left import (
    GUARD_OF_CHAINS,
    POSTGRES_GUARDS_OF_LEFT,
    REFUSE_BUT_CHAINS_OF_LEFT,
    REFUSE_BUT_OF_LEFT,
    SQLITE_GUARDS_OF_LEFT,
)
from replay.schema.triggers import (
    GUARD_OF_RECORDS,
    POSTGRES_GUARDS_OF_ARCHIVED,
    SQLITE_GUARDS_OF_ARCHIVED,
)
from replay.schema.versions import LEFT_LINKS, LEFT_STREAMS, RECORD_SEGMENTS, STILL_HERE, STREAM_CHAINS
from replay.store.base.store import Store
from replay.store.buyers import KEY_VARIABLE
from replay.store.key_chains import stream_chain_rows
from replay.store.leaving import rows as leaving
from replay.store.leaving.segments import archived_up_to
from replay.store.location import is_postgres
from replay.store.opening import create_store, open_store
from tests.conftest import KEY
from tests.support.archived import archived, contents, sealed, small_segments
from tests.support.making import ingest_events, paid
from tests.worlds.ledgers import World

UP_TO = 79
"""Rows have left up to here."""
WRITTEN_DOWN = 99
"""Records stand in segments up to here."""
STAYING = ", ".join(f"'{name}'" for name in sorted(STAYING_TYPES))
OTHER_NOTE = f"INSERT INTO {LEFT_STREAMS} SELECT 'm', last, 1, 1, 1, 0, 0, 1, places, chain FROM {LEFT_STREAMS} LIMIT 1"
REFUSED = r"refused|append only|rows leave in their order and into segments: this position does not follow"


@pytest.fixture
def store(location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A store from which rows have left, and of which some more records stand in segments."""
    small_segments(monkeypatch)
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    create_store(location)
    with open_store(location) as opened:
        ingest_events(opened, [*World(1).events(150), paid("last")], tmp_path)
        sealed(opened)
        archived(opened, tmp_path / "records", UP_TO + 1)
        with monkeypatch.context() as patch:
            patch.setattr(archiving, "let_rows_go", lambda *_: None)
            archived(opened, tmp_path / "records", WRITTEN_DOWN + 1)
        ingest_events(opened, [paid("behind")], tmp_path)
        assert positions(opened, f"type NOT IN ({STAYING})")[-1] == opened.head().position
        yield opened


def refuse(store: Store, sql: str) -> None:
    """A statement is refused, and leaves everything as it is."""
    rows = contents(store)
    with pytest.raises(StoreError, match=REFUSED), store.writing() as transaction:
        transaction.execute(sql)
    assert contents(store) == rows, sql


def positions(store: Store, condition: str) -> list[int]:
    return [int(at) for (at,) in store._query(f"SELECT position FROM records WHERE {condition} ORDER BY position")]


def test_a_row_may_go_once_it_has_left_and_never_before(store: Store) -> None:
    ((up_to, head),) = store._query(
        f"SELECT (SELECT max(position) FROM {LEFT_LINKS}), (SELECT max(position) FROM records)"
    )
    assert up_to == UP_TO
    not_left = positions(store, f"position > {UP_TO} AND position <= {WRITTEN_DOWN}")
    assert len(not_left) == WRITTEN_DOWN - UP_TO
    for position in (*not_left, WRITTEN_DOWN + 1, head):
        refuse(store, f"DELETE FROM records WHERE position = {position}")
    refuse(store, "DELETE FROM records")
    assert verify(store).problems == []


def test_a_row_of_a_type_that_stays_never_goes(store: Store) -> None:
    stay = positions(store, f"position <= {UP_TO}")
    types = dict(store._query("SELECT position, type FROM records"))
    assert len(stay) > 9 and {types[position] for position in stay} <= STAYING_TYPES
    for position in stay:
        refuse(store, f"DELETE FROM records WHERE position = {position}")
    refuse(store, f"DELETE FROM records WHERE position <= {UP_TO}")


def test_no_row_is_ever_updated(store: Store) -> None:
    stays, here = positions(store, f"position <= {UP_TO}")[0], UP_TO + 1
    empty = "''::bytea" if is_postgres(store.location) else "x''"
    for column in ("record", "chain", "stream", "position", "type", "ref"):
        value = {"position": "10000", "record": empty, "chain": empty}.get(column, "'order.received'")
        for position in (stays, here):
            refuse(store, f"UPDATE records SET {column} = {value} WHERE position = {position}")


def test_what_is_noted_of_rows_that_left_is_kept(store: Store) -> None:
    refused = [
        f"DELETE FROM {LEFT_LINKS}",
        f"UPDATE {LEFT_LINKS} SET position = position + 1",
        f"DELETE FROM {RECORD_SEGMENTS}",
        f"UPDATE {RECORD_SEGMENTS} SET file_bytes = 1",
        "UPDATE ledger SET schema_version = 2",
        "DELETE FROM ledger",
        f"UPDATE {LEFT_STREAMS} SET first_version = first_version + 1",
        f"DELETE FROM {LEFT_STREAMS}",
        f"DELETE FROM {LEFT_STREAMS} WHERE last = {UP_TO}",
        f"UPDATE {LEFT_STREAMS} SET chain = chain",
        OTHER_NOTE,
    ]
    link = f"INSERT INTO {LEFT_LINKS} SELECT {{}}, chain FROM {LEFT_LINKS} WHERE position = {UP_TO}"
    of_sqlite = [
        f"INSERT OR REPLACE INTO {LEFT_STREAMS} SELECT * FROM {LEFT_STREAMS} LIMIT 1",
        link.format(UP_TO - 1),
        link.format(WRITTEN_DOWN + 1),
        link.format(UP_TO).replace("INSERT", "INSERT OR REPLACE"),
        f"INSERT OR REPLACE INTO {RECORD_SEGMENTS} SELECT * FROM {RECORD_SEGMENTS}",
    ]
    of_postgres = [
        f"TRUNCATE {name}{more}"
        for name in (LEFT_LINKS, LEFT_STREAMS, RECORD_SEGMENTS, "records")
        for more in ("", " CASCADE")
    ]
    for sql in refused + (of_postgres if is_postgres(store.location) else of_sqlite):
        refuse(store, sql)
    assert verify(store).problems == []


def test_chains_may_go_once_all_records_of_a_row_have_left_and_never_before(
    location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_segments(monkeypatch)
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    create_store(location)
    with open_store(location) as store:
        ingest_events(store, World(1).events(70), tmp_path)
        sealed(store)
        with monkeypatch.context() as patch:
            patch.setattr(leaving, "_let_chains_go", lambda *_: None)
            archived(store, tmp_path / "records", 40)
        rows = list(stream_chain_rows(store, 1))
        assert [at for at, _ in rows[:7]] == [1, 8, 15, 22, 29, 36, 43]  # rows have left up to 39
        for refused in ("", "WHERE position = 36", "WHERE position = 43", "WHERE position > 1"):
            refuse(store, f"DELETE FROM {STREAM_CHAINS} {refused}")
        for refused in ("position = position + 1000", "chains = chains"):
            refuse(store, f"UPDATE {STREAM_CHAINS} SET {refused} WHERE position < 36")
        if not is_postgres(location):
            for position in (1, rows[-1][0], rows[-1][0] + 99):
                values = "zeroblob(32) AS chains"
                refuse(store, f"INSERT OR REPLACE INTO {STREAM_CHAINS} SELECT {position} AS position, {values}")
        with store.writing() as transaction:
            transaction.execute(f"DELETE FROM {STREAM_CHAINS} WHERE position = 8")
        assert list(stream_chain_rows(store, 1)) == [row for row in rows if row[0] != 8]
        assert verify(store).problems == []
        archived(store, tmp_path / "records", 40)
        assert list(stream_chain_rows(store, 1)) == rows[5:]


def test_the_last_row_of_a_ledger_stays_for_the_next_to_follow(store: Store, tmp_path: Path) -> None:
    head = store.head()
    archive(store, tmp_path / "records", ArchiveLimit(WRITTEN_DOWN, head.position, head.position))
    assert archived_up_to(store) == head.position and store.head() == head
    assert positions(store, f"type NOT IN ({STAYING})") == [head.position]
    refuse(store, f"DELETE FROM records WHERE position = {head.position}")
    if not is_postgres(store.location):
        refuse(store, f"INSERT INTO {LEFT_LINKS} SELECT position, chain FROM records")
    assert ingest_events(store, [paid("more")], tmp_path)[0].recorded == 1
    assert verify(store).problems == []


# --- guards that were changed -----------------------------------------------------------------------------------------

OF_SQLITE = {**SQLITE_GUARDS_OF_ARCHIVED, **SQLITE_GUARDS_OF_LEFT}
OF_POSTGRES = {
    **POSTGRES_GUARDS_OF_ARCHIVED,
    **POSTGRES_GUARDS_OF_LEFT,
    GUARD_OF_RECORDS: (STILL_HERE, "UPDATE OR DELETE", "ROW"),
    GUARD_OF_CHAINS: (STREAM_CHAINS, "UPDATE OR DELETE", "ROW"),
    "records_never_truncated": (STILL_HERE, "TRUNCATE", "STATEMENT"),
}


def named(location: str) -> list[str]:
    """The guards that a check of the whole store names."""
    with open_store(location) as store:
        found = store.definition_problems()
        assert verify(store).problems == found
    return sorted(line.split(" ")[2] for line in found if "missing or was changed: records could be changed" in line)


def test_each_guard_that_is_missing_is_named(store: Store) -> None:
    assert store.definition_problems() == store.row_problems() == []
    for_all = list(OF_POSTGRES if is_postgres(store.location) else OF_SQLITE)
    assert len(for_all) > 6
    if is_postgres(store.location):
        with psycopg.connect(store.location) as connection:
            for name, (table, _, _) in OF_POSTGRES.items():
                connection.execute(f"DROP TRIGGER {name} ON levelbook.{table}".encode())
    else:
        with closing(sqlite3.connect(store.location)) as file:
            for name in OF_SQLITE:
                file.execute(f"DROP TRIGGER {name}")
    assert named(store.location) == sorted(for_all)


def test_each_guard_that_was_changed_is_named(store: Store) -> None:
    if is_postgres(store.location):
        with psycopg.connect(store.location) as connection:
            for name, (table, _, _) in OF_POSTGRES.items():
                connection.execute(f"ALTER TABLE levelbook.{table} DISABLE TRIGGER {name}".encode())
        assert named(store.location) == sorted(OF_POSTGRES)
        return
    with closing(sqlite3.connect(store.location)) as file:
        for name, made in OF_SQLITE.items():
            file.execute(f"DROP TRIGGER {name}")
            file.execute(made.replace(f"{name} BEFORE", f"{name} AFTER"))
    assert named(store.location) == sorted(OF_SQLITE)


@pytest.mark.parametrize(
    ("function", "guard"),
    [(REFUSE_BUT_OF_LEFT, GUARD_OF_RECORDS), (REFUSE_BUT_CHAINS_OF_LEFT, GUARD_OF_CHAINS)],
)
def test_a_guard_that_lets_other_rows_go_is_named(
    function: str, guard: str, postgres_location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_segments(monkeypatch)
    create_store(postgres_location)
    with open_store(postgres_location) as store:
        ingest_events(store, World(1).events(90), tmp_path)
        sealed(store)
        archived(store, tmp_path / "records", 80)
    with psycopg.connect(postgres_location) as connection:
        connection.execute(
            f"CREATE OR REPLACE FUNCTION levelbook.{function}() RETURNS trigger LANGUAGE plpgsql"
            " AS $$ BEGIN RETURN OLD; END $$".encode()
        )
    assert named(postgres_location) == [guard]
